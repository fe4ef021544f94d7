"""The processors of this machine: threads, for what is heavy here leaves Python's lock alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from infer._engines._window import in_order
from infer._errors import EngineUnavailableError
from infer._runtimes._blocks import threads

Piece = TypeVar("Piece")
Result = TypeVar("Result")


class LocalEngine:
    """See ``infer._engines.Engine``."""

    here = True

    def __init__(self, workers: int) -> None:
        """Use so many threads."""
        self.workers = workers

    def map(
        self,
        function: Callable[[Piece], Result],
        pieces: Iterable[Piece],
        stop: Callable[[], None] = lambda: None,
    ) -> Iterator[tuple[Piece, Result]]:
        """See ``Engine.map``; the order is the pieces'."""
        return in_order(lambda piece: (piece, function(piece)), pieces, self.workers, stop)


def load(address: str | None = None) -> LocalEngine:
    """Return an engine with a thread for each processor; see ``infer._engines``."""
    if address is not None:
        raise EngineUnavailableError(
            "engine 'local' runs on this machine and joins no cluster; type: --engine ray"
        )
    return LocalEngine(threads())

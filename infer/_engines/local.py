"""The processors of this machine: threads, or processes for what holds Python's lock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TypeVar

from infer._engines import Engine
from infer._engines._window import in_order, with_piece
from infer._errors import EngineUnavailableError
from infer._runtimes._blocks import threads

Piece = TypeVar("Piece")
Result = TypeVar("Result")


class LocalEngine:
    """Threads, see ``infer._engines.Engine``."""

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
        return in_order(partial(with_piece, function), pieces, self.workers, stop)


def load(address: str | None = None, *, holds_lock: bool = False) -> Engine:
    """Return an engine with a worker for each processor; see ``infer._engines``."""
    if address is not None:
        raise EngineUnavailableError(
            "engine 'local' runs on this machine and joins no cluster; type: --engine ray"
        )
    if not holds_lock:
        return LocalEngine(threads())
    from infer._engines._processes import ProcessEngine

    return ProcessEngine(threads())

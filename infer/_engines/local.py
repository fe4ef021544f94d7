"""The processors of this machine: threads, or processes for what holds Python's lock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from infer._engines._registry import Engine, Piece, Result
from infer._engines._window import in_order
from infer._errors import EngineUnavailableError
from infer._runtimes._threads import threads


class LocalEngine:
    """Threads or processes, see ``infer._engines._registry.Engine``."""

    def __init__(self, workers: int, *, processes: bool = False) -> None:
        """Use so many threads, or processes."""
        self.workers = workers
        self.here = not processes

    def map(
        self,
        function: Callable[[Piece], Result],
        pieces: Iterable[Piece],
        stop: Callable[[], None] = lambda: None,
    ) -> Iterator[tuple[Piece, Result]]:
        """See ``Engine.map``; the order is the pieces'."""
        work = partial(_with_piece, function)
        if self.here:
            return in_order(work, pieces, self.workers, stop)
        from infer._engines._processes import in_processes

        return in_processes(work, pieces, self.workers, stop)


def _with_piece(function: Callable[[Piece], Result], piece: Piece) -> tuple[Piece, Result]:
    return piece, function(piece)


def load(address: str | None = None, *, holds_lock: bool = False) -> Engine:
    """Return an engine with a worker for each processor; see ``infer._engines``."""
    if address is not None:
        raise EngineUnavailableError(
            "engine 'local' runs on this machine and joins no cluster; type: --engine ray"
        )
    return LocalEngine(threads(), processes=holds_lock)

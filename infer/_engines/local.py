"""All processors of this machine: threads, or processes for functions that hold Python's lock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from infer._engines._registry import Engine, Item, Result
from infer._engines._window import in_order
from infer._errors import EngineUnavailableError
from infer._runtimes._threads import threads


class LocalEngine:
    """Threads or processes, see ``infer._engines._registry.Engine``."""

    def __init__(self, workers: int, *, processes: bool = False) -> None:
        """Use that many threads or processes."""
        self.workers = workers
        self.here = not processes

    def map(
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        stop: Callable[[], None] = lambda: None,
    ) -> Iterator[tuple[Item, Result]]:
        """See ``Engine.map``; results are in order."""
        work = partial(_with_piece, function)
        if self.here:
            return in_order(work, items, self.workers, stop)
        from infer._engines._processes import in_processes

        return in_processes(work, items, self.workers, stop)


def _with_piece(function: Callable[[Item], Result], item: Item) -> tuple[Item, Result]:
    return item, function(item)


def load(address: str | None = None, *, holds_lock: bool = False) -> Engine:
    """Return an engine with one worker per processor; see ``infer._engines``."""
    if address is not None:
        raise EngineUnavailableError(
            "engine 'local' runs on this machine and cannot join a cluster; type: --engine ray"
        )
    return LocalEngine(threads(), processes=holds_lock)

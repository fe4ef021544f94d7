"""The processors of this machine: threads, or processes for what holds Python's lock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TypeVar

from infer._engines import Engine
from infer._engines._window import in_order
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
        return in_order(partial(_both, function), pieces, self.workers, stop)


class ProcessEngine:
    """Processes that begin empty, see ``infer._engines.Engine``."""

    here = False

    def __init__(self, workers: int) -> None:
        """Use so many processes."""
        self.workers = workers

    def map(
        self,
        function: Callable[[Piece], Result],
        pieces: Iterable[Piece],
        stop: Callable[[], None] = lambda: None,
    ) -> Iterator[tuple[Piece, Result]]:
        """See ``Engine.map``; the order is the pieces'."""
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor
        from concurrent.futures.process import BrokenProcessPool

        others = set(multiprocessing.active_children())
        context = multiprocessing.get_context("spawn")  # a fork would take threads' locks along
        pool = ProcessPoolExecutor(self.workers, context, initializer=_live_with_the_parent)

        def end() -> None:
            stop()
            for child in set(multiprocessing.active_children()) - others:
                child.terminate()

        try:
            yield from in_order(partial(_both, function), pieces, self.workers, end, pool)
        except BrokenProcessPool:
            raise EngineUnavailableError(
                "engine 'local' has lost a piece of work: its process was killed; is memory short?"
            ) from None


def _both(function: Callable[[Piece], Result], piece: Piece) -> tuple[Piece, Result]:
    return piece, function(piece)


def _live_with_the_parent() -> None:
    """Leave Ctrl-C to the parent process, and end when it does, even if it is killed."""
    import os
    import signal
    import threading
    from multiprocessing import connection, parent_process

    def watch() -> None:
        parent = parent_process()
        connection.wait([parent.sentinel] if parent else [])
        os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=watch, daemon=True).start()


def load(address: str | None = None, *, holds_lock: bool = False) -> Engine:
    """Return an engine with a worker for each processor; see ``infer._engines``."""
    if address is not None:
        raise EngineUnavailableError(
            "engine 'local' runs on this machine and joins no cluster; type: --engine ray"
        )
    return ProcessEngine(threads()) if holds_lock else LocalEngine(threads())

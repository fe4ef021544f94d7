"""Processes of this machine, for what holds Python's lock: threads would wait for each other."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection

from infer._engines._registry import Piece, Result
from infer._engines._window import in_order
from infer._errors import EngineUnavailableError


def in_processes(
    function: Callable[[Piece], Result],
    pieces: Iterable[Piece],
    workers: int,
    stop: Callable[[], None],
) -> Iterator[Result]:
    """Yield ``function(piece)`` for each piece, in order, computed in processes that begin empty.

    See ``infer._engines._window.in_order``.

    Raises:
        EngineUnavailableError: a process was killed.
    """
    others = set(multiprocessing.active_children())
    # A fork would take along locks that threads hold.
    empty = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, empty, initializer=_live_with_the_parent)

    def end() -> None:
        stop()
        for child in set(multiprocessing.active_children()) - others:
            child.terminate()

    try:
        yield from in_order(function, pieces, workers, end, pool)
    except BrokenProcessPool:
        raise EngineUnavailableError(
            "engine 'local' has lost a piece of work: its process was killed; is memory short?"
        ) from None


def _live_with_the_parent() -> None:
    """Leave Ctrl-C to the parent process, and end when it does, even if it is killed."""

    def watch() -> None:
        parent = multiprocessing.parent_process()
        connection.wait([parent.sentinel] if parent else [])
        os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=watch, daemon=True).start()

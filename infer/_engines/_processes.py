"""Processes on this machine, for functions that hold Python's global lock."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection

from infer._engines._registry import Item, Result
from infer._engines._window import in_order
from infer._errors import EngineUnavailableError


def in_processes(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int,
    stop: Callable[[], None],
) -> Iterator[Result]:
    """Yield ``function(item)`` for each item, in order, computed in new processes.

    See ``infer._engines._window.in_order``.

    Raises:
        EngineUnavailableError: a process was killed.
    """
    others = set(multiprocessing.active_children())
    # A fork would copy locks that threads hold.
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, spawn, initializer=_end_with_parent)

    def end() -> None:
        stop()
        for child in set(multiprocessing.active_children()) - others:
            child.terminate()

    try:
        yield from in_order(function, items, workers, end, pool)
    except BrokenProcessPool:
        raise EngineUnavailableError(
            "engine 'local' lost a task: its process was killed; did it run out of memory?"
        ) from None


def _end_with_parent() -> None:
    """Ignore Ctrl-C, which the parent handles; end when the parent ends, even if it is killed."""

    def watch() -> None:
        parent = multiprocessing.parent_process()
        connection.wait([parent.sentinel] if parent else [])
        os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=watch, daemon=True).start()

"""Several workers: processes that share a listener, kept running until they are told to stop."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from infer._serve._settings import Settings

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

# Seconds that a worker gets beyond its grace, and between two starts of one that dies.
_MORE = 5.0
_RESTART = 1.0

# Serves from one process; is told what to call when connections are taken.
Work = Callable[[Settings, socket.socket, Callable[[], None]], None]


@contextmanager
def handling(handler: Callable[[int, Any], None]) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


def _work_apart(work: Work, settings: Settings, listener: socket.socket) -> None:
    """Serve from a process that was forked."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)  # until the server has handlers of its own
    # Nobody needs to know which one is ready: the listener takes connections already.
    work(settings, listener, lambda: None)


def supervise(
    work: Work, settings: Settings, listener: socket.socket, ready: Callable[[], None]
) -> None:
    """Keep the workers running until SIGINT or SIGTERM, then until they have finished."""
    import tempfile
    from multiprocessing import connection, get_context

    from infer._serve._metrics import FOLDER_VARIABLE

    # Safe, as this process has neither threads nor an event loop.
    context = get_context("fork")

    def start() -> BaseProcess:
        worker = context.Process(target=_work_apart, args=(work, settings, listener))
        worker.start()
        return worker

    stopping: list[int] = []
    with tempfile.TemporaryDirectory(prefix="samebits-metrics-") as folder:
        os.environ[FOLDER_VARIABLE] = folder
        with handling(lambda number, _: stopping.append(number)):
            workers = [start() for _ in range(settings.workers)]
            ready()
            while not stopping:
                connection.wait([worker.sentinel for worker in workers], timeout=0.2)
                for index, worker in enumerate(workers):
                    if not worker.is_alive() and not stopping:
                        time.sleep(_RESTART)
                        workers[index] = start()
            listener.close()
            for worker in workers:
                worker.terminate()
            deadline = time.monotonic() + settings.grace + _MORE
            for worker in workers:
                worker.join(max(0.0, deadline - time.monotonic()))
                if worker.is_alive():
                    worker.kill()

"""Several workers: processes that share a listener, kept running until they are told to stop.

A worker ends with its supervisor, however that ends: it holds the reading end of a pipe whose
writing end only the supervisor has, and the system closes that one for whoever is killed.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from infer._errors import InferError
from infer._serve._log import tell_now
from infer._serve._metrics import FOLDER_VARIABLE, claim_folder, remove_abandoned
from infer._serve._settings import Settings

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Seconds that a worker gets beyond its grace, and before one that died is started again.
_MORE = 5.0
_RESTART = 1.0
# So many times within so many seconds workers may be started again.
_MOST_RESTARTS = 5
_WINDOW = 60.0

# Serves from one process; is told what to call when connections are taken.
Work = Callable[[Settings, socket.socket, Callable[[], None]], None]


class _Shared(NamedTuple):
    """What a worker inherits.

    Attributes:
        alive: end of a pipe to read from; at its end the supervisor has ended.
        owner: the other end, only for the supervisor to hold.
        told: end of a pipe to write to, a byte when the worker is ready.
        lock: on the folder of the metrics; it is abandoned when nobody holds this.
    """

    alive: int
    owner: int
    told: int
    lock: int


@contextmanager
def handling(handler: Callable[[int, Any], None]) -> Iterator[None]:
    """Handle SIGINT and SIGTERM, and afterwards as before."""
    before = {number: signal.signal(number, handler) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


def supervise(
    work: Work, settings: Settings, listener: socket.socket, ready: Callable[[], None]
) -> None:
    """Keep the workers running until SIGINT or SIGTERM, then until they have finished.

    Args:
        work: serves from one worker.
        settings: how.
        listener: where connections arrive; closed at the end.
        ready: is called when all workers take connections.

    Raises:
        InferError: a worker ends before it can serve, or workers end again and again.
    """
    stopping: list[int] = []
    with handling(lambda number, _: stopping.append(number)):
        try:
            folder, lock = claim_folder()
        except OSError as error:
            raise InferError(
                f"the metrics of several workers need a folder for temporary files: {error}; "
                "set TMPDIR, or type --workers 1"
            ) from None
        os.environ[FOLDER_VARIABLE] = folder
        (alive, owner), (ear, told) = os.pipe(), os.pipe()
        shared = _Shared(alive, owner, told, lock)
        start = partial(_start, work, settings, listener, shared)
        workers: list[BaseProcess] = []
        try:
            for _ in range(settings.workers):
                workers.append(start())
            if _await_all(workers, ear, stopping, folder):
                ready()
                _keep(workers, start, stopping, folder)
        finally:
            listener.close()
            _stop(workers, settings.grace + _MORE)
            for descriptor in (*shared, ear):
                os.close(descriptor)
            shutil.rmtree(folder, ignore_errors=True)


def _await_all(workers: list[BaseProcess], ear: int, stopping: list[int], folder: str) -> bool:
    """Wait until all workers are ready; return False if a signal comes first."""
    from multiprocessing import connection

    waiting = len(workers)
    while not stopping:
        happened = connection.wait([ear, *(worker.sentinel for worker in workers)], timeout=0.2)
        if ear in happened:
            waiting -= len(os.read(ear, len(workers)))
        if not waiting:
            return True
        for worker in workers:
            if not worker.is_alive() and not stopping:
                how = _tell_death(worker)
                raise InferError(
                    f"a worker {how} before it could serve; its log tells more{_hint(how, folder)}"
                )
    return False


def _keep(
    workers: list[BaseProcess],
    start: Callable[[], BaseProcess],
    stopping: list[int],
    folder: str,
) -> None:
    """Start again each worker that ends, until a signal comes."""
    from multiprocessing import connection

    restarts: deque[float] = deque()
    while not stopping:
        connection.wait([worker.sentinel for worker in workers], timeout=0.2)
        dead = [index for index, worker in enumerate(workers) if not worker.is_alive()]
        if not dead or stopping:
            continue
        hows = [_tell_death(workers[index]) for index in dead]
        now = time.monotonic()
        while restarts and now - restarts[0] > _WINDOW:
            restarts.popleft()
        if len(restarts) == _MOST_RESTARTS:
            raise InferError(
                f"workers ended {_MOST_RESTARTS + 1} times within {_WINDOW:.0f} s, the last "
                f"{hows[-1]}; the log tells more{_hint(hows[-1], folder)}"
            )
        restarts.append(now)
        time.sleep(_RESTART)
        for index in dead:
            workers[index] = start()


def _start(work: Work, settings: Settings, listener: socket.socket, shared: _Shared) -> BaseProcess:
    from multiprocessing import get_context

    # Safe to fork, as this process has neither threads nor an event loop.
    worker = get_context("fork").Process(
        target=_work_apart, args=(work, settings, listener, shared)
    )
    # A signal waits until the worker no longer has the supervisor's handlers.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        worker.start()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    return worker


def _stop(workers: list[BaseProcess], seconds: float) -> None:
    for worker in workers:
        worker.terminate()
    deadline = time.monotonic() + seconds
    for worker in workers:
        worker.join(max(0.0, deadline - time.monotonic()))
        if worker.is_alive():
            worker.kill()
            worker.join()


def _tell_death(worker: BaseProcess) -> str:
    """Log that a worker ended, and return how."""
    status = worker.exitcode or 0
    how = f"ended with exit code {status}"
    if status < 0:
        with suppress(ValueError):
            how = f"was ended by {signal.Signals(-status).name}"
    tell_now("worker", {"pid": worker.pid, "problem": how})
    return how


def _hint(how: str, folder: str) -> str:
    """Return what a bus error means: a file in memory that the disk has no place for."""
    return f"; is the disk of {folder} full? set TMPDIR to another" if "SIGBUS" in how else ""


def _work_apart(work: Work, settings: Settings, listener: socket.socket, shared: _Shared) -> None:
    """Serve from a process that was forked."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_DFL)  # until the server has handlers of its own
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    os.close(shared.owner)
    orphaned = threading.Event()

    def end_with_supervisor() -> None:
        os.read(shared.alive, 1)
        orphaned.set()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(settings.grace + _MORE)
        os._exit(1)

    def ready() -> None:
        with suppress(BrokenPipeError):
            os.write(shared.told, b".")

    threading.Thread(target=end_with_supervisor, name="samebits-parent", daemon=True).start()
    try:
        work(settings, listener, ready)
    except (InferError, OSError) as error:
        tell_now("worker", {"pid": os.getpid(), "problem": str(error)})
        sys.exit(1)
    if orphaned.is_set():
        os.close(shared.lock)
        remove_abandoned()

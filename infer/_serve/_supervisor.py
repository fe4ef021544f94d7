"""Several workers: processes that share a listener, restarted when they die.

A worker ends when its supervisor does, even if that is killed: it reads from a pipe whose writing
end only the supervisor has, and the system closes that end when the supervisor is gone.
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
from infer._serve._log import log_now
from infer._serve._metrics import FOLDER_VARIABLE, claim_folder, remove_abandoned
from infer._serve._settings import Settings

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Seconds that a worker gets beyond its grace period, and before a dead one is restarted.
_MORE = 5.0
_RESTART = 1.0
# Workers may be restarted so many times within so many seconds.
_MOST_RESTARTS = 5
_WINDOW = 60.0

# Serves from one process; calls its third argument once connections are accepted.
Work = Callable[[Settings, socket.socket, Callable[[], None]], None]


class _Shared(NamedTuple):
    """What a worker inherits.

    Attributes:
        alive: reading end of a pipe; end of file means that the supervisor has ended.
        owner: its writing end, which only the supervisor keeps.
        ready: writing end of a pipe; each worker writes a byte once it is ready.
        lock: on the folder of the metrics, which is abandoned once no process holds the lock.
    """

    alive: int
    owner: int
    ready: int
    lock: int


@contextmanager
def handling(handler: Callable[[int, Any], None]) -> Iterator[None]:
    """Handle SIGINT and SIGTERM, and restore the previous handlers at the end."""
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
        settings: see there.
        listener: listening socket; closed at the end.
        ready: called once all workers accept connections.

    Raises:
        InferError: a worker ends before it can serve, or workers end repeatedly.
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
        (alive, owner), (arrivals, readiness) = os.pipe(), os.pipe()
        shared = _Shared(alive, owner, readiness, lock)
        start = partial(_start, work, settings, listener, shared)
        workers: list[BaseProcess] = []
        try:
            for _ in range(settings.workers):
                workers.append(start())
            if _await_all(workers, arrivals, stopping, folder):
                ready()
                _keep(workers, start, stopping, folder)
        finally:
            listener.close()
            _stop(workers, settings.grace + _MORE)
            for descriptor in (*shared, arrivals):
                os.close(descriptor)
            shutil.rmtree(folder, ignore_errors=True)


def _await_all(workers: list[BaseProcess], arrivals: int, stopping: list[int], folder: str) -> bool:
    """Wait until all workers are ready; return False if a signal arrives first."""
    from multiprocessing import connection

    waiting = len(workers)
    while not stopping:
        happened = connection.wait(
            [arrivals, *(worker.sentinel for worker in workers)], timeout=0.2
        )
        if arrivals in happened:
            waiting -= len(os.read(arrivals, len(workers)))
        if not waiting:
            return True
        for worker in workers:
            if not worker.is_alive() and not stopping:
                how = _log_death(worker)
                raise InferError(
                    f"a worker {how} before it could serve; see its log{_hint(how, folder)}"
                )
    return False


def _keep(
    workers: list[BaseProcess],
    start: Callable[[], BaseProcess],
    stopping: list[int],
    folder: str,
) -> None:
    """Restart workers that end, until a signal arrives."""
    from multiprocessing import connection

    restarts: deque[float] = deque()
    while not stopping:
        connection.wait([worker.sentinel for worker in workers], timeout=0.2)
        dead = [index for index, worker in enumerate(workers) if not worker.is_alive()]
        if not dead or stopping:
            continue
        hows = [_log_death(workers[index]) for index in dead]
        now = time.monotonic()
        while restarts and now - restarts[0] > _WINDOW:
            restarts.popleft()
        if len(restarts) == _MOST_RESTARTS:
            raise InferError(
                f"workers ended {_MOST_RESTARTS + 1} times within {_WINDOW:.0f} s, the last "
                f"{hows[-1]}; see the log{_hint(hows[-1], folder)}"
            )
        restarts.append(now)
        time.sleep(_RESTART)
        for index in dead:
            workers[index] = start()


def _start(work: Work, settings: Settings, listener: socket.socket, shared: _Shared) -> BaseProcess:
    from multiprocessing import get_context

    # Forking is safe: this process has neither threads nor an event loop.
    worker = get_context("fork").Process(
        target=_work_apart, args=(work, settings, listener, shared)
    )
    # Signals are blocked until the worker has replaced the supervisor's handlers.
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


def _log_death(worker: BaseProcess) -> str:
    """Log that a worker ended; return how."""
    status = worker.exitcode or 0
    how = f"ended with exit code {status}"
    if status < 0:
        with suppress(ValueError):
            how = f"was ended by {signal.Signals(-status).name}"
    log_now("worker", {"pid": worker.pid, "problem": how})
    return how


def _hint(how: str, folder: str) -> str:
    """Return a hint for SIGBUS: the disk is full, so a memory-mapped file cannot grow."""
    return (
        f"; is the disk of {folder} full? Set TMPDIR to a folder on another"
        if "SIGBUS" in how
        else ""
    )


def _work_apart(work: Work, settings: Settings, listener: socket.socket, shared: _Shared) -> None:
    """Serve from a forked process."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_DFL)  # until the server installs its own handlers
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
            os.write(shared.ready, b".")

    threading.Thread(target=end_with_supervisor, name="samebits-parent", daemon=True).start()
    try:
        work(settings, listener, ready)
    except (InferError, OSError) as error:
        log_now("worker", {"pid": os.getpid(), "problem": str(error)})
        sys.exit(1)
    if orphaned.is_set():
        os.close(shared.lock)
        remove_abandoned()

"""How much may be in flight, and for how long.

gRPC does not say how long a message is, nor how much of it is there, before all of it is. So one
that does not arrive at once holds room for the longest, and of those that hold it, the one that has
waited longest gives way to the next. Small messages arrive at once: whoever sends slowly cannot
keep them out.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from infer._serve._errors import RequestError
from infer._serve._settings import Settings

# Seconds in which a message arrives at once, and in which one that holds room does not give way.
_AT_ONCE = 0.1
_PATIENCE = 1.0


class _Wait:
    """A task that waits for its client.

    Attributes:
        since: when it began.
        limit: seconds that it may take.
        cut: is called when it takes longer; None where the task gets an error.
        held: bytes of the room.
    """

    __slots__ = ("cut", "ended", "error", "held", "limit", "since", "task")

    def __init__(self, limit: float, cut: Callable[[RequestError], None] | None) -> None:
        self.since = asyncio.get_running_loop().time()
        self.limit = limit
        self.cut = cut
        self.held = 0
        self.ended = False
        self.error: RequestError | None = None
        self.task: asyncio.Task[Any] | None = asyncio.current_task()

    def end(self, error: RequestError) -> None:
        """End it, once."""
        if self.ended:
            return
        self.ended = True
        if self.cut is not None:
            self.cut(error)
        elif self.task is not None:
            self.error = error
            self.task.cancel()


class Room:
    """Memory for the messages and answers of one event loop."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is in flight yet."""
        self._free = settings.max_memory
        # The rest is for messages that arrive at once, and for answers.
        self._free_for_slow = settings.max_memory * 3 // 4
        self._longest = min(settings.max_body, self._free_for_slow)
        self._waits: dict[_Wait, None] = {}  # the oldest first

    async def receive(self, read: Callable[[], Awaitable[Any]], limit: float) -> Any:
        """Return the next message, or what ``read`` returns when there is none.

        A message holds its length of the room, until the caller gives that back.

        Args:
            read: waits for it.
            limit: for how many seconds.

        Raises:
            RequestError: it did not come in time, had to give way, or there is no room for it.
        """
        with self._waiting(limit, None):
            message = await read()
        if isinstance(message, bytes):
            self.take(len(message))
        return message

    def take(self, size: int) -> None:
        """Hold so many bytes more.

        Raises:
            RequestError: there is not so much room.
        """
        if size > self._free:
            raise RequestError(503, "too much is in flight; try again")
        self._free -= size

    def give(self, size: int) -> None:
        """Give back so many bytes."""
        self._free += size

    async def send(
        self, write: Awaitable[None], limit: float, cut: Callable[[RequestError], None]
    ) -> None:
        """Return when an answer was taken.

        Args:
            write: waits for that.
            limit: for how many seconds.
            cut: is called when it takes longer, and has to make ``write`` end.
        """
        with self._waiting(limit, cut):
            await write

    @contextmanager
    def _waiting(self, limit: float, cut: Callable[[RequestError], None] | None) -> Iterator[None]:
        wait = _Wait(limit, cut)
        self._waits[wait] = None
        try:
            yield
        except asyncio.CancelledError:
            if wait.error is None:
                raise
            raise wait.error from None
        finally:
            del self._waits[wait]
            self._release(wait)

    def check(self) -> None:
        """End what has waited too long; to be called at least every tenth of a second."""
        now = asyncio.get_running_loop().time()
        for wait in list(self._waits):
            waited = now - wait.since
            if waited > wait.limit:
                wait.end(
                    RequestError(408, f"the client kept the server waiting for {wait.limit:g} s")
                )
            elif waited > _AT_ONCE and not (wait.cut or wait.held or wait.ended):
                self._hold(wait, now)

    def _hold(self, wait: _Wait, now: float) -> None:
        """Give a message room for the longest, or end it."""
        error = RequestError(503, "too many messages arrive slowly; try again")
        for other in self._waits:
            if self._has_room() or now - other.since <= _PATIENCE:
                break
            if other.held:
                other.end(error)
                self._release(other)
        if self._has_room():
            self._free -= self._longest
            self._free_for_slow -= self._longest
            wait.held = self._longest
        else:
            wait.end(error)

    def _has_room(self) -> bool:
        return self._longest <= min(self._free, self._free_for_slow)

    def _release(self, wait: _Wait) -> None:
        self._free += wait.held
        self._free_for_slow += wait.held
        wait.held = 0


def disconnect(port: int, peer: tuple[str, int]) -> None:
    """Shut this process's connection between one of its ports and a client, at once.

    The library has no call for that, nor for ending a call whose answer is not taken.
    """
    try:
        descriptors = [int(name) for name in os.listdir("/dev/fd")]
    except OSError:  # not on this system: what the client holds stays accounted for
        return
    for descriptor in descriptors:
        with suppress(OSError):  # it was closed by now, or is no connection
            copy = os.dup(descriptor)
            try:
                connection = socket.socket(fileno=copy)
            except OSError:
                os.close(copy)
                raise
            with connection:
                if _is_between(connection, port, peer):
                    connection.shutdown(socket.SHUT_RDWR)


def _is_between(connection: socket.socket, port: int, peer: tuple[str, int]) -> bool:
    if connection.family not in (socket.AF_INET, socket.AF_INET6):
        return False
    host, *rest = connection.getpeername()
    found = (host.removeprefix("::ffff:"), rest[0])
    return found == peer and connection.getsockname()[1] == port

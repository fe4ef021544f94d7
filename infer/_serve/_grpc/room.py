"""How much may be in flight, and for how long.

gRPC does not say how long a message is before all of it is there, so each that arrives holds room
for the longest. A client that sends slowly cannot keep that room from others: once somebody waits
for it, whoever has had a second gives way.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from infer._serve._errors import RequestError
from infer._serve._settings import Settings

# Seconds for a message to arrive while others wait for room.
_PATIENCE = 1.0


class _Wait:
    """A task that waits for its client.

    Attributes:
        since: when it began.
        limit: seconds that it may take.
        gives_way: whether it ends early where others wait for its room.
        error: why it was ended, or None.
    """

    __slots__ = ("error", "gives_way", "limit", "since", "task")

    def __init__(self, limit: float, *, gives_way: bool) -> None:
        self.since = asyncio.get_running_loop().time()
        self.limit = limit
        self.gives_way = gives_way
        self.error: RequestError | None = None
        self.task: asyncio.Task[Any] | None = asyncio.current_task()

    def end(self, error: RequestError) -> None:
        if self.error is None and self.task is not None:
            self.error = error
            self.task.cancel()


class Room:
    """Memory for the messages and answers of one event loop."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is in flight yet."""
        self._timeout = settings.timeout
        self._free = settings.max_memory
        self._message = min(settings.max_body, settings.max_memory)
        self._waits: dict[_Wait, None] = {}  # the oldest first
        self._line: deque[asyncio.Future[None]] = deque()

    async def receive(self, read: Callable[[], Awaitable[Any]], limit: float) -> Any:
        """Return the next message, or what ``read`` returns when there is none.

        A message holds its length of the room, until the caller gives that back.

        Args:
            read: waits for it.
            limit: for how many seconds.

        Raises:
            RequestError: it did not come in time, or had to give way.
        """
        await self._reserve()
        held = self._message
        try:
            with self.within(limit, gives_way=True):
                message = await read()
            if isinstance(message, bytes):
                held -= len(message)
            return message
        finally:
            self.give(held)

    def take(self, size: int) -> None:
        """Hold so many bytes more.

        Raises:
            RequestError: there is not so much room.
        """
        if size > self._free:
            raise RequestError(503, "too much is in flight; try again")
        self._free -= size

    def give(self, size: int) -> None:
        """Give back so many bytes, to whoever waits first."""
        self._free += size
        while self._line and self._message <= self._free:
            first = self._line.popleft()
            if not first.done():
                self._free -= self._message
                first.set_result(None)

    @contextmanager
    def within(self, limit: float, *, gives_way: bool = False) -> Iterator[None]:
        """Raise a RequestError in this task if what it waits for takes longer."""
        wait = _Wait(limit, gives_way=gives_way)
        self._waits[wait] = None
        try:
            yield
        except asyncio.CancelledError:
            if wait.error is None:
                raise
            raise wait.error from None
        finally:
            del self._waits[wait]

    def check(self) -> None:
        """End what has waited too long; to be called now and then."""
        now = asyncio.get_running_loop().time()
        wanted = len(self._line)
        for wait in list(self._waits):
            if now - wait.since > wait.limit:
                wait.end(RequestError(408, f"the client was silent for {wait.limit:g} s"))
            elif wanted and wait.gives_way and now - wait.since > _PATIENCE:
                wait.end(RequestError(503, "others wait for the room of this message; try again"))
                wanted -= 1

    async def _reserve(self) -> None:
        if not self._line and self._message <= self._free:
            self._free -= self._message
            return
        granted = asyncio.get_running_loop().create_future()
        self._line.append(granted)
        try:
            with self.within(self._timeout):
                await granted
        except BaseException:
            if granted.done() and not granted.cancelled():
                self.give(self._message)
            raise

"""All connections of a worker: accepting, deadlines, stopping."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from email.utils import formatdate
from functools import lru_cache, partial
from time import time

from infer._serve._errors import RETRY, RequestError
from infer._serve._http import head
from infer._serve._http.connection import Connection
from infer._serve._http.hosts import Hosts
from infer._serve._http.messages import RequestHandler
from infer._serve._memory import Budget
from infer._serve._settings import Settings

# Seconds between two looks at the deadlines.
_INTERVAL = 0.5
_BACKLOG = 2048
# Parsed heads that are remembered.
_HEADS = 64


class Server:
    """Serves one listening socket with one event loop.

    Attributes:
        parse: from a head to a request; raises a RequestError.
        stopping: whether each connection ends with its next answer.
        date: the field Date, as a line.
    """

    def __init__(
        self,
        application: RequestHandler,
        settings: Settings,
        hosts: Hosts,
        budget: Budget,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """Put the parts together."""
        self.application = application
        self.settings = settings
        # Requests of one client have nearly always the same head.
        self.parse = lru_cache(_HEADS)(partial(head.parse, hosts=hosts))
        self.loop = loop
        self.budget = budget
        self.stopping = False
        self.date = b""
        self._connections: set[Connection] = set()
        self._stop = asyncio.Event()
        self._empty = asyncio.Event()

    async def run(self, listener: socket.socket, ready: Callable[[], None]) -> None:
        """Serve until told to stop, then finish what is in flight, within the grace."""
        self._tick()
        accepting = await self.loop.create_server(
            lambda: Connection(self), sock=listener, backlog=_BACKLOG
        )
        ready()
        await self._stop.wait()
        self.stopping = True
        accepting.close()
        for connection in [*self._connections]:
            connection.stop()
        if self._connections:
            self._empty.clear()
            try:
                await asyncio.wait_for(self._empty.wait(), self.settings.grace)
            except asyncio.TimeoutError:
                for connection in [*self._connections]:
                    connection.abort()
        self._ticking.cancel()
        unfinished = asyncio.all_tasks() - {asyncio.current_task()}
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)

    def stop(self) -> None:
        """Take no more connections; may be called from a handler of signals."""
        self.loop.call_soon_threadsafe(self._stop.set)

    def add(self, connection: Connection) -> None:
        """Count a new connection; close the one that has waited longest if there are too many."""
        self._connections.add(connection)
        if len(self._connections) <= self.settings.max_connections:
            return
        others = [other for other in self._connections if other is not connection and other.waits]
        oldest = min(others, key=lambda other: other.since, default=None)
        if oldest is None:
            connection.refuse(RequestError(503, "too many connections; try again", RETRY))
        else:
            self._connections.discard(oldest)
            oldest.abort()

    def remove(self, connection: Connection) -> None:
        """Forget a connection that is closed."""
        self._connections.discard(connection)
        if not self._connections:
            self._empty.set()

    def _tick(self) -> None:
        self.date = b"date: %b\r\n" % formatdate(time(), usegmt=True).encode()
        now = self.loop.time()
        for connection in [*self._connections]:
            connection.check(now)
        self._ticking = self.loop.call_later(_INTERVAL, self._tick)

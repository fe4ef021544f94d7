"""All connections of a worker: accepting, deadlines, shutdown."""

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

# Seconds between two checks of the deadlines.
_INTERVAL = 0.5
_BACKLOG = 2048
# How many parsed heads are cached.
_HEADS = 64


class Server:
    """Serves one listening socket with one event loop.

    Attributes:
        parse: parses a head; raises a RequestError.
        stopping: whether each connection is closed after its next answer.
        date: the header line Date.
    """

    def __init__(
        self,
        application: RequestHandler,
        settings: Settings,
        hosts: Hosts,
        budget: Budget,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """Store the components."""
        self.application = application
        self.settings = settings
        # Requests of a client nearly always have the same head.
        self.parse = lru_cache(_HEADS)(partial(head.parse, hosts=hosts))
        self.loop = loop
        self.budget = budget
        self.stopping = False
        self.date = b""
        self._connections: set[Connection] = set()
        self._stop = asyncio.Event()
        self._empty = asyncio.Event()

    async def run(self, listener: socket.socket, ready: Callable[[], None]) -> None:
        """Serve until ``stop`` is called, then finish what is in flight within the grace period."""
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
        """Stop accepting connections; may be called from a signal handler."""
        self.loop.call_soon_threadsafe(self._stop.set)

    def add(self, connection: Connection) -> None:
        """Register a connection; if there are too many, close the one idle longest."""
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
        """Unregister a closed connection."""
        self._connections.discard(connection)
        if not self._connections:
            self._empty.set()

    def _tick(self) -> None:
        self.date = b"date: %b\r\n" % formatdate(time(), usegmt=True).encode()
        now = self.loop.time()
        for connection in [*self._connections]:
            connection.check(now)
        self._ticking = self.loop.call_later(_INTERVAL, self._tick)

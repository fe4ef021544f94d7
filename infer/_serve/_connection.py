"""What a slow, silent or endless client may cost: uvicorn's connection, with deadlines.

uvicorn itself waits forever for a request to arrive and for an answer to be taken, and keeps
headers of any size.
"""

from __future__ import annotations

import json
import struct
from functools import partial
from socket import SO_LINGER, SOL_SOCKET
from typing import TYPE_CHECKING, Any

from infer._serve._body import EXTENSION, Body
from infer._serve._errors import DisconnectedError
from infer._serve._settings import Settings

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable

# Bytes of a request that are neither its body nor as much again around its chunks.
_MOST_OVERHEAD = 1 << 16


class _Joined:
    """A transport that sends the head of an answer together with the beginning of its body.

    uvicorn writes them one after the other, which is a system call and a packet more.
    """

    __slots__ = ("_head", "_transport", "close", "is_closing")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head: bytes | None = None
        self.is_closing = transport.is_closing
        self.close = transport.close

    def write(self, data: bytes | memoryview) -> None:
        """Keep the head, until the body begins."""
        head = self._head
        if head is None:
            if bytes(data[:10]) == b"HTTP/1.1 1":  # "continue" has no body
                self._transport.write(data)
            else:
                self._head = bytes(data)
        elif head:
            self._head = b""
            self._transport.writelines((head, data))
        else:
            self._transport.write(data)


class _Ignored(list[Any]):
    """A list that stays empty: fields after a body are nothing that this server reads."""

    def append(self, item: Any) -> None:
        """Forget it."""


def connection_class(settings: Settings, refused: Callable[[int], None]) -> type[asyncio.Protocol]:
    """Return the class that uvicorn makes a connection of.

    Args:
        settings: of the server.
        refused: is told the status of an answer that the application never saw.
    """
    from httptools import HttpRequestParser
    from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

    class Connection(HttpToolsProtocol):
        """A connection that knows since when it waits."""

        arriving = True
        received = overhead_allowed = 0
        writing_since: float | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self.since = self.loop.time()
            if len(self.connections) > settings.max_connections:
                self._make_room()

        def data_received(self, data: bytes) -> None:
            self.chunk = len(data)
            self.received += self.chunk
            super().data_received(data)
            if self.arriving and self.received > self.overhead_allowed + _MOST_OVERHEAD:
                self.refuse(431, "the request has too many or too long header fields")

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self.since = self.loop.time()
            self.arriving = True
            self.received, self.overhead_allowed = self.chunk, 0

        def on_headers_complete(self) -> None:
            super().on_headers_complete()
            self.headers = _Ignored()
            if self.scope["method"] != "HEAD":  # its answer is a head alone
                self.cycle.transport = _Joined(self.transport)  # type: ignore[assignment]
            fill: Any = partial(self.fill, self.cycle)
            self.scope["extensions"] = {EXTENSION: fill}

        def on_body(self, body: bytes) -> None:
            self.overhead_allowed += 2 * len(body)
            super().on_body(body)

        def on_message_complete(self) -> None:
            super().on_message_complete()
            self.arriving = False

        def on_response_complete(self) -> None:
            super().on_response_complete()
            if not self.arriving:
                self.since = self.loop.time()

        def send_400_response(self, msg: str) -> None:
            self.refuse(400, msg)

        async def fill(self, cycle: Any, place: memoryview, take: Callable[[int], None]) -> None:
            """Receive the body of a request, of a length that its headers told; see ``Body``.

            Raises:
                RequestError: what ``take`` raises.
                DisconnectedError: the client has gone.
            """
            if cycle.disconnected:
                raise DisconnectedError
            if cycle.waiting_for_100_continue:
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                cycle.waiting_for_100_continue = False
            at = len(cycle.body)
            place[:at] = cycle.body
            cycle.body = bytearray()
            take(at)
            if cycle.more_body:
                body = Body(self, place, at, take, self._resume)
                self.transport.set_protocol(body)
                self.flow.resume_reading()
                await body.done

        def _resume(self) -> None:
            self.parser = HttpRequestParser(self)  # the old one still waits for the body
            self.on_message_complete()

        def refuse(self, status: int, message: str) -> None:
            """Answer what the application does not see, and close."""
            if self.transport.is_closing():
                return
            refused(status)
            if self.cycle is None or not self.cycle.response_started:
                body = json.dumps({"error": message}).encode()
                head = b"content-type: application/json\r\nconnection: close\r\ncontent-length: "
                self.transport.write(STATUS_LINE[status] + head + b"%d\r\n\r\n" % len(body) + body)
            self.transport.close()

        def check(self, now: float) -> None:
            """Close if a request does not arrive, or its answer is not taken, in time."""
            if not self.transport.get_write_buffer_size():
                self.writing_since = None
            elif self.writing_since is None:
                self.writing_since = now
            elif now - self.writing_since > settings.timeout:
                self._abort()
                return
            if self.arriving and now - self.since > settings.timeout:
                if self.received:
                    self.refuse(408, f"the request did not arrive within {settings.timeout:g} s")
                else:
                    self.transport.close()

        def _abort(self) -> None:
            """Close at once; what the system holds for a client that does not read goes too."""
            at_once = struct.pack("ii", 1, 0)
            self.transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, at_once)
            self.transport.abort()

        def _waits(self) -> bool:
            """Tell whether no answer is being made."""
            return self.arriving or self.cycle is None or self.cycle.response_complete

        def _make_room(self) -> None:
            connections: set[Any] = self.connections  # all of this class
            others = [other for other in connections if other is not self and other._waits()]
            oldest = min(others, key=lambda other: other.since, default=None)
            if oldest is None:
                self.refuse(503, "too many connections; try again")
            else:
                connections.discard(oldest)
                oldest._abort()

    return Connection


def check_all(connections: Iterable[Any], now: float) -> None:
    """Close what has waited too long."""
    for connection in list(connections):
        connection.check(now)

"""One connection, from its first byte to its last."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable
from enum import Enum, auto
from functools import partial
from socket import SO_LINGER, SOL_SOCKET
from time import perf_counter
from typing import Protocol

from infer._serve._errors import RequestError
from infer._serve._http import head
from infer._serve._http.chunks import Chunks
from infer._serve._http.filling import Filling
from infer._serve._http.messages import (
    SMALL,
    STATUS_LINES,
    Body,
    Reply,
    Request,
    RequestHandler,
    Route,
    refusal,
)
from infer._serve._memory import Budget, Share, out_of_memory
from infer._serve._settings import Settings

# After so many seconds with one client, other connections get their turn.
_TURN = 0.002
# How many bytes of further requests are buffered while one is answered; more stay in the system's
# buffer.
_AHEAD = 1 << 16
# After an answer that ends the connection, so many seconds and bytes of input are read and dropped:
# closing immediately could destroy the answer in transit (RFC 9112, 9.6).
_LINGER = 2.0
_MOST_LINGERING = 1 << 20


class State(Enum):
    """What a connection waits for."""

    HEAD = auto()  # a request, or the rest of its head
    BODY = auto()  # the rest of a body
    ANSWER = auto()  # the application
    TAKING = auto()  # the client to read an answer
    REST = auto()  # the rest of a rejected body
    END = auto()  # the client to close
    CLOSED = auto()


_ARRIVING = frozenset((State.HEAD, State.BODY, State.REST, State.END))


def _nothing() -> bool:
    return False


class Owner(Protocol):
    """What all connections share; see ``server.Server``."""

    application: RequestHandler
    settings: Settings
    loop: asyncio.AbstractEventLoop
    budget: Budget
    stopping: bool
    date: bytes

    @property
    def parse(self) -> Callable[[bytes], Request]:
        """Parses a head; raises a RequestError."""

    def add(self, connection: Connection) -> None:
        """Register a new connection."""

    def remove(self, connection: Connection) -> None:
        """Unregister a closed connection."""


class Connection(asyncio.Protocol):
    """Answers the requests of one client, one at a time and in order.

    Attributes:
        state: what it waits for.
        since: when it started to wait, in the event loop's time.
    """

    state = State.HEAD
    # About the current request:
    _request: Request | None = None  # once its head is parsed
    _begun = False  # its first byte has arrived
    _skipped = False  # an empty line before it was skipped
    _scanned = 0  # bytes of its head that have been checked
    _rest = 0  # bytes of its body to drop
    _lost = False  # where the next request starts is unknown
    _last = False  # there will be no next request
    _began = 0.0  # when its head was complete, for the log
    # About the connection:
    _answers = 0
    _writing_since: float | None = None
    _full = False  # the transport's write buffer is full
    _paused = False  # reading is paused
    _scheduled = False  # it is the turn of other connections
    _ended = False  # the client has closed its side

    def __init__(self, server: Owner) -> None:
        """Store the server."""
        self._server = server
        self._application = server.application
        self._loop = server.loop
        self._buffer = bytearray()
        self._share = Share(server.budget)
        self._receive: Callable[[], bool] = _nothing
        self._task: asyncio.Task[None] | None = None

    # Called by the transport; see asyncio.Protocol.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start to wait for a request."""
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self._client: str = peer[0] if isinstance(peer, tuple) else ""
        self.since = self._loop.time()
        self._server.add(self)

    def data_received(self, data: bytes) -> None:
        """Answer complete requests."""
        if self.state is State.END:
            self._rest += len(data)
            if self._rest > _MOST_LINGERING:
                self.abort()
        elif self.state is not State.CLOSED:
            self._buffer += data
            self._go_on()

    def eof_received(self) -> bool:
        """Keep the connection open if the client is still owed an answer."""
        self._ended = True
        return self._scheduled or self.state in (State.ANSWER, State.TAKING)

    def connection_lost(self, _exc: Exception | None) -> None:
        """Release the memory."""
        self._receive = _nothing
        self.state = State.CLOSED
        if self._task is None:  # a running task keeps its memory until it is done
            self._share.release()
        self._server.remove(self)

    def pause_writing(self) -> None:
        """Answer no further request until the client has read the pending answer."""
        self._full = True

    def resume_writing(self) -> None:
        """Continue after the client has read an answer."""
        self._full = False
        if self.state is State.TAKING:
            self._taken()
            self._go_on()

    # Called by the server.

    @property
    def waits(self) -> bool:
        """Whether the connection waits for its client, and no answer is being computed."""
        return self.state in _ARRIVING and not self._scheduled

    def check(self, now: float) -> None:
        """Enforce the deadlines for requests to arrive and for answers to be read."""
        timeout = self._server.settings.timeout
        if not self._transport.get_write_buffer_size():
            self._writing_since = None
        elif self._writing_since is None:
            self._writing_since = now
        elif now - self._writing_since > timeout:
            self.abort()
            return
        waited = now - self.since
        if self.state is State.END:
            if waited > _LINGER:
                self.abort()
        elif self.state is State.HEAD and not self._buffer:
            if waited > (self._server.settings.idle if self._answers else timeout):
                self._transport.close()
        elif self.waits and waited > timeout:
            if self.state is State.REST:
                self.abort()
            else:
                self._transport.set_protocol(self)
                self.refuse(RequestError(408, f"the request did not arrive within {timeout:g} s"))

    def refuse(self, error: RequestError) -> None:
        """Answer with an error and end the connection, whose further input cannot be parsed."""
        self._receive = _nothing  # frees what was received of a body
        self._lost = True
        self._send(refusal(error))

    def stop(self) -> None:
        """Close if no request is pending; otherwise the next answer is the last one."""
        if self.state is State.HEAD and not self._buffer:
            self._transport.close()

    def abort(self) -> None:
        """Close immediately, without delivering what the system has buffered."""
        at_once = struct.pack("ii", 1, 0)
        self._transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, at_once)
        self._transport.abort()

    # From bytes to requests.

    def _go_on(self) -> None:
        """Process the buffer until more input is needed, or it is the turn of other connections."""
        until = perf_counter() + _TURN
        try:
            while not self._scheduled and self._step():
                if perf_counter() > until:
                    self._scheduled = True
                    self._loop.call_soon(self._next_turn)
        except RequestError as error:
            self.refuse(error)
        if self._transport.is_closing():
            return
        waits = self._scheduled or self.state not in _ARRIVING
        if self._ended and not waits:
            self._transport.close()
        elif self._paused is not (waits and len(self._buffer) > _AHEAD):
            self._paused = not self._paused
            if self._paused:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def _next_turn(self) -> None:
        self._scheduled = False
        if self.state is not State.CLOSED:
            self._go_on()

    def _step(self) -> bool:
        """Take one step; return whether the buffer may suffice for another."""
        if self.state is State.HEAD:
            return self._read_head()
        if self.state is State.BODY:
            return self._receive()
        if self.state is State.REST:
            return self._drop()
        return False

    def _read_head(self) -> bool:
        buffer = self._buffer
        if not buffer:
            return False
        if not self._begun:
            self._begun = True
            self.since = self._loop.time()
        if buffer[0] == 13 and not self._skipped and buffer.startswith(b"\r\n"):
            del buffer[:2]  # some clients send an extra one (RFC 9112, 2.2)
            self._skipped = True
            self._scanned = 0
        end = buffer.find(b"\r\n\r\n", max(0, self._scanned - 3), head.MOST_BYTES)
        if end < 0:
            if len(buffer) >= head.MOST_BYTES:
                raise RequestError(431, "the request has too many or too long header fields")
            if len(buffer) > 1:  # a single byte may be half of an empty line
                seen = max(0, self._scanned - 2)
                # A leading line feed has already been checked together with its carriage return.
                head.check_bytes(buffer[seen + (seen > 0 and buffer[seen] == 10) :])
                self._scanned = len(buffer)
            return False
        text = bytes(buffer[: end + 4])
        del buffer[: end + 4]
        self._scanned = 0
        self._began = perf_counter()
        request = self._request = self._server.parse(text)
        self._last = not request.keep_alive
        found = self._application.route(request)
        if isinstance(found, Route):
            self._expect_body(request, found)
        else:
            # Without "100 Continue" the client may or may not send the body, so it is unknown where
            # the next request starts. The same holds for a chunked body.
            self._lost = request.length is None or request.expects_continue
            self._rest = request.length or 0
            self._send(found)
        return True

    def _expect_body(self, request: Request, route: Route) -> None:
        self.state = State.BODY
        length = request.length
        if request.expects_continue and not self._buffer:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if length is None:
            chunks = Chunks(route.most, self._share.take)
            self._receive = partial(self._receive_chunks, route, chunks)
        elif length <= SMALL:
            self._receive = partial(self._receive_small, route, length)
        else:
            try:
                filling = Filling(self, route, length, self._share.take)
            except MemoryError:
                self.body_refused(out_of_memory(), route.model, length)
                return
            if filling.begin(self._buffer):
                self._transport.set_protocol(filling)

    def _receive_small(self, route: Route, length: int) -> bool:
        if len(self._buffer) < length:
            return False
        body = bytes(self._buffer[:length])
        del self._buffer[:length]
        self.answer(route, body)
        return True

    def _receive_chunks(self, route: Route, chunks: Chunks) -> bool:
        if not chunks.feed(self._buffer):
            return False
        body = chunks.body
        self.answer(route, bytes(body) if len(body) <= SMALL else memoryview(body))
        return True

    def _drop(self) -> bool:
        size = min(self._rest, len(self._buffer))
        del self._buffer[:size]
        self._rest -= size
        if self._rest:
            return False
        self._wait_for_next()
        return True

    # From requests to answers.

    def answer(self, route: Route, body: Body) -> None:
        """Answer a complete request."""
        self._receive = _nothing
        self.state = State.ANSWER
        reply = route.answer(body, self._share)
        if isinstance(reply, Reply):
            self._send(reply)
        else:
            self._task = self._loop.create_task(self._answer_later(reply))

    def body_filled(self, route: Route, body: memoryview) -> None:
        """Continue after a long body."""
        self._transport.set_protocol(self)
        self.answer(route, body)
        self._go_on()

    def body_refused(self, error: RequestError, model: str, left: int) -> None:
        """Answer with an error, then skip the bytes of the body that have not arrived."""
        self._transport.set_protocol(self)
        self._rest = left
        self._send(refusal(error, model))

    async def _answer_later(self, later: Awaitable[Reply]) -> None:
        try:
            reply = await later
        except BaseException:
            self._task = None
            self._share.release()
            self.abort()
            raise
        self._task = None
        if self.state is State.CLOSED:
            self._share.release()
        else:
            self._send(reply)
            self._go_on()

    def _send(self, reply: Reply) -> None:
        request, transport = self._request, self._transport
        self._application.answered(self._client, request, reply, perf_counter() - self._began)
        self._answers += 1
        self._last |= self._lost or self._server.stopping
        if self._last:
            fields = b"connection: close\r\n"
        elif request is not None and request.http_1_0:
            fields = b"connection: keep-alive\r\n"
        else:
            fields = b""
        lines = b"%b%b%b%bcontent-length: %d\r\n\r\n" % (
            STATUS_LINES[reply.status],
            self._server.date,
            reply.fields,
            fields,
            reply.size,
        )
        if request is not None and request.method == "HEAD":
            transport.write(lines)
        elif reply.tail is not None:
            transport.writelines((lines + reply.head, reply.tail))
        elif len(reply.head) > SMALL:
            transport.writelines((lines, reply.head))
        else:
            transport.write(lines + reply.head)
        if self._full:
            self.state = State.TAKING
        else:
            self._taken()

    def _taken(self) -> None:
        """Continue after an answer."""
        self._share.release()
        if not self._last:
            self._wait_for_next()
            return
        self.state = State.END
        self.since = self._loop.time()
        complete = not (self._lost or self._rest or self._buffer)
        self._rest = 0
        self._buffer.clear()
        if complete or self._ended:
            self._transport.close()
        elif not self._transport.is_closing():
            self._transport.write_eof()

    def _wait_for_next(self) -> None:
        if self._rest:
            self.state = State.REST
        else:
            self.state = State.HEAD
            self.since = self._loop.time()
            self._request = None
            self._begun = self._skipped = False
            if self._server.stopping:
                self.stop()

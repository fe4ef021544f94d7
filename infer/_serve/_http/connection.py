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

# Seconds that a client's requests are answered before other connections get their turn.
_TURN = 0.002
# Bytes of later requests that are kept while one is answered; more wait in the system's buffer.
_AHEAD = 1 << 16
# Seconds and bytes that a client gets after an answer that ends the connection. What it still
# sends is read and dropped: closing at once could destroy the answer on its way (RFC 9112, 9.6).
_LINGER = 2.0
_MOST_LINGERING = 1 << 20


class State(Enum):
    """What a connection waits for."""

    HEAD = auto()  # a request, or the rest of its head
    BODY = auto()  # the rest of a body
    ANSWER = auto()  # the application
    TAKING = auto()  # the client to take an answer
    REST = auto()  # the rest of a body that was refused
    END = auto()  # the client to close
    CLOSED = auto()


_ARRIVING = frozenset((State.HEAD, State.BODY, State.REST, State.END))


def _nothing() -> bool:
    return False


class Owner(Protocol):
    """What a connection belongs to and shares with all others; see ``server.Server``."""

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
        """Count a new connection."""

    def remove(self, connection: Connection) -> None:
        """Forget a connection that is closed."""


class Connection(asyncio.Protocol):
    """Answers the requests of one client, one at a time and in their order.

    Attributes:
        state: what it waits for.
        since: since when, in the event loop's time.
    """

    state = State.HEAD
    # Of the request that arrives or is answered.
    _request: Request | None = None  # once its head is parsed
    _begun = False  # its first byte has come
    _skipped = False  # an empty line before it has come
    _scanned = 0  # bytes of its head that have been looked at
    _rest = 0  # bytes of its body to drop
    _lost = False  # it is not known where the next one begins
    _last = False  # there will be no next one
    _began = 0.0  # when its head was complete, for the log
    # Of the connection.
    _answers = 0
    _writing_since: float | None = None
    _full = False  # the transport holds more of an answer than it likes
    _paused = False  # nothing is read
    _scheduled = False  # other connections have their turn
    _ended = False  # the client will send no more

    def __init__(self, server: Owner) -> None:
        """Belong to a server."""
        self._server = server
        self._application = server.application
        self._loop = server.loop
        self._buffer = bytearray()
        self._share = Share(server.budget)
        self._receive: Callable[[], bool] = _nothing
        self._task: asyncio.Task[None] | None = None

    # What the transport calls; see asyncio.Protocol.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self._client: str = peer[0] if isinstance(peer, tuple) else ""
        self.since = self._loop.time()
        self._server.add(self)

    def data_received(self, data: bytes) -> None:
        """Answer what is complete now."""
        if self.state is State.END:
            self._rest += len(data)
            if self._rest > _MOST_LINGERING:
                self.abort()
        elif self.state is not State.CLOSED:
            self._buffer += data
            self._go_on()

    def eof_received(self) -> bool:
        """Keep the connection if the client, which sends no more, still gets an answer."""
        self._ended = True
        return self._scheduled or self.state in (State.ANSWER, State.TAKING)

    def connection_lost(self, _exc: Exception | None) -> None:
        """Give back what was held."""
        self._receive = _nothing
        self.state = State.CLOSED
        if self._task is None:  # else work goes on, and holds its memory until it is done
            self._share.release()
        self._server.remove(self)

    def pause_writing(self) -> None:
        """Answer nothing more before the client has taken what there is."""
        self._full = True

    def resume_writing(self) -> None:
        """Go on after an answer that has been taken."""
        self._full = False
        if self.state is State.TAKING:
            self._taken()
            self._go_on()

    # What the server calls.

    @property
    def waits(self) -> bool:
        """Whether the client has to do something, and no answer is being made."""
        return self.state in _ARRIVING and not self._scheduled

    def check(self, now: float) -> None:
        """End it if a request does not arrive, or an answer is not taken, in time."""
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
        """Answer with an error what cannot be understood any further, and end the connection."""
        self._receive = _nothing  # lets go of what has come of a body
        self._lost = True
        self._send(refusal(error))

    def stop(self) -> None:
        """Close if nothing has been asked; else the next answer is the last one."""
        if self.state is State.HEAD and not self._buffer:
            self._transport.close()

    def abort(self) -> None:
        """Close at once; what the system holds for a client that does not read goes too."""
        at_once = struct.pack("ii", 1, 0)
        self._transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, at_once)
        self._transport.abort()

    # From bytes to requests.

    def _go_on(self) -> None:
        """Answer what has come, until something is missing or others have their turn."""
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
        """Go one step further; tell whether what has come may be enough for another."""
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
            del buffer[:2]  # some clients send one too many (RFC 9112, 2.2)
            self._skipped = True
            self._scanned = 0
        end = buffer.find(b"\r\n\r\n", max(0, self._scanned - 3), head.MOST_BYTES)
        if end < 0:
            if len(buffer) >= head.MOST_BYTES:
                raise RequestError(431, "the request has too many or too long header fields")
            if len(buffer) > 1:  # one may be half of an empty line
                seen = max(0, self._scanned - 2)
                # A line feed that begins what was seen before has been checked with its return.
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
            # Without "100 Continue" the client may send the body or not: it cannot be told where
            # the next request begins. Of a chunked body, neither.
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
        """Have a complete request answered."""
        self._receive = _nothing
        self.state = State.ANSWER
        reply = route.answer(body, self._share)
        if isinstance(reply, Reply):
            self._send(reply)
        else:
            self._task = self._loop.create_task(self._answer_later(reply))

    def body_filled(self, route: Route, body: memoryview) -> None:
        """Go on after a long body."""
        self._transport.set_protocol(self)
        self.answer(route, body)
        self._go_on()

    def body_refused(self, error: RequestError, model: str, left: int) -> None:
        """Answer with an error while so much of a body has not come, and read over that."""
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
        """Go on after an answer."""
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

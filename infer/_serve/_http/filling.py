"""A long body, received straight into the memory where it is computed on.

The usual way copies a body several times. Once the head is parsed and tells the length there is
nothing left to parse, so the rest goes from the socket to its place.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from infer._runtimes._memory import empty
from infer._serve._errors import RequestError
from infer._serve._http.messages import Route

# Where the binary data begins in memory, so that arithmetic finds its values aligned.
_ALIGNMENT = 64


class Receiver(Protocol):
    """The connection that a body belongs to; see ``connection.Connection``."""

    def body_filled(self, route: Route, body: memoryview) -> None:
        """Go on after a complete body."""

    def body_refused(self, error: RequestError, model: str, left: int) -> None:
        """Refuse a body of which so many bytes are still to come."""

    def connection_lost(self, exc: Exception | None) -> None:
        """See ``asyncio.BaseProtocol``."""

    def pause_writing(self) -> None:
        """See ``asyncio.BaseProtocol``."""

    def resume_writing(self) -> None:
        """See ``asyncio.BaseProtocol``."""


class Filling(asyncio.BufferedProtocol):
    """Takes a connection's place on its transport until the rest of a body has come.

    The memory is not cleared beforehand, so that a client that claims much and sends nothing costs
    nothing. It may hold what another request left there, so it is handed on only when every byte
    has been counted in.
    """

    def __init__(
        self, connection: Receiver, route: Route, size: int, take: Callable[[int], None]
    ) -> None:
        """Reserve memory.

        Args:
            connection: that goes on when all has come, or an error refuses the rest.
            route: where the request goes.
            size: bytes of the body.
            take: accounts for bytes that have come; may raise a RequestError.
        """
        import numpy as np

        memory = empty(size + _ALIGNMENT, np.dtype(np.uint8))
        start = -(memory.ctypes.data + route.before) % _ALIGNMENT
        self._place: memoryview = memory.data[start : start + size]
        self._connection = connection
        self._route = route
        self._take = take
        self._filled = 0

    def begin(self, buffer: bytearray) -> bool:
        """Take what came together with the head from a buffer; tell whether more is needed."""
        size = min(len(buffer), len(self._place))
        self._place[:size] = buffer[:size]
        del buffer[:size]
        return self._count(size)

    def get_buffer(self, _sizehint: int) -> memoryview:
        """Return where the next bytes go: never beyond the body, what follows is parsed again."""
        return self._place[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """Account for bytes that have come."""
        self._count(nbytes)

    def _count(self, size: int) -> bool:
        """Account for bytes; tell whether more are needed. The only way out for the memory."""
        self._filled += size
        left = len(self._place) - self._filled
        try:
            self._take(size)
        except RequestError as error:
            self._connection.body_refused(error, self._route.model, left)
            return False
        if not left:
            self._connection.body_filled(self._route, self._place)
        return bool(left)

    def eof_received(self) -> None:
        """Close: the rest will not come."""

    def connection_lost(self, exc: Exception | None) -> None:
        """See ``asyncio.BaseProtocol``."""
        self._connection.connection_lost(exc)

    def pause_writing(self) -> None:
        """See ``asyncio.BaseProtocol``."""
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        """See ``asyncio.BaseProtocol``."""
        self._connection.resume_writing()

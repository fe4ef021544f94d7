"""A long body, received directly into the memory that the computation reads.

The usual way copies a body several times. Once the head has been parsed, the length is known and
nothing is left to parse, so the rest goes directly from the socket to its destination.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from infer._runtimes._memory import empty
from infer._serve._errors import RequestError
from infer._serve._http.messages import Route

# Alignment of the binary data in memory, for fast arithmetic.
_ALIGNMENT = 64


class Receiver(Protocol):
    """The connection that a body belongs to; see ``connection.Connection``."""

    def body_filled(self, route: Route, body: memoryview) -> None:
        """Continue after a complete body."""

    def body_refused(self, error: RequestError, model: str, left: int) -> None:
        """Reject a body of which that many bytes have not arrived."""

    def connection_lost(self, exc: Exception | None) -> None:
        """See ``asyncio.BaseProtocol``."""

    def pause_writing(self) -> None:
        """See ``asyncio.BaseProtocol``."""

    def resume_writing(self) -> None:
        """See ``asyncio.BaseProtocol``."""


class Filling(asyncio.BufferedProtocol):
    """Replaces a connection as the protocol of its transport until the rest of a body has arrived.

    The memory is not cleared first, so a client that announces a long body and sends nothing costs
    nothing. The memory may contain data of an earlier request, so it is passed on only after every
    byte has been received.
    """

    def __init__(
        self, connection: Receiver, route: Route, size: int, take: Callable[[int], None]
    ) -> None:
        """Allocate memory.

        Args:
            connection: takes over again after the body, or after an error.
            route: of the request.
            size: bytes of the body.
            take: adds received bytes to the memory in use; may raise a RequestError.
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
        """Consume what arrived together with the head; return whether more is needed."""
        size = min(len(buffer), len(self._place))
        self._place[:size] = buffer[:size]
        del buffer[:size]
        return self._count(size)

    def get_buffer(self, _sizehint: int) -> memoryview:
        """Return where the next bytes go: never beyond the body, as the next request is parsed."""
        return self._place[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """Count received bytes."""
        self._count(nbytes)

    def _count(self, size: int) -> bool:
        """Count received bytes; return whether more are needed. Only this passes the memory on."""
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
        """Close the connection: the rest will not arrive."""

    def connection_lost(self, exc: Exception | None) -> None:
        """See ``asyncio.BaseProtocol``."""
        self._connection.connection_lost(exc)

    def pause_writing(self) -> None:
        """See ``asyncio.BaseProtocol``."""
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        """See ``asyncio.BaseProtocol``."""
        self._connection.resume_writing()

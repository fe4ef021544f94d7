"""A long body, received straight into the memory where it is computed on.

The usual way, through the HTTP parser and ASGI's messages, copies a body four times. Once the
headers are parsed and tell its length there is nothing left to parse, so the rest goes from the
socket to its place.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from infer._serve._errors import DisconnectedError, RequestError

# The name of this way in ASGI's ``scope["extensions"]``.
EXTENSION = "samebits.body"


class Body(asyncio.BufferedProtocol):
    """Takes a connection's place until the rest of a body has come."""

    def __init__(
        self,
        connection: Any,
        place: memoryview,
        at: int,
        take: Callable[[int], None],
        finished: Callable[[], None],
    ) -> None:
        """Wait for a body.

        Args:
            connection: the protocol whose place is taken.
            place: where the body goes; as long as the body.
            at: how much of it is there.
            take: accounts for more bytes; may raise a RequestError, and the rest is then dropped.
            finished: is called when all has come.
        """
        self._connection = connection
        self._place = place
        self._left = len(place) - at
        self._take = take
        self._finished = finished
        self._dropped = False
        self.done: asyncio.Future[None] = connection.loop.create_future()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where the next bytes go: never beyond the body, what follows is parsed again."""
        if self._dropped:
            return memoryview(bytearray(min(self._left, sizehint if sizehint > 0 else 1 << 16)))
        return self._place[len(self._place) - self._left :]

    def buffer_updated(self, nbytes: int) -> None:
        """Go on, or give the connection back."""
        self._left -= nbytes
        if not self._dropped:
            try:
                self._take(nbytes)
            except RequestError as error:
                self._dropped = True
                self._settle(error)
        if not self._left:
            self._connection.transport.set_protocol(self._connection)
            self._finished()
            self._settle(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the connection, and who waits."""
        self._connection.connection_lost(exc)
        self._settle(DisconnectedError())

    def pause_writing(self) -> None:
        """See ``asyncio.Protocol``."""
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        """See ``asyncio.Protocol``."""
        self._connection.resume_writing()

    def _settle(self, error: Exception | None) -> None:
        if self.done.done():
            return
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)

"""A chunked body (RFC 9112, 7.1)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

from infer._serve._errors import RequestError
from infer._serve._http.messages import too_long

# Limits in bytes: a line with a chunk's size, a line of the trailer section, and all of these lines
# together in excess of twice the body, since tiny chunks have more overhead than data.
_LONGEST_LINE = 1 << 10
_MOST_TRAILER_LINE = 1 << 14
_MOST_OVERHEAD = 1 << 16

_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[\t -~\x80-\xff]*)?")
_TRAILER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~\x80-\xff]*")

_Step: TypeAlias = "Callable[[Chunks, bytearray], bool | None]"


class Chunks:
    """Decodes a chunked body: consumes its bytes from a buffer, and none beyond its end."""

    def __init__(self, most: int, take: Callable[[int], None]) -> None:
        """Start with an empty body.

        Args:
            most: how many bytes the body may have.
            take: adds bytes to the memory in use; may raise a RequestError.
        """
        self.body = bytearray()
        self._most = most
        self._take = take
        self._left = 0  # bytes left in the chunk
        self._overhead = 0
        # A plain function: a bound method would be a reference cycle, which keeps the body alive.
        self._step: _Step = Chunks._size

    def feed(self, buffer: bytearray) -> bool:
        """Consume received bytes; return whether the body is complete.

        Raises:
            RequestError: it is malformed or too long. The rest of the connection is then unusable.
        """
        while True:
            done = self._step(self, buffer)
            if done is not None:
                return done

    def _line(self, buffer: bytearray, longest: int) -> bytes | None:
        """Consume a line; return None if it is incomplete."""
        end = buffer.find(b"\r\n", 0, longest + 2)
        if end < 0:
            if len(buffer) > longest + 1:
                raise RequestError(431, f"expected lines of at most {longest:,} bytes in the body")
            return None
        line = bytes(buffer[:end])
        del buffer[: end + 2]
        self._count(end + 2)
        return line

    def _count(self, size: int) -> None:
        self._overhead += size
        if self._overhead > _MOST_OVERHEAD + 2 * len(self.body):
            raise RequestError(
                431, "the body has too many small chunks or too many fields after it"
            )

    def _size(self, buffer: bytearray) -> bool | None:
        line = self._line(buffer, _LONGEST_LINE)
        if line is None:
            return False
        found = _SIZE.fullmatch(line)
        if found is None:
            raise RequestError(400, "not a valid HTTP/1.1 request: expected the size of a chunk")
        self._left = int(found[1], 16)
        if len(self.body) + self._left > self._most:
            raise too_long(self._most, "more")
        self._step = Chunks._data if self._left else Chunks._trailer
        return None

    def _data(self, buffer: bytearray) -> bool | None:
        size = min(self._left, len(buffer))
        if size:
            self._take(size)
            self.body += buffer[:size]
            del buffer[:size]
            self._left -= size
        if self._left:
            return False
        self._step = Chunks._end_of_chunk
        return None

    def _end_of_chunk(self, buffer: bytearray) -> bool | None:
        if not b"\r\n".startswith(buffer[:2]):
            raise RequestError(400, "not a valid HTTP/1.1 request: a chunk is longer than its size")
        if len(buffer) < 2:
            return False
        del buffer[:2]
        self._count(2)
        self._step = Chunks._size
        return None

    def _trailer(self, buffer: bytearray) -> bool | None:
        line = self._line(buffer, _MOST_TRAILER_LINE)
        if line is None:
            return False
        if not line:
            return True
        if _TRAILER.fullmatch(line) is None:
            raise RequestError(400, "not a valid HTTP/1.1 request: expected a field after the body")
        return None

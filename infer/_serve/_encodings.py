"""Compressed bodies: decompressed in pieces, so that limits are checked as the body grows."""

from __future__ import annotations

import zlib
from collections.abc import Callable

from infer._serve._errors import RequestError

# Bytes that are decompressed between two checks, and compressed bytes read at a time.
_PIECE = 1 << 18
_SLICE = 1 << 16
# A body may grow to this many bytes, or to this many times its size if that is more. Constant data
# compresses up to 1,032 times, readings less than ten times.
_ALWAYS = 1 << 20
_RATIO = 100

# zlib's name for the two formats.
_WINDOWS = {b"gzip": 31, b"x-gzip": 31, b"deflate": 15}


def check_coding(coding: bytes | None) -> bytes:
    """Return the content coding of a body; empty if it is not compressed.

    Raises:
        RequestError: the coding is not supported.
    """
    if coding is None or coding.lower() == b"identity":
        return b""
    if coding.lower() not in _WINDOWS:
        found = coding[:40].decode("latin-1")
        raise RequestError(
            415,
            f"expected gzip or deflate at Content-Encoding, found {found!r}",
            (b"accept-encoding", b"gzip, deflate"),
        )
    return coding.lower()


def unpack(
    body: bytes | memoryview, coding: bytes, most: int, take: Callable[[int], None]
) -> memoryview:
    """Decompress a body.

    Args:
        body: as received.
        coding: returned by ``check_coding``.
        most: how many bytes the result may have.
        take: adds bytes to the memory in use; may raise a RequestError.

    Raises:
        RequestError: it is damaged, truncated, followed by other data (such as a second gzip
            member), or too large after decompression.
    """
    decoder = zlib.decompressobj(_WINDOWS[coding])
    plain = bytearray()
    whole = memoryview(body)
    allowed = max(_ALWAYS, _RATIO * len(whole))
    for start in range(0, len(whole), _SLICE):
        packed = bytes(whole[start : start + _SLICE])
        while packed and not decoder.eof:
            try:
                piece = decoder.decompress(packed, _PIECE)
            except zlib.error as error:
                raise RequestError(400, f"the body cannot be decompressed: {error}") from None
            packed = decoder.unconsumed_tail
            _check(len(plain) + len(piece), most, allowed)
            take(len(piece))
            plain += piece
        if decoder.eof and (decoder.unused_data or start + _SLICE < len(whole)):
            raise RequestError(
                400, "bytes follow the end of the compressed body; send it as one gzip member"
            )
    if not decoder.eof:
        raise RequestError(400, "the compressed body ends too early")
    return memoryview(plain)


def _check(size: int, most: int, allowed: int) -> None:
    if size > most:
        raise RequestError(413, f"expected at most {most:,} bytes after decompression")
    if size > allowed:
        raise RequestError(
            413,
            f"expected at most {_RATIO} times the size of the compressed body after "
            "decompression; send it uncompressed",
        )

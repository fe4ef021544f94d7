"""Compressed bodies, unpacked in pieces: what a body may cost is checked as it grows."""

from __future__ import annotations

import zlib
from collections.abc import Callable

from infer._serve._errors import RequestError

# Bytes that are unpacked between two checks, and that are read for them.
_PIECE = 1 << 18
_SLICE = 1 << 16
# A body may always grow to so many bytes, and to so many times its size. Constant data packs up to
# 1,032 times; readings pack less than ten.
_ALWAYS = 1 << 20
_RATIO = 100

# zlib's name for the two formats.
_WINDOWS = {b"gzip": 31, b"x-gzip": 31, b"deflate": 15}


def check_coding(coding: bytes | None) -> bytes:
    """Return the coding of a body, nothing if it is plain.

    Raises:
        RequestError: it is not one that is read here.
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
    """Return an unpacked body.

    Args:
        body: as it came.
        coding: that ``check_coding`` returned.
        most: bytes that it may have then.
        take: accounts for more bytes; may raise a RequestError.

    Raises:
        RequestError: it is damaged, ends too early, has something after its end (a second member of
            a gzip file, too), or grows too large.
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

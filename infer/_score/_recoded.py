"""Text as bytes in which ASCII stands for itself: as it is, or recoded to UTF-8 and back."""

from __future__ import annotations

import codecs
from typing import BinaryIO

from infer._errors import DataError
from infer._files._text.encoding import Encoding

# What a byte order mark leaves open in the encoding's name.
_MARKED = {"utf-16": ("utf-16-le", "utf-16-be"), "utf-32": ("utf-32-le", "utf-32-be")}
_BOM = {"utf-16-be": codecs.BOM_UTF16_BE, "utf-32-be": codecs.BOM_UTF32_BE}


def is_transparent(encoding: Encoding) -> bool:
    """Tell whether each byte below 128 is its ASCII character, wherever it stands."""
    if encoding.codec.startswith("utf-8"):
        return True
    ascii_bytes = bytes(range(128))
    every = bytes(range(256)).decode(encoding.codec, "replace")
    return len(every) == 256 and every.startswith(ascii_bytes.decode())


class Recoder:
    """Reads a text as bytes in which ASCII stands for itself, and writes such bytes back."""

    def __init__(self, path: str, encoding: Encoding) -> None:
        """Take a file and its encoding."""
        self._path = path
        codec = encoding.codec
        if codec in _MARKED:
            with open(path, "rb") as file:
                start = file.read(4)
            little, big = _MARKED[codec]
            codec = big if start.startswith(_BOM[big]) else little
        self.is_plain = is_transparent(encoding)
        self._outer = codec
        self.codec = codec.replace("utf-8-sig", "utf-8") if self.is_plain else "utf-8"

    def read(self, file: BinaryIO) -> BinaryIO:
        """Return a file as such bytes."""
        return file if self.is_plain else _Decoded(self._path, file, self._outer)  # type: ignore[return-value]

    def written(self, data: bytes) -> bytes:
        """Return such bytes as the file has them."""
        return data if self.is_plain else data.decode().encode(self._outer)

    def encoded(self, text: str) -> bytes:
        """Return a text as such bytes.

        Raises:
            DataError: the encoding has no such characters.
        """
        try:
            return text.encode(self.codec, "surrogateescape" if self.codec == "utf-8" else "strict")
        except UnicodeEncodeError:
            raise DataError(
                f"{self._path}: {text!r} cannot be written in its encoding, {self.codec}; "
                "type another name with --as"
            ) from None


class _Decoded:
    """A file that gives its text in UTF-8."""

    def __init__(self, path: str, file: BinaryIO, codec: str) -> None:
        self._path, self._file = path, file
        self._codec = codec
        self._decoder = codecs.getincrementaldecoder(codec)()
        self._rest = b""

    def read(self, size: int) -> bytes:
        while len(self._rest) < size:
            data = self._file.read(size)
            try:
                text = self._decoder.decode(data, final=not data)
            except UnicodeError as error:
                raise DataError(f"{self._path}: cannot be read as {self._codec}: {error}") from None
            self._rest += text.encode()
            if not data:
                break
        given, self._rest = self._rest[:size], self._rest[size:]
        return given

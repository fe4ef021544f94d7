"""Where readings come from: a file, or a stream that can be read only once."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import BinaryIO, cast

from train._errors import ReadingsError


class Source:
    """The bytes of a file, a pipe or standard input.

    Attributes:
        name: what to call it in an error.
        size: number of bytes; None if nobody knows.
        rereadable: whether it can be opened more than once.
    """

    def __init__(self, origin: Path | BinaryIO, name: str) -> None:
        """Name an origin; nothing is read yet.

        Args:
            origin: a path, or an open stream of bytes, which is not closed here.
            name: what to call it in an error.
        """
        self.name = name
        self._path = origin if isinstance(origin, Path) and origin.is_file() else None
        self._stream: BinaryIO | None = None
        self._copy: BinaryIO | None = None
        if self._path is None:
            if isinstance(origin, Path):
                origin = origin.open("rb")
                weakref.finalize(self, origin.close)
            self._stream = origin
        self.size = self._path.stat().st_size if self._path is not None else None
        self.rereadable = self._path is not None
        self._head = b""

    def head(self, count: int) -> tuple[bytes, bool]:
        """Return the first bytes, and whether these are all; a stream keeps them for ``open``."""
        if self._path is not None:
            with self._path.open("rb") as file:
                data = file.read(count + 1)
            return data[:count], len(data) <= count
        stream = cast("BinaryIO", self._stream)
        # A pipe gives what is there, not what was asked for.
        while len(self._head) <= count and (data := stream.read(count + 1 - len(self._head))):
            self._head += data
        return self._head[:count], len(self._head) <= count

    def open(self) -> BinaryIO:
        """Return a stream that stands at the beginning.

        Raises:
            ReadingsError: it was read already and is gone.
        """
        if self._path is not None:
            return self._path.open("rb")
        if self._copy is not None:
            stream = os.fdopen(os.dup(self._copy.fileno()), "rb")
            stream.seek(0)
            return stream
        if self._stream is None:
            raise ReadingsError(f"{self.name} can be read only once")
        rest, self._stream = self._stream, None
        return io.BufferedReader(_Chain(self._head, rest))

    def keep(self) -> None:
        """Make it possible to go back and to open again: copies a stream to the disk."""
        if self.rereadable:
            return
        copy = tempfile.TemporaryFile()  # noqa: SIM115
        weakref.finalize(self, copy.close)
        with self.open() as stream:
            shutil.copyfileobj(stream, copy)
        copy.flush()
        self._copy = copy
        self.size = copy.tell()
        self.rereadable = True


class _Chain(io.RawIOBase):
    """Bytes that were read from a stream, and then the rest of it."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = memoryview(head)
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._head:
            data = self._rest.read(len(buffer))
            buffer[: len(data)] = data
            return len(data)
        count = min(len(buffer), len(self._head))
        buffer[:count] = self._head[:count]
        self._head = self._head[count:]
        return count

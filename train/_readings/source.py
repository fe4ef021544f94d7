"""Where readings come from: a file, or a stream, of which a copy is made on the disk."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import BinaryIO


class Source:
    """The bytes of a file, a pipe or standard input; they can be read more than once.

    Attributes:
        name: what to call it in an error.
        size: number of bytes.
    """

    def __init__(self, origin: Path | BinaryIO, name: str) -> None:
        """Take a file as it is; a stream is read to its end.

        Args:
            origin: a path, or an open stream of bytes, which is not closed here.
            name: what to call it in an error.
        """
        self.name = name
        self._path: Path | None = None
        if not isinstance(origin, Path):
            self._keep(origin)
        elif origin.is_file():
            self._path, self.size = origin, origin.stat().st_size
        else:  # a named pipe
            with origin.open("rb") as stream:
                self._keep(stream)

    def _keep(self, stream: BinaryIO) -> None:
        self._copy = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as this source
        weakref.finalize(self, self._copy.close)
        shutil.copyfileobj(stream, self._copy)
        self._copy.flush()
        self.size = self._copy.tell()

    def open(self) -> BinaryIO:
        """Return a stream that stands at the beginning."""
        if self._path is not None:
            return self._path.open("rb")
        stream = os.fdopen(os.dup(self._copy.fileno()), "rb")
        stream.seek(0)
        return stream

    def head(self, count: int) -> bytes:
        """Return the first bytes."""
        with self.open() as stream:
            return stream.read(count)

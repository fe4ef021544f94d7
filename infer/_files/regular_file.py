"""Reading a file that somebody else made: only a regular file, and no more of it than expected.

A pipe would wait for a writer for ever, a device has no end, and a sparse file of a few kilobytes
can claim gigabytes.
"""

from __future__ import annotations

import os
import stat

from infer._errors import ArtifactError

_CHUNK = 1 << 18
# Opening a pipe must not wait for its writer; on Windows bytes must stay as they are.
_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)


def read_regular_file(path: str, most: int) -> bytes:
    """Return the content of a regular file, but no more than ``most`` bytes of it.

    A symbolic link is followed; what it leads to must be a regular file.

    Raises:
        ArtifactError: the path is something else, or it cannot be read.
    """
    try:
        # Looked at before it is opened, because opening alone makes some devices act, and again
        # afterwards, because it may have been replaced in between.
        _refuse_unless_regular(os.stat(path).st_mode, path)
        descriptor = os.open(path, _FLAGS)
        try:
            _refuse_unless_regular(os.fstat(descriptor).st_mode, path)
            return _read(descriptor, most)
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise ArtifactError(f"{path}: expected a readable file: {reason}") from None


def _read(descriptor: int, most: int) -> bytes:
    # In pieces: memory grows with what is there, not with what somebody claims to be there.
    pieces: list[bytes] = []
    while most > 0 and (piece := os.read(descriptor, min(most, _CHUNK))):
        pieces.append(piece)
        most -= len(piece)
    return b"".join(pieces)


def _refuse_unless_regular(mode: int, path: str) -> None:
    if stat.S_ISREG(mode):
        return
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    found = kinds.get(stat.S_IFMT(mode), "something else")
    raise ArtifactError(f"{path}: expected a regular file, found {found}")

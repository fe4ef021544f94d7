"""What replacing files and folders needs of the system: locks, and flushing a folder."""

from __future__ import annotations

import os
import sys


def lock(descriptor: int, *, wait: bool = False) -> bool | None:
    """Lock an open file or folder until it is closed, also by the death of the process.

    Args:
        descriptor: of the open file or folder.
        wait: wait for somebody else's lock to go away.

    Returns:
        Whether the lock is ours; None where the file system has no locks. Windows has none of this
        kind, either, and counts as ours: there nobody can remove an open file.
    """
    if sys.platform == "win32":
        return True
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def sync_folder(folder: str | os.PathLike[str]) -> None:
    """Wait until the disk has a folder's entries."""
    if sys.platform == "win32":
        return  # folders cannot be opened there
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Writing a folder so that it is old or new, complete or absent, never a mixture."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import sys
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


@contextlib.contextmanager
def staged(target: Path) -> Iterator[Path]:
    """Give an empty folder beside the target; at the end of the block it takes its place.

    If the block raises, or the process is killed at any point, the target is what it was. What a
    killed process left beside the target is removed by the next one to write there.
    """
    target = Path(os.path.abspath(target))  # noqa: PTH100 - keeps a symbolic link as it is
    target.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{target.name}.staging-"
    staging = target.with_name(f"{prefix}{uuid.uuid4().hex}")
    staging.mkdir()
    with _locked(staging):
        for leftover in target.parent.glob(f"{prefix}*"):
            _remove_unless_in_use(leftover)
        try:
            yield staging
            _sync(staging)
            _take_place(staging, target)
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files and wait until the disk has them."""
    for name, data in files.items():
        with (folder / name).open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())


def _take_place(staging: Path, target: Path) -> None:
    if not os.path.lexists(target):
        staging.rename(target)
    elif not _exchange(staging, target):
        # Without an atomic exchange there is a moment in which the target is absent.
        old = staging.with_name(f"{staging.name}-old")
        target.rename(old)
        staging.rename(target)
        shutil.rmtree(old)
    _sync(target.parent)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders in one step; False where the system cannot (anything but Linux)."""
    if sys.platform != "linux":
        return False
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:  # a C library from before 2018
        return False
    status: int = renameat2(
        _AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE
    )
    return status == 0


def _sync(folder: Path) -> None:
    """Wait until the disk has a folder's entries."""
    if sys.platform == "win32":
        return  # folders cannot be opened there
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Hold a lock on a folder; gives False if somebody else holds it. A dead process holds none."""
    if sys.platform == "win32":
        yield True
        return
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(descriptor)


def _remove_unless_in_use(folder: Path) -> None:
    try:
        with _locked(folder) as ours:
            if ours:
                shutil.rmtree(folder, ignore_errors=True)
    except FileNotFoundError:
        pass  # its owner has just finished

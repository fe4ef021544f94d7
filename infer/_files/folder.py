"""Writing a folder so that it is old or new, complete or absent, never a mixture."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil
import sys
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

from infer._files.disk import lock, sync_folder

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
# Ends the name of a target that was moved aside.
_OLD = "-old"


@contextlib.contextmanager
def staged(target: Path, *, replace: bool = True) -> Iterator[Path]:
    """Give an empty folder beside the target; at the end of the block it takes its place.

    If the block raises, or the process is killed at any point, the target is what it was. What a
    killed process left beside the target is removed by the next one to write there. Processes
    that write to one target at the same time replace each other's folders, whole ones.

    Raises:
        FileExistsError: the target is there by then, and ``replace`` is false.
    """
    target = Path(os.path.abspath(target))  # keeps a symbolic link as it is
    target.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{target.name}.staging-"
    staging = target.with_name(f"{prefix}{uuid.uuid4().hex}")
    with contextlib.ExitStack() as held:
        # The parent's lock keeps others from taking a staging folder that is not locked yet for
        # something that a killed process left.
        with _locked(target.parent, wait=True):
            _remove_leftovers(target, prefix)
            staging.mkdir()
            held.enter_context(_locked(staging))
        try:
            yield staging
            for folder, _, _ in os.walk(staging):
                sync_folder(folder)
            with _locked(target.parent, wait=True):
                if not replace and os.path.lexists(target):
                    raise FileExistsError(errno.EEXIST, "appeared in the meantime", str(target))
                _take_place(staging, target)
        finally:
            _discard(staging)


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files by their paths below a folder, and wait until the disk has them."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())


def _take_place(staging: Path, target: Path) -> None:
    if not os.path.lexists(target):
        staging.rename(target)
    elif not _exchange(staging, target):
        # Without an atomic exchange there is a moment in which the target is absent.
        old = staging.with_name(f"{staging.name}{_OLD}")
        target.rename(old)
        try:
            staging.rename(target)
        except BaseException:
            old.rename(target)
            raise
        _discard(old)
    sync_folder(target.parent)


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


@contextlib.contextmanager
def _locked(folder: Path, *, wait: bool = False) -> Iterator[bool]:
    """Hold a lock on a folder; gives False if somebody else holds it. A dead process holds none."""
    if sys.platform == "win32":
        yield True
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield lock(descriptor, wait=wait) is True
    finally:
        os.close(descriptor)


def _remove_leftovers(target: Path, prefix: str) -> None:
    """Remove what killed processes left; the caller holds the parent's lock."""
    for leftover in list(target.parent.iterdir()):
        if not leftover.name.startswith(prefix):
            continue
        if leftover.name.endswith(_OLD) and not os.path.lexists(target):
            leftover.rename(target)  # killed in the moment in which the target was absent
        else:
            _remove_unless_in_use(leftover)


def _remove_unless_in_use(folder: Path) -> None:
    try:
        with _locked(folder) as ours:
            if ours:
                _discard(folder)
    except FileNotFoundError:
        pass  # its owner has just finished


def _discard(path: Path) -> None:
    """Remove what took the target's place before, usually a folder."""
    if path.is_symlink() or path.is_file():
        path.unlink(missing_ok=True)
    else:
        shutil.rmtree(path, ignore_errors=True)

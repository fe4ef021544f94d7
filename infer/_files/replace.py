"""The one way to replace a file: a part file beside it, flushed to the disk, then renamed.

A part file is hidden, its name begins with the target's and ends with ``.samebits-part``, and its
writer holds a lock on it. A dead process holds no lock, so the next to write the same target can
remove what a killed one left, and leaves alone what another still writes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from infer._files.disk import lock, sync_folder

_PART = ".samebits-part"
# Bytes of the target's name in the name of its part file, which may have 255 in all.
_STEM = 180
# Folders whose entries are open files, not names of files.
_DESCRIPTORS = re.compile(r"/proc/(\d+)(/task/\d+)?/fd|/dev/fd")
_MOST_LINKS = 40


@contextlib.contextmanager
def replacing(path: str, *, mode: int | None = None, tidy: bool = True) -> Iterator[str]:
    """Give the path of an empty file; at the end of the block it takes the target's place.

    If the block raises, or the process is killed at any point, the target is what it was. Of
    several writers at the same time the last one wins; nobody ever sees half a file. A symbolic
    link stays, and the file it points to is replaced. Folders on the way are made.

    Args:
        path: the target.
        mode: permissions of the new file. None keeps those of the old one.
        tidy: remove what killed writers of this target left.

    Raises:
        OSError: it cannot be written, or is a folder, pipe or device; names ``path``.
    """
    try:
        target = _follow(path)
        if target.is_stream:
            raise OSError(errno.EINVAL, "is a pipe or a device; expected a file", path)
        os.makedirs(_folder(target.path), exist_ok=True)
        if tidy:
            remove_parts(path)
        if mode is None and target.mode is not None:
            mode = target.mode
        descriptor, part = _create(target.path)
    except OSError as error:
        raise _about(error, path) from error
    held = open(descriptor, "rb")  # noqa: SIM115 - closed below, earlier on Windows
    try:
        yield part
        if mode is not None:
            os.chmod(part, mode)
        os.fsync(descriptor)
        if sys.platform == "win32":
            held.close()  # an open file cannot be renamed there
        os.replace(part, target.path)
        sync_folder(_folder(target.path))
    except OSError as error:
        raise _about(error, path) from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)
        held.close()


def replace_file(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a whole file, as ``replacing`` does; into a pipe or a device, just write.

    Raises:
        OSError: it cannot be written; names ``path``.
    """
    path = os.fspath(path)
    try:
        target = _follow(path)
        if target.is_stream:
            with open(_open_stream(target.path), "wb") as stream:
                stream.write(data)
            return
    except OSError as error:
        raise _about(error, path) from error
    with replacing(path) as part, open(part, "wb") as file:
        file.write(data)


def replace_files(
    folder: str | os.PathLike[str], files: Mapping[str, bytes], *, without: Sequence[str] = ()
) -> None:
    """Write files that belong together; a folder without the last of them is incomplete.

    The last one is removed first, when all are on disk beside their places, and comes back after
    all others: whoever finds it finds the files that it was written with.

    Args:
        folder: where; made if need be.
        files: contents by name, in the order of renaming.
        without: names of files that go when the last one does, if they are there.

    Raises:
        OSError: a file cannot be written.
    """
    folder = os.fspath(folder)
    *_, seal = files
    with contextlib.ExitStack() as renamed:
        # The stack is left in reverse: what is entered first is renamed last.
        for name, data in reversed([*files.items()]):
            part = renamed.enter_context(replacing(os.path.join(folder, name)))
            with open(part, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        for name in (seal, *without):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(folder, name))
        sync_folder(folder)


def remove_parts(path: str) -> None:
    """Remove what killed writers left of a file, or of all files in and below a folder.

    Raises:
        OSError: a folder cannot be read.
    """
    if os.path.isdir(path):
        for parent, _, names in os.walk(path):
            _remove(parent, names, ".")
        return
    target = _follow(path).path
    parent, name = _folder(target), os.path.basename(target)
    if os.path.isdir(parent):
        _remove(parent, os.listdir(parent), f".{_stem(name)}.")


class _Target(NamedTuple):
    """What a path leads to.

    Attributes:
        path: what a link at its end points to.
        is_stream: whether it is a pipe or a device, or the name of an open file.
        mode: permissions, None if there is nothing.
    """

    path: str
    is_stream: bool
    mode: int | None


def _follow(path: str) -> _Target:
    """Find what a path leads to, also if that is not there yet.

    Raises:
        OSError: links lead in a circle, or to a folder.
    """
    named = path
    for _ in range(_MOST_LINKS):
        folder, name = os.path.split(path)
        real = os.path.realpath(folder)
        if _DESCRIPTORS.fullmatch(real):
            return _Target(os.path.join(real, name), is_stream=True, mode=None)
        if not os.path.islink(path):
            break
        path = os.path.join(folder, os.readlink(path))
    else:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), named)
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        mode = None
    if not name or (mode is not None and stat.S_ISDIR(mode)):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), named)
    if mode is None:
        return _Target(path, is_stream=False, mode=None)
    return _Target(path, not stat.S_ISREG(mode), mode & 0o777)


def _open_stream(path: str) -> int:
    folder, name = os.path.split(path)
    match = _DESCRIPTORS.fullmatch(folder)
    if match and name.isdecimal() and match[1] in (None, str(os.getpid())):
        return os.dup(int(name))  # opened anew, a file would be written from its beginning
    return os.open(path, os.O_WRONLY)


def _create(target: str) -> tuple[int, str]:
    """Make and lock a part file; return its descriptor and its path."""
    folder, name = os.path.split(target)
    while True:
        unique = f"{os.getpid()}-{os.urandom(8).hex()}"
        part = os.path.join(folder, f".{_stem(name)}.{unique}{_PART}")
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        lock(descriptor, wait=True)
        # Before it was locked, another writer may have taken it for a leftover.
        if os.fstat(descriptor).st_nlink:
            return descriptor, part
        os.close(descriptor)


def _folder(path: str) -> str:
    return os.path.dirname(path) or os.curdir


def _stem(name: str) -> str:
    return os.fsdecode(os.fsencode(name)[:_STEM])


def _remove(folder: str, names: list[str], start: str) -> None:
    for name in names:
        if not (name.startswith(start) and name.endswith(_PART)):
            continue
        part = os.path.join(folder, name)
        with contextlib.suppress(OSError):  # its writer has just finished, or it is not ours
            descriptor = os.open(part, os.O_RDWR)
            try:
                if lock(descriptor):
                    os.unlink(part)
            finally:
                os.close(descriptor)


def _about(error: OSError, path: str) -> OSError:
    """Return the same error about the target, where it is about its part file."""
    about = error.filename
    if error.errno is None or not (about in (None, path) or str(about).endswith(_PART)):
        return error
    return OSError(error.errno, error.strerror, path)

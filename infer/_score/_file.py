"""One file, from beginning to end: written beside, and renamed when it is whole."""

from __future__ import annotations

import contextlib
import os
import tempfile

from infer._errors import DataError
from infer._score._formats import format_of
from infer._score._task import Counts, Task, Tick

# Ends the name of a file that is being written, and begins it with a dot: nobody takes it for data.
_UNFINISHED = ".samebits-part"


def score_file(task: Task, tick: Tick | None = None) -> Counts:
    """Score a file; its target appears whole, or not at all.

    Doing it twice, even at the same time, does no harm: the bytes are the same.

    Raises:
        DataError: see ``Format.score``; or the file changed in the meantime, or a file cannot be
            read or written.
    """
    folder, name = os.path.split(task.target)
    beside = None
    try:
        os.makedirs(folder or os.curdir, exist_ok=True)
        before = os.stat(task.source)
        handle, beside = tempfile.mkstemp(_UNFINISHED, f".{name}.", folder or os.curdir)
        os.close(handle)
        counts = format_of(task.source).score(task, beside, tick or _ignore)
        after = os.stat(task.source)
        if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            raise DataError(f"{task.source}: changed while it was read")
        os.chmod(beside, before.st_mode & 0o777)  # a temporary file is its owner's alone
        os.replace(beside, task.target)
    except OSError as error:
        where = error.filename if error.filename not in (None, beside) else task.target
        raise DataError(f"{where}: {error.strerror or error}") from None
    finally:
        if beside is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(beside)
    return counts


def _ignore(_rows: int, _share: float) -> None:
    """Tell nobody."""


def remove_unfinished(target: str) -> None:
    """Remove what killed runs left half-written for a target, or in a folder of targets."""
    if os.path.isdir(target):
        for parent, _, names in os.walk(target):
            _remove(parent, names, ".")
        return
    parent, name = os.path.split(target)
    if os.path.isdir(parent or os.curdir):
        _remove(parent, os.listdir(parent or os.curdir), f".{name}.")


def _remove(folder: str, names: list[str], start: str) -> None:
    for name in names:
        if name.startswith(start) and name.endswith(_UNFINISHED):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(folder, name))

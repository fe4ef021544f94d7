"""One file, from beginning to end: written beside, and renamed when it is whole."""

from __future__ import annotations

import os

from infer._errors import DataError, InputError
from infer._files.replace import replacing
from infer._score._formats import format_of
from infer._score._task import Counts, Task, Tick


def score_file(task: Task, tick: Tick | None = None) -> Counts:
    """Score a file; its target appears whole, or not at all.

    Doing it twice, even at the same time, does no harm: the bytes are the same.

    Raises:
        DataError: see ``Format.score``; or the file changed in the meantime, or a file cannot be
            read or written.
        InputError: the target should hold these bytes already, and does not.
    """
    try:
        before = os.stat(task.source)
        # The job removes leftovers, once: a folder can hold many files.
        with replacing(task.target, mode=before.st_mode & 0o777, tidy=False) as part:
            counts = format_of(task.source).score(task, part, tick or _ignore)
            after = os.stat(task.source)
            if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
                raise DataError(f"{task.source}: changed while it was read")
            if task.expects_same and not _is_same(part, task.target):
                raise InputError(
                    f"{task.target}: is not what this run would write; type another name, or "
                    "--force to replace it"
                )
    except OSError as error:
        raise DataError(f"{error.filename or task.target}: {error.strerror or error}") from None
    return counts


def _ignore(_rows: int, _share: float) -> None:
    """Tell nobody."""


def _is_same(one: str, other: str) -> bool:
    from filecmp import cmp

    return cmp(one, other, shallow=False)

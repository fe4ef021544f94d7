"""The files of a folder, and of the folders in it."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable


def walk(folder: str, is_known: Callable[[str], bool]) -> tuple[list[str], list[str]]:
    """Return paths of files that are data, and of those that are something else, in order.

    Args:
        folder: where they lie, at any depth.
        is_known: tells by a file's name whether it is data.

    Names that begin with . or _ are passed over, of folders too: so programs mark what is not data,
    _SUCCESS for one. What begins with ~$ is something else: Excel marks so a workbook that is open.
    Links to folders are not followed, as they can lead in circles, and pipes and
    devices are not opened, as they can keep one waiting: both are something else.

    Raises:
        OSError: a folder cannot be read, or a file's kind.
    """
    known: list[str] = []
    others: list[str] = []
    for parent, folders, names in os.walk(folder, onerror=_raise):
        folders[:] = [name for name in folders if not name.startswith((".", "_"))]
        others += [path for name in folders if os.path.islink(path := os.path.join(parent, name))]
        for name in names:
            path = os.path.join(parent, name)
            if not name.startswith((".", "_")):
                if os.path.isdir(path):  # os.walk could not tell, just then
                    raise OSError(errno.EIO, "cannot be read", path)
                is_data = is_known(name) and not name.startswith("~$") and _is_file(path)
                (known if is_data else others).append(path)
    return sorted(known), sorted(others)


def _is_file(path: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except FileNotFoundError:
        return True  # a link to nothing is data that is missing: whoever opens it is told


def _raise(error: OSError) -> None:
    raise error

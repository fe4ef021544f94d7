"""The files of a folder, and of the folders in it."""

from __future__ import annotations

import os
from collections.abc import Callable


def walk(folder: str, is_known: Callable[[str], bool]) -> tuple[list[str], list[str]]:
    """Return paths of files that are data, and of those that are something else, in order.

    Args:
        folder: where they lie, at any depth.
        is_known: tells by a file's name whether it is data.

    Names that begin with . or _ are passed over, of folders too: so programs mark what is not data,
    _SUCCESS for one.
    """
    known: list[str] = []
    others: list[str] = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith((".", "_"))]
        for name in names:
            if not name.startswith((".", "_")):
                (known if is_known(name) else others).append(os.path.join(parent, name))
    return sorted(known), sorted(others)


def few(paths: list[str]) -> str:
    """Return the first paths and how many more there are, for people."""
    more = f" and {len(paths) - 3:,} more" if len(paths) > 3 else ""
    return f"{', '.join(paths[:3])}{more}"

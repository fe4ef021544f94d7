"""The formats, as a table: which files are of which, and the module that scores them."""

from __future__ import annotations

import os
from typing import NamedTuple, Protocol, cast

from infer._errors import InputError
from infer._files.options import ReadingOptions
from infer._score._task import Counts, Look, Task, Tick


class Format(Protocol):
    """The face of a format's module."""

    def look(self, path: str, options: ReadingOptions) -> Look:
        """Return the columns of a file.

        Raises:
            DataError: it is not a file of this format.
        """
        ...

    def score(self, task: Task, beside: str, tick: Tick) -> Counts:
        """Write the file with its answers to ``beside``; the same bytes whatever the threads.

        Raises:
            DataError: the file is damaged, or something in it is not a number.
        """
        ...


class _Row(NamedTuple):
    module: str
    name: str
    endings: tuple[str, ...]


FORMATS = (
    _Row("csv", "text", (".csv", ".tsv", ".txt", ".dat")),
    _Row("parquet", "Parquet", (".parquet", ".pq")),
    _Row("arrow", "Arrow IPC", (".arrow", ".arrows", ".feather", ".ipc")),
)


def ending(path: str) -> str:
    """Return a name's ending in lower case, with its dot."""
    return os.path.splitext(path)[1].lower()


def is_known(path: str) -> bool:
    """Tell whether a file's name says that it can be scored."""
    return any(ending(path) in row.endings for row in FORMATS)


def format_of(path: str) -> Format:
    """Return the module for a file, by the ending of its name.

    Raises:
        InputError: no format has this ending.
    """
    from importlib import import_module

    for row in FORMATS:
        if ending(path) in row.endings:
            return cast("Format", import_module(f"infer._score.{row.module}"))
    raise InputError(f"{path}: expected a name that ends with {endings()}")


def endings() -> str:
    """Return all endings, for people."""
    every = [ending for row in FORMATS for ending in row.endings]
    return f"{', '.join(every[:-1])} or {every[-1]}"


def is_same_format(one: str, other: str) -> bool:
    """Tell whether two names are of one format."""
    return any(ending(one) in row.endings and ending(other) in row.endings for row in FORMATS)

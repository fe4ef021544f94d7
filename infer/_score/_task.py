"""What is to be done to one file, and what was done: plain values that travel to other machines."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from infer._files.options import DEFAULT, ReadingOptions


class Task(NamedTuple):
    """A file to score.

    Attributes:
        source: path of the file to read.
        target: path of the file to write.
        columns: names of the columns that the model takes, one a feature.
        output: name of the new column.
        card: the bytes of the model's ``model.json``: another machine need not have its folder.
        workers: threads to compute in.
        reading: how to read the file, where it does not tell.
        expects_same: the target holds the result already; refuse to replace it by anything else.
    """

    source: str
    target: str
    columns: tuple[str, ...]
    output: str
    card: bytes
    workers: int
    reading: ReadingOptions = DEFAULT
    expects_same: bool = False


class Counts(NamedTuple):
    """How many rows were scored.

    Attributes:
        rows: all of them.
        nulls: those without an answer, because a value is missing.
        outside: those with a value outside the range that the fit saw.
    """

    rows: int = 0
    nulls: int = 0
    outside: int = 0

    def plus(self, other: Counts) -> Counts:
        """Return the sum."""
        return Counts(*(a + b for a, b in zip(self, other, strict=True)))


class Column(NamedTuple):
    """A column of a file.

    Attributes:
        name: what it is called.
        kind: what a user calls its type.
        numeric: whether a model can take it.
        problem: why its numbers cannot be read without a decision; empty if they can.
    """

    name: str
    kind: str
    numeric: bool
    problem: str = ""


class Look(NamedTuple):
    """What a glance at a file tells.

    Attributes:
        columns: in order.
        rows: how many there are, None if only reading all of it would tell.
        note: what the file was taken for, where a user should know; empty if not.
    """

    columns: tuple[Column, ...]
    rows: int | None
    note: str = ""


# Is told of rows as they are done, and of the share of the file that they are; may raise to stop.
Tick = Callable[[int, float], None]

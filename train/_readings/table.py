"""What every kind of file of readings is read into: blocks of rows, columns of numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

NO_FLAWS: Mapping[int, str] = MappingProxyType({})
# What is wrong with a value of which the user says that it means a missing one.
DECLARED = "missing, as --missing says"


class Numbers(NamedTuple):
    """One column of a block of readings.

    Attributes:
        values: float64 of shape (n,), or whole numbers: int64 of shape (n,), or a list of ints
            where these do not fit. Zero where there is a flaw.
        places: decimal places: whole numbers count units of 10**-places; None for doubles.
        flaws: what is wrong with a value, by its index.
    """

    values: NDArray[Any] | list[int]
    places: int | None
    flaws: Mapping[int, str] = NO_FLAWS

    def take(self, kept: NDArray[np.int64]) -> Numbers:
        """Return the values at some indices, without flaws."""
        if isinstance(self.values, list):
            return Numbers([self.values[index] for index in kept], self.places)
        return Numbers(self.values[kept], self.places)

    def as_doubles(self) -> NDArray[np.float64]:
        """Return the nearest doubles, correctly rounded."""
        if self.places is None:
            return np.asarray(self.values, dtype=np.float64)
        unit = 10**self.places
        whole = np.asarray(self.values)
        if whole.dtype == np.int64 and self.places <= 22 and np.all(np.abs(whole) < 1 << 53):
            # Both are doubles, so the division rounds once.
            return whole.astype(np.float64) / float(unit)
        return np.array([int(value) / unit for value in self.values], dtype=np.float64)


class RawBlock(NamedTuple):
    """Some rows as they stand in a file.

    Attributes:
        rows: int64 of shape (n,): each row's number in the file, from 1.
        columns: those that were asked for, n values each.
        flaws: what is wrong with a row as a whole, by its index.
        share: how much of the file is read with this block, 0 to 1; None if nobody knows.
    """

    rows: NDArray[np.int64]
    columns: Sequence[Numbers]
    flaws: Mapping[int, str]
    share: float | None


class Table(Protocol):
    """A file of readings that was looked at but not yet read."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, in order; empty for one without."""

    @property
    def units(self) -> tuple[str, ...]:
        """Their units, 1 for none; empty if the file does not say."""

    @property
    def layout(self) -> str:
        """What the file was taken for, for people."""

    @property
    def row_word(self) -> str:
        """What a row's number counts: "line" or "row"."""

    def blocks(self, picked: Sequence[int]) -> Iterator[RawBlock]:
        """Yield the rows of some columns, by index, in blocks."""


def integers(values: list[int]) -> NDArray[np.int64] | list[int]:
    """Return whole numbers as int64 if they fit."""
    try:
        return np.array(values, dtype=np.int64)
    except OverflowError:
        return values


def join(parts: Sequence[Numbers]) -> Numbers:
    """Return one column from its parts, exactly."""
    if len(parts) == 1:
        return parts[0]
    if any(part.places is None for part in parts):
        return Numbers(np.concatenate([part.as_doubles() for part in parts]), None)
    places = max(part.places or 0 for part in parts)
    scaled = [_scaled(part, places) for part in parts]
    if any(isinstance(values, list) for values in scaled):
        return Numbers([int(value) for values in scaled for value in values], places)
    return Numbers(np.concatenate(scaled), places)


def _scaled(part: Numbers, places: int) -> NDArray[Any] | list[int]:
    """Return whole numbers in smaller units."""
    factor = 10 ** (places - (part.places or 0))
    if isinstance(part.values, list) or factor == 1:
        return [value * factor for value in part.values] if factor > 1 else part.values
    if int(np.abs(part.values).max(initial=0)) < (1 << 62) // factor:
        return np.asarray(part.values * factor)
    return [value * factor for value in part.values.tolist()]

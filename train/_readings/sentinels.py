"""Numbers that mean a missing reading: those that the user names, and those that look like it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from infer._files._text.numbers import Style
from train._readings.table import Numbers

# How far from all others, in units of their range, nines and ends of integers look wrong, and
# any other value does.
_USUAL, _ANY = 10.0, 1000.0
_CODES = frozenset({32767, 32768, 65535, 2147483647, 2147483648, 4294967295, 6999, 7999})
# Different codes in one column that are looked for at each end.
_MOST = 3
_FEWEST = 4


def marks(texts: Sequence[str]) -> tuple[Fraction, ...]:
    """Return the numbers among the texts that mean a missing reading."""
    found = []
    for text in texts:
        for style in (Style("."), Style(",")):
            try:
                found.append(Fraction(Decimal(style.plain(text))))
            except (ArithmeticError, ValueError, OverflowError):
                continue
    return tuple(dict.fromkeys(found))


def marked(column: Numbers, numbers: Sequence[Fraction]) -> list[int]:
    """Return the indices of values that are one of some numbers."""
    unit = 10 ** (column.places or 0)
    values: NDArray[Any] = np.asarray(column.values)
    found: set[int] = set()
    for number in numbers:
        scaled = number * unit
        if column.places is None:
            found.update(np.flatnonzero(values == float(number)).tolist())
        elif scaled.denominator == 1 and (
            values.dtype == object or abs(scaled.numerator) < 1 << 63
        ):
            found.update(np.flatnonzero(values == scaled.numerator).tolist())
    return sorted(found - set(column.flaws))


# Different values, each with its first row, smallest first.
_Ends = tuple[tuple[float, int], ...]


class Extremes(NamedTuple):
    """The outermost different values of a column.

    Attributes:
        low: the smallest ones.
        high: the largest ones, with their signs changed.
        rows: how many values there are.
    """

    low: _Ends = ()
    high: _Ends = ()
    rows: int = 0

    def plus(self, values: NDArray[np.float64], rows: NDArray[np.int64]) -> Extremes:
        """Return the same with more values, and the rows that they stand on."""
        low, high = _smallest(values, rows), _smallest(-values, rows)
        return self.merge(Extremes(low, high, len(values)))

    def merge(self, other: Extremes) -> Extremes:
        """Return the extremes of both."""
        return Extremes(
            _merged(self.low, other.low), _merged(self.high, other.high), self.rows + other.rows
        )

    def sentinel(self) -> tuple[float, int] | None:
        """Return a value that is far outside all others, and its row; None if none is."""
        if self.rows < _FEWEST:
            return None
        for sign, ends, opposite in ((1, self.low, self.high), (-1, self.high, self.low)):
            for (value, _), (nearest, _) in pairwise(ends):
                spread = abs(nearest + opposite[0][0])
                if spread and nearest - value > spread * (_USUAL if _is_code(value) else _ANY):
                    return sign * ends[0][0], ends[0][1]
        return None


def _smallest(values: NDArray[np.float64], rows: NDArray[np.int64]) -> _Ends:
    found: list[tuple[float, int]] = []
    while len(values) and len(found) <= _MOST:
        at = int(np.argmin(values))
        found.append((float(values[at]), int(rows[at])))
        larger = values > values[at]
        values, rows = values[larger], rows[larger]
    return tuple(found)


def _merged(one: _Ends, other: _Ends) -> _Ends:
    found = dict(other) | dict(one)
    return tuple(sorted(found.items())[: _MOST + 1])


def about(column: Extremes, label: str, place: str) -> list[str]:
    """Return a sentence about a value of a column that may mean a missing one, if there is one.

    Args:
        column: its outermost values.
        label: what to call it.
        place: what a row's number counts.
    """
    found = column.sentinel()
    if found is None:
        return []
    value, row = found
    return [
        f"{label}: {value:.15g} ({place} {row:,}) is far outside all other values; if it means a "
        f"missing reading, type --missing {value:.15g}"
    ]


def _is_code(value: float) -> bool:
    size = abs(value)
    digits = f"{size:.9f}".rstrip("0").replace(".", "")
    return size in _CODES or size >= 1e30 or (len(digits) >= 3 and set(digits) == {"9"})

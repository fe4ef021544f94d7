"""Exact sums of products as matrix products of digits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from operator import mul
from typing import Any

import numpy as np
from numpy.typing import NDArray

from train._exact.columns import Doubles, ExactColumn, extent
from train._exact.moments import Exponents, Moment, moments, plus, polynomial
from train._exact.rational import power_of_two

_WIDTH = 21
# 2^13 products of two digits of 2^20 sum to 2^53 at most. Fewer rows stay in the cache.
_ROWS = 1 << 12
# So short that the library for matrices does not start threads, which would wait for each other.
_PRODUCTS = 1 << 17
# Rows after which the sums move from 64-bit to unbounded integers.
_SLICE = 1 << 20
# Number of digits up to which splitting pays.
_MOST_DIGITS = 600


def digits(values: Doubles, low: int, bits: int, width: int) -> list[Doubles]:
    """Split doubles exactly: values = 2**low · Σ digit[i] · 2**(width·i).

    Returns:
        The digits, lowest first, each a whole number of at most 2**(width - 1) in magnitude. One
        bit more than the number has is enough, for its sign.
    """
    rest = values * 2.0**-low
    result = []
    for index in range(-(-(bits + 1) // width) - 1, 0, -1):
        top = np.rint(rest * 2.0 ** (-width * index))
        rest = rest - top * 2.0 ** (width * index)
        result.append(top)
    return [rest, *reversed(result)]


def whole_digits(numbers: Sequence[int], bits: int, width: int) -> Doubles:
    """Split whole numbers from 0 to 2**bits into digits, as ``digits`` does; shape (digits, n)."""
    count = -(-(bits + 1) // width)
    size = -(-count * width // 8)
    data = b"".join([number.to_bytes(size, "little") for number in numbers])
    table = np.frombuffer(data, dtype=np.uint8).reshape(len(numbers), size)
    ones = np.unpackbits(table, axis=1, count=count * width, bitorder="little")
    places = 2.0 ** np.arange(width)
    result = np.ascontiguousarray(
        (ones.reshape(len(numbers), count, width) @ places.astype(np.float32)).T, dtype=np.float64
    )
    for place in range(count - 1):
        carry = np.rint(result[place] * 2.0**-width)
        result[place] -= carry * 2.0**width
        result[place + 1] += carry
    return result


def _below(exponents: Exponents) -> tuple[int, Exponents]:
    """Return a feature, and the term that gives this one when it is multiplied by that feature."""
    feature = next(index for index, power in enumerate(exponents) if power)
    return feature, tuple(p - (i == feature) for i, p in enumerate(exponents))


@dataclass(frozen=True)
class _Layout:
    """Which rows of a table of digits hold which term; None stands for y.

    Without weights, y and the terms on the left are the first rows of the one table. With weights,
    a second table holds their products with the weights.
    """

    terms: Sequence[Exponents]
    bits: Sequence[int]  # of each feature, and of y
    weight_bits: int

    @cached_property
    def places(self) -> dict[Exponents | None, slice]:
        """Rows of the table."""
        others = [e for e in self.terms if e not in self.left]
        return self._places([None, *self.left, *others], 0)

    @cached_property
    def left_places(self) -> dict[Exponents | None, slice]:
        """Number of rows of the left factor."""
        return self._places([None, *self.left], self.weight_bits)

    def _places(self, keys: Sequence[Exponents | None], more: int) -> dict[Exponents | None, slice]:
        places, end = {}, 0
        for key in keys:
            bits = self.bits[-1] if key is None else sum(map(mul, key, self.bits))
            # One bit more than the number has, for its sign.
            start, end = end, end - (-(bits + more + 1) // _WIDTH)
            places[key] = slice(start, end)
        return places

    @cached_property
    def left(self) -> list[Exponents]:
        """The terms whose products with all terms give every sum."""
        degree = len(self.terms) - 1
        if tuple(self.terms) == polynomial(degree):
            return [(0,), (degree,)]
        return list(self.terms)

    @property
    def height(self) -> int:
        """Rows of the table."""
        return int(max(place.stop for place in self.places.values()))

    @property
    def left_height(self) -> int:
        """Number of rows of the left factor."""
        return int(max(place.stop for place in self.left_places.values()))


def sum_digits(
    columns: Sequence[ExactColumn], terms: Sequence[Exponents], weight: ExactColumn | None = None
) -> tuple[list[Fraction], dict[Moment, int]] | None:
    """Sum with matrix products of digits; None where they would be too many."""
    doubles = [c.values for c in columns if not isinstance(c.values, list)]
    known = [found for values in doubles if (found := extent(values)) is not None]
    if len(known) < len(columns) or not all(_below(e)[1] in terms for e in terms if any(e)):
        return None
    weights: Any = None if weight is None else weight.values
    weight_bits = 0 if weight is None else max(weights).bit_length()
    layout = _Layout(terms, [bits for _, bits in known], weight_bits)
    if max(layout.height, layout.left_height) > _MOST_DIGITS:
        return None
    table = np.zeros((layout.height, _ROWS))
    units = [c.factor * power_of_two(low) for c, (low, _) in zip(columns, known, strict=True)]
    sums = dict.fromkeys(moments(terms), 0)
    rows = len(doubles[0])
    for start in range(0, rows, _SLICE):
        total = np.zeros((layout.left_height, layout.height), dtype=np.int64)
        for begin in range(start, min(start + _SLICE, rows), _ROWS):
            block = slice(begin, min(begin + _ROWS, start + _SLICE, rows))
            filled = table[:, : block.stop - block.start]
            _fill(filled, layout, [values[block] for values in doubles], [low for low, _ in known])
            left = filled[: layout.left_height]
            if weight is not None:
                left = _weighted(filled, layout, weights[block])
            total += _products(left, filled)
        _collect(sums, layout, total)
    return units, sums


def _weighted(table: Doubles, layout: _Layout, weights: Sequence[int]) -> Doubles:
    """Return the digits of the left factor, times the weights."""
    factor = whole_digits(weights, layout.weight_bits, _WIDTH)
    result = np.empty((layout.left_height, len(weights)))
    for key, place in layout.left_places.items():
        _multiply(factor, table[layout.places[key]], result[place])
    return result


def _fill(table: Doubles, layout: _Layout, block: Sequence[Doubles], lows: Sequence[int]) -> None:
    """Write the digits of y and of each term into the table."""
    places, none = layout.places, (0,) * len(layout.terms[0])
    singles = [
        digits(values, low, layout.bits[index], _WIDTH)
        for index, (values, low) in enumerate(zip(block, lows, strict=True))
    ]
    table[places[None]] = singles.pop()
    table[places[none]] = 1.0
    for exponents in sorted(layout.terms, key=sum):
        if exponents == none:
            continue
        feature, below = _below(exponents)
        if below == none:
            table[places[exponents]] = singles[feature]
        else:
            _multiply(table[places[below]], singles[feature], table[places[exponents]])


def _multiply(left: Doubles, right: Sequence[Doubles] | Doubles, result: Doubles) -> None:
    """Multiply numbers in digits: all products of two digits, then carries."""
    height, room = len(left) + len(right) - 1, len(result)
    sums = np.zeros((max(height, room), left.shape[1]))
    for place, digit in enumerate(right):
        sums[place : place + len(left)] += left * digit
    for place in range(room - 1):
        carry = np.rint(sums[place] * 2.0**-_WIDTH)
        sums[place] -= carry * 2.0**_WIDTH
        sums[place + 1] += carry
    # What lies above the last place cancels with what lies in it, except for one digit.
    for place in range(height - 1, room - 1, -1):
        sums[place - 1] += sums[place] * 2.0**_WIDTH
    result[:] = sums[:room]


def _products(left: Doubles, right: Doubles) -> NDArray[np.int64]:
    """Return the sums of the products of the rows of two tables."""
    rows = left.shape[1]
    step = max(_PRODUCTS // (len(left) * len(right)), 16)
    whole = rows // step * step
    a, b = (
        table[:, :whole].reshape((len(table), -1, step)).transpose(1, 0, 2)
        for table in (left, right)
    )
    total = (a @ b.transpose(0, 2, 1)).sum(axis=0)
    return np.asarray(total + left[:, whole:] @ right[:, whole:].T, dtype=np.int64)


def _collect(sums: dict[Moment, int], layout: _Layout, total: NDArray[np.int64]) -> None:
    """Add up the products of digits, each at its place."""
    none = (0,) * len(layout.terms[0])
    wanted: dict[Moment, tuple[Exponents | None, Exponents | None]] = {
        (plus(e, f), 0): (e, f) for e in layout.left for f in layout.terms
    }
    wanted |= {(e, 1): (None, e) for e in layout.terms}
    wanted[none, 2] = (None, None)
    for moment, (left, right) in wanted.items():
        for i, row in enumerate(total[layout.left_places[left], layout.places[right]].tolist()):
            for j, value in enumerate(row):
                sums[moment] += value << _WIDTH * (i + j)

"""A second look at the readings, beside the curve: residuals, leverages, leave-one-out errors.

These are double-precision numbers, computed row by row, and summed exactly: they do not depend on
how the rows are split either.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from train._columns import Column, Doubles
from train._exact import root
from train._judge import floor_log2, power_of_two
from train._least_squares import Solution, line
from train._sums import read_block

# Up to so many readings, residuals come from the exact curve: those of precise readings are lost
# in doubles.
_EXACT_ROWS = 5_000
_FIXED_BITS = 200
_LARGEST = 5
_SAMPLE = 10_000
_ROWS = 1 << 14
# A reading of a larger leverage (they lie between 0 and 1) holds the curve nearly alone.
HIGH_LEVERAGE = 0.5
# Nearer to 1 than this, a reading determines a coefficient alone: without it there is no fit.
_ALONE = 1e-9
_DISTINCT = 64


class Block(NamedTuple):
    """Some of the readings, see ``Sums.add``.

    Attributes:
        x: a column, or with several features a sequence of columns.
        y: a column.
        sigma: a column, if the fit is weighted.
        rows: number of each row, or of the first; None: they go on from the block before.
    """

    x: Any
    y: Any
    sigma: Any = None
    rows: int | Sequence[int] | None = None


class Residual(NamedTuple):
    """A reading beside the curve.

    Attributes:
        row: number of the reading, from 1.
        x: its inputs, one a feature.
        y: its reading.
        residual: y minus the curve.
        standardized: the residual over its own standard deviation; 0 if that is 0.
    """

    row: int
    x: tuple[float, ...]
    y: float
    residual: float
    standardized: float


@dataclass(frozen=True)
class Review:
    """What a second look found.

    Attributes:
        loo: mean of the squared leave-one-out errors of each degree, by number of terms; inf if a
            reading determines a coefficient alone.
        loo_differences: standard error of the difference of these means, by two numbers of terms.
        largest: the readings with the largest standardized residuals, by number of terms.
        leverages: rows of the largest leverages among the high ones, with it, likewise.
        high_leverages: how many leverages are high, likewise.
        distinct: number of different x; None if there are many.
        x: a sample of the readings, shape (n,) or (n, k).
        y: likewise.
        sigma: likewise, if weighted.
    """

    loo: dict[int, float]
    loo_differences: dict[tuple[int, int], float]
    largest: dict[int, tuple[Residual, ...]]
    leverages: dict[int, tuple[tuple[int, float], ...]]
    high_leverages: dict[int, int]
    distinct: int | None
    x: Doubles
    y: Doubles
    sigma: Doubles | None


def exact_sum(values: Doubles) -> Fraction:
    """Return the exact sum of doubles: their halves are summed by exponent, without rounding."""
    total = Fraction(0)
    for start in range(0, len(values), 1 << 20):
        mantissas, exponents = np.frexp(values[start : start + (1 << 20)])
        whole = np.ldexp(mantissas, 53)
        high = np.rint(whole * 2.0**-27)
        low = whole - high * 2.0**27
        least = int(exponents.min())
        places = exponents - least
        number = 0
        for part, shift in ((high, 27), (low, 0)):
            sums = np.bincount(places, weights=part)
            number += sum(
                int(value) << (place + shift) for place, value in enumerate(sums.tolist())
            )
        total += number * power_of_two(least - 53)
    return total


def orthogonal_values(solution: Solution, u: Sequence[Doubles]) -> list[Doubles]:
    """Return the orthogonal polynomials at some u, each of the shape of one feature.

    For one feature by their three-term recurrence, which keeps all digits at any degree.
    """
    rows = solution.orthogonal
    if len(u) > 1:
        terms = [
            np.prod([v**e for v, e in zip(u, powers, strict=True)], axis=0)
            for powers in solution.powers
        ]
        return [
            np.sum([float(c) * term for c, term in zip(row, terms, strict=True)], axis=0)
            for row in rows
        ]
    second = [row[k - 1] if k else Fraction(0) for k, row in enumerate(rows)]
    values = [u[0] ** solution.powers[0][0]]
    for k in range(len(rows) - 1):
        following = (u[0] - float(second[k] - second[k + 1])) * values[k]
        if k:
            following = (
                following - float(solution.lengths[k] / solution.lengths[k - 1]) * values[k - 1]
            )
        values.append(following)
    return values


def curves(solution: Solution, sizes: Sequence[int]) -> dict[int, list[Fraction]]:
    """Return the curve of only the first so many terms, as coefficients in u."""
    total = [Fraction(0)] * len(solution.powers)
    result = {}
    for k, row in enumerate(solution.orthogonal):
        weight = solution.projections[k] / solution.lengths[k]
        total = [t + weight * c for t, c in zip(total, row, strict=True)]
        if k + 1 in sizes:
            result[k + 1] = total[: k + 1]
    return result


class _Fixed:
    """A curve in integers, to 200 bits behind its largest coefficient."""

    def __init__(self, solution: Solution, curve: Sequence[Fraction]) -> None:
        peak = max(map(abs, curve))
        scale = power_of_two(_FIXED_BITS - (floor_log2(peak) if peak else 0))
        self._scale = scale
        self._curve = [round(c * scale) for c in curve]
        self._powers = solution.powers[: len(curve)]
        self._frames = list(zip(solution.center, solution.half_width, strict=True))

    def residuals(self, x: Sequence[Column], y: Column) -> Doubles:
        """Return y minus the curve."""
        u = []
        for column, frame in zip(x, self._frames, strict=True):
            values, unit = column.whole()
            alpha, beta, gamma = line(unit, *frame)
            u.append([((alpha * n - beta) << _FIXED_BITS) // gamma for n in values])
        targets, unit = y.whole()
        # y - curve = (n·unit·scale - value) / scale, over one denominator.
        above = unit.numerator * self._scale.numerator
        below = unit.denominator * self._scale.denominator
        whole = unit.denominator * self._scale.numerator
        curve = map(self._value, zip(*u, strict=True))
        return np.array(
            [(n * above - value * below) / whole for n, value in zip(targets, curve, strict=True)]
        )

    def _value(self, u: Sequence[int]) -> int:
        if len(u) > 1:
            one = 1 << _FIXED_BITS
            return (
                sum(
                    c * (u[powers.index(1)] if any(powers) else one)
                    for c, powers in zip(self._curve, self._powers, strict=True)
                )
                >> _FIXED_BITS
            )
        value = 0
        for c in reversed(self._curve):
            value = (value * u[0] >> _FIXED_BITS) + c
        return value * u[0] >> _FIXED_BITS if self._powers[0][0] else value


def review(
    blocks: Iterable[Block], solution: Solution, sizes: Sequence[int], *, weighted: bool
) -> Review:
    """Read all rows once more.

    Args:
        blocks: the same readings that the solution comes from.
        solution: of the most terms.
        sizes: numbers of terms that are of interest, ascending.
        weighted: whether the readings come with their standard uncertainty.
    """
    look = _Look(solution, sizes, weighted=weighted)
    row = 1
    for block in blocks:
        x, y, sigma = read_block(
            block.x,
            block.y,
            block.sigma,
            features=len(solution.center),
            weighted=weighted,
        )
        rows = row if block.rows is None else block.rows
        numbers = np.arange(rows, rows + len(y)) if isinstance(rows, int) else np.asarray(rows)
        for start in range(0, len(y), _ROWS):
            part = slice(start, start + _ROWS)
            look.add(
                [feature.take(part) for feature in x],
                y.take(part),
                None if sigma is None else sigma.take(part),
                numbers[part],
            )
        row = int(numbers[-1]) + 1 if len(numbers) else row
    return look.result()


class _Look:
    """The second look while it goes on."""

    def __init__(self, solution: Solution, sizes: Sequence[int], *, weighted: bool) -> None:
        self.solution, self.sizes, self.weighted = solution, sizes, weighted
        found = curves(solution, sizes)
        squares = {k: solution.squares_of(k) for k in sizes}
        self.fixed = {k: _Fixed(solution, found[k]) for k in sizes if squares[k]}
        self.exact = solution.rows <= _EXACT_ROWS
        self.sd = {k: float(root(squares[k] / (solution.rows - k))) for k in sizes}
        self.step = -(-solution.rows // _SAMPLE)
        self.seen = 0
        pairs = [(a, b) for a in sizes for b in sizes if a <= b]
        self.means = dict.fromkeys(sizes, Fraction(0))
        self.products = dict.fromkeys(pairs, Fraction(0))
        self.alone = dict.fromkeys(sizes, False)
        self.largest: dict[int, list[tuple[float, int, Residual]]] = {k: [] for k in sizes}
        self.leverages: dict[int, list[tuple[float, int]]] = {k: [] for k in sizes}
        self.high = dict.fromkeys(sizes, 0)
        self.distinct: set[float] = set()
        self.kept: list[tuple[Doubles, Doubles, Doubles | None]] = []

    def add(
        self, x: Sequence[Column], y: Column, sigma: Column | None, numbers: NDArray[Any]
    ) -> None:
        """Look at some rows."""
        xs, ys = [feature.doubles() for feature in x], y.doubles()
        inverse = 1.0 if sigma is None else 1.0 / sigma.doubles()
        u = [
            (values - float(center)) / float(half)
            for values, center, half in zip(
                xs, self.solution.center, self.solution.half_width, strict=True
            )
        ]
        leverage, curve = np.zeros(len(ys)), np.zeros(len(ys))
        errors: dict[int, Doubles] = {}
        for k, values in enumerate(orthogonal_values(self.solution, u)):
            length = self.solution.lengths[k]
            leverage = leverage + (values * inverse / math.sqrt(length)) ** 2
            curve = curve + float(self.solution.projections[k] / length) * values
            if k + 1 in self.sizes:
                residuals = self._residuals(k + 1, x, y, ys - curve)
                left = np.maximum(1.0 - leverage, 0.0)
                self.alone[k + 1] |= bool((left < _ALONE).any())
                errors[k + 1] = (residuals * inverse / np.maximum(left, _ALONE)) ** 2
                self._note(k + 1, xs, ys, residuals, inverse, left, numbers)
        for k, squares in errors.items():
            self.means[k] += exact_sum(squares)
        for a, b in self.products:
            if len(self.sizes) > 1:
                self.products[a, b] += exact_sum(errors[a] * errors[b])
        if len(xs) == 1 and len(self.distinct) <= _DISTINCT:
            self.distinct |= set(xs[0][: 2 * _DISTINCT].tolist())
            if len(self.distinct) <= _DISTINCT:
                self.distinct |= set(np.unique(xs[0]).tolist())
        picked = slice(-self.seen % self.step, None, self.step)
        table = np.stack([values[picked] for values in xs], axis=-1)
        # Copies: a view would keep its whole block.
        sigmas = None if sigma is None else sigma.doubles()[picked].copy()
        self.kept.append((table[:, 0] if len(xs) == 1 else table, ys[picked].copy(), sigmas))
        self.seen += len(ys)

    def _residuals(self, size: int, x: Sequence[Column], y: Column, rounded: Doubles) -> Doubles:
        if size not in self.fixed:
            return np.zeros_like(rounded)
        return self.fixed[size].residuals(x, y) if self.exact else rounded

    def _note(
        self,
        size: int,
        xs: Sequence[Doubles],
        ys: Doubles,
        residuals: Doubles,
        inverse: Doubles | float,
        left: Doubles,
        numbers: NDArray[Any],
    ) -> None:
        """Keep the largest residuals and the high leverages."""
        spread = self.sd[size] * np.sqrt(np.maximum(left, _ALONE))
        standardized = residuals * inverse / spread if self.sd[size] else np.zeros_like(ys)
        # Only the largest are sorted; equal ones by row, so that the split does not matter.
        size_of = np.abs(standardized)
        rank = min(_LARGEST, len(ys))
        least = np.partition(size_of, -rank)[-rank]
        some = np.flatnonzero(size_of >= least)
        order = some[np.lexsort((numbers[some], -size_of[some]))][:_LARGEST]
        for index in order.tolist():
            residual = Residual(
                row=int(numbers[index]),
                x=tuple(float(values[index]) for values in xs),
                y=float(ys[index]),
                residual=float(residuals[index]),
                standardized=float(standardized[index]),
            )
            self.largest[size].append((-abs(residual.standardized), residual.row, residual))
        self.largest[size] = heapq.nsmallest(
            _LARGEST, self.largest[size], key=lambda entry: entry[:2]
        )
        high = np.flatnonzero(1.0 - left > HIGH_LEVERAGE)
        self.high[size] += len(high)
        found = [(-(1.0 - float(left[index])), int(numbers[index])) for index in high.tolist()]
        self.leverages[size] = heapq.nsmallest(_LARGEST, [*self.leverages[size], *found])

    def result(self) -> Review:
        """Return what there is to say at the end."""
        rows = self.seen
        means = {k: float(total / rows) for k, total in self.means.items()}
        spread = {}
        for a, b in self.products:
            mean = (self.means[a] - self.means[b]) / rows
            square = (
                self.products[a, a] + self.products[b, b] - 2 * self.products[a, b]
            ) / rows - mean**2
            spread[a, b] = spread[b, a] = math.sqrt(max(square, Fraction(0)) / rows)
        x, y, sigma = zip(*self.kept, strict=True)
        return Review(
            loo={k: math.inf if self.alone[k] else mean for k, mean in means.items()},
            loo_differences=spread,
            largest={k: tuple(e for _, _, e in found) for k, found in self.largest.items()},
            leverages={
                k: tuple((row, -negative) for negative, row in found)
                for k, found in self.leverages.items()
            },
            high_leverages=self.high,
            distinct=len(self.distinct) if 0 < len(self.distinct) <= _DISTINCT else None,
            x=np.concatenate(x),
            y=np.concatenate(y),
            sigma=np.concatenate(sigma) if self.weighted else None,
        )

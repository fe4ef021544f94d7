"""Second pass over the readings: residuals, leverages, leave-one-out errors.

These are doubles, computed row by row and summed exactly, so they do not depend on how the rows are
split.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from train._calibration.findings import (
    MOST_DISTINCT,
    MOST_LARGEST,
    Findings,
    ReadingsBlock,
    Residual,
)
from train._exact.columns import Doubles, ExactColumn, exact_sum
from train._exact.hashes import fingerprint
from train._exact.least_squares import Solution, line
from train._exact.rational import floor_log2, power_of_two, root
from train._exact.sums import read_block

# Up to this number of readings, residuals are computed from the exact curve: doubles lose those of
# precise readings.
_EXACT_ROWS = 5_000
_FIXED_BITS = 200
_SAMPLE = 10_000
_ROWS = 1 << 14
# A reading of larger leverage (from 0 to 1) dominates the curve.
HIGH_LEVERAGE = 0.5
# A leverage this close to 1: the reading alone determines a coefficient.
_ALONE = 1e-9


def orthogonal_values(solution: Solution, u: Sequence[Doubles]) -> list[Doubles]:
    """Return the orthogonal polynomials at some u, each in the shape of one feature.

    For one feature, their three-term recurrence keeps all digits at any degree.
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
    """Return the curves of the first k terms for each size k, as coefficients in u."""
    total = [Fraction(0)] * len(solution.powers)
    result = {}
    for k, row in enumerate(solution.orthogonal):
        weight = solution.projections[k] / solution.lengths[k]
        total = [t + weight * c for t, c in zip(total, row, strict=True)]
        if k + 1 in sizes:
            result[k + 1] = total[: k + 1]
    return result


class _Fixed:
    """A curve in fixed point, to 200 bits below its largest coefficient."""

    def __init__(self, solution: Solution, curve: Sequence[Fraction]) -> None:
        peak = max(map(abs, curve))
        scale = power_of_two(_FIXED_BITS - (floor_log2(peak) if peak else 0))
        self._scale = scale
        self._curve = [round(c * scale) for c in curve]
        self._powers = solution.powers[: len(curve)]
        self._frames = list(zip(solution.center, solution.half_width, strict=True))

    def residuals(self, x: Sequence[ExactColumn], y: ExactColumn) -> Doubles:
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


class SecondPass:
    """Compares the readings with a curve, block by block. It can be pickled."""

    def __init__(self, solution: Solution, sizes: Sequence[int], *, weighted: bool) -> None:
        """Prepare to compare readings with a curve.

        Args:
            solution: with the most terms.
            sizes: numbers of terms to compare, ascending.
            weighted: whether the readings come with their standard uncertainty.
        """
        self.solution, self.sizes, self.weighted = solution, sizes, weighted
        found = curves(solution, sizes)
        squares = {k: solution.squares_of(k) for k in sizes}
        self.fixed = {k: _Fixed(solution, found[k]) for k in sizes if squares[k]}
        self.exact = solution.rows <= _EXACT_ROWS
        self.sd = {k: float(root(squares[k] / (solution.rows - k))) for k in sizes}
        self.step = -(-solution.rows // _SAMPLE)

    def over(self, blocks: Iterable[ReadingsBlock], before: int = 0) -> Findings:
        """Return the findings for some of the readings that the solution comes from.

        Args:
            blocks: these readings.
            before: number of readings before them.

        Raises:
            OverflowError: the numbers are too large for doubles.
        """
        findings = Findings()
        row = 1
        for block in blocks:
            x, y, sigma = read_block(
                block.x,
                block.y,
                block.sigma,
                features=len(self.solution.center),
                weighted=self.weighted,
            )
            rows = row if block.rows is None else block.rows
            numbers = np.arange(rows, rows + len(y)) if isinstance(rows, int) else np.asarray(rows)
            for start in range(0, len(y), _ROWS):
                part = slice(start, start + _ROWS)
                # Overflow ends in an error where the results are rounded.
                with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
                    found = self._over(
                        [feature.take(part) for feature in x],
                        y.take(part),
                        None if sigma is None else sigma.take(part),
                        _Places(block.file, numbers[part], before + findings.rows),
                    )
                    findings.merge(found)
            row = int(numbers[-1]) + 1 if len(numbers) else row
        return findings

    def _over(
        self, x: Sequence[ExactColumn], y: ExactColumn, sigma: ExactColumn | None, places: _Places
    ) -> Findings:
        """Return the findings for some rows."""
        findings = Findings(rows=len(y))
        xs, ys = [feature.doubles() for feature in x], y.doubles()
        sigmas = [] if sigma is None else [sigma.doubles()]
        findings.fingerprint = fingerprint([*xs, ys, *sigmas])
        inverse = 1.0 / sigmas[0] if sigmas else 1.0
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
                if (left < _ALONE).any():
                    findings.alone.add(k + 1)
                errors[k + 1] = (residuals * inverse / np.maximum(left, _ALONE)) ** 2
                self._add_extremes(findings, k + 1, xs, ys, residuals, inverse, left, places)
        findings.means = {k: exact_sum(squares) for k, squares in errors.items()}
        if len(self.sizes) > 1:
            findings.products = {
                (a, b): exact_sum(errors[a] * errors[b]) for a in errors for b in errors if a <= b
            }
        if len(xs) == 1:
            findings.add_distinct(xs[0][: 2 * MOST_DISTINCT].tolist())
            if len(findings.distinct) <= MOST_DISTINCT:
                findings.add_distinct(np.unique(xs[0]).tolist())
        picked = slice(-places.before % self.step, None, self.step)
        table = np.stack([values[picked] for values in xs], axis=-1)
        # Copies: a view would keep its whole block.
        kept = sigmas[0][picked].copy() if sigmas else None
        inputs = table[:, 0] if len(xs) == 1 else table
        findings.sample[places.before] = inputs, ys[picked].copy(), kept
        return findings

    def _residuals(
        self, size: int, x: Sequence[ExactColumn], y: ExactColumn, rounded: Doubles
    ) -> Doubles:
        if size not in self.fixed:
            return np.zeros_like(rounded)
        return self.fixed[size].residuals(x, y) if self.exact else rounded

    def _add_extremes(
        self,
        findings: Findings,
        size: int,
        xs: Sequence[Doubles],
        ys: Doubles,
        residuals: Doubles,
        inverse: Doubles | float,
        left: Doubles,
        places: _Places,
    ) -> None:
        """Add the largest residuals and the high leverages."""
        spread = self.sd[size] * np.sqrt(np.maximum(left, _ALONE))
        standardized = residuals * inverse / spread if self.sd[size] else np.zeros_like(ys)
        # Only the largest are sorted; equal ones by row, whatever the split.
        size_of = np.abs(standardized)
        rank = min(MOST_LARGEST, len(ys))
        least = np.partition(size_of, -rank)[-rank]
        some = np.flatnonzero(size_of >= least)
        order = some[np.lexsort((places.rows[some], -size_of[some]))][:MOST_LARGEST]
        findings.add_largest(
            size,
            [
                Residual(
                    row=int(places.rows[index]),
                    x=tuple(float(values[index]) for values in xs),
                    y=float(ys[index]),
                    residual=float(residuals[index]),
                    standardized=float(standardized[index]),
                    file=places.file,
                )
                for index in order.tolist()
            ],
        )
        high = np.flatnonzero(1.0 - left > HIGH_LEVERAGE)
        findings.high[size] = len(high)
        findings.add_leverages(
            size,
            [
                (places.file, int(places.rows[index]), 1.0 - float(left[index]))
                for index in high.tolist()
            ],
        )


class _Places(NamedTuple):
    """The file of some rows, their row numbers, and the number of readings before them."""

    file: str
    rows: NDArray[Any]
    before: int

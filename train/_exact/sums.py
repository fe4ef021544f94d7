"""Sums of products of powers over readings: exact, so their order does not matter.

Two ways lead to the same integers. Python's own integers take any numbers. Doubles are split into
digits of 21 bits, which are held in doubles again, and products of digits are summed by matrix
multiplication; every partial sum stays below 2^53, so no order, no processor and no fused
multiply-add changes a bit (K. Ozaki et al., "Error-free transformations of matrix multiplication by
using fast routines of matrix multiplication and its applications", Numerical Algorithms 59, 2012).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from fractions import Fraction
from operator import mul
from typing import Any

import numpy as np

from train._errors import CalibrationError
from train._exact.columns import ExactColumn, column
from train._exact.digit_sums import sum_digits
from train._exact.hashes import both, fingerprint
from train._exact.moments import Exponents, Moment, add_products, moments, plane, polynomial
from train._exact.rational import common_unit, power_of_two
from train._exact.sample import Sample

# Significant bits of a weight 1/sigma². Weights like 1/0.3² have no end in binary; cut at 320 bits
# they change no correctly rounded result but one that lies within 1e-90 of a rounding boundary.
WEIGHT_BITS = 320

# Number of rows from which splitting into digits pays.
_FEW_ROWS = 48
_INTEGER_ROWS = 1 << 11
# With at most this many different weights in a block, the rows of each are summed separately.
_FEW_WEIGHTS = 32


class Sums:
    """Exact sums over readings, from which a calibration is computed.

    Blocks are added in any order, and the sums of several machines can be added: the result has
    the same bits however the rows are split. Sums are small, and can be pickled.

    Attributes:
        terms: exponents of the terms of the curve; always with the constant and each feature.
        weighted: whether each reading has its own standard uncertainty.
        rows: number of readings so far.
        domain: smallest and largest value of each feature.
        peak: largest magnitude of y.
        sigma_squares: sum of the squared standard uncertainties, if weighted.
        units: the unit in which each feature, y and the weights are counted.
        whole: the sums of w·x^exponents·y^power in these units, by (exponents, power).
        sample: some of the readings; which ones does not depend on the split.
        fingerprint: a hash of the readings as doubles, see ``train._exact.hashes``.
    """

    def __init__(
        self,
        degree_or_terms: int | Sequence[Sequence[int]] = 1,
        *,
        features: int = 1,
        weighted: bool = False,
    ) -> None:
        """Start with no readings.

        Args:
            degree_or_terms: the largest degree of a polynomial, or the exponents of each term, one
                per feature.
            features: number of features; with more than one, a degree must be 1.
            weighted: whether each reading comes with its standard uncertainty.
        """
        if isinstance(degree_or_terms, int):
            terms = polynomial(degree_or_terms) if features == 1 else plane(features)
            if degree_or_terms < 1 or (features > 1 and degree_or_terms > 1):
                raise CalibrationError(
                    f"degree is {degree_or_terms}; give 1 or more, and 1 with several features"
                )
        else:
            given = {tuple(exponents) for exponents in degree_or_terms}
            features = len(next(iter(given)))
            terms = tuple(sorted(given | set(plane(features)), key=lambda e: (sum(e), e[::-1])))
        self.terms = terms
        self.features = features
        self.weighted = weighted
        self.rows = 0
        self.domain: list[tuple[Fraction, Fraction]] = []
        self.peak = Fraction(0)
        self.sigma_squares = Fraction(0)
        self.units: list[Fraction] = []
        self.whole: dict[Moment, int] = dict.fromkeys(moments(terms), 0)
        self.sample = Sample(features)
        self.fingerprint = 0

    def add(self, x: Any, y: Any, sigma: Any = None, *, first_row: int | None = None) -> None:
        """Add readings.

        Args:
            x: a column of n numbers, see ``train.Decimals`` and ``train.calibrate``; with several
                features, a sequence of such columns.
            y: a column of n numbers.
            sigma: a column of n positive numbers, if weighted.
            first_row: number of the first of these rows, for errors; by default they follow the
                rows so far.

        Raises:
            CalibrationError: the columns differ in length or hold other than finite numbers.
        """
        self.add_columns(
            *read_block(
                x,
                y,
                sigma,
                features=self.features,
                weighted=self.weighted,
                first_row=first_row if first_row is not None else self.rows + 1,
            )
        )

    def add_columns(
        self, x: Sequence[ExactColumn], y: ExactColumn, sigma: ExactColumn | None
    ) -> None:
        """Add readings that have been checked."""
        if not len(y):
            return
        doubles = [number.doubles() for number in (*x, y)]
        self.sample.add(doubles[:-1], doubles[-1])
        weights = [] if sigma is None else [sigma.doubles()]
        self.fingerprint = both(self.fingerprint, fingerprint([*doubles, *weights]))
        part = Sums(self.terms, weighted=self.weighted)
        part.rows = len(y)
        part.domain = [_range(feature) for feature in x]
        part.peak = max(map(abs, _range(y)))
        if sigma is None:
            part.units, part.whole = _sum([*x, y], self.terms)
            self._merge(part)
            return
        for group, weight, sigma_squares, rows in _groups([*x, y], sigma):
            part.rows, part.sigma_squares = rows, sigma_squares
            part.units, part.whole = _sum(group, self.terms, weight)
            self._merge(part)

    def merge(self, other: Sums) -> None:
        """Add the readings of other sums to these.

        Raises:
            CalibrationError: the others are sums over other terms.
        """
        if (self.terms, self.weighted) != (other.terms, other.weighted):
            raise CalibrationError("only sums over the same terms can be added")
        if other.rows:
            self._merge(other)
            self.sample.merge(other.sample)
            self.fingerprint = both(self.fingerprint, other.fingerprint)

    def __add__(self, other: Sums) -> Sums:
        """Return the sums over the readings of both."""
        result = Sums(self.terms, weighted=self.weighted)
        result.merge(self)
        result.merge(other)
        return result

    def _merge(self, other: Sums) -> None:
        if not self.units:
            self.units, self.whole = list(other.units), dict(other.whole)
            self.domain = list(other.domain)
        else:
            units = [common_unit(a, b) for a, b in zip(self.units, other.units, strict=True)]
            mine, theirs = self._in_units(units), other._in_units(units)
            self.units = units
            self.whole = {moment: mine[moment] + theirs[moment] for moment in mine}
            self.domain = [
                (min(a, c), max(b, d))
                for (a, b), (c, d) in zip(self.domain, other.domain, strict=True)
            ]
        self.rows += other.rows
        self.peak = max(self.peak, other.peak)
        self.sigma_squares += other.sigma_squares

    def _in_units(self, units: Sequence[Fraction]) -> dict[Moment, int]:
        if units == self.units:
            return self.whole
        ratios = [int(mine / unit) for mine, unit in zip(self.units, units, strict=True)]
        return {
            (exponents, power): value * _product(ratios, exponents, power)
            for (exponents, power), value in self.whole.items()
        }

    def value(self, exponents: Exponents, power: int = 0) -> Fraction:
        """Return the exact sum of w·x^exponents·y^power, where w is 1 or 1/sigma²."""
        unit: Fraction = _product(self.units, exponents, power)
        return self.whole[exponents, power] * unit

    @property
    def sha256(self) -> str:
        """SHA-256 over the exact sums of the products of any two of 1, each x, and y.

        It depends neither on the order of the rows nor on the degree. One line of text per sum:
        exponents, power of y, numerator, denominator.
        """
        lines = [f"rows {self.rows}", f"sigma {self.sigma_squares}"]
        lines += [
            f"{' '.join(map(str, exponents))} {power} {self.value(exponents, power)}"
            for exponents, power in sorted(moments(plane(self.features)))
        ]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def read_block(
    x: Any, y: Any, sigma: Any, *, features: int, weighted: bool, first_row: int = 1
) -> tuple[list[ExactColumn], ExactColumn, ExactColumn | None]:
    """Read and check the columns of a block.

    Raises:
        CalibrationError: the columns differ in length or hold other than finite numbers.
    """
    if weighted != (sigma is not None):
        raise CalibrationError("give sigma for all readings, or for none")
    columns = [x] if features == 1 else list(x)
    if len(columns) != features:
        raise CalibrationError(f"x has {len(columns)} features, expected {features}")
    names = ["x"] if features == 1 else [f"x{k + 1}" for k in range(features)]
    xs = [column(c, name, first_row) for c, name in zip(columns, names, strict=True)]
    ys = column(y, "y", first_row)
    sigmas = None if sigma is None else column(sigma, "sigma", first_row)
    for name, other in (*zip(names, xs, strict=True), ("sigma", sigmas)):
        if other is not None and len(other) != len(ys):
            raise CalibrationError(
                f"{name} has {len(other):,} rows and y has {len(ys):,}; give as many of each"
            )
    if sigmas is not None:
        for row, value in enumerate(sigmas.values):
            if value <= 0:
                shown = float(Fraction(value) * sigmas.factor)
                raise CalibrationError(
                    f"sigma is {shown:g}; a standard uncertainty is larger than 0", first_row + row
                )
    return xs, ys, sigmas


def _product(factors: Sequence[Any], exponents: Exponents, power: int) -> Any:
    result = factors[len(exponents)] ** power
    if len(factors) > len(exponents) + 1:
        result *= factors[-1]  # the weights
    for factor, exponent in zip(factors, exponents, strict=False):
        result *= factor**exponent
    return result


def _range(column: ExactColumn) -> tuple[Fraction, Fraction]:
    values: Any = column.values
    if isinstance(values, list):
        return min(values) * column.factor, max(values) * column.factor
    return (
        Fraction(float(values.min())) * column.factor,
        Fraction(float(values.max())) * column.factor,
    )


def _cut(above: int, below: int) -> tuple[int, int]:
    """Return the first WEIGHT_BITS bits of above / below, and the exponent of the last of them.

    A common factor of both does not change the result.
    """
    shift = WEIGHT_BITS + 1 + below.bit_length() - above.bit_length()
    whole = (above << shift) // below if shift >= 0 else above // (below << -shift)
    surplus = whole.bit_length() - WEIGHT_BITS
    return whole >> surplus, surplus - shift


def _groups(
    columns: Sequence[ExactColumn], sigma: ExactColumn
) -> Iterator[tuple[Sequence[ExactColumn], Fraction | ExactColumn, Fraction, int]]:
    """Yield rows of one weight, or all rows with their weights, and the sums of sigma²."""
    values, unit = sigma.whole()
    above, below = unit.denominator**2, unit.numerator**2
    cut = {value: _cut(above, value * value * below) for value in set(values)}
    if len(cut) <= _FEW_WEIGHTS:
        index = {value: k for k, value in enumerate(cut)}
        group = np.array([index[value] for value in values])
        for value, k in index.items():
            rows = np.flatnonzero(group == k)
            taken = columns if len(cut) == 1 else [c.take(rows) for c in columns]
            whole, exponent = cut[value]
            squares = (value * unit) ** 2 * len(rows)
            yield taken, whole * power_of_two(exponent), squares, len(rows)
        return
    least = min(exponent for _, exponent in cut.values())
    aligned = {value: whole << exponent - least for value, (whole, exponent) in cut.items()}
    squares = sum(map(mul, values, values)) * unit * unit
    yield (
        columns,
        ExactColumn([aligned[v] for v in values], power_of_two(least)),
        squares,
        len(values),
    )


def _sum(
    columns: Sequence[ExactColumn],
    terms: Sequence[Exponents],
    weight: Fraction | ExactColumn | None = None,
) -> tuple[list[Fraction], dict[Moment, int]]:
    """Return the unit of each column, and the sums in these units; the last column is y.

    With a weight, the last unit is that of the weights.
    """
    found, weights = None, weight if isinstance(weight, ExactColumn) else None
    if len(columns[0]) >= _FEW_ROWS:
        found = sum_digits(columns, terms, weights)
    units, sums = found or _sum_integers(columns, terms, weights)
    if isinstance(weight, ExactColumn):
        return [*units, weight.factor], sums
    if weight is not None:
        numerator = weight.numerator
        return [*units, Fraction(1, weight.denominator)], {
            moment: value * numerator for moment, value in sums.items()
        }
    return units, sums


def _sum_integers(
    columns: Sequence[ExactColumn], terms: Sequence[Exponents], weight: ExactColumn | None = None
) -> tuple[list[Fraction], dict[Moment, int]]:
    """Sum with Python's integers."""
    sums = dict.fromkeys(moments(terms), 0)
    wholes, units = zip(*(column.whole() for column in columns), strict=True)
    weights: Any = None if weight is None else weight.values
    for start in range(0, len(columns[0]), _INTEGER_ROWS):
        block = slice(start, start + _INTEGER_ROWS)
        *x, y = [whole[block] for whole in wholes]
        add_products(sums, terms, x, y, None if weights is None else weights[block])
    return list(units), sums

"""An independent judge: the exact least-squares optimum, in integers and fractions.

It shares nothing with the training loop: no torch, no module, no floating point until its
verdict is rounded. Data are taken as the rational numbers that their doubles are.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations_with_replacement

Exponents = tuple[int, ...]
Polynomial = Mapping[Exponents, Fraction]


@dataclass(frozen=True)
class Verdict:
    """The optimum of a least-squares problem that is linear in its parameters.

    Attributes:
        parameters: the optimum, each rounded once to the dtype, negligible ones zero.
        best_loss: the smallest loss that any parameters reach, correctly rounded to a double.
    """

    parameters: Mapping[str, float]
    best_loss: float
    _problem: _Problem

    def loss(self, parameters: Mapping[str, float]) -> float:
        """Return the loss of any parameters, computed exactly and rounded once to a double."""
        return float(self._problem.loss({k: Fraction(v) for k, v in parameters.items()}))


@dataclass(frozen=True)
class _Problem:
    """loss(p) = Σ p_i p_j gram_ij - 2 Σ p_i right_i + square, times the weight of a row."""

    gram: Mapping[tuple[str, str], Fraction]
    right: Mapping[str, Fraction]
    square: Fraction
    weight: Fraction

    def loss(self, parameters: Mapping[str, Fraction]) -> Fraction:
        names = list(self.right)
        quadratic = sum(
            (parameters[i] * parameters[j] * self.gram[i, j] for i in names for j in names),
            Fraction(0),
        )
        linear = sum((parameters[i] * self.right[i] for i in names), Fraction(0))
        return (quadratic - 2 * linear + self.square) * self.weight


def judge(
    x: Sequence[Sequence[float]],
    y: Sequence[float],
    designs: Sequence[Mapping[str, Mapping[Exponents, float]]],
    *,
    mean: bool,
    dtype: str,
) -> Verdict:
    """Find the parameters that minimize the squared errors, exactly.

    Args:
        x: the features, each a sequence of n doubles.
        y: n doubles.
        designs: what each parameter is multiplied by, as coefficients by exponents; the loss is
            the mean over the designs.
        mean: whether the loss of a design is the mean of the squared errors, or their sum.
        dtype: "float32" or "float64", what the verdict is rounded to.

    Raises:
        ZeroDivisionError: the data do not determine the parameters.
    """
    bases = [
        {name: {e: Fraction(c) for e, c in basis.items()} for name, basis in design.items()}
        for design in designs
    ]
    moments = _Moments(x, y)
    names = list(designs[0])
    share = Fraction(1, len(designs))
    gram = {}
    for i, j in combinations_with_replacement(names, 2):
        gram[i, j] = gram[j, i] = share * sum(
            (moments.of_x(_product(basis[i], basis[j])) for basis in bases), Fraction(0)
        )
    right = {
        i: share * sum((moments.of_xy(basis[i]) for basis in bases), Fraction(0)) for i in names
    }
    problem = _Problem(gram, right, moments.of_yy(), Fraction(1, len(y) if mean else 1))
    exact = _solve(names, gram, right)
    rounded = {name: round_fraction(value, dtype) for name, value in exact.items()}
    return Verdict(
        without_negligible(rounded, x, designs, dtype), float(problem.loss(exact)), problem
    )


def without_negligible(
    parameters: Mapping[str, float],
    x: Sequence[Sequence[float]],
    designs: Sequence[Mapping[str, Mapping[Exponents, float]]],
    dtype: str,
) -> dict[str, float]:
    """Return the parameters with those set to zero that cannot be seen in any output.

    A parameter counts as zero if its largest contribution over the data is under half a unit in
    the last place of the largest output. The even terms of a sine's fit are of this kind: they
    would be exactly zero but for the rounding of the data.
    """
    contribution = dict.fromkeys(parameters, 0.0)
    largest = 0.0
    for design in designs:
        for row in zip(*x, strict=True):
            output = 0.0
            for name, basis in design.items():
                part = parameters[name] * sum(
                    c * math.prod(v**e for v, e in zip(row, exponents, strict=True))
                    for exponents, c in basis.items()
                )
                contribution[name] = max(contribution[name], abs(part))
                output += part
            largest = max(largest, abs(output))
    half_ulp = math.ldexp(1.0, math.frexp(largest)[1] - (24 if dtype == "float32" else 53) - 1)
    return {
        name: value if contribution[name] >= half_ulp else 0.0 for name, value in parameters.items()
    }


class _Moments:
    """Exact sums of products of powers of the data, each computed once."""

    def __init__(self, x: Sequence[Sequence[float]], y: Sequence[float]) -> None:
        # A common power of two turns the doubles into integers, which add and multiply fast.
        self._x, self._x_scale = zip(*(_integers(feature) for feature in x), strict=True)
        self._y, self._y_scale = _integers(y)
        self._known: dict[tuple[Exponents, int], Fraction] = {}

    def of_x(self, polynomial: Polynomial) -> Fraction:
        return self._sum(polynomial, 0)

    def of_xy(self, polynomial: Polynomial) -> Fraction:
        return self._sum(polynomial, 1)

    def of_yy(self) -> Fraction:
        return self._moment((0,) * len(self._x), 2)

    def _sum(self, polynomial: Polynomial, power_of_y: int) -> Fraction:
        return sum(
            (c * self._moment(exponents, power_of_y) for exponents, c in polynomial.items()),
            Fraction(0),
        )

    def _moment(self, exponents: Exponents, power_of_y: int) -> Fraction:
        key = exponents, power_of_y
        if key not in self._known:
            columns = [*zip(self._x, exponents, strict=True), (self._y, power_of_y)]
            total = sum(_products(columns, len(self._y)))
            scale = self._y_scale**power_of_y * math.prod(
                s**e for s, e in zip(self._x_scale, exponents, strict=True)
            )
            self._known[key] = Fraction(total, scale)
        return self._known[key]


def _products(columns: Sequence[tuple[Sequence[int], int]], rows: int) -> Iterator[int]:
    powers = [[v**power for v in values] for values, power in columns if power]
    if not powers:
        return iter([rows])
    return map(math.prod, zip(*powers, strict=True))


def _integers(values: Sequence[float]) -> tuple[list[int], int]:
    """Return integers and the power of two that divides them into the values."""
    ratios = [value.as_integer_ratio() for value in values]
    scale = max(denominator for _, denominator in ratios)
    return [numerator * (scale // denominator) for numerator, denominator in ratios], scale


def _product(left: Polynomial, right: Polynomial) -> Polynomial:
    result: dict[Exponents, Fraction] = {}
    for e, c in left.items():
        for f, d in right.items():
            key = tuple(i + j for i, j in zip(e, f, strict=True))
            result[key] = result.get(key, Fraction(0)) + c * d
    return result


def _solve(
    names: Sequence[str],
    gram: Mapping[tuple[str, str], Fraction],
    right: Mapping[str, Fraction],
) -> dict[str, Fraction]:
    """Solve the normal equations by Gauss-Jordan elimination; a Gram matrix needs no pivoting."""
    rows = [[*(gram[i, j] for j in names), right[i]] for i in names]
    for pivot in range(len(names)):
        head = [value / rows[pivot][pivot] for value in rows[pivot]]
        rows = [
            head if index == pivot else [a - row[pivot] * b for a, b in zip(row, head, strict=True)]
            for index, row in enumerate(rows)
        ]
    return {name: row[-1] for name, row in zip(names, rows, strict=True)}


def round_fraction(value: Fraction, dtype: str) -> float:
    """Round a rational number once to float32 or float64, ties to even.

    Raises:
        OverflowError: it is beyond the largest finite number of the dtype.
    """
    if dtype == "float64" or not value:
        return float(value)
    # The exponent of the last place: 24 significant bits, or the subnormals' 2**-149.
    magnitude = abs(value)
    exponent = magnitude.numerator.bit_length() - magnitude.denominator.bit_length()
    if magnitude < Fraction(2) ** exponent:
        exponent -= 1
    last = Fraction(2) ** max(exponent - 23, -149)
    result = float(round(value / last) * last)  # round() of a Fraction takes ties to even
    struct.pack("<f", result)  # raises OverflowError past the largest float32
    return result

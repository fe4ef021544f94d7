"""An independent judge: the exact least-squares optimum, in integers and fractions.

It shares nothing with the training loop: no torch, no module, no floating point until its
verdict is rounded. Doubles are taken as exact rational numbers.

The data are read once, block by block, into sums of products of their powers. The sums are
exact, so their order does not matter, and memory does not grow with the number of rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from operator import add, mul

from train._exact.elimination import DependentError, orthogonalize
from train._exact.moments import Exponents, add_products, moments, plus
from train._exact.rational import floor_log2, power_of_two, round_fraction

Basis = Mapping[Exponents, float]
Design = Mapping[str, Basis]

# Rows converted to integers at a time; more are no faster, and take more memory.
_BLOCK = 1 << 11
# Doubles up to 1/_TINY times 2**_SAFE_PLACES are finite doubles.
_SAFE_PLACES = 900
_TINY = 2.0**-100


class UndeterminedError(ValueError):
    """The data do not determine the parameters: some combination of them changes nothing."""


@dataclass(frozen=True)
class Verdict:
    """The optimum of a least-squares problem that is linear in its parameters.

    Attributes:
        parameters: the optimum, each rounded once to the dtype, negligible ones zero.
        best_loss: the smallest possible loss, correctly rounded to a double.
    """

    parameters: Mapping[str, float]
    best_loss: float
    _problem: _Problem

    def loss(self, parameters: Mapping[str, float]) -> float:
        """Return the loss of any finite parameters, computed exactly and rounded to a double."""
        return self._problem.loss({name: Fraction(v) for name, v in parameters.items()})

    def settle(self, parameters: Mapping[str, float]) -> dict[str, float]:
        """Return the parameters with negligible ones set to zero."""
        return self._problem.settle(parameters)


def judge(
    x: Sequence[Sequence[float]],
    y: Sequence[float],
    designs: Sequence[Design],
    *,
    mean: bool,
    dtype: str,
    factor: float = 1.0,
) -> Verdict:
    """Find the parameters that minimize the squared errors, exactly.

    Args:
        x: the features, each a sequence (a list, or an array with ``tolist``) of n doubles.
        y: n doubles.
        designs: what each parameter is multiplied by, as coefficients by exponents; the loss is
            the mean over the designs.
        mean: whether the loss of a design is the mean of the squared errors, or their sum.
        dtype: "float32" or "float64", what the verdict is rounded to.
        factor: what the loss is multiplied by.

    Raises:
        UndeterminedError: the data do not determine the parameters.
    """
    problem = _Problem(x, y, designs, Fraction(factor) / (len(y) if mean else 1), dtype)
    exact = problem.solve()
    rounded = {name: round_fraction(value, dtype) for name, value in exact.items()}
    return Verdict(problem.settle(rounded), problem.loss(exact), problem)


class _Problem:
    """The normal equations in integers.

    Every double is an integer over a power of two: X = x·2^a, Y = y·2^b. What parameter p_i is
    multiplied by is B_i/2^s_i, with B_i a polynomial of X with integer coefficients. The loss is
    then that of an integer problem in u_i = p_i·2^(b - s_i), the sum over rows and designs of
    (Σ u_i·B_i - Y)², times a weight that holds the powers of two. Integers add and multiply ten
    times faster than fractions, whose every step looks for a common divisor.
    """

    def __init__(
        self,
        x: Sequence[Sequence[float]],
        y: Sequence[float],
        designs: Sequence[Design],
        weight: Fraction,
        dtype: str,
    ) -> None:
        self._x, self._rows, self._designs = x, len(y), designs
        self._digits = 24 if dtype == "float32" else 53
        extents = [_extent(feature) for feature in x]
        self._tops = [top for _, top in extents]
        x_places, (y_places, _) = [places for places, _ in extents], _extent(y)
        sums = _power_sums(x, y, x_places, y_places, designs)
        shifts = {name: _shift([d[name] for d in designs], x_places) for name in designs[0]}
        bases = [
            {name: _integer_basis(basis, x_places, shifts[name]) for name, basis in d.items()}
            for d in designs
        ]
        self._scale = {name: power_of_two(y_places - shift) for name, shift in shifts.items()}
        self._gram = {
            (i, j): sum(
                c * d * sums[plus(e, f), 0]
                for basis in bases
                for e, c in basis[i].items()
                for f, d in basis[j].items()
            )
            for i in shifts
            for j in shifts
        }
        self._right = {
            i: sum(c * sums[e, 1] for basis in bases for e, c in basis[i].items()) for i in shifts
        }
        self._square = sums[(0,) * len(x), 2] * len(designs)
        self._unit_square = Fraction(1, len(designs) << 2 * y_places)
        self._weight = weight

    def solve(self) -> dict[str, Fraction]:
        """Return the exact optimum."""
        names, right = list(self._right), self._right
        gram = [[*(self._gram[i, j] for j in names), right[i]] for i in names]
        gram.append([*right.values(), self._square])
        try:
            solution = orthogonalize(gram, free=1).coefficients
        except DependentError as error:
            others = names[: error.column]
            raise UndeterminedError(
                f"the data do not determine {names[error.column]!r}"
                + (f" separately from {', '.join(others)}" if others else "")
                + ": give more different inputs, or fewer parameters"
            ) from None
        return {
            name: value / self._scale[name] for name, value in zip(names, solution, strict=True)
        }

    def loss(self, parameters: Mapping[str, Fraction]) -> float:
        """Return the loss, rounded once."""
        u, unit = self._integers(parameters)
        linear = sum(u[name] * right for name, right in self._right.items())
        total = self._outputs_squared(u) - 2 * unit * linear + unit**2 * self._square
        exact = Fraction(total, unit**2) * self._unit_square * self._weight
        try:
            return float(exact)
        except OverflowError:
            return math.inf

    def settle(self, parameters: Mapping[str, float]) -> dict[str, float]:
        """Set negligible parameters to zero.

        A parameter counts as zero if its largest contribution over the data is under half a unit
        in the last place of the largest output. The even terms of a sine's fit are of this kind:
        exactly zero for the judge, a trace of rounding in floating point.
        """
        exact = {name: Fraction(value) for name, value in parameters.items()}
        peaks = {
            name: abs(value) * max(self._peak(design[name]) for design in self._designs)
            for name, value in exact.items()
        }
        if not any(peaks.values()):
            return dict.fromkeys(parameters, 0.0)
        # The largest output lies between the root mean square and the sum of all peaks. That
        # decides nearly every case without another pass over the data.
        u, unit = self._integers(exact)
        mean_square = Fraction(self._outputs_squared(u), unit**2 * self._rows) * self._unit_square
        half_ulp = power_of_two(floor_log2(mean_square) // 2 - self._digits)
        perhaps = power_of_two(floor_log2(sum(peaks.values(), Fraction(0))) - self._digits)
        if any(half_ulp <= peak < perhaps for peak in peaks.values()):
            half_ulp = power_of_two(floor_log2(self._largest_output(exact)) - self._digits)
        return {
            name: value if peaks[name] >= half_ulp else 0.0 for name, value in parameters.items()
        }

    def _integers(self, parameters: Mapping[str, Fraction]) -> tuple[dict[str, int], int]:
        """Return u as integers over one denominator."""
        u = {name: value * self._scale[name] for name, value in parameters.items()}
        unit = math.lcm(*(value.denominator for value in u.values()))
        return {n: v.numerator * (unit // v.denominator) for n, v in u.items()}, unit

    def _outputs_squared(self, u: Mapping[str, int]) -> int:
        return sum(u[i] * u[j] * entry for (i, j), entry in self._gram.items())

    def _largest_output(self, parameters: Mapping[str, Fraction]) -> Fraction:
        largest = Fraction(0)
        for design in self._designs:
            total: dict[Exponents, Fraction] = {}
            for name, basis in design.items():
                for exponents, c in basis.items():
                    total[exponents] = (
                        total.get(exponents, Fraction(0)) + Fraction(c) * parameters[name]
                    )
            largest = max(largest, self._peak(total))
        return largest

    def _peak(self, polynomial: Mapping[Exponents, float | Fraction]) -> Fraction:
        """Return the largest magnitude of a polynomial over the data; for a sum, in floats."""
        bounds = {
            exponents: abs(Fraction(c)) * math.prod(map(pow, map(Fraction, self._tops), exponents))
            for exponents, c in polynomial.items()
        }
        if len(bounds) == 1 and sum(map(bool, *bounds)) <= 1:
            return bounds.popitem()[1]
        if not any(bounds.values()):
            return Fraction(0)
        # Powers of two bring every feature, and the largest term, to about one: no float overflows.
        shift = max(map(floor_log2, filter(None, bounds.values())))
        scales = [math.frexp(top)[1] for top in self._tops]
        terms = {
            exponents: float(Fraction(c) * power_of_two(sum(map(mul, scales, exponents)) - shift))
            for exponents, c in polynomial.items()
            if bounds[exponents]
        }
        peak = 0.0
        for start in range(0, self._rows, _BLOCK):
            columns = [
                [math.ldexp(value, -scale) for value in _as_list(feature[start : start + _BLOCK])]
                for feature, scale in zip(self._x, scales, strict=True)
            ]
            total = [0.0] * len(columns[0])
            for exponents, c in terms.items():
                term = [c] * len(total)
                for column, power in zip(columns, exponents, strict=True):
                    term = list(map(mul, term, [v**power for v in column])) if power else term
                total = list(map(add, total, term))
            peak = max(peak, *map(abs, total))
        return Fraction(peak) * power_of_two(shift)


def _shift(bases: Sequence[Basis], x_places: Sequence[int]) -> int:
    """Return the s for which the bases times 2^s are integer polynomials of X."""
    return max(
        (
            sum(map(mul, x_places, exponents)) + float(c).as_integer_ratio()[1].bit_length() - 1
            for basis in bases
            for exponents, c in basis.items()
        ),
        default=0,
    )


def _integer_basis(basis: Basis, x_places: Sequence[int], shift: int) -> dict[Exponents, int]:
    return {
        exponents: int(Fraction(c) * power_of_two(shift - sum(map(mul, x_places, exponents))))
        for exponents, c in basis.items()
    }


def _power_sums(
    x: Sequence[Sequence[float]],
    y: Sequence[float],
    x_places: Sequence[int],
    y_places: int,
    designs: Sequence[Design],
) -> dict[tuple[Exponents, int], int]:
    """Return the sums of X^e, X^e·Y and Y² over the rows, by (e, power of Y).

    The exponents e are those that the normal equations of the designs ask for.
    """
    monomials = sorted({e for design in designs for basis in design.values() for e in basis})
    sums = dict.fromkeys(moments(monomials), 0)
    for start in range(0, len(y), _BLOCK):
        block = slice(start, start + _BLOCK)
        columns = [_integers(f[block], places) for f, places in zip(x, x_places, strict=True)]
        targets = _integers(y[block], y_places)
        add_products(sums, monomials, columns, targets)
    return sums


def _blocks(column: Sequence[float]) -> Iterator[list[float]]:
    for start in range(0, len(column), _BLOCK):
        yield _as_list(column[start : start + _BLOCK])


def _as_list(values: Sequence[float]) -> list[float]:
    doubles: list[float] = values.tolist() if hasattr(values, "tolist") else list(values)
    return doubles


def _extent(column: Sequence[float]) -> tuple[int, float]:
    """Return after how many binary places all values of a column are whole, and the largest."""
    least, largest = math.inf, 0.0
    for block in _blocks(column):
        magnitudes = list(map(abs, block))
        least = min(least, min(filter(None, magnitudes), default=math.inf))
        largest = max(largest, *magnitudes)
    return max(53 - math.frexp(least)[1], 0) if largest else 0, largest


def _integers(values: Sequence[float], places: int) -> list[int]:
    """Return the values times 2^places, which are whole."""
    doubles = _as_list(values)
    if places < _SAFE_PLACES and max(map(abs, doubles), default=0.0) < 1.0 / _TINY:
        scale = 2.0**places
        return [int(value * scale) for value in doubles]  # a power of two changes no bit
    scale_int = 1 << places
    return [n * (scale_int // d) for n, d in map(float.as_integer_ratio, doubles)]

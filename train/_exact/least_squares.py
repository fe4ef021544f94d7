"""The exact least-squares solution, computed from exact sums."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

from infer._artifact.card import Uncertainty
from train._exact.elimination import orthogonalize
from train._exact.moments import Exponents, plus
from train._exact.rational import floor_log2, power_of_two, root
from train._exact.sums import Sums

Number = TypeVar("Number", int, Fraction)

# Significant bits of the half width; few keep the numbers around the center short.
_BITS = 8


@dataclass(frozen=True)
class Solution:
    """A least-squares fit in rational numbers.

    The terms are Π u_i^powers[j][i] with u = (x - center) / half_width for each feature.

    Attributes:
        powers: the exponents of each term.
        center: of each feature; 0 without an intercept, or if a term below another is missing.
        half_width: of each feature.
        middle: center and half width of each feature, whether there is an intercept or not; about 0
            if a term below another is missing.
        rows: number of readings.
        curve: the coefficient of each term in u.
        coefficients: the coefficient of each term in plain powers of x.
        inverse_diagonal: what the residual variance is multiplied by to give the variance of each
            of the coefficients.
        orthogonal: row k holds the coefficients, in u, of the k-th of the polynomials that are
            orthogonal over the readings; the k-th of them is 1.
        lengths: their squared lengths, the weighted sums of their squares over the readings.
        projections: the weighted sums of their products with y.
        squares: the weighted sum of the squared residuals.
        total_squares: the weighted sum of the squared y, about their mean if there is an intercept.
        sigma_square: mean square of the readings' standard uncertainties; 1 without weights.
    """

    powers: tuple[Exponents, ...]
    center: tuple[Fraction, ...]
    half_width: tuple[Fraction, ...]
    middle: tuple[tuple[Fraction, Fraction], ...]
    rows: int
    curve: tuple[Fraction, ...]
    coefficients: tuple[Fraction, ...]
    inverse_diagonal: tuple[Fraction, ...]
    orthogonal: tuple[tuple[Fraction, ...], ...]
    lengths: tuple[Fraction, ...]
    projections: tuple[Fraction, ...]
    squares: Fraction
    total_squares: Fraction
    sigma_square: Fraction

    @property
    def degrees_of_freedom(self) -> int:
        """Number of readings less the number of coefficients."""
        return self.rows - len(self.powers)

    @property
    def residual_variance(self) -> Fraction:
        """Sum of squared residuals over the degrees of freedom."""
        return self.squares / self.degrees_of_freedom

    @property
    def residual_sd(self) -> float:
        """Correctly rounded residual standard deviation."""
        return float(root(self.residual_variance))

    @property
    def standard_errors(self) -> tuple[float, ...]:
        """Correctly rounded standard error of each coefficient in plain powers."""
        variance = self.residual_variance
        return tuple(float(root(variance * entry)) for entry in self.inverse_diagonal)

    @property
    def r2(self) -> float:
        """Correctly rounded coefficient of determination; 1 if y does not vary."""
        return float(1 - self.squares / self.total_squares) if self.total_squares else 1.0

    def squares_of(self, size: int) -> Fraction:
        """Return the weighted sum of the squared residuals if only the first terms are used."""
        left = self.squares
        for length, projection in list(zip(self.lengths, self.projections, strict=True))[size:]:
            left += projection**2 / length
        return left

    def uncertainty(self) -> Uncertainty:
        """Return what intervals are computed from, each number rounded once."""
        powers, curve, rows = self._around_middle()
        factor = tuple(
            tuple(
                math.copysign(float(root(entry * entry / length)), entry) if entry else 0.0
                for entry in row
            )
            for row, length in zip(rows, self.lengths, strict=True)
        )
        if len(powers) > len(rows):  # as many rows as terms, and still lower triangular
            factor = ((0.0,) * len(powers), *factor)
        return Uncertainty(
            residual_sd=self.residual_sd,
            degrees_of_freedom=self.degrees_of_freedom,
            center=tuple(float(center) for center, _ in self.middle),
            half_width=tuple(float(half) for _, half in self.middle),
            powers=powers,
            curve=tuple(map(float, curve)),
            factor=factor,
            typical_sigma=float(root(self.sigma_square)),
        )

    def _around_middle(
        self,
    ) -> tuple[tuple[Exponents, ...], Sequence[Fraction], Sequence[Sequence[Fraction]]]:
        """Return terms, curve and orthogonal polynomials around the middle of the readings.

        Without an intercept these are polynomials of x around 0. Far from there they lose digits
        in doubles, so they are rewritten, with a constant.
        """
        none = (0,) * len(self.center)
        if none in self.powers:
            return self.powers, self.curve, self.orthogonal
        powers = (none, *self.powers)
        frames = list(zip(self.center, self.half_width, strict=True))
        # u about 0 is (center + half·v) / width.
        lines = [
            (half / width, -center / width, Fraction(1))
            for (center, half), (_, width) in zip(self.middle, frames, strict=True)
        ]
        terms = [_expand(e, lines) for e in self.powers]

        def rewritten(row: Sequence[Fraction]) -> list[Fraction]:
            return [_dot(row, [term.get(e, Fraction(0)) for term in terms]) for e in powers]

        return powers, rewritten(self.curve), [rewritten(row) for row in self.orthogonal]


def solve(sums: Sums, powers: Sequence[Exponents]) -> Solution:
    """Find the combination of terms with the smallest weighted sum of squared residuals.

    Args:
        sums: over the readings, of these terms or more.
        powers: the exponents of the terms.

    Raises:
        DependentError: the readings do not determine the coefficient of a term.
    """
    powers = tuple(powers)
    none = (0,) * sums.features
    # Around a center other than 0, x^2 contains x: without a term for x the curve would change.
    movable = _has_all_below(powers)
    frames = [_frame(low, high, shift=movable and none in powers) for low, high in sums.domain]
    # u = (alpha·X - beta) / gamma in whole numbers, where x is X times the column's unit.
    lines = [
        line(unit, center, half) for unit, (center, half) in zip(sums.units, frames, strict=False)
    ]
    scales = [
        math.prod(gamma**e for (_, _, gamma), e in zip(lines, p, strict=True)) for p in powers
    ]
    y_unit, weight_unit = sums.units[sums.features], (*sums.units, Fraction(1))[sums.features + 1]
    grown: dict[tuple[Exponents, int], int] = {}

    def moment(exponents: Exponents, power: int) -> int:
        """Return the sum of (alpha·X - beta)^exponents·Y^power."""
        if (exponents, power) not in grown:
            grown[exponents, power] = sum(
                c * sums.whole[lower, power] for lower, c in _expand(exponents, lines).items()
            )
        return grown[exponents, power]

    right = [moment(e, 1) for e in powers]
    gram = [
        [*(moment(plus(e, f), 0) for f in powers), r] for e, r in zip(powers, right, strict=True)
    ]
    gram.append([*right, sums.whole[none, 2]])
    found = orthogonalize(gram, free=1)
    size, minors = len(powers), found.minors

    orthogonal = tuple(
        tuple(
            Fraction(row[j] * scales[j], minors[k] * scales[k]) if j <= k else Fraction(0)
            for j in range(size)
        )
        for k, row in enumerate(found.rows[:size])
    )
    lengths = tuple(
        Fraction(minors[k + 1], minors[k] * scales[k] ** 2) * weight_unit for k in range(size)
    )
    projections = tuple(
        Fraction(found.products[k][size], minors[k] * scales[k]) * y_unit * weight_unit
        for k in range(size)
    )
    curve = tuple(c * scale * y_unit for c, scale in zip(found.coefficients, scales, strict=True))
    plain = [_plain(e, frames) for e in powers]
    diagonal = []
    for e in powers:
        column = [row.get(e, Fraction(0)) for row in plain]
        diagonal.append(
            sum(
                (
                    _dot(row[: k + 1], column) ** 2 / length
                    for k, (row, length) in enumerate(zip(orthogonal, lengths, strict=True))
                ),
                Fraction(0),
            )
        )
    total = sums.value(none, 2)
    if none in powers:
        total -= sums.value(none, 1) ** 2 / sums.value(none, 0)
    return Solution(
        powers=powers,
        center=tuple(center for center, _ in frames),
        half_width=tuple(half for _, half in frames),
        middle=tuple(_frame(low, high, shift=movable) for low, high in sums.domain),
        rows=sums.rows,
        curve=curve,
        coefficients=tuple(_dot(curve, [row.get(e, Fraction(0)) for row in plain]) for e in powers),
        inverse_diagonal=tuple(diagonal),
        orthogonal=orthogonal,
        lengths=lengths,
        projections=projections,
        squares=Fraction(minors[size + 1], minors[size]) * y_unit**2 * weight_unit,
        total_squares=total,
        sigma_square=sums.sigma_squares / sums.rows if sums.weighted else Fraction(1),
    )


def _dot(left: Sequence[Fraction], right: Sequence[Fraction]) -> Fraction:
    return sum((a * b for a, b in zip(left, right, strict=False) if b), Fraction(0))


def _has_all_below(powers: Sequence[Exponents]) -> bool:
    """Return whether each term with one exponent lowered by one is included, or the constant."""
    below = ((*e[:i], e[i] - 1, *e[i + 1 :]) for e in powers for i in range(len(e)) if e[i])
    return all(term in powers or not any(term) for term in below)


def _frame(low: Fraction, high: Fraction, *, shift: bool) -> tuple[Fraction, Fraction]:
    """Return center and half width of a feature, rounded to few bits."""
    half = (high - low) / 2 if shift else max(abs(low), abs(high))
    if not half:
        return (low if shift else Fraction(0)), Fraction(1)
    last = power_of_two(floor_log2(half) - _BITS + 1)
    middle = round((low + high) / 2 / last) * last if shift else Fraction(0)
    return Fraction(float(middle)), Fraction(float(math.ceil(half / last) * last))


def line(unit: Fraction, center: Fraction, half: Fraction) -> tuple[int, int, int]:
    """Return alpha, beta, gamma with (unit·X - center) / half = (alpha·X - beta) / gamma."""
    slope, start = unit / half, center / half
    gamma = math.lcm(slope.denominator, start.denominator)
    return int(slope * gamma), int(start * gamma), gamma


def _expand(
    exponents: Exponents, lines: Sequence[tuple[Number, Number, Number]]
) -> dict[Exponents, Number]:
    """Return Π (alpha·X - beta)^exponent as coefficients by exponents."""
    known: dict[Exponents, Number] = {(): lines[0][0] ** 0}
    lower: Exponents
    for exponent, (alpha, beta, _) in zip(exponents, lines, strict=True):
        grown: dict[Exponents, Number] = {}
        for lower, c in known.items():
            for j in range(0 if beta else exponent, exponent + 1):
                binomial = math.comb(exponent, j)
                grown[(*lower, j)] = c * binomial * alpha**j * (-beta) ** (exponent - j)
        known = grown
    return known


def _plain(
    exponents: Exponents, frames: Sequence[tuple[Fraction, Fraction]]
) -> dict[Exponents, Fraction]:
    """Return Π ((x - center) / half)^exponent in plain powers of x."""
    whole = _expand(exponents, [line(Fraction(1), *frame) for frame in frames])
    gamma = math.prod(
        line(Fraction(1), *frame)[2] ** e for frame, e in zip(frames, exponents, strict=True)
    )
    return {lower: Fraction(c, gamma) for lower, c in whole.items()}


def term_name(exponents: Exponents, features: Sequence[str] | None) -> str:
    """Return "1", "x", "x^2", or the name of a feature."""
    names = features or (
        ["x"] if len(exponents) == 1 else [f"x{i + 1}" for i in range(len(exponents))]
    )
    parts = [
        name if power == 1 else f"{name}^{power}"
        for name, power in zip(names, exponents, strict=True)
        if power
    ]
    return "*".join(parts) or "1"

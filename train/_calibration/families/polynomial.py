"""Polynomials of one input: y = c0 + c1·x + c2·x² + ..."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from train._calibration.families.error_bounds import PRECISION, SLACK, half_ulp, middle
from train._calibration.families.family import (
    Domain,
    Family,
    RoundedCurve,
    raised,
    sum_of_products,
)
from train._errors import CalibrationError
from train._exact.columns import Doubles
from train._exact.moments import Exponents, polynomial
from train._exact.rational import floor_log2, round_fraction

_NOUNS = {1: "a line", 2: "a parabola", 3: "a cubic"}
# Number of parts of the domain, each of which is bounded separately.
_PARTS = 512


class Polynomial(Family):
    """A polynomial, served in Horner form of u = (x - shift)·scale, or of x itself."""

    @staticmethod
    def suits(features: int) -> bool:
        return features == 1

    @staticmethod
    def check_degree(degree: int | str, _features: int) -> int | str:
        if isinstance(degree, np.integer):
            degree = int(degree)
        if degree == "auto":
            return degree
        if isinstance(degree, bool) or not isinstance(degree, int) or degree < 1:
            raise CalibrationError(f'degree is {degree!r}; give a whole number from 1, or "auto"')
        return degree

    @staticmethod
    def undetermined(
        terms: Sequence[Exponents], column: int, rows: int, _names: Sequence[str] | None = None
    ) -> CalibrationError:
        return CalibrationError(
            f"{rows:,} readings at {column} different x cannot determine {len(terms)} "
            f"coefficients; give readings at {len(terms)} different x or more, or a lower degree"
        )

    @property
    def terms(self) -> tuple[Exponents, ...]:
        return polynomial(self.degree)[0 if self.intercept else 1 :]

    @property
    def noun(self) -> str:
        return _NOUNS.get(self.degree, f"a polynomial of degree {self.degree}")

    def rounded(
        self, exact: Mapping[Exponents, Fraction], domain: Domain, dtype: str, *, centered: bool
    ) -> RoundedCurve:
        ((low, high),) = domain
        plain = [exact.get((power,), Fraction(0)) for power in range(self.degree + 1)]
        shift, scale = 0.0, 1.0
        if centered:
            shift = middle(low, high, dtype)
            reach = max(high - Fraction(shift), Fraction(shift) - low)
            scale = math.ldexp(1.0, -floor_log2(reach) - 1) if reach else 1.0
            scale = min(max(scale, 2.0**-120), 2.0**120)
        moved = taylor(plain, Fraction(shift))
        curve = [c / Fraction(scale) ** power for power, c in enumerate(moved)]
        rounded = [round_fraction(c, dtype) for c in curve]
        # A part at each end may reach beyond the domain by the rounding of its ends; that is no
        # harm.
        ends = np.linspace(
            float((low - Fraction(shift)) * Fraction(scale)),
            float((high - Fraction(shift)) * Fraction(scale)),
            _PARTS + 1,
        )
        middles, radii = (ends[1:] + ends[:-1]) / 2, (ends[1:] - ends[:-1]) / 2
        radii = radii * SLACK + 2.0**-50 * np.abs(ends).max()
        off = [float(Fraction(r) - c) for r, c in zip(rounded, curve, strict=True)]
        half = 2.0 ** -PRECISION[dtype]
        # Rounding of x - shift moves u by half a unit; multiplying by a power of two is exact.
        moves = np.abs(middles) + radii
        slope = _largest([power * c for power, c in enumerate(rounded)][1:], middles, radii)
        error = _largest(off, middles, radii) + (slope * moves * half if centered else 0.0)
        error = error + _horner_error(rounded, middles, radii, dtype)
        return self._rounded(
            dtype,
            (shift,) if centered else None,
            scale if centered else None,
            rounded,
            float(np.max(error)),
            float(_largest(rounded, middles, radii).max()),
        )

    def plain_powers(self, curve: RoundedCurve) -> dict[Exponents, Fraction]:
        scale = Fraction(curve.scale or 1.0)
        (shift,) = curve.shift or (0.0,)
        scaled = [Fraction(c) * scale**power for power, c in enumerate(curve.coefficients)]
        return {(power,): c for power, c in enumerate(taylor(scaled, -Fraction(shift)))}

    def evaluate(self, constants: Any, x: Any) -> Any:
        u = x - constants.shift if hasattr(constants, "shift") else x
        u = u * constants.scale if hasattr(constants, "scale") else u
        y = getattr(constants, f"c{self.degree}") * u
        for power in range(self.degree - 1, 0, -1):
            y = (y + getattr(constants, f"c{power}")) * u
        return y + constants.c0 if hasattr(constants, "c0") else y

    def served_formula(self, x: str, constants: Collection[str]) -> str:
        u, where = x, ""
        if "shift" in constants:
            scaled = "·scale" if "scale" in constants else ""
            u, where = "u", f", u = ({x} - shift){scaled}"
        powers = [f"{u}{raised(power)}" if power else "" for power in range(self.degree + 1)]
        return sum_of_products(powers, constants) + where


def taylor(coefficients: Sequence[Fraction], at: Fraction) -> list[Fraction]:
    """Return the coefficients of the same polynomial in powers of x - at."""
    result = list(coefficients)
    for start in range(len(result)):
        for power in range(len(result) - 2, start - 1, -1):
            result[power] += at * result[power + 1]
    return result


def _largest(coefficients: Sequence[float], middles: Doubles, radii: Doubles) -> Doubles:
    """Bound the magnitude of a polynomial within radii around the middles."""
    tail = [np.full_like(middles, c) for c in coefficients]
    bound = np.zeros_like(middles)
    for start in range(len(tail)):
        for power in range(len(tail) - 2, start - 1, -1):
            tail[power] = tail[power] + middles * tail[power + 1]
        bound += np.abs(tail[start]) * radii**start
    reach, total = np.abs(middles) + radii, np.zeros_like(middles)
    for c in reversed(coefficients):
        total = total * reach + abs(c)
    return np.asarray(bound + (SLACK - 1.0) * total)


def _horner_error(
    coefficients: Sequence[float], middles: Doubles, radii: Doubles, dtype: str
) -> Doubles:
    """Bound the roundings of Horner's steps: a running error analysis, over intervals.

    N. J. Higham, "Accuracy and Stability of Numerical Algorithms", 2nd edition, section 5.1.
    """
    reach = np.abs(middles) + radii
    error = np.zeros_like(middles)
    for power in range(len(coefficients) - 2, -1, -1):
        upper = _largest(coefficients[power + 1 :], middles, radii) + error
        error = error * reach + half_ulp(upper * reach, dtype)
        if coefficients[power]:
            here = _largest(coefficients[power:], middles, radii) + error
            error = error + half_ulp(here, dtype)
    return np.asarray(error)

"""The form in which a fitted curve is served, and how far it is from the exact curve at worst.

Served is one sequence of operations, each rounded to the artifact's dtype. Plain powers lose digits
where x is large against its spread, so the variable is shifted to the middle of the readings and
scaled to about one, unless plain powers do as well, or the curve goes through the origin and they
do nearly as well.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from train._errors import CalibrationError
from train._exact.columns import Doubles
from train._exact.moments import Exponents
from train._exact.rational import floor_log2, power_of_two, round_fraction

if TYPE_CHECKING:
    from torch import nn

# Plain powers are served unless their bound is this much larger.
_AS_GOOD = 1.5
# A curve through the origin is exactly 0 there only in plain powers, which may cost four bits.
_AS_GOOD_FOR_ZERO = 16.0
# Parts of the domain that are bounded each for itself.
_PARTS = 512
# The bounds are computed in doubles; this covers their own rounding, in each term of up to a
# hundred operations, generously.
_SLACK = 1.0 + 2.0**-40
_PRECISION = {"float32": 24, "float64": 53}
_SMALLEST = {"float32": 2.0**-149, "float64": 2.0**-1074}
_TOO_LARGE = {"float32": 2.0**127, "float64": 2.0**1023}


@dataclass(frozen=True)
class RoundedCurve:
    """What is computed for an input, every number a value of the dtype.

    For one feature, u = (x - shift)·scale, and y is a polynomial of u in Horner form. For several,
    y = Σ coefficients[i]·(x_i - shift[i]) + coefficients[0], in this order.

    Attributes:
        dtype: "float32" or "float64", what each step is rounded to.
        shift: subtracted from each feature; None if x itself is used.
        scale: a power of two that x - shift is multiplied by; None if there is no such step.
        coefficients: lowest power first; the constant, then one a feature.
        error: no served value in the domain is further than this from the exact curve, for any x
            that is a value of the dtype.
        error_in_ulp: the same in units in the last place of the largest |y| of the curve.
        features: number of features; with one, the curve is a polynomial and works elementwise.
    """

    dtype: str
    shift: tuple[float, ...] | None
    scale: float | None
    coefficients: tuple[float, ...]
    error: float
    error_in_ulp: float
    features: int = 1

    def module(self) -> nn.Module:
        """Return the curve as a torch module in its dtype."""
        from train._calibration.curve_module import curve_module

        return curve_module(
            self.coefficients, self.shift, self.scale, features=self.features, dtype=self.dtype
        )


def serve(
    coefficients: Sequence[Fraction],
    powers: Sequence[Exponents],
    domain: Sequence[tuple[Fraction, Fraction]],
    dtype: str,
) -> RoundedCurve:
    """Choose the form and round it.

    Args:
        coefficients: of the exact curve, in plain powers of the features.
        powers: the exponents of each.
        domain: smallest and largest value of each feature.
        dtype: "float32" or "float64".

    Raises:
        CalibrationError: a coefficient is too large for the dtype.
    """
    build = _polynomial if len(domain) == 1 else _hyperplane
    exact = dict(zip(powers, coefficients, strict=True))
    _check_domain(domain, dtype)
    forms = []
    for centered in (False, True):
        # Where plain powers overflow in the bounds too, they are inf.
        with suppress(OverflowError), np.errstate(over="ignore", invalid="ignore"):
            forms.append(build(exact, domain, dtype, centered=centered))
    if not forms:
        other = "float64" if dtype == "float32" else "other units"
        raise CalibrationError(f"the curve's numbers are too large for {dtype}; use {other}")
    # Plain powers come first, if they are among the forms.
    as_good = _AS_GOOD if (0,) * len(domain) in exact else _AS_GOOD_FOR_ZERO
    return forms[0] if forms[0].error <= as_good * forms[-1].error else forms[-1]


def _check_domain(domain: Sequence[tuple[Fraction, Fraction]], dtype: str) -> None:
    if max(max(abs(low), abs(high)) for low, high in domain) >= _TOO_LARGE[dtype]:
        other = "float64" if dtype == "float32" else "other units"
        raise CalibrationError(f"x reaches further than {dtype}; use {other}")


def _middle(low: Fraction, high: Fraction, dtype: str) -> float:
    """Return a number of few digits near the middle, so that x - shift is often exact."""
    half = (high - low) / 2
    if not half:
        return round_fraction(low, dtype)
    last = power_of_two(floor_log2(half) - 3)
    return round_fraction(round((low + high) / 2 / last) * last, dtype)


def _polynomial(
    exact: dict[Exponents, Fraction],
    domain: Sequence[tuple[Fraction, Fraction]],
    dtype: str,
    *,
    centered: bool,
) -> RoundedCurve:
    (low, high), degree = domain[0], max(power for (power,) in exact)
    plain = [exact.get((power,), Fraction(0)) for power in range(degree + 1)]
    shift, scale = 0.0, 1.0
    if centered:
        shift = _middle(low, high, dtype)
        reach = max(high - Fraction(shift), Fraction(shift) - low)
        scale = math.ldexp(1.0, -floor_log2(reach) - 1) if reach else 1.0
        scale = min(max(scale, 2.0**-120), 2.0**120)
    moved = _taylor(plain, Fraction(shift))
    curve = [c / Fraction(scale) ** power for power, c in enumerate(moved)]
    rounded = [round_fraction(c, dtype) for c in curve]
    # A part at each end may reach beyond the domain by the rounding of its ends; that is no harm.
    ends = np.linspace(
        float((low - Fraction(shift)) * Fraction(scale)),
        float((high - Fraction(shift)) * Fraction(scale)),
        _PARTS + 1,
    )
    middles, radii = (ends[1:] + ends[:-1]) / 2, (ends[1:] - ends[:-1]) / 2
    radii = radii * _SLACK + 2.0**-50 * np.abs(ends).max()
    off = [float(Fraction(r) - c) for r, c in zip(rounded, curve, strict=True)]
    half = 2.0 ** -_PRECISION[dtype]
    # Rounding of x - shift moves u by half a unit; the multiplication by a power of two is exact.
    moves = np.abs(middles) + radii
    slope = _largest([power * c for power, c in enumerate(rounded)][1:], middles, radii)
    error = _largest(off, middles, radii) + (slope * moves * half if centered else 0.0)
    error = error + _horner_error(rounded, middles, radii, dtype)
    peak = float(_largest(rounded, middles, radii).max())
    return _served(
        dtype, (shift,) if centered else None, scale if centered else None, rounded, error, peak
    )


def _served(
    dtype: str,
    shift: tuple[float, ...] | None,
    scale: float | None,
    coefficients: Sequence[float],
    error: Doubles,
    peak: float,
    features: int = 1,
) -> RoundedCurve:
    worst = float(np.max(error)) * _SLACK
    exponent = max(math.frexp(peak)[1], -125 if dtype == "float32" else -1021)
    ulp = math.ldexp(1.0, exponent - _PRECISION[dtype])
    return RoundedCurve(dtype, shift, scale, tuple(coefficients), worst, worst / ulp, features)


def _taylor(coefficients: Sequence[Fraction], at: Fraction) -> list[Fraction]:
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
    return np.asarray(bound + (_SLACK - 1.0) * total)


def _half_ulp(bound: Doubles, dtype: str) -> Doubles:
    """Return the most that rounding changes a number of at most this magnitude.

    Raises:
        OverflowError: the dtype may not reach that far.
    """
    if not np.all(bound < _TOO_LARGE[dtype]):
        raise OverflowError
    # 2^(e - 1) <= bound < 2^e; the last place of the precision p is 2^(e - p).
    exponents = np.frexp(bound * _SLACK)[1]
    rounding = np.ldexp(0.5, exponents - _PRECISION[dtype])
    return np.asarray(np.maximum(rounding, _SMALLEST[dtype] / 2))


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
        error = error * reach + _half_ulp(upper * reach, dtype)
        if coefficients[power]:
            here = _largest(coefficients[power:], middles, radii) + error
            error = error + _half_ulp(here, dtype)
    return np.asarray(error)


def _hyperplane(
    exact: dict[Exponents, Fraction],
    domain: Sequence[tuple[Fraction, Fraction]],
    dtype: str,
    *,
    centered: bool,
) -> RoundedCurve:
    features = len(domain)
    none = (0,) * features
    slopes = [exact[tuple(int(i == k) for i in range(features))] for k in range(features)]
    shift = [_middle(low, high, dtype) if centered else 0.0 for low, high in domain]
    constant = exact.get(none, Fraction(0))
    constant += sum((w * Fraction(s) for w, s in zip(slopes, shift, strict=True)), Fraction(0))
    rounded = [round_fraction(c, dtype) for c in (constant, *slopes)]
    half = Fraction(1, 1 << _PRECISION[dtype])
    off = abs(Fraction(rounded[0]) - constant)
    error = Fraction(0)
    below = above = Fraction(0)
    for index, (w, slope, s, (low, high)) in enumerate(
        zip(rounded[1:], slopes, shift, domain, strict=True)
    ):
        reach = max(abs(low - Fraction(s)), abs(high - Fraction(s)))
        off += abs(Fraction(w) - slope) * reach
        moved = abs(Fraction(w)) * reach * half if centered else Fraction(0)
        error += moved + _rounding(abs(Fraction(w)) * reach + moved, dtype)
        ends = sorted((Fraction(w) * (low - Fraction(s)), Fraction(w) * (high - Fraction(s))))
        below, above = below + ends[0], above + ends[1]
        if index:
            error += _rounding(max(abs(below), abs(above)) + error, dtype)
    below, above = below + Fraction(rounded[0]), above + Fraction(rounded[0])
    peak = max(abs(below), abs(above))
    if rounded[0]:
        error += _rounding(peak + error, dtype)
    return _served(
        dtype,
        tuple(shift) if centered else None,
        None,
        rounded,
        np.array([float(error + off)]),
        float(peak),
        features,
    )


def _rounding(bound: Fraction, dtype: str) -> Fraction:
    return Fraction(float(_half_ulp(np.array(float(bound)), dtype)))

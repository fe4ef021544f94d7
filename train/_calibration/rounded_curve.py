"""The form in which a fitted curve is served, and how far it is from the exact curve at worst.

A served curve is one sequence of operations, each rounded to the artifact's dtype. Plain powers
lose digits where x is large compared with its spread, so the variable is shifted to the middle of
the readings and scaled to about one, unless plain powers do as well, or the curve goes through the
origin and they do nearly as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction

import numpy as np

from train._calibration.families.error_bounds import TOO_LARGE
from train._calibration.families.family import Domain, Family, RoundedCurve
from train._errors import CalibrationError
from train._exact.moments import plus
from train._exact.sums import Sums

# Plain powers are served unless their bound is this much larger.
_AS_GOOD = 1.5
# A curve through the origin is exactly 0 there only in plain powers, which may cost four bits.
_AS_GOOD_FOR_ZERO = 16.0


def serve(
    family: Family, coefficients: Sequence[Fraction], domain: Domain, dtype: str
) -> RoundedCurve:
    """Choose the form and round it.

    Args:
        family: the kind of the curve.
        coefficients: of each term of the exact curve, in plain powers of the features.
        domain: smallest and largest value of each feature.
        dtype: "float32" or "float64".

    Raises:
        CalibrationError: a number is too large for the dtype.
    """
    other = "float64" if dtype == "float32" else "other units"
    if max(max(abs(low), abs(high)) for low, high in domain) >= TOO_LARGE[dtype]:
        raise CalibrationError(f"x exceeds the range of {dtype}; use {other}")
    exact = dict(zip(family.terms, coefficients, strict=True))
    forms = []
    for centered in (False, True):
        # Where plain powers overflow in the bounds too, they are inf.
        with suppress(OverflowError), np.errstate(over="ignore", invalid="ignore"):
            forms.append(family.rounded(exact, domain, dtype, centered=centered))
    if not forms:
        raise CalibrationError(f"the curve's numbers are too large for {dtype}; use {other}")
    # Plain powers come first, if they are among the forms.
    as_good = _AS_GOOD if family.intercept else _AS_GOOD_FOR_ZERO
    return forms[0] if forms[0].error <= as_good * forms[-1].error else forms[-1]


def served_loss(sums: Sums, curve: RoundedCurve) -> Fraction:
    """Return the (weighted) sum of squared residuals of a served curve, its steps not rounded.

    Args:
        sums: over the readings, of the curve's degree or a higher one.
        curve: the served curve.
    """
    plain = curve.family.plain_powers(curve)
    loss = sums.value((0,) * sums.features, 2)
    for exponents, value in plain.items():
        loss -= 2 * value * sums.value(exponents, 1)
        loss += sum(
            (value * other * sums.value(plus(exponents, more)) for more, other in plain.items()),
            Fraction(0),
        )
    return loss

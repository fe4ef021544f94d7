"""What rounding to the served form costs: the loss of the served curve, from exact sums."""

from __future__ import annotations

from fractions import Fraction
from math import comb

from train._calibration.rounded_curve import RoundedCurve
from train._exact.moments import Exponents, plus
from train._exact.sums import Sums


def served_loss(sums: Sums, served: RoundedCurve) -> Fraction:
    """Return the (weighted) sum of squared residuals of a served curve, its steps not rounded.

    Args:
        sums: over the readings, of the curve's degree or a higher one.
        served: the curve.
    """
    curve = _plain(served)
    none = (0,) * served.features
    loss = sums.value(none, 2)
    for exponents, value in curve.items():
        loss -= 2 * value * sums.value(exponents, 1)
        loss += sum(
            (value * other * sums.value(plus(exponents, more)) for more, other in curve.items()),
            Fraction(0),
        )
    return loss


def _plain(served: RoundedCurve) -> dict[Exponents, Fraction]:
    """Return the served curve in plain powers."""
    coefficients = [Fraction(value) for value in served.coefficients]
    shift = [Fraction(value) for value in served.shift or (0.0,) * served.features]
    if served.features > 1:
        slopes = coefficients[1:]
        none = (0,) * served.features
        moved = (slope * start for slope, start in zip(slopes, shift, strict=True))
        curve = {none: coefficients[0] - sum(moved, Fraction(0))}
        for index, slope in enumerate(slopes):
            curve[(*none[:index], 1, *none[index + 1 :])] = slope
        return curve
    scale = Fraction(served.scale or 1.0)
    return {
        (power,): sum(
            (
                value * scale**k * comb(k, power) * (-shift[0]) ** (k - power)
                for k, value in enumerate(coefficients)
                if k >= power
            ),
            Fraction(0),
        )
        for power in range(len(coefficients))
    }

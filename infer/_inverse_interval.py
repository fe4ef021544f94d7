"""The inputs whose interval contains an answer: Fieller's method, for any polynomial.

E. C. Fieller, "Some problems in interval estimation", J. R. Statist. Soc. B 16 (1954), asks the
same of a straight line. The ends of the interval, as curves, are cut where one of them turns;
between the cuts both are monotone, so each meets y once at most and bisection finds where.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from infer._interval import Band
from infer._inverse import Inverse
from infer._polynomial import Polynomial, add, derivative, multiply, sign_changes, substitute

# The cuts are found to this part of the domain: as good as a double.
_PLACES = 64


Finder = Callable[[float], tuple[float, float]]


def inverse_interval(chosen: Band, inverse: Inverse, low: float, high: float) -> Finder:
    """Return the function that finds the interval of inputs; see ``Model.inverse_interval``.

    Args:
        chosen: the interval of answers, as a function of the input.
        inverse: of the same model.
        low: the domain's lower end.
        high: its upper end.
    """
    cuts = _cuts(chosen, low, high)

    def find(y: float) -> tuple[float, float]:
        x = min(max(inverse(y), low), high)

        def contains(place: float) -> bool:
            bottom, top = chosen.ends(place)
            return bottom <= y <= top

        if not contains(x):
            return x, x  # the curve as served is beside that of the fit by more than the width
        below = [cut for cut in reversed(cuts) if cut < x]
        above = [cut for cut in cuts if cut > x]
        return _leave(contains, x, [*below, low]), _leave(contains, x, [*above, high])

    return find


def _leave(contains: Callable[[float], bool], inside: float, places: list[float]) -> float:
    """Return the last double before y leaves the interval, on the way from place to place."""
    for place in places:
        if contains(place):
            inside = place
            continue
        outside = place
        while inside < (middle := (inside + outside) / 2) < outside or outside < middle < inside:
            if contains(middle):
                inside = middle
            else:
                outside = middle
        break
    return inside


def _cuts(chosen: Band, low: float, high: float) -> list[float]:
    """Return where an end of the interval turns within the domain, rising.

    With curve c, variance v and reach r that is where (c ± r·√v)' = 0, so 4·v·c'² = (r·v')².
    """
    found = chosen.uncertainty
    start, width = Fraction(low), Fraction(high) - Fraction(low)
    center, half = Fraction(found.center[0]), Fraction(found.half_width[0])

    def of(coefficients: tuple[float, ...]) -> Polynomial:
        result = [Fraction(0)] * (1 + max(row[0] for row in found.powers))
        for row, value in zip(found.powers, coefficients, strict=True):
            result[row[0]] += Fraction(value)
        return substitute(result, (start - center) / half, width / half)

    slope = derivative(of(found.curve))
    variance = [Fraction(chosen.noise)]
    for row in found.factor:
        share = of(row)
        variance = add(variance, multiply(share, share))
    bend = derivative(variance)
    square = Fraction(chosen.reach) ** 2
    difference = add(
        [4 * value for value in multiply(variance, multiply(slope, slope))],
        [-square * value for value in multiply(bend, bend)],
    )
    turns = sign_changes(difference, _PLACES)
    return [float(start + width * Fraction(turn, 1 << _PLACES)) for turn in turns]

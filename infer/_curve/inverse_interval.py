"""The inputs whose interval contains an answer: Fieller's method, for any polynomial.

E. C. Fieller, "Some problems in interval estimation", J. R. Statist. Soc. B 16 (1954), asks the
same of a straight line. The ends of the interval, as curves, are cut where one of them turns;
between the cuts both are monotone, so each meets y once at most and bisection finds where.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from fractions import Fraction
from itertools import zip_longest

from infer._curve.interval import Band
from infer._curve.inverse import Inverse
from infer._errors import InputError
from infer._program.polynomial import sign_changes, substituted

# The cuts are found to this part of the domain: as good as a double.
_PLACES = 64

# The polynomial whose roots they are has four times the curve's degree; it is found within seconds
# up to here.
MAX_DEGREE = 32
_MAX_BITS = 1 << 16


Finder = Callable[[float], tuple[float, float]]


def inverse_interval(chosen: Band, inverse: Inverse, low: float, high: float) -> Finder:
    """Return the function that finds the interval of inputs; see ``Model.inverse_interval``.

    Args:
        chosen: the interval of answers, as a function of the input.
        inverse: of the same model.
        low: the domain's lower end.
        high: its upper end.

    Raises:
        InputError: the curve's degree is too high, or the interval reaches beyond the doubles.
    """
    cuts = _cuts(chosen, low, high)

    def find(y: float) -> tuple[float, float]:
        x = min(max(inverse(y), low), high)

        def contains(place: float) -> bool:
            bottom, top = chosen.ends(place)
            return bottom <= y <= top

        if not contains(x):
            return x, x  # the served curve is off the fit by more than the interval is wide
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
        while inside < (middle := _middle(inside, outside)) < outside or outside < middle < inside:
            if contains(middle):
                inside = middle
            else:
                outside = middle
        break
    return inside


def _middle(a: float, b: float) -> float:
    middle = (a + b) / 2
    return middle if math.isfinite(middle) else a / 2 + b / 2


def _cuts(chosen: Band, low: float, high: float) -> list[float]:
    """Return where an end of the interval turns within the domain, rising.

    With curve c, variance v and reach r that is where (c ± r·√v)' = 0, so 4·v·c'² = (r·v')². In
    u all of them have whole coefficients, when multiplied by a power of two.
    """
    found = chosen.uncertainty
    degree = max(row[0] for row in found.powers)
    if degree > MAX_DEGREE:
        raise InputError(
            f"the interval of inputs is found for curves of a degree up to {MAX_DEGREE}; "
            f"this one has degree {degree}"
        )
    if not (math.isfinite(chosen.reach) and math.isfinite(chosen.noise)):
        raise InputError("the interval reaches beyond the doubles")

    def of(coefficients: tuple[float, ...], unit: int) -> list[int]:
        result = [0] * (1 + degree)
        for row, value in zip(found.powers, coefficients, strict=True):
            result[row[0]] += _whole(value, unit)
        return result

    slope = _derivative(of(found.curve, _unit(found.curve)))
    unit = _unit([chosen.noise, *(value for row in found.factor for value in row)])
    variance = [_whole(chosen.noise, unit) * unit]
    for row in found.factor:
        share = of(row, unit)
        variance = _sum(variance, _product(share, share))
    bend = _derivative(variance)
    # The units of slope and of variance: each is squared on one side, or on both.
    reach, over = chosen.reach.as_integer_ratio()
    left = 4 * over * over * unit * unit
    right = reach * reach * _unit(found.curve) ** 2
    difference = _sum(
        [left * n for n in _product(variance, _product(slope, slope))],
        [-right * n for n in _product(bend, bend)],
    )
    start, width = Fraction(low), Fraction(high) - Fraction(low)
    center, half = Fraction(found.center[0]), Fraction(found.half_width[0])
    at_low, step = (start - center) / half, width / half
    digits = [n.bit_length() for f in (at_low, step) for n in (f.numerator, f.denominator)]
    if max(n.bit_length() for n in difference) + len(difference) * max(digits) > _MAX_BITS:
        raise InputError("the interval's exact ends have too many digits to be turned round")
    local, _ = substituted([Fraction(n) for n in difference], at_low, step)
    turns = sign_changes([Fraction(n) for n in local], _PLACES)
    return [float(start + width * Fraction(turn, 1 << _PLACES)) for turn in turns]


def _unit(values: Iterable[float]) -> int:
    """Return a power of two by which all of the values are whole numbers."""
    return max(value.as_integer_ratio()[1] for value in values)


def _whole(value: float, unit: int) -> int:
    numerator, denominator = value.as_integer_ratio()
    return numerator * (unit // denominator)


def _derivative(a: list[int]) -> list[int]:
    return [power * n for power, n in enumerate(a)][1:] or [0]


def _sum(a: list[int], b: list[int]) -> list[int]:
    return [p + q for p, q in zip_longest(a, b, fillvalue=0)]


def _product(a: list[int], b: list[int]) -> list[int]:
    result = [0] * (len(a) + len(b) - 1)
    for i, p in enumerate(a):
        if p:
            for j, q in enumerate(b):
                result[i + j] += p * q
    return result

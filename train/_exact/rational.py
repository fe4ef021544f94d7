"""Rational numbers, and rounding them once."""

from __future__ import annotations

import math
import struct
from fractions import Fraction


def power_of_two(exponent: int) -> Fraction:
    """Return 2**exponent."""
    return Fraction(1 << exponent) if exponent >= 0 else Fraction(1, 1 << -exponent)


def floor_log2(value: Fraction) -> int:
    """Return the e for which a positive number lies in [2^e, 2^(e + 1))."""
    e = value.numerator.bit_length() - value.denominator.bit_length()
    return e if value >= power_of_two(e) else e - 1


def round_fraction(value: Fraction, dtype: str) -> float:
    """Round a rational number once to float32 or float64, ties to even.

    Raises:
        OverflowError: it is beyond the largest finite number of the dtype.
    """
    if dtype == "float64" or not value:
        return float(value)
    # The exponent of the last place: 24 significant bits, or the subnormals' 2**-149.
    last = power_of_two(max(floor_log2(abs(value)) - 23, -149))
    result = float(round(value / last) * last)  # round() of a Fraction takes ties to even
    struct.pack("<f", result)  # raises OverflowError past the largest float32
    return result


def root(square: Fraction) -> Fraction:
    """Return a number that rounds to the same double as the square root does.

    It has at least 70 significant bits, and its last one is set if digits were cut off: it lies on
    the same side of every double, and of every midpoint between two, as the root.
    """
    if not square:
        return Fraction(0)
    shift = 140 - floor_log2(square)
    shift += shift & 1
    scaled = square * power_of_two(shift)
    whole = scaled.numerator // scaled.denominator
    digits = math.isqrt(whole)
    cut = digits * digits != scaled
    return (2 * digits + cut) * power_of_two(-shift // 2 - 1)


def common_unit(left: Fraction, right: Fraction) -> Fraction:
    """Return the largest number of which both positive numbers are whole multiples."""
    return Fraction(
        math.gcd(left.numerator, right.numerator), math.lcm(left.denominator, right.denominator)
    )

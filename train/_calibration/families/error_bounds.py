"""Bounds on rounding errors that every kind of curve needs."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from train._exact.columns import Doubles
from train._exact.rational import floor_log2, power_of_two, round_fraction

# The bounds are computed in doubles; this covers their own rounding, in each term of up to a
# hundred operations, generously.
SLACK = 1.0 + 2.0**-40
PRECISION = {"float32": 24, "float64": 53}
TOO_LARGE = {"float32": 2.0**127, "float64": 2.0**1023}
_SMALLEST = {"float32": 2.0**-149, "float64": 2.0**-1074}


def half_ulp(bound: Doubles, dtype: str) -> Doubles:
    """Return the most that rounding changes a number of at most this magnitude.

    Raises:
        OverflowError: the number may be too large for the dtype.
    """
    if not np.all(bound < TOO_LARGE[dtype]):
        raise OverflowError
    # 2^(e - 1) <= bound < 2^e; the last place of the precision p is 2^(e - p).
    exponents = np.frexp(bound * SLACK)[1]
    rounding = np.ldexp(0.5, exponents - PRECISION[dtype])
    return np.asarray(np.maximum(rounding, _SMALLEST[dtype] / 2))


def middle(low: Fraction, high: Fraction, dtype: str) -> float:
    """Return a number of few digits near the middle, so that x - shift is often exact."""
    half = (high - low) / 2
    if not half:
        return round_fraction(low, dtype)
    last = power_of_two(floor_log2(half) - 3)
    return round_fraction(round((low + high) / 2 / last) * last, dtype)

"""The shortest decimal that leads back to a value of a dtype, for one value and for many.

``python benchmarks/serve.py`` shows what the way for many saves: "a million lines through f2c -".
"""

from __future__ import annotations

import math

from infer._ieee.floats import from_text

TYPE_CHECKING = False

if TYPE_CHECKING:
    from infer._ieee.floats import DType

_SMALLEST_NORMAL_FLOAT32 = 2.0**-126

# Adding and subtracting it rounds a double below 2**51 to a whole number, ties to even.
_TO_WHOLE = 1.5 * 2.0**52
# See infer._program.on_floats: p * _SPLIT rounds p to 24 bits.
_SPLIT = 2.0**29

# For each decade from 0.1 to 1e6: its ends, and what makes a value with 6, 7, 8 or 9 digits whole.
_DECADES = tuple(
    (float(f"1e{e}"), float(f"1e{e + 1}"), *(10.0 ** (k - 1 - e) for k in (6, 7, 8, 9)))
    for e in range(-1, 6)
)


def shortest(value: float, dtype: DType) -> str:
    """Return the shortest decimal that rounds to this value of the dtype, as ``repr`` writes it."""
    if dtype == "float64" or not math.isfinite(value) or value == 0:
        return repr(value)
    # Any decimal of up to 6 digits survives a float32 (FLT_DIG), so a value whose 6 digits lead
    # back to it needs no more, and "g" drops the zeros. Subnormals have fewer digits to give.
    fewest = 6 if abs(value) >= _SMALLEST_NORMAL_FLOAT32 else 1
    # Below a power of two the gap is half as wide as above it; there the nearest decimal can
    # miss although the next one, on the wide side, hits.
    lopsided = abs(math.frexp(value)[0]) == 0.5
    for digits in range(fewest, 9):
        text = f"{value:.{digits}g}"
        if from_text(text, "float32") == value:
            return repr(float(text))
        if lopsided and (further := _away_from_zero(value, digits)) is not None:
            return repr(float(further))
    return repr(float(f"{value:.9g}"))  # nine digits always identify a float32


def shortest_doubles(values: list[float]) -> list[float]:
    """Return the doubles that ``repr`` writes as the shortest decimals of float32 values.

    ``repr(shortest_doubles([v])[0]) == shortest(v, "float32")``, in a sixth of the time for
    magnitudes from 0.1 to 1e6. There, a value times a power of ten is exact (24 bits times the 21
    of 5**9), so the nearest decimal of k digits is the nearest whole number over that power; and
    with at most 8 decimals a decimal's double is never halfway between two float32 values unless
    the decimal is, so rounding the double tells where the decimal belongs. Powers of two, which lie
    closer to the value below, have at most 6 digits there.
    """
    found: list[float] = []
    low = high = 0.0
    whole, split = _TO_WHOLE, _SPLIT
    for value in values:
        v = -value if value < 0.0 else value
        if not low <= v < high:
            for low, high, six, seven, eight, nine in _DECADES:  # noqa: B007 - used below
                if low <= v < high:
                    break
            else:
                low = high = 0.0
                found.append(float(shortest(value, "float32")))
                continue
        double = (v * seven + whole - whole) / seven
        big = double * split
        if double - big + big == v:
            fewer = (v * six + whole - whole) / six
            big = fewer * split
            if fewer - big + big == v:
                double = fewer
        else:
            double = (v * eight + whole - whole) / eight
            big = double * split
            if double - big + big != v:
                double = (v * nine + whole - whole) / nine
        found.append(-double if value < 0.0 else double)
    return found


def _away_from_zero(value: float, digits: int) -> str | None:
    """Return the decimal of so many digits next beyond the value, if it rounds to the value."""
    from decimal import ROUND_UP, Context

    text = str(Context(prec=digits, rounding=ROUND_UP).create_decimal_from_float(value))
    return text if from_text(text, "float32") == value else None

"""IEEE-754 single and double precision with the standard library alone.

A Python float is a double. A float32 value is held in one too, which loses nothing; what
needs care is every rounding from a wider number down to float32.
"""

from __future__ import annotations

import math
import struct
from array import array

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Literal, TypeAlias

DType: TypeAlias = 'Literal["float32", "float64"]'


def float32(value: float) -> float:
    """Round a double to the nearest float32, ties to even, overflow to infinity.

    ``array`` stores with the processor's own conversion; ``struct.pack`` would raise
    OverflowError where IEEE-754 asks for infinity.
    """
    return array("f", (value,))[0]


def bits(value: float, dtype: DType) -> int:
    """Return the bit pattern of a value of that dtype; all NaNs give the same pattern."""
    if math.isnan(value):
        value = math.nan
    packed = struct.pack("<f" if dtype == "float32" else "<d", value)
    return int.from_bytes(packed, "little")


def from_bits(pattern: int, dtype: DType) -> float:
    """Return the value with that bit pattern: 32 bits for float32, 64 for float64."""
    value: float
    if dtype == "float32":
        (value,) = struct.unpack("<f", struct.pack("<I", pattern))
    else:
        (value,) = struct.unpack("<d", struct.pack("<Q", pattern))
    return value


def is_representable(value: float, dtype: DType) -> bool:
    """Return whether a finite double is exactly a value of that dtype."""
    return dtype == "float64" or float32(value) == value


def ulp(value: float, dtype: DType) -> float:
    """Return the unit in the last place of a finite value: the gap to the next larger magnitude.

    Below the smallest normal number it is the smallest subnormal.
    """
    if dtype == "float64":
        return math.ulp(value)
    exponent = max(math.frexp(value)[1], -125) if value else -125
    return math.ldexp(1.0, exponent - 24)


def from_number(value: Any, dtype: DType) -> float:
    """Round any real number once to the dtype.

    Args:
        value: an int, float, Fraction, Decimal, or anything else with ``__float__``; its exact
            value is what ``as_integer_ratio`` says, or else its double.
        dtype: the dtype to round to.

    Going through a double rounds twice. That only matters where the double lies exactly
    halfway between two float32 values; then the part that the double lost decides.
    """
    try:
        double = float(value)
    except OverflowError:  # an int or a Fraction beyond the largest double
        return math.inf if value > 0 else -math.inf
    if dtype == "float64":
        return double
    single = float32(double)
    if single == double or not may_be_halfway(double) or isinstance(value, float):
        return single
    if not hasattr(value, "as_integer_ratio"):
        return single  # it has no exact value but its double
    from fractions import Fraction

    exact = Fraction(*value.as_integer_ratio())
    if exact == double:
        return single
    return float32(math.nextafter(double, math.inf if exact > double else -math.inf))


def from_text(text: str, dtype: DType) -> float:
    """Round a decimal, ``inf`` or ``nan`` once to the dtype.

    Raises:
        ValueError: the text is not a number.
    """
    if "_" in text:  # Python's own notation; no file of numbers has it
        raise ValueError(f"not a number: {text!r}")
    double = float(text)
    if dtype == "float64":
        return double
    single = float32(double)
    if single == double or not may_be_halfway(double):
        return single
    return float32(beside([text], [double])[0])


def beside(texts: Iterable[str], doubles: Iterable[float]) -> list[float]:
    """Return each double itself if its decimal is exactly that, else its neighbour on that side.

    Args:
        texts: finite decimals.
        doubles: the double nearest to each.

    Where a double lies halfway between two values of a narrower format, rounding the result is
    rounding the decimal once.
    """
    from decimal import Decimal

    results = []
    for text, double in zip(texts, doubles, strict=True):
        exact, nearest = Decimal(text), Decimal(double)
        towards = math.inf if exact > nearest else -math.inf
        results.append(double if exact == nearest else math.nextafter(double, towards))
    return results


def may_be_halfway(double: float) -> bool:
    """Return whether a double can lie halfway between two float32 values.

    A double has 29 significand bits more than a float32: at a halfway point the top one of
    these is set and the other 28 are clear (more of them for float32 subnormals).
    """
    pattern: int = struct.unpack("<Q", struct.pack("<d", double))[0]
    return pattern & 0x0FFFFFFF == 0 and math.isfinite(double)

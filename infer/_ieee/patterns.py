"""Inputs most likely to show a difference between two implementations of IEEE-754."""

from __future__ import annotations

import math
import random

from infer._ieee.floats import DType, from_bits

# Significand bits and exponent bits by dtype.
_FORMATS: dict[DType, tuple[int, int]] = {"float32": (23, 8), "float64": (52, 11)}


def specials(dtype: DType) -> list[float]:
    """Return the corners of a dtype, each with both signs.

    Zero, the smallest and largest subnormal and normal numbers, 1 and its neighbours, values
    whose sums and products fall halfway between two others, infinity, and nan.
    """
    fraction, exponent = _FORMATS[dtype]
    one = ((1 << (exponent - 1)) - 1) << fraction
    infinity = ((1 << exponent) - 1) << fraction
    patterns = [0, 1, 2, (1 << fraction) - 1, 1 << fraction, (1 << fraction) + 1]
    patterns += [one - 1, one, one + 1, infinity - 1, infinity]
    # Even and odd last bits at exponents around one: products and sums of these end in ties.
    for power in (-fraction - 1, -fraction, -1, 1, 2, fraction, fraction + 1):
        patterns += [one + (power << fraction) + last for last in (-1, 0, 1, 3)]
    # The square roots of the smallest and largest magnitudes: Horner's products cross them.
    for power in (-(1 << (exponent - 2)), (1 << (exponent - 2)) - 1):
        patterns += [one + (power << fraction) + last for last in (-1, 0, 1)]
    values = [from_bits(pattern, dtype) for pattern in patterns]
    return [sign * value for value in values for sign in (1.0, -1.0)] + [math.nan]


def random_patterns(count: int, dtype: DType, seed: int) -> list[float]:
    """Return values with uniformly random bit patterns: all exponents alike, some nan and inf."""
    generator = random.Random(seed)  # noqa: S311 - for coverage, not for secrets
    fraction, exponent = _FORMATS[dtype]
    width = 1 + fraction + exponent
    return [from_bits(generator.getrandbits(width), dtype) for _ in range(count)]


def inputs(count: int, dtype: DType, features: int | None, seed: int) -> list[list[float]]:
    """Return rows of inputs, one value per feature: specials first, then random patterns.

    With several features, the specials meet in random combinations.
    """
    width = features or 1
    generator = random.Random(seed)  # noqa: S311
    corners = specials(dtype)
    if width == 1:
        rows = [[value] for value in corners]
    else:
        rows = [generator.choices(corners, k=width) for _ in range(len(corners) ** 2 // 4)]
    values = random_patterns(count * width, dtype, seed)
    return rows + [values[start : start + width] for start in range(0, len(values), width)]

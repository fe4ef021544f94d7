import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infer._ieee.floats import (
    bits,
    float32,
    from_bits,
    from_number,
    from_text,
    is_representable,
    ulp,
)

MAX = float(np.finfo("float32").max)
TINY = 2.0**-149

# Significand bits, exponents of the smallest and largest normal number.
FORMATS = {"float32": (24, -126, 127), "float64": (53, -1022, 1023)}

singles = st.floats(width=32, allow_nan=False, allow_infinity=False)
doubles = st.floats(allow_nan=False, allow_infinity=False)


def rounded(exact, dtype):
    """Round a Fraction to a dtype, in rational arithmetic: an oracle that shares no code."""
    precision, smallest, largest = FORMATS[dtype]
    magnitude = abs(exact)
    exponent = magnitude.numerator.bit_length() - magnitude.denominator.bit_length()
    exponent -= magnitude < Fraction(2) ** exponent
    unit = Fraction(2) ** (max(exponent, smallest) - precision + 1)
    value = round(magnitude / unit) * unit  # Python rounds a Fraction's ties to even
    if value >= Fraction(2) ** (largest + 1):
        value = math.inf
    return -float(value) if exact < 0 else float(value)


@st.composite
def near_halfway(draw, dtype):
    """Numbers halfway between two values of a dtype, or off by less than a double can tell."""
    low = abs(draw(singles if dtype == "float32" else doubles))
    middle = Fraction(low) + Fraction(ulp(low, dtype)) / 2
    nudge = draw(st.sampled_from([0, 1, -1])) * Fraction(2) ** -draw(st.integers(1150, 1200))
    return draw(st.sampled_from([1, -1])) * (middle + nudge)


def as_decimal(exact):
    """Return a Fraction with a power of two below the line as a Decimal, digit for digit."""
    power = exact.denominator.bit_length() - 1
    digits = tuple(map(int, str(abs(exact.numerator) * 5**power)))
    return Decimal((int(exact < 0), digits, -power))


def same(a, b, dtype="float32"):
    return bits(a, dtype) == bits(b, dtype)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0, 0.0),
        (-0.0, -0.0),
        (1 + 2.0**-24, 1.0),  # a tie, to even
        (1 + 3 * 2.0**-24, 1 + 2.0**-22),
        (math.nextafter(1 + 2.0**-24, 2), 1 + 2.0**-23),
        (MAX + 2.0**102, MAX),
        (MAX + 2.0**103, math.inf),  # the tie beyond the largest number goes to infinity
        (math.nextafter(MAX + 2.0**103, 0), MAX),
        (-1e300, -math.inf),
        (-math.inf, -math.inf),
        (TINY / 2, 0.0),
        (-TINY / 2, -0.0),
        (math.nextafter(TINY / 2, 1), TINY),
        (TINY * 1.5, TINY * 2),
        (5e-324, 0.0),
        (math.nan, math.nan),
    ],
)
def test_float32_rounds_as_ieee_754(value, expected):
    assert same(float32(value), expected)


@given(st.floats() | near_halfway("float32").map(float))
@settings(deadline=None)
def test_float32_rounds_as_numpy(value):
    with np.errstate(all="ignore"):
        assert same(float32(value), float(np.float32(value)))


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_bits_of_float32_lead_back(pattern):
    value = from_bits(pattern, "float32")
    assert bits(value, "float32") == (0x7FC00000 if math.isnan(value) else pattern)
    assert same(value, float(np.uint32(pattern).view("float32")))


@given(st.integers(0, 2**64 - 1))
@settings(deadline=None)
def test_bits_of_float64_lead_back(pattern):
    value = from_bits(pattern, "float64")
    assert bits(value, "float64") == (0x7FF8000000000000 if math.isnan(value) else pattern)


@given(singles)
@settings(deadline=None)
def test_ulp_is_the_gap_to_the_next_larger_magnitude(value):
    # numpy's spacing wraps around at the largest number.
    if abs(value) < MAX:
        assert ulp(value, "float32") == abs(float(np.spacing(np.float32(value))))
    assert ulp(value, "float64") == math.ulp(value)


def test_is_representable():
    assert is_representable(0.10000000149011612, "float32")
    assert is_representable(-0.0, "float32")
    assert is_representable(TINY, "float32")
    assert not is_representable(0.1, "float32")
    assert not is_representable(TINY / 2, "float32")
    assert not is_representable(1e39, "float32")
    assert is_representable(0.1, "float64")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        # The double nearest to each of these is exactly a tie; what it lost decides.
        (2**60 + 2**36 + 1, 2.0**60 + 2.0**37),
        (2**60 + 2**36, 2.0**60),
        (2**60 + 3 * 2**36 - 1, 2.0**60 + 2.0**37),
        (-(2**60 + 2**36 + 1), -(2.0**60 + 2.0**37)),
        (Fraction(2**80 + 1, 2**81), 0.5),
        (1 + Fraction(1, 2**24) + Fraction(1, 2**90), 1 + 2.0**-23),
        (Decimal("1.000000059604644775390625000000000000001"), 1 + 2.0**-23),
        (Decimal("1.000000059604644775390625"), 1.0),
        (Fraction(TINY) / 2 + Fraction(1, 2**300), TINY),
        (2**128 - 2**103 - 1, MAX),
        (2**128 - 2**103, math.inf),
        (10**400, math.inf),
        (-(10**400), -math.inf),
        (Fraction(-(10**400), 3), -math.inf),
        (Fraction(-1, 10**400), -0.0),
        (Decimal("-1e999999"), -math.inf),
        (Decimal("-0"), -0.0),
        (Decimal("NaN"), math.nan),
        (True, 1.0),
    ],
)
def test_from_number_rounds_once(value, expected):
    assert same(from_number(value, "float32"), expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(data=st.data())
@settings(deadline=None)
def test_from_number_and_from_text_agree_with_rational_arithmetic(dtype, data):
    exact = data.draw(near_halfway(dtype))
    decimal = as_decimal(exact)
    expected = rounded(exact, dtype)
    assert same(from_number(exact, dtype), expected, dtype)
    assert same(from_number(decimal, dtype), expected, dtype)
    assert same(from_text(str(decimal), dtype), expected, dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(data=st.data())
@settings(deadline=None)
def test_from_number_rounds_integers_once(dtype, data):
    precision = FORMATS[dtype][0]
    high = data.draw(st.integers(2 ** (precision - 1), 2**precision - 1))
    shift = data.draw(st.integers(1, 80))
    value = (2 * high + 1 << shift) + data.draw(st.sampled_from([-1, 0, 1]))
    assert same(from_number(value, dtype), rounded(Fraction(value), dtype), dtype)


def test_from_number_takes_the_double_of_what_tells_nothing_more():
    class Reading:
        def __float__(self):
            return 1 + 2.0**-24

    assert from_number(Reading(), "float32") == 1.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("98.6", 98.5999984741211),
        (" -40 ", -40.0),
        ("-0", -0.0),
        ("1e-46", 0.0),
        ("-1e39", -math.inf),
        ("inf", math.inf),
        ("-Infinity", -math.inf),
        ("nan", math.nan),
        ("16777217", 16777216.0),
        ("16777217.0000000000000001", 16777218.0),
        # More digits than Python lets an int be made of.
        ("16777217." + "0" * 5000, 16777216.0),
        ("16777217." + "0" * 5000 + "1", 16777218.0),
    ],
)
def test_from_text(text, expected):
    assert same(from_text(text, "float32"), expected)


@pytest.mark.parametrize("text", ["", " ", "x", "1,5", "0x10", "1 2", "--1", "1e", "1_000"])
def test_from_text_refuses_what_is_no_number(text):
    for dtype in FORMATS:
        with pytest.raises(ValueError):
            from_text(text, dtype)

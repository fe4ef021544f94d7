import math
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infer._ieee.floats import bits, from_bits, from_text
from infer._ieee.patterns import inputs
from infer._ieee.shortest import shortest, shortest_doubles

singles = st.floats(width=32)


def assert_shortest(value):
    text = shortest(value, "float32")
    assert text == repr(float(str(np.float32(value))))
    assert bits(from_text(text, "float32"), "float32") == bits(value, "float32")


def test_shortest_around_every_power_of_two():
    # Below a power of two the gap is half as wide as above: the hard case of shortest printing.
    for exponent in range(-149, 128):
        pattern = struct.unpack("<I", struct.pack("<f", 2.0**exponent))[0]
        for neighbour in (pattern - 1, pattern, pattern + 1):
            value = from_bits(neighbour, "float32")
            assert_shortest(value)
            assert_shortest(-value)


@given(st.floats(width=32))
@settings(deadline=None, max_examples=1000)
def test_shortest_is_what_numpy_prints(value):
    assert_shortest(value)


@given(st.floats())
@settings(deadline=None)
def test_shortest_of_float64_is_repr(value):
    assert shortest(value, "float64") == repr(value)


@pytest.mark.parametrize("exponent", [-37, -5, 0, 6, 27, 38])
def test_a_decimal_of_six_digits_stays_as_short(exponent):
    # 27: there seven digits may miss what six of them hit.
    for digits in range(100_000, 340_000 if exponent == 38 else 1_000_000, 97):
        text = f"{digits}e{exponent - 5}"
        assert shortest(from_text(text, "float32"), "float32") == repr(float(text))


def assert_same_texts(values):
    assert list(map(repr, shortest_doubles(values))) == [shortest(v, "float32") for v in values]


def test_many_at_a_time_are_written_as_one_by_one():
    numbers = np.random.default_rng(0)
    for decade in range(-4, 9):
        values = numbers.uniform(10.0**decade, 10.0 ** (decade + 1), 3000).astype("float32")
        assert_same_texts((values * numbers.choice([-1, 1], 3000)).tolist())
    assert_same_texts([x for (x,) in inputs(3000, "float32", None, seed=0)])


def test_many_at_a_time_around_decades_powers_of_two_and_short_decimals():
    values = [0.0, -0.0, math.inf, -math.inf, math.nan]
    for exponent in range(-3, 8):
        edge = float(np.float32(f"1e{exponent}"))
        values += [edge, float(np.nextafter(np.float32(edge), np.float32(0)))]
        values += [
            float(np.float32(f"{digits}e{exponent - 5}")) for digits in range(99_900, 100_100)
        ]
    for exponent in range(-8, 24):
        pattern = struct.unpack("<I", struct.pack("<f", 2.0**exponent))[0]
        values += [from_bits(pattern + step, "float32") for step in (-1, 0, 1)]
    # Quarters from 2**21 on have a digit more than fits eight, and lie halfway between two of them.
    values += [2.0**21 + quarter / 4 for quarter in range(40)]
    assert_same_texts(values)
    assert_same_texts([-value for value in values])


@given(st.lists(singles, max_size=20))
@settings(deadline=None)
def test_any_list_is_written_as_one_by_one(values):
    assert_same_texts(values)

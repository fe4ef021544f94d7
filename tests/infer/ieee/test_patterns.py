import math

import numpy as np
import pytest

from infer._ieee.floats import bits, is_representable
from infer._ieee.patterns import inputs, random_patterns, specials


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_specials_are_the_corners_of_the_dtype(dtype):
    info = np.finfo(dtype)
    values = specials(dtype)
    found = {bits(value, dtype) for value in values}
    corners = [0.0, info.smallest_subnormal, info.tiny, info.max, 1.0, math.inf]
    corners += [info.tiny - info.smallest_subnormal, 1 + info.eps, 1 - info.epsneg]
    for corner in map(float, corners):
        assert {bits(corner, dtype), bits(-corner, dtype)} <= found
    assert math.isnan(values[-1])
    assert all(is_representable(value, dtype) or math.isnan(value) for value in values)


@pytest.mark.parametrize(("dtype", "exponents"), [("float32", 256), ("float64", 2048)])
def test_random_patterns_have_all_exponents_and_depend_on_the_seed(dtype, exponents):
    values = np.array(random_patterns(40_000, dtype, seed=1), dtype)
    width = {"float32": ("uint32", 23), "float64": ("uint64", 52)}[dtype]
    assert len(np.unique(values.view(width[0]) << 1 >> (width[1] + 1))) == exponents
    again = np.array(random_patterns(40_000, dtype, seed=1), dtype)
    np.testing.assert_array_equal(values, again)
    assert bits(random_patterns(1, dtype, seed=2)[0], dtype) != bits(float(values[0]), dtype)


def test_inputs_are_specials_and_then_random_rows():
    rows = inputs(100, "float32", None, seed=3)
    corners = specials("float32")
    assert [bits(x, "float32") for (x,) in rows[: len(corners)]] == [
        bits(x, "float32") for x in corners
    ]
    assert len(rows) == len(corners) + 100


def test_features_meet_in_random_combinations():
    rows = inputs(100, "float32", 2, seed=3)
    assert {len(row) for row in rows} == {2}
    corners = {bits(x, "float32") for x in specials("float32")}
    mixed = {tuple(bits(x, "float32") for x in row) for row in rows[:-100]}
    assert {x for pair in mixed for x in pair} == corners
    assert len(mixed) > 1000

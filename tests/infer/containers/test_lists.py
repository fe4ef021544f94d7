from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch

import infer
from infer._containers.lists import as_array

FLOATS = [0.1 * n for n in range(40)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("more", [[], [3], [True, 2**40], [Fraction(1, 3)], [float("nan"), -0.0]])
def test_numbers_become_their_doubles(dtype, more):
    values = FLOATS + more
    expected = np.array([float(value) for value in values])
    for container in (list, tuple):
        found = as_array(container(values), dtype)
        assert found.dtype == np.float64
        assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    "other",
    [
        "1",
        b"1",
        None,
        1j,
        np.complex64(1),
        np.array([1.0]),
        torch.tensor([1.0]),
        torch.tensor([1j]),
        np.ma.masked,
        [1.0],
        10**400,
        Decimal("0.1"),
        np.float32(0.1),
    ],
)
@pytest.mark.parametrize("place", [0, 20, 40])
@pytest.mark.filterwarnings("ignore")
def test_what_may_be_no_real_number_is_left_to_be_read_one_by_one(other, place):
    assert as_array([*FLOATS[:place], other, *FLOATS[place:]], "float32") is None


@pytest.mark.parametrize(
    "other", [2**24 + 1, 2.0**24 + 1, Fraction(2**54 + 2**30 + 1, 2**54), 1e-40, 2.0**-140 * 3]
)
def test_what_could_be_rounded_twice_is_read_one_by_one(other):
    assert as_array([*FLOATS, other], "float32") is None
    assert as_array([*FLOATS, other], "float64") is not None


def test_an_integer_is_rounded_once():
    model = infer.load("f2c", runtime="onnxruntime")
    value = 2**54 + 2**30 + 1  # its double lies halfway, and would round down to even
    answer = model([*FLOATS, value])[-1]
    assert answer == model([value])[0] == model(float(np.nextafter(np.float32(2**54), np.inf)))
    assert answer != model(float(value))


def test_a_long_list_gives_the_bits_of_a_short_one():
    for name in infer.list_models():
        model = infer.load(name)
        if model.card.features is None:
            values = [0.37 * n - 70 for n in range(500)]
            assert model(values) == [model(value) for value in values]
            assert model(tuple(values)) == model(values)

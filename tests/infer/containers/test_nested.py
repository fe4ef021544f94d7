import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from infer._containers.nested import flatten, to_float, unflatten
from infer._errors import InputError

shapes = st.lists(st.integers(0, 4), max_size=4).map(tuple)


def filled(shape):
    """Return nested lists of a shape, numbered through; below an empty axis there is nothing."""
    return np.arange(math.prod(shape), dtype="float64").reshape(shape).tolist()


@given(shapes.filter(lambda shape: 0 not in shape[:-1]))
@settings(deadline=None)
def test_flatten_and_unflatten_are_inverse(shape):
    values = filled(shape) if shape else [0.0]
    flat, found = flatten(values, "float32")
    assert found == (shape or (1,))
    assert flat == [float(i) for i in range(math.prod(shape))]
    assert unflatten(flat, found) == values


def test_shapes_with_an_empty_axis():
    assert flatten([], "float32") == ([], (0,))
    assert flatten([[], []], "float32") == ([], (2, 0))
    assert unflatten([], (0,)) == []
    assert unflatten([], (2, 0)) == [[], []]
    assert unflatten([], (0, 3)) == []
    assert unflatten([1.0], ()) == 1.0


def test_tuples_are_lists():
    assert flatten(((1, 2), [3, 4]), "float32") == ([1.0, 2.0, 3.0, 4.0], (2, 2))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[1, 2], [3]], r"x\[1\] has length 1, expected 2 as in the first"),
        ([[1], [2, 3]], r"x\[1\] has length 2, expected 1"),
        ([[1, 2], 3], r"x\[1\] is 3, expected a list of 2 there"),
        ([1, [2]], r"x\[1\] is a list, expected a number"),
        ([1, ()], r"x\[1\] is a list, expected a number"),
        ([[], [1]], r"x\[1\] has length 1, expected 0"),
        ([[1], []], r"x\[1\] has length 0, expected 1"),
        ([[[1], [2]], [[3], [4, 5]]], r"x\[1\]\[1\] has length 2, expected 1"),
        ([[[1]], [[[2]]]], r"x\[1\]\[0\]\[0\] is a list"),
    ],
)
def test_a_ragged_list_says_where(values, message):
    with pytest.raises(InputError, match=f"ragged list: {message}"):
        flatten(values, "float32")


def test_a_list_without_end():
    endless = []
    endless.append(endless)
    with pytest.raises(InputError, match="nested at most 64 deep"):
        flatten(endless, "float32")


def test_a_list_is_nested_as_deep_as_an_array():
    values = 1.0
    for _ in range(64):
        values = [values]
    assert flatten(values, "float32") == ([1.0], (1,) * 64)
    with pytest.raises(InputError, match="nested at most 64 deep"):
        flatten([values], "float32")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, 1.0),
        (True, 1.0),
        (2**60 + 2**36 + 1, 2.0**60 + 2.0**37),
        (10**400, math.inf),
        (Fraction(1, 4), 0.25),
        (Decimal("0.25"), 0.25),
        (np.float64(0.1), 0.10000000149011612),
        (np.float32(0.1), 0.10000000149011612),
        (np.float16(0.5), 0.5),
        (np.longdouble("0.5"), 0.5),
        (np.int64(2**60 + 2**36 + 1), 2.0**60 + 2.0**37),
        (np.uint8(255), 255.0),
        (np.bool_(True), 1.0),
        (np.array(0.25), 0.25),
        (torch.tensor(0.25), 0.25),
        (torch.tensor(1 + 2.0**-24, dtype=torch.float64), 1.0),
        (torch.tensor(2**60 + 2**36 + 1), 2.0**60 + 2.0**37),
        (torch.tensor(True), 1.0),
    ],
)
def test_numbers_of_any_library_are_rounded_once(value, expected):
    assert to_float(value, "float32") == expected
    assert flatten([value], "float32")[0] == [to_float(value, "float32")]


def test_a_float_is_taken_as_it_is():
    # The program rounds it itself.
    assert to_float(0.1, "float32") == 0.1


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("98.6", r"found text '98\.6'; for the number in it, type float\('98\.6'\)"),
        (np.str_("98.6"), "found text"),
        (b"98.6", "found text b'98.6'"),
        (bytearray(b"1"), "found text"),
        (None, "found NoneType None"),
        (1j, "found a complex number 1j"),
        (np.complex64(1), "found complex64"),
        (np.complex128(1), "found complex128"),
        (torch.tensor(1j), "found a complex number"),
        (np.datetime64("2020-01-01", "ns"), "found datetime64"),
        (np.timedelta64(5, "s"), "found timedelta64"),
        (np.array("1"), "found <U1"),
        (np.array(None), "found object"),
        (np.ma.masked, "found float64 masked"),
        (np.array([1.0]), r"found ndarray of shape \(1,\); stack rows in one array"),
        (np.array([1.0, 2.0]), r"found ndarray of shape \(2,\)"),
        (torch.tensor([1.0]), r"found Tensor of shape \(1,\)"),
        ({}, "found dict {}"),
        ({1.0}, "found set {1.0}"),
        (range(2), "found range"),
        (object, "found type"),
        (Decimal("sNaN"), "found Decimal"),
        ("x" * 100, r"found text 'x{36}…;"),
    ],
)
def test_what_is_no_real_number_is_refused(value, message):
    for attempt in (value, [value], [[1.0, value]]):
        with pytest.raises(InputError, match=message) as caught:
            flatten(attempt, "float32") if isinstance(attempt, list) else to_float(value, "float32")
        assert isinstance(caught.value, ValueError)

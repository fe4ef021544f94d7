"""Twice a double's precision, against fractions."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from train._learn.double_double import Jet, Wide, wide

# A double, and what it has lost, up to half a unit in its last place.
numbers = st.tuples(st.floats(-1e6, 1e6), st.floats(-0.5, 0.5)).map(
    lambda pair: normal(pair[0], pair[1] * np.spacing(abs(pair[0]) or 1e-300))
)


def normal(high, low):
    total = high + low
    return Wide(np.float64(total), np.float64(low - (total - high)))


def exact(number):
    return Fraction(float(number.high)) + Fraction(float(number.low))


@given(numbers, numbers)
@settings(max_examples=300)
def test_sums_and_products_keep_twice_the_digits(a, b):
    for found, expected in (
        (a.plus(b), exact(a) + exact(b)),
        (a.times(b), exact(a) * exact(b)),
    ):
        error = abs(exact(found) - expected)
        assert error <= abs(expected) * Fraction(1, 2**102) + Fraction(1, 2**1060)
        assert float(found.high) == float(exact(found))  # rounded, so that it can stand alone
    assert exact(a.negative()) == -exact(a)


def test_a_sum_that_cancels_keeps_what_is_left():
    # 1 and -1 go; of 2**-54 + 2**-110, which take 57 bits, nothing may be lost.
    found = normal(1.0, 2.0**-54).plus(normal(-1.0, 2.0**-110))
    assert exact(found) == Fraction(1, 2**54) + Fraction(1, 2**110)


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 1000])
def test_a_total_is_exact_where_doubles_cancel(rows):
    generator = np.random.default_rng(rows)
    high = generator.standard_normal(rows) * 10.0 ** generator.integers(-8, 8, rows)
    # To the sum of all their negatives: nothing would be left of it in doubles.
    parts = Wide(np.append(high, -high.sum()), np.zeros(rows + 1))
    expected = sum(map(Fraction, parts.high.tolist()))
    size = Fraction(float(np.abs(high).sum()))
    assert abs(exact(parts.total(rows + 1)) - expected) <= size / 2**98
    assert exact(wide(0.1).total(rows)) == pytest.approx(Fraction(0.1) * rows, rel=2.0**-100)


def test_a_jet_goes_through_a_forward_in_place_of_a_tensor():
    def forward(a, b, x):
        """Use every spelling that a forward can have: a·x₀ - 2.5·b + 3·a·b - x₁ - a."""
        y = torch.add(torch.mul(a, x[..., 0]), (-b).mul(2.5))
        y = y.sub(torch.neg(3 * (a * b)).add(x[..., 1]))
        return torch.tensor(1.0) * (1 - (1 - y)) + torch.neg(a).neg().neg()

    a = Jet(wide(0.1), {"a": wide(1.0)})
    b = Jet(wide(0.3), {"b": wide(1.0)})
    x = np.array([[0.7, 1.3], [1e-3, -2.0]])
    answer = forward(a, b, Jet(wide(x)))
    p, q = Fraction(0.1), Fraction(0.3)
    for row in range(2):
        u, v = map(Fraction, x[row].tolist())
        expected = {
            "": p * u - Fraction(5, 2) * q + 3 * p * q - v - p,
            "a": u + 3 * q - 1,
            "b": Fraction(-5, 2) + 3 * p,
        }
        for name, number in {"": answer.value, **answer.slopes}.items():
            high, low = (np.broadcast_to(part, 2)[row] for part in number)
            assert abs(exact(Wide(high, low)) - expected[name]) < Fraction(1, 2**98)
    assert set(answer.slopes) == {"a", "b"}


@pytest.mark.parametrize(
    "beyond",
    [
        lambda x: x**2,
        torch.exp,
        lambda x: torch.add(x, x, alpha=2),
        lambda x: torch.stack((x, x)),
        lambda x: x / 2,
    ],
)
def test_what_a_jet_cannot_do_is_an_error(beyond):
    with pytest.raises(TypeError):
        beyond(Jet(wide([1.0, 2.0])))

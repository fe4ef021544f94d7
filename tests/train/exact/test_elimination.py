"""One rounding of roots, and elimination without fractions."""

import math
from fractions import Fraction

import mpmath
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from train._exact.elimination import DependentError, orthogonalize
from train._exact.rational import common_unit, root

POSITIVE = st.fractions(min_value=Fraction(1, 10**30), max_value=10**30)


@given(st.floats(min_value=1e-150, max_value=1e150))
def test_the_root_of_a_square_is_exact(value):
    assert float(root(Fraction(value) ** 2)) == value


@given(POSITIVE)
def test_roots_are_correctly_rounded(square):
    with mpmath.workprec(400):
        expected = float(mpmath.sqrt(mpmath.mpf(square.numerator) / square.denominator))
    assert float(root(square)) == expected


@given(st.floats(min_value=1e-100, max_value=1e100), st.sampled_from([-1, 0, 1]))
def test_roots_next_to_a_midpoint_fall_to_their_side(low, side):
    # The square of a number halfway between two doubles, and a hair beside it.
    high = math.nextafter(low, math.inf)
    middle = (Fraction(low) + Fraction(high)) / 2
    even = low if math.frexp(low)[0] * 2**53 % 2 == 0 else high
    expected = {-1: low, 0: even, 1: high}[side]
    assert float(root(middle**2 * (1 + side * Fraction(1, 10**300)))) == expected


def test_the_root_of_nothing_and_beyond_doubles():
    assert root(Fraction(0)) == 0
    assert float(root(Fraction(1, 10**640))) == 1e-320
    assert root(Fraction(4) ** 700) == 2**700  # no double reaches that far


@given(POSITIVE, POSITIVE)
def test_a_common_unit_measures_both(left, right):
    unit = common_unit(left, right)
    a, b = left / unit, right / unit
    assert a.denominator == b.denominator == 1
    assert common_unit(a, b) == 1


@given(st.lists(st.lists(st.integers(-9, 9), min_size=4, max_size=4), min_size=5, max_size=8))
def test_orthogonal_columns(rows):
    columns = list(zip(*rows, strict=True))
    gram = [[sum(a * b for a, b in zip(c, d, strict=True)) for d in columns] for c in columns]
    try:
        found = orthogonalize(gram, free=1)
    except DependentError:
        assume(False)
    made = []
    for k, row in enumerate(found.rows):
        if found.minors[k]:
            combination = [Fraction(entry, found.minors[k]) for entry in row]
            assert combination[k] == 1
            assert not any(combination[k + 1 :])
            made.append([sum(c * v for c, v in zip(combination, r, strict=True)) for r in rows])
    for i, left in enumerate(made):
        for j, right in enumerate(made):
            product = sum(a * b for a, b in zip(left, right, strict=True))
            expected = Fraction(found.minors[i + 1], found.minors[i]) if i == j else 0
            assert product == expected
        for j in range(i, 4):
            product = sum(a * b for a, b in zip(left, columns[j], strict=True))
            assert product == Fraction(found.products[i][j], found.minors[i])


@given(st.lists(st.lists(st.integers(-9, 9), min_size=4, max_size=4), min_size=5, max_size=8))
def test_coefficients_leave_a_residual_orthogonal_to_the_other_columns(rows):
    columns = list(zip(*rows, strict=True))
    gram = [[sum(a * b for a, b in zip(c, d, strict=True)) for d in columns] for c in columns]
    try:
        coefficients = orthogonalize(gram, free=1).coefficients
    except DependentError:
        assume(False)
    *others, last = columns
    residual = [
        y - sum(c * v for c, v in zip(coefficients, row, strict=True))
        for y, row in zip(last, zip(*others, strict=True), strict=True)
    ]
    for column in others:
        assert sum(r * v for r, v in zip(residual, column, strict=True)) == 0


def test_a_dependent_column_is_named():
    with pytest.raises(DependentError) as caught:
        orthogonalize([[1, 2, 0], [2, 4, 0], [0, 0, 1]])
    assert caught.value.column == 1

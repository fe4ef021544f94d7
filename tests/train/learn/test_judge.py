"""The judge against a second one, which shares nothing with it but the definition."""

import ast
import itertools
import math
import struct
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from train._exact.rational import round_fraction
from train._learn import judge as _judge
from train._learn.judge import UndeterminedError, judge

LARGEST = Fraction(float(np.finfo(np.float32).max))
SMALLEST = Fraction(1, 2**149)


# The second judge: it writes out every row and every permutation, where the first one works with
# moments and eliminates.


def value(polynomial, row):
    """Return a polynomial, coefficients by exponents, at one observation."""
    return sum(
        (
            Fraction(c) * math.prod(Fraction(v) ** e for v, e in zip(row, exponents, strict=True))
            for exponents, c in polynomial.items()
        ),
        Fraction(0),
    )


def design_rows(design, names, x):
    """Return what each parameter is multiplied by, a row of fractions per observation."""
    return [[value(design[name], row) for name in names] for row in zip(*x, strict=True)]


def determinant(matrix):
    """Leibniz' formula."""
    total = Fraction(0)
    for order in itertools.permutations(range(len(matrix))):
        inversions = sum(a > b for a, b in itertools.combinations(order, 2))
        total += (-1) ** inversions * math.prod(
            (matrix[i][j] for i, j in enumerate(order)), start=Fraction(1)
        )
    return total


def solve(names, designs, x, y):
    """Cramer's rule on the normal equations; None if the data do not determine the parameters."""
    all_rows = [row for design in designs for row in design_rows(design, names, x)]
    targets = [Fraction(v) for v in y] * len(designs)
    size = range(len(names))
    gram = [[sum(row[i] * row[j] for row in all_rows) for j in size] for i in size]
    right = [sum(row[i] * t for row, t in zip(all_rows, targets, strict=True)) for i in size]
    whole = determinant(gram)
    if not whole:
        return None
    solution = {}
    for k, name in enumerate(names):
        replaced = [[*row[:k], r, *row[k + 1 :]] for row, r in zip(gram, right, strict=True)]
        solution[name] = determinant(replaced) / whole
    return solution


def loss_by_rows(parameters, designs, x, y, *, mean, factor=1.0):
    """The definition: the mean over the designs of the sum or mean of squared errors."""
    names = list(parameters)
    total = Fraction(0)
    for design in designs:
        for row, target in zip(design_rows(design, names, x), y, strict=True):
            parts = [Fraction(parameters[n]) * b for n, b in zip(names, row, strict=True)]
            total += (sum(parts, Fraction(0)) - Fraction(target)) ** 2
    return Fraction(factor) * total / len(designs) / (len(y) if mean else 1)


def is_nearest(result, exact, dtype):
    """Whether no neighbour of a float is nearer to a rational, or as near and even."""
    kind = getattr(np, dtype)
    rounded = kind(result)
    assert float(rounded) == result, "not a value of the dtype"
    distance = abs(Fraction(result) - exact)
    for direction in (-math.inf, math.inf):
        neighbour = np.nextafter(rounded, kind(direction))
        if not np.isfinite(neighbour):
            continue
        other = abs(Fraction(float(neighbour)) - exact)
        bits = struct.unpack("<I" if dtype == "float32" else "<Q", rounded.tobytes())[0]
        if other < distance or (other == distance and bits % 2):
            return False
    return True


# Problems: few observations, small integers, eighths and decimals, which are no dyadic fractions.
numbers = st.one_of(
    st.integers(-9, 9).map(float),
    st.integers(-40, 40).map(lambda n: n / 8),
    st.integers(-99, 99).map(lambda n: n / 10),
)


@st.composite
def problems(draw):
    features = draw(st.integers(1, 2))
    rows = draw(st.integers(2, 6))
    column = st.lists(numbers, min_size=rows, max_size=rows)
    x = [draw(column) for _ in range(features)]
    y = draw(column)
    degree = draw(st.integers(1, 3))
    every = [e for e in itertools.product(range(degree + 1), repeat=features) if sum(e) <= degree]
    chosen = draw(st.lists(st.sampled_from(every), min_size=1, max_size=4, unique=True))
    full = {name: {e: draw(numbers.filter(bool))} for name, e in zip("abcd", chosen, strict=False)}
    # A second monomial that shares a parameter, as in e·x⁴ + e·x⁵.
    if draw(st.booleans()):
        full["a"] = {**full["a"], draw(st.sampled_from(every)): draw(numbers)}
    designs = [full]
    for _ in range(draw(st.integers(0, 2))):
        # Another design: some parameters contribute nothing.
        kept = draw(st.sets(st.sampled_from(sorted(full))))
        designs.append({name: basis if name in kept else {} for name, basis in full.items()})
    return x, y, designs


@settings(deadline=None, max_examples=200)
@given(problems(), st.booleans(), st.sampled_from(["float32", "float64"]))
def test_the_optimum_is_the_one_that_a_second_judge_finds(problem, mean, dtype):
    x, y, designs = problem
    names = list(designs[0])
    expected = solve(names, designs, x, y)
    if expected is None:
        with pytest.raises(UndeterminedError, match=r"the data do not determine '[abcd]'"):
            judge(x, y, designs, mean=mean, dtype=dtype)
        return
    verdict = judge(x, y, designs, mean=mean, dtype=dtype)

    smallest = loss_by_rows(expected, designs, x, y, mean=mean)
    assert verdict.best_loss == float(smallest)
    assert list(verdict.parameters) == names
    half_ulp, contributions = visible(expected, designs, x, dtype)
    for name in names:
        found = verdict.parameters[name]
        if found == 0.0 and expected[name]:
            # Zero only if nobody can see it; a hair of room for the judge's floats.
            assert contributions[name] <= half_ulp * Fraction(1 + 1e-9)
        else:
            assert is_nearest(found, expected[name], dtype)
            assert not found or contributions[name] >= half_ulp * Fraction(1 - 1e-9)


def visible(parameters, designs, x, dtype):
    """Return half a unit in the last place of the largest output, and the largest contributions."""
    names = list(parameters)
    largest, contributions = Fraction(0), dict.fromkeys(names, Fraction(0))
    for design in designs:
        for row in design_rows(design, names, x):
            parts = {name: parameters[name] * b for name, b in zip(names, row, strict=True)}
            largest = max(largest, abs(sum(parts.values())))
            for name, part in parts.items():
                contributions[name] = max(contributions[name], abs(part))
    exponent = math.floor(math.log2(largest)) if largest else -1
    return Fraction(2) ** (exponent - (24 if dtype == "float32" else 53)), contributions


@settings(deadline=None, max_examples=100)
@given(
    problems(),
    st.booleans(),
    st.sampled_from([1.0, 0.5, 0.1]),
    st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=4),
)
def test_loss_is_exact_for_any_parameters(problem, mean, factor, values):
    x, y, designs = problem
    names = list(designs[0])
    assume(solve(names, designs, x, y) is not None)
    verdict = judge(x, y, designs, mean=mean, dtype="float32", factor=factor)
    parameters = dict(zip(names, values, strict=False))
    exact = loss_by_rows(parameters, designs, x, y, mean=mean, factor=factor)
    assert verdict.loss(parameters) == float(exact)
    assert verdict.loss(parameters) >= verdict.best_loss


def test_loss_is_rounded_once_where_doubles_would_lose_all():
    # Ten to the sixteen and one: a double has no such number, and the errors are about one.
    x, y = [[1e16, 1e16 + 2, 1.0]], [1e16, 1e16 + 2, 3.0]
    verdict = judge(x, y, [{"a": {(1,): 1}}], mean=False, dtype="float64")
    assert verdict.loss({"a": 1.0}) == 4.0


def test_a_line_through_two_points_is_that_line():
    verdict = judge(
        [[0.0, 2.0]], [1.0, 5.0], [{"w": {(1,): 1}, "b": {(0,): 1}}], mean=True, dtype="float32"
    )
    assert verdict.parameters == {"w": 2.0, "b": 1.0}
    assert verdict.best_loss == 0.0


def test_data_that_determine_nothing_are_refused():
    line = {"w": {(1,): 1}, "b": {(0,): 1}}
    with pytest.raises(UndeterminedError) as caught:
        judge([[3.0, 3.0]], [1.0, 2.0], [line], mean=True, dtype="float32")
    assert str(caught.value).startswith("the data do not determine 'b' separately from w: give ")


def test_many_rows_are_summed_exactly():
    # More than the judge takes at a time. Lists and arrays are the same data.
    generator = np.random.default_rng(0)
    x, noise = generator.uniform(0, 20, 5000), generator.normal(size=5000)
    y = 2 * x + 1 + 3 * noise
    line = {"w": {(1,): 1}, "b": {(0,): 1}}
    verdict = judge([x.tolist()], y.tolist(), [line], mean=True, dtype="float32")
    of_arrays = judge([x], y, [line], mean=True, dtype="float32")
    assert (verdict.parameters, verdict.best_loss) == (of_arrays.parameters, of_arrays.best_loss)
    exact = solve(["w", "b"], [line], [x.tolist()], y.tolist())
    for name, found in verdict.parameters.items():
        assert is_nearest(found, exact[name], "float32")
    smallest = loss_by_rows(exact, [line], [x.tolist()], y.tolist(), mean=True)
    assert verdict.best_loss == float(smallest)


# How the data come in.

LINE = [{"w": {(1,): 1}, "b": {(0,): 1}}]


def everything(x, y, designs):
    """Return all that a verdict says."""
    verdict = judge(x, y, designs, mean=True, dtype="float64")
    return dict(verdict.parameters), verdict.best_loss, verdict.loss(verdict.parameters)


@settings(deadline=None, max_examples=50)
@given(problems(), st.data(), st.sampled_from([1, 2, 3]))
def test_neither_order_nor_blocks_nor_containers_matter(problem, data, block):
    x, y, designs = problem
    assume(solve(list(designs[0]), designs, x, y) is not None)
    expected = everything(x, y, designs)
    order = data.draw(st.permutations(range(len(y))))
    shuffled = [[column[i] for i in order] for column in x], [y[i] for i in order]
    assert everything(*shuffled, designs) == expected
    rows = np.array([*x, y]).T.copy()  # row by row: the columns are views with strides
    columns = [rows[:, i] for i in range(len(x))]
    assert everything(columns, rows[:, -1], designs) == expected
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_judge, "_BLOCK", block)
        assert everything(x, y, designs) == expected
        assert everything(columns, rows[:, -1], designs) == expected


def test_the_factor_multiplies_the_loss_and_nothing_else():
    x, y = [[0.0, 1.0, 2.0]], [1.0, 0.0, 3.0]
    one = judge(x, y, LINE, mean=False, dtype="float64")
    assert one.best_loss == float(Fraction(8, 3))  # worked out with pencil and paper
    for factor in (0.5, 0.1, 3.0):
        verdict = judge(x, y, LINE, mean=False, dtype="float64", factor=factor)
        assert verdict.parameters == one.parameters
        assert verdict.best_loss == float(Fraction(8, 3) * Fraction(factor))
        assert verdict.loss({"w": 0.0, "b": 0.0}) == float(10 * Fraction(factor))
    mean = judge(x, y, LINE, mean=True, dtype="float64", factor=0.5)
    assert mean.best_loss == float(Fraction(8, 3) / 6)


# Numbers of any size.


@pytest.mark.parametrize("x_power", [-1074, -1000, -300, 0, 300, 1000])
@pytest.mark.parametrize("y_power", [-1074, -1000, -300, 0, 300, 1000])
def test_the_sizes_of_the_numbers_do_not_matter(x_power, y_power):
    x, y = [-2.0, 1.0, 3.0, 5.0], [1.0, 2.0, 2.0, 7.0]
    x = [math.ldexp(value, x_power) for value in x]
    y = [math.ldexp(value, y_power) for value in y]
    exact = solve(["w", "b"], LINE, [x], y)
    if abs(exact["w"]) >= Fraction(2) ** 1024:
        with pytest.raises(OverflowError):
            judge([x], y, LINE, mean=False, dtype="float64")
        return
    verdict = judge([x], y, LINE, mean=False, dtype="float64")
    assert verdict.parameters == {name: float(value) for name, value in exact.items()}
    loss = loss_by_rows(exact, LINE, [x], y, mean=False)
    assert verdict.best_loss == (float(loss) if loss < Fraction(2) ** 1024 else math.inf)


@pytest.mark.parametrize("power", [-1074, -1000, -520, -300, 0, 300, 520, 1000])
def test_terms_of_any_size_are_settled(power):
    # y = 1 + x/2 + x²/4 in units of x: alike in size, and nothing is negligible.
    design = {"a": {(0,): 1}, "b": {(1,): 1}, "c": {(2,): 1}}
    x = [math.ldexp(value, power) for value in (-2.0, 1.0, 2.0, 4.0)]
    y = [1.0, 1.75, 3.0, 7.0]
    exact = solve(["a", "b", "c"], [design], [x], y)
    if max(map(abs, exact.values())) >= Fraction(2) ** 1024:
        with pytest.raises(OverflowError):
            judge([x], y, [design], mean=False, dtype="float64")
        return
    found = judge([x], y, [design], mean=False, dtype="float64").parameters
    assert found == {name: float(value) for name, value in exact.items()}


@pytest.mark.parametrize("power", [-1074, -1000, -520, -300, 0, 300, 510])
def test_sums_of_terms_of_any_size_are_settled(power):
    # x and x² share a parameter, so that its contribution is looked at row by row.
    shared = [{"e": {(1,): 1, (2,): 1}}]
    x = [math.ldexp(value, power) for value in (-2.0, 1.0, 2.0, 4.0)]
    y = [1.0, 1.75, 3.0, 7.0]
    expected = solve(["e"], shared, [x], y)["e"]
    if abs(expected) >= Fraction(2) ** 1024:
        with pytest.raises(OverflowError):
            judge([x], y, shared, mean=False, dtype="float64")
        return
    assert judge([x], y, shared, mean=False, dtype="float64").parameters["e"] == float(expected)


def test_the_smallest_and_the_largest_beside_each_other():
    x, y = [1e-200, 1.0, -3.0, 1e300], [1.0, 2.0, 1e-200, 1e300]
    exact = solve(["w", "b"], LINE, [x], y)
    verdict = judge([x], y, LINE, mean=True, dtype="float64")
    assert verdict.parameters["w"] == float(exact["w"])
    assert verdict.best_loss == float(loss_by_rows(exact, LINE, [x], y, mean=True))


def test_targets_that_are_all_zero():
    verdict = judge([[1.0, 2.0, 4.0]], [0.0, 0.0, -0.0], LINE, mean=True, dtype="float32")
    assert verdict.parameters == {"w": 0.0, "b": 0.0}
    assert verdict.best_loss == 0.0
    assert verdict.loss({"w": 1.0, "b": 0.0}) == 7.0


def test_a_loss_beyond_the_doubles_is_infinite():
    verdict = judge([[1.0, 2.0]], [1e300, -1e300], LINE, mean=True, dtype="float64")
    assert verdict.best_loss == 0.0
    assert verdict.loss({"w": 0.0, "b": 0.0}) == math.inf


@pytest.mark.parametrize("power", [-1074, -1030, -530, -100, 100, 530, 1021])
def test_data_of_any_size(power):
    # Neither the sums nor the smallest and largest doubles are out of range for integers.
    size = 2.0**power
    x, y = [0.0, size, -2 * size], [size, 3 * size, -3 * size]
    line = {"w": {(1,): 1}, "b": {(0,): 1}}
    verdict = judge([x], y, [line], mean=False, dtype="float64")
    assert verdict.parameters == {"w": 2.0, "b": size}
    assert verdict.best_loss == 0.0
    exact = loss_by_rows({"w": 1.0, "b": 0.0}, [line], [x], y, mean=False)
    expected = float(exact) if exact < Fraction(2) ** 1024 else math.inf
    assert verdict.loss({"w": 1.0, "b": 0.0}) == expected


def test_an_optimum_that_no_float32_holds():
    with pytest.raises(OverflowError):
        judge([[1.0]], [1e39], [{"b": {(0,): 1}}], mean=True, dtype="float32")


# Rounding.

finite_doubles = st.floats(allow_nan=False, allow_infinity=False)
singles = st.integers(0, 0x7F7FFFFE).map(
    lambda bits: np.array([bits, bits + 1], dtype=np.uint32).view(np.float32)
)


@given(finite_doubles)
@example(1e-46)
@example(2.0**-149)
@example(2.0**-150)  # a tie between 0 and the smallest subnormal
@example(1.5 * 2.0**-149)
@example(2.0**-126 - 2.0**-150)
@example(3.4028235677973364e38)  # just below the tie between the largest float32 and infinity
@example(3.4028235677973366e38)  # that tie
@example(1e308)
def test_rounding_a_double_to_float32_is_numpys(value):
    with np.errstate(over="ignore", under="ignore"):
        expected = float(np.float32(value))
    if math.isinf(expected):
        with pytest.raises(OverflowError):
            round_fraction(Fraction(value), "float32")
    else:
        assert round_fraction(Fraction(value), "float32") == expected


@given(singles, st.sampled_from([-1, 1]), st.integers(60, 400))
def test_float32_ties_go_to_even_and_a_hair_decides_otherwise(pair, sign, far):
    low, high = (Fraction(float(v)) for v in pair)
    tie, hair = (low + high) / 2, Fraction(1, 2**far) * SMALLEST
    even = low if pair.view(np.uint32)[0] % 2 == 0 else high
    assert round_fraction(sign * tie, "float32") == sign * even
    # Going through a double would lose the hair.
    assert round_fraction(sign * (tie - hair), "float32") == sign * low
    assert round_fraction(sign * (tie + hair), "float32") == sign * high


def test_float32_overflow_begins_half_a_unit_beyond_the_largest():
    beyond = LARGEST + Fraction(2) ** 103  # the tie; even is 2**128
    for sign in (-1, 1):
        assert round_fraction(sign * (beyond - 1), "float32") == sign * LARGEST
        with pytest.raises(OverflowError):
            round_fraction(sign * beyond, "float32")
        with pytest.raises(OverflowError):
            round_fraction(sign * Fraction(10) ** 400, "float32")


@given(st.fractions(), st.integers(-400, 400))
@example(Fraction(1, 3), 0)
@example(Fraction(1, 10), 0)
def test_fractions_round_to_the_nearest(fraction, power):
    value = fraction * Fraction(2) ** power
    for dtype in ("float32", "float64"):
        try:
            result = round_fraction(value, dtype)
        except OverflowError:
            assert dtype == "float32"
            assert abs(value) >= LARGEST
            continue
        assert is_nearest(result, value, dtype)


def test_float64_keeps_ties_subnormals_and_overflow():
    smallest = Fraction(1, 2**1074)
    assert round_fraction(smallest, "float64") == 5e-324
    assert round_fraction(smallest / 2, "float64") == 0.0
    assert round_fraction(3 * smallest / 2, "float64") == 2 * 5e-324
    assert round_fraction(Fraction(2**53 + 1), "float64") == 2.0**53
    with pytest.raises(OverflowError):
        round_fraction(Fraction(10) ** 400, "float64")


# What nobody can see.


def settle(parameters, x, designs, dtype):
    """Return parameters as the judge of some data leaves them; the targets do not matter."""
    verdict = judge([x], [1.0] * len(x), designs, mean=False, dtype=dtype)
    return verdict.settle(parameters)


@pytest.mark.parametrize(("dtype", "digits"), [("float32", 24), ("float64", 53)])
def test_a_term_counts_from_half_a_unit_in_the_last_place_on(dtype, digits):
    # The largest output is 1 (or a little more), whose last place is worth 2**(1 - digits).
    half = 2.0**-digits
    designs = [{"a": {(0,): 1}, "b": {(1,): 1}}]

    def kept(b, x):
        return settle({"a": 1.0, "b": b}, x, designs, dtype)

    below = math.nextafter(half, 0.0)
    assert kept(half, [0.0, 1.0]) == {"a": 1.0, "b": half}
    assert kept(below, [0.0, 1.0]) == {"a": 1.0, "b": 0.0}
    assert kept(-half, [0.0, 1.0]) == {"a": 1.0, "b": -half}
    # What counts is the largest contribution over the data, not the parameter.
    assert kept(half / 4, [-4.0, 0.5]) == {"a": 1.0, "b": half / 4}
    assert kept(half / 4, [-3.9, 0.5]) == {"a": 1.0, "b": 0.0}


def test_what_counts_is_the_largest_output_not_the_usual_one():
    # Mostly 1, once 1024: half a unit in the last place of that is 2**-14.
    designs = [{"a": {(0,): 1}, "b": {(1,): 1}, "c": {(2,): 1}}]
    x = [1.0] * 500 + [-1.0] * 500 + [32.0]
    for contribution, kept in ((2.0**-14, True), (2.0**-14.5, False)):
        b = contribution / 32.0
        found = settle({"a": 0.0, "b": b, "c": 1.0}, x, designs, "float32")
        assert found == {"a": 0.0, "b": b if kept else 0.0, "c": 1.0}


def test_a_term_counts_if_it_shows_in_any_design():
    half = 2.0**-24
    designs = [{"a": {(0,): 1}, "e": {}}, {"a": {(0,): 1}, "e": {(1,): 1, (2,): 1}}]
    parameters = {"a": 1.0, "e": half / 2}
    assert settle(parameters, [1.0], designs, "float32") == parameters
    # The two terms that share e are seen together: here they nearly cancel, for either alone
    # would be seen.
    parameters = {"a": 1.0, "e": half * 2}
    assert settle(parameters, [-1.0, -0.5], designs, "float32") == {"a": 1.0, "e": 0.0}


def test_zeros_stay_zeros():
    line = [{"w": {(1,): 1}, "b": {(0,): 1}}]
    assert settle({"w": 0.0, "b": -0.0}, [1.0, 2.0], line, "float32") == {"w": 0.0, "b": 0.0}


@settings(deadline=None, max_examples=100)
@given(
    problems(),
    st.lists(st.floats(-1e3, 1e3), min_size=4, max_size=4),
    st.lists(st.integers(-60, 0), min_size=4, max_size=4),
    st.sampled_from(["float32", "float64"]),
)
def test_what_counts_is_what_a_second_judge_sees(problem, values, powers, dtype):
    x, y, designs = problem
    names = list(designs[0])
    assume(solve(names, designs, x, y) is not None)
    sizes = [math.ldexp(v, p) for v, p in zip(values, powers, strict=True)]
    parameters = dict(zip(names, sizes, strict=False))
    left = judge(x, y, designs, mean=False, dtype=dtype).settle(parameters)
    exact = {name: Fraction(value) for name, value in parameters.items()}
    half_ulp, contributions = visible(exact, designs, x, dtype)
    for name, value in parameters.items():
        assert left[name] in (value, 0.0)
        if value and left[name] == 0.0:
            assert contributions[name] <= half_ulp * Fraction(1 + 1e-9)
        elif value:
            assert contributions[name] >= half_ulp * Fraction(1 - 1e-9)


def test_a_product_of_features_is_looked_at_row_by_row():
    # Each feature reaches 4, but never both: the product reaches 2 and not 16.
    x = [[4.0, 0.5, 1.0, 0.0], [0.5, 4.0, 1.0, 0.0]]
    designs = [{"a": {(0, 0): 1}, "b": {(1, 1): 1}}]
    verdict = judge(x, [1.0, 2.0, 3.0, 4.0], designs, mean=False, dtype="float32")
    half = 2.0**-24
    seen = {"a": 1.0, "b": half / 2}
    assert verdict.settle(seen) == seen
    assert verdict.settle({"a": 1.0, "b": half / 4}) == {"a": 1.0, "b": 0.0}


@pytest.mark.parametrize("block", [_judge._BLOCK, 10, 1])
@pytest.mark.parametrize("turn", [1, -1])
def test_outputs_that_cancel_are_looked_at_row_by_row(monkeypatch, turn, block):
    # Every contribution is near 1,000 and nearly every output 1; one sticks out, first or last.
    monkeypatch.setattr(_judge, "_BLOCK", block)
    x = ([1.5] + [1.0] * 98 + [2.0])[::turn]
    designs = [{"a": {(0,): 1}, "b": {(1,): 1}, "c": {(2,): 1}}]
    parameters = {"a": 1000.0, "b": -999.0, "c": 0.0}
    half = 2.0**-15  # of the largest output, 998; the root mean square is 111
    seen, unseen = {**parameters, "c": half / 4}, {**parameters, "c": math.nextafter(half / 4, 0)}
    assert settle(seen, x, designs, "float32") == seen
    assert settle(unseen, x, designs, "float32") == parameters


def test_negligible_terms_are_zero_for_the_judge_too():
    # y = x and a hair of x²: far below what float32 answers near 1 can show.
    x, hair = [-1.0, -0.5, 0.5, 1.0], 2.0**-40
    y = [v + hair * v * v for v in x]
    designs = [{"b": {(1,): 1}, "c": {(2,): 1}}]
    assert judge([x], y, designs, mean=False, dtype="float32").parameters == {"b": 1.0, "c": 0.0}
    assert judge([x], y, designs, mean=False, dtype="float64").parameters == {"b": 1.0, "c": hair}


def test_the_judge_is_independent():
    # No torch, no numpy, none of our own modules but exact arithmetic: the standard library alone.
    imported, waiting = set(), [_judge.__name__]
    while waiting:
        path = Path(sys.modules[waiting.pop()].__file__)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            found = []
            if isinstance(node, ast.Import):
                found = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0
                found = [node.module]
            waiting += [name for name in found if name.startswith("train._exact.")]
            imported.update(name for name in found if not name.startswith("train._exact."))
    assert imported
    assert {name.partition(".")[0] for name in imported} <= sys.stdlib_module_names

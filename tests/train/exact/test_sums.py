"""Exact sums: two ways to the same integers, and the same sums however the rows are split."""

import hashlib
import itertools
import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from decimal import Decimal
from fractions import Fraction
from multiprocessing import get_context

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from train import CalibrationError, Decimals, Sums, calibrate_from
from train._exact import digit_sums
from train._exact.columns import ExactColumn, column, extent, lowest_bit
from train._exact.digit_sums import digits, whole_digits
from train._exact.moments import plane, polynomial
from train._exact.sums import _cut, _product, _sum, _sum_integers, moments

DOUBLES = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e60, max_value=1e60)


def rng(seed=5):
    return np.random.default_rng(seed)


def values_of(units, sums):
    return {m: v * _product(units, *m) for m, v in sums.items()}


def by_definition(terms, columns, weights=None):
    """Sum fractions, one product at a time."""
    rows = [[Fraction(v) * c.factor for v in map_list(c)] for c in columns]
    weights = weights or [Fraction(1)] * len(rows[0])
    result = {}
    for exponents, power in moments(terms):
        result[exponents, power] = sum(
            w
            * np.prod([v**e for v, e in zip(row[:-1], exponents, strict=True)], dtype=object)
            * row[-1] ** power
            for w, row in zip(weights, zip(*rows, strict=True), strict=True)
        )
    return result


def map_list(column):
    return column.values if isinstance(column.values, list) else column.values.tolist()


def doubles(rows, spread=0, seed=5):
    generator = rng(seed)
    tens = 10.0 ** generator.integers(-spread, spread + 1, rows)
    return ExactColumn(generator.normal(size=rows) * tens, Fraction(1))


@pytest.mark.parametrize("rows", [1, 47, 4095, 4097, 9000])
@pytest.mark.parametrize("degree", [1, 2, 5, 10])
@pytest.mark.parametrize("spread", [0, 9])
def test_both_ways_give_the_same_integers(rows, degree, spread):
    if rows * degree > 20_000:
        rows = 4097
    columns = [
        doubles(rows, spread),
        ExactColumn(np.rint(rng().normal(size=rows) * 1000), Fraction(1, 100)),
    ]
    terms = polynomial(degree)
    found = digit_sums.sum_digits(columns, terms)
    assert found is not None
    assert values_of(*found) == values_of(*_sum_integers(columns, terms))


@pytest.mark.parametrize("features", [2, 3, 6])
def test_both_ways_give_the_same_integers_for_planes(features):
    columns = [doubles(5000, spread) for spread in range(features + 1)]
    found = digit_sums.sum_digits(columns, plane(features))
    assert found is not None
    assert values_of(*found) == values_of(*_sum_integers(columns, plane(features)))


@pytest.mark.parametrize("terms", [polynomial(3), plane(2), ((0,), (2,))])
def test_sums_are_what_they_say(terms):
    count = len(terms[0])
    columns = [doubles(60, 3, seed) for seed in range(count + 1)]
    expected = by_definition(terms, columns)
    assert values_of(*_sum(columns, terms)) == expected


@pytest.mark.parametrize(
    "worst",
    [
        [2.0**53 - 1] * 9000,  # every digit as large as it gets, all products of one sign
        [2.0**53 - 1, 1 - 2.0**53] * 4500,
        [float((2**20 - 1) * (1 + 2**21))] * 30_001,  # odd sums beyond 2**53
        [float(sum(1 << (21 * k + 20) for k in range(3)) >> 11)] * 9000,
        [0.0] * 100,
        [5e-324, 1.7e308] * 50,  # too far for digits
        [2.0**-400, 2.0**400] * 50,
    ],
)
def test_extremes(worst):
    column = ExactColumn(np.array(worst), Fraction(1))
    terms = polynomial(3)
    expected = values_of(*_sum_integers([column, column], terms))
    assert values_of(*_sum([column, column], terms)) == expected


@pytest.mark.parametrize("rows", [50, 4100])
@pytest.mark.parametrize("terms", [polynomial(1), polynomial(5), plane(3)])
def test_both_ways_give_the_same_integers_with_weights(rows, terms):
    columns = [doubles(rows, spread=2, seed=seed) for seed in range(len(terms[0]) + 1)]
    weights = [int(w) << k % 90 for k, w in enumerate(rng().integers(1, 2**62, rows))]
    weights[7] = 2**320 - 1
    column = ExactColumn(weights, Fraction(1))
    found = digit_sums.sum_digits(columns, terms, column)
    assert found is not None
    expected = _sum_integers(columns, terms, column)
    assert values_of(*found) == values_of(*expected)


@given(st.lists(st.integers(0, 2**97 - 1), min_size=1, max_size=9))
def test_digits_of_whole_numbers(numbers):
    table = whole_digits(numbers, 97, 21)
    assert np.abs(table).max() <= 2**20
    for number, places in zip(numbers, table.T.tolist(), strict=True):
        assert sum(int(d) << 21 * k for k, d in enumerate(places)) == number


def test_wild_exponents_fall_back_to_integers():
    column = ExactColumn(np.array([5e-324, 1.7e308] * 50), Fraction(1))
    assert digit_sums.sum_digits([column, column], polynomial(1)) is None


@given(st.lists(DOUBLES, min_size=1, max_size=20))
def test_digits_add_up(values):
    array = np.array(values)
    found = extent(array)
    if found is None:
        return
    low, bits = found
    parts = digits(array, low, bits, 21)
    assert all(np.abs(part).max() <= 2**20 and (part == np.rint(part)).all() for part in parts)
    for index, value in enumerate(values):
        total = sum(int(part[index]) << 21 * place for place, part in enumerate(parts))
        assert Fraction(total) * Fraction(2) ** low == Fraction(value)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=9))
def test_the_lowest_bit(values):
    unit = Fraction(2) ** lowest_bit(np.array(values))
    ratios = [Fraction(value) / unit for value in values]
    assert all(ratio.denominator == 1 for ratio in ratios)
    assert not any(values) or any(ratio.numerator % 2 for ratio in ratios)


# Splits


def readings(rows):
    """Return decimals and doubles of different scales, and a sigma of each."""
    generator = rng()
    x = [
        Decimal(int(generator.integers(-5000, 5000))).scaleb(-2)
        if row % 3
        else float(np.round(generator.normal() * 30, 4))
        for row in range(rows)
    ]
    y = [float(v) * 0.3 + 2 + float(generator.normal()) for v in x]
    sigma = [Fraction(int(generator.integers(1, 50)), 30) for _ in x]
    return x, y, sigma


READINGS = readings(600)


def sums_over(rows, weighted):
    x, y, sigma = READINGS
    sums = Sums(3, weighted=weighted)
    picked = [[column[row] for row in rows] for column in (x, y, sigma)]
    sums.add(*picked[:2], picked[2] if weighted else None)
    return sums


def result(sums):
    found = calibrate_from(sums, degree=3)
    return (found, found.data_sha256, found.exact)


@pytest.mark.parametrize("weighted", [False, True])
def test_splits_do_not_change_a_bit(weighted):
    rows, generator = np.arange(600), rng()
    whole = result(sums_over(rows.tolist(), weighted))
    for parts in (2, 7, 60):
        generator.shuffle(rows)
        pieces = [part.tolist() for part in np.array_split(rows, parts)]
        total = Sums(3, weighted=weighted)
        for piece in pieces:
            total.merge(sums_over(piece, weighted))
        assert result(total) == whole
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(sums_over, pieces, itertools.repeat(weighted)))
    while len(found) > 1:  # a tree
        found = [
            a + b
            for a, b in itertools.zip_longest(
                found[::2], found[1::2], fillvalue=Sums(3, weighted=weighted)
            )
        ]
    assert result(found[0]) == whole


def test_a_shuffled_stream_gives_the_same():
    generator = rng()
    x, y = generator.normal(size=(2, 20_000))
    whole = Sums(2)
    whole.add(x, y)
    order, total = generator.permutation(20_000), Sums(2)
    for piece in np.array_split(order, 11):
        total.add(x[piece], y[piece])
    assert result_of_degree_2(total) == result_of_degree_2(whole)


def result_of_degree_2(sums):
    found = calibrate_from(sums)
    return found, found.exact


def in_a_process(rows):
    return pickle.dumps(sums_over(rows, weighted=True))


def test_processes_give_the_same():
    pieces = [list(range(start, 600, 3)) for start in range(3)]
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        parts = [pickle.loads(data) for data in pool.map(in_a_process, pieces)]  # noqa: S301
    total = parts[2] + parts[0] + parts[1]
    assert result(total) == result(sums_over(range(600), weighted=True))


def test_sums_do_not_grow_with_the_rows():
    sums, generator = Sums(5), rng()
    for _ in range(20):
        sums.add(*generator.random((2, 5000)))
    small = Sums(5)
    small.add(*generator.random((2, 500)))
    assert len(pickle.dumps(sums)) < 1.2 * len(pickle.dumps(small))
    assert sums.rows == 100_000


# Weights


def weight(sigma):
    digits, exponent = _cut(sigma.denominator**2, sigma.numerator**2)
    return digits * Fraction(2) ** exponent


def test_weights_are_cut_at_320_bits():
    for sigma in (Fraction(3, 10), Fraction(7), Fraction(1, 3), Fraction(0.1)):
        exact, found = 1 / sigma**2, weight(sigma)
        assert abs(found / exact - 1) < Fraction(1, 2**319)
        assert found.denominator & (found.denominator - 1) == 0
    assert weight(Fraction(1, 4)) == 16


@pytest.mark.parametrize("different", [3, 200])
def test_weighted_sums(different):
    x, y = doubles(200), doubles(200, seed=6)
    sigma = [Fraction(k % different + 1, 7) for k in range(200)]
    sums = Sums(2, weighted=True)
    sums.add(x.values, y.values, sigma)
    expected = by_definition(polynomial(2), [x, y], [weight(s) for s in sigma])
    assert {m: sums.value(*m) for m in expected} == expected
    assert sums.sigma_squares == sum(s * s for s in sigma)


# Columns


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2, 3], [1, 2, 3]),
        ([0.1, 2.5], [Fraction(0.1), Fraction(5, 2)]),
        ([Decimal("0.1"), Decimal("1e3")], [Fraction(1, 10), 1000]),
        (
            [Fraction(1, 3), 2, 0.5, Decimal("0.2")],
            [Fraction(1, 3), 2, Fraction(1, 2), Fraction(1, 5)],
        ),
        (np.array([0.1], dtype=np.float32), [Fraction(float(np.float32(0.1)))]),
        (np.array([1.5], dtype=np.float16), [Fraction(3, 2)]),
        (np.array([2**62 + 1]), [2**62 + 1]),
        (np.array([-(2**63)]), [-(2**63)]),
        (np.array([2**64 - 1], dtype=np.uint64), [2**64 - 1]),
        ([np.float64(0.1), np.int32(7)], [Fraction(0.1), 7]),
        ([10**400], [10**400]),
        (Decimals([125, -3], 2), [Fraction(5, 4), Fraction(-3, 100)]),
        (Decimals(np.array([12]), -3), [12000]),
        (range(3), [0, 1, 2]),
    ],
)
def test_columns_are_exact(values, expected):
    found = column(values, "x")
    whole, unit = found.whole()
    assert [n * unit for n in whole] == expected
    assert [Fraction(v) * found.factor for v in map_list(found)] == expected


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0, float("nan")], "row 2: x is nan, not a finite number"),
        ([Decimal("NaN"), 1], "row 1: x is NaN, not a finite number"),
        ([1, Decimal("Infinity")], "row 2: x is Infinity, not a finite number"),
        (np.array([1.0, 2.0, -np.inf]), "row 3: x is -inf, not a finite number"),
        ([1, None], "row 2: x is missing, not a number"),
        ([1, "2"], "row 2: x is '2', not a number"),
        ([True, 1], "row 1: x is True, not a number"),
        ([1, 2j], "row 2: x is 2j, not a number"),
        (np.array(["a"]), "x holds str32; give real numbers"),
        (np.array([True]), "x holds bool; give real numbers"),
        (np.array([1j]), "x holds complex128; give real numbers"),
        (5, "x is int; give a sequence of numbers"),
        (np.zeros((2, 2)), r"x has shape \(2, 2\); give one number per row"),
    ],
)
def test_what_is_no_column(values, message):
    with pytest.raises(CalibrationError, match=f"^{message}$"):
        column(values, "x")


def test_doubles_of_columns_are_correctly_rounded():
    tenths = list(range(-500, 500))
    assert column(Decimals(tenths, 1), "x").doubles().tolist() == [n / 10 for n in tenths]
    assert column(Decimals([10**30 + 1], 40), "x").doubles().tolist() == [(10**30 + 1) / 10**40]
    assert column([Fraction(2, 3)], "x").doubles().tolist() == [2 / 3]
    with pytest.raises(CalibrationError, match="too large"):
        column([10**400], "x").doubles()


def test_what_sums_refuse():
    with pytest.raises(CalibrationError, match="x has 2 rows and y has 3; give as many of each"):
        Sums().add([1, 2], [1, 2, 3])
    with pytest.raises(CalibrationError, match="row 12: y is nan"):
        Sums().add([1.0, 2.0], [1.0, float("nan")], first_row=11)
    with pytest.raises(CalibrationError, match="row 2: sigma is 0; a standard uncertainty"):
        Sums(weighted=True).add([1, 2], [1, 2], [1, 0])
    with pytest.raises(CalibrationError, match=r"row 1: sigma is -0\.5"):
        Sums(weighted=True).add([1, 2], [1, 2], [-0.5, 1])
    for weighted, sigma in ((True, None), (False, [1.0])):
        with pytest.raises(CalibrationError, match="give sigma for all readings, or for none"):
            Sums(weighted=weighted).add([1], [1], sigma)
    with pytest.raises(CalibrationError, match="x has 3 features, expected 2"):
        Sums(features=2).add([[1], [2], [3]], [1])
    with pytest.raises(CalibrationError, match="only sums over the same terms"):
        Sums(1).merge(Sums(2))
    for degree, features in ((0, 1), (2, 2)):
        with pytest.raises(CalibrationError, match="degree is"):
            Sums(degree, features=features)


def test_rows_are_counted_through_a_stream():
    sums = Sums()
    sums.add([1.0, 2.0], [1.0, 2.0])
    with pytest.raises(CalibrationError, match="row 4: x is inf"):
        sums.add([1.0, float("inf")], [1.0, 2.0])
    assert sums.rows == 2  # nothing of a bad block is kept


def test_the_digest_is_that_of_the_readings():
    def digest(x, y, degree=2):
        sums = Sums(degree)
        sums.add(x, y)
        return sums.sha256

    x, y = [1.0, 2.0, 4.0], [3.0, 5.0, 8.5]
    assert digest(x, y) == digest(x[::-1], y[::-1]) == digest(x, y, 7)
    assert digest([1, 2, Decimal(4)], [3, Fraction(5), Decimal("8.5")]) == digest(x, y)
    others = [([1.0, 2.0, 4.5], y), (x, [3.0, 5.0, 8.0]), (x, [5.0, 3.0, 8.5]), (x * 2, y * 2)]
    assert len({digest(x, y), *(digest(*other) for other in others)}) == 5


def test_the_digest_is_that_of_the_sums_as_text():
    sums = Sums(2)
    sums.add([Fraction(1, 2), 2], [3, -1])
    lines = ["rows 2", "sigma 0", "0 0 2", "0 1 2", "0 2 10", "1 0 5/2", "1 1 -1/2", "2 0 17/4"]
    assert sums.sha256 == hashlib.sha256("\n".join(lines).encode()).hexdigest()

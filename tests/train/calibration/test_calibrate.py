"""A calibration as a whole: what goes in, what is refused, what is said about it."""

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas
import pytest
import torch

import train
from train import CalibrationError, Decimals, ReadingsBlock, Sums, calibrate, calibrate_from
from train._calibration import residuals
from train._exact import columns

X = [1.0, 2.0, 3.5, 4.0, 5.5, 7.0]
Y = [2.1, 3.9, 7.2, 8.1, 10.8, 14.3]


def same(left, right):
    """Compare the exact numbers and all that follows from them, but not the served dtype."""
    return (left.exact, left.coefficients, left.data_sha256, left.largest_residuals) == (
        right.exact,
        right.coefficients,
        right.data_sha256,
        right.largest_residuals,
    )


@pytest.mark.parametrize(
    "kind",
    [
        tuple,
        np.array,
        pandas.Series,
        lambda v: pandas.Series(v, index=range(9, 9 - len(v), -1)),
        lambda v: torch.tensor(v, dtype=torch.float64),
        lambda v: [Fraction(n) for n in v],
        lambda v: [Decimal(n) for n in v],
        lambda v: np.array(v, dtype=object),
        lambda v: np.array(v)[:, None] if v is X else v,
        lambda v: np.ma.array(v, mask=False),
        iter,
    ],
)
def test_kinds_of_columns(kind):
    assert same(calibrate(kind(X), kind(Y)), calibrate(X, Y))


def test_coarse_numbers_are_what_they_are():
    exact = calibrate([1, 2, 3, 5], [2, 3.5, 5, 8])
    for dtype in (torch.bfloat16, torch.float16, torch.int8):
        y = torch.tensor([2, 3.5, 5, 8]).to(torch.float32 if dtype == torch.int8 else dtype)
        assert same(calibrate(torch.tensor([1, 2, 3, 5], dtype=dtype), y), exact)
    huge = [2**60 + k for k in (1, 2, 3, 5)]
    assert calibrate(np.array(huge), [2, 3.5, 5, 8]).exact[1] == exact.exact[1]


def test_kinds_of_rows():
    x = [[a, b] for a, b in zip(X, [3.0, 1.0, 4.0, 1.0, 5.0, 9.0], strict=True)]
    expected = calibrate(x, Y, features=["a", "b"])
    frame = pandas.DataFrame(x, columns=["a", "b"])
    assert [c.term for c in expected.coefficients] == ["1", "a", "b"]
    assert expected.features == ("a", "b")
    for kind in (np.array(x), frame, torch.tensor(x, dtype=torch.float64), list(map(tuple, x))):
        assert same(calibrate(kind, Y, features=["a", "b"]), expected)
    swapped = calibrate(frame, Y, features=["b", "a"])
    assert [c.value for c in swapped.coefficients] == [
        expected.coefficients[k].value for k in (0, 2, 1)
    ]
    assert calibrate(frame, Y).features == ("a", "b")
    assert calibrate(x, Y).features == ("x1", "x2")
    one = calibrate(frame[["a"]], Y)
    assert one.features == ()
    assert same(one, calibrate(X, Y))


def test_decimals_are_decimals():
    texts = ["0.1", "0.2", "0.3", "0.4"]
    y = [Decimal(t) * 3 + Decimal("0.7") for t in texts]
    found = calibrate([Decimal(t) for t in texts], y)
    assert found.exact == (Fraction(7, 10), 3)
    assert found.residual_sd == 0.0
    assert found.r2 == 1.0
    assert calibrate(Decimals([1, 2, 3, 4], 1), Decimals([10, 13, 16, 19], 1)).exact == found.exact
    doubles = calibrate([float(t) for t in texts], [float(v) for v in y])
    assert doubles.exact != found.exact
    assert 0 < doubles.residual_sd < 1e-15


def test_a_calibration_says_what_it_is():
    found = calibrate(
        X, Y, name="probe7.spring", x_name="raw_f", y_name="true_c", unit_x="°F", unit_y="°C"
    )
    assert (found.name, found.degree, found.intercept, found.n) == ("probe7.spring", 1, True, 6)
    assert (found.x_name, found.unit_x, found.y_name, found.unit_y) == (
        "raw_f",
        "°F",
        "true_c",
        "°C",
    )
    assert found.domain == ((1.0, 7.0),)
    assert [c.term for c in found.coefficients] == ["1", "x"]
    assert found.degrees_of_freedom == 4
    assert not found.weighted
    assert found.sigma_name is None
    assert (found.dtype, found.served.dtype) == ("float32", "float32")
    assert found.evaluation_error == found.served.error
    assert found.evaluation_error_ulp == found.served.error_in_ulp
    assert found.x.tolist() == X
    assert found.y.tolist() == Y
    assert found.uncertainty.residual_sd == found.residual_sd


def test_predict_is_correctly_rounded():
    found = calibrate(X, Y, degree=2)
    for x in (0.1, 1e6, -3):
        exact = sum(c * Fraction(x) ** k for k, c in enumerate(found.exact))
        assert found.predict(x) == float(exact)
    plane = calibrate([[a, a * a] for a in X], Y)
    a, b, c = plane.exact
    assert plane.predict([1.5, 2]) == float(a + b * Fraction(3, 2) + 2 * c)
    for wrong in (math.nan, math.inf, "a", None, [1.0]):
        with pytest.raises(CalibrationError, match=r"x is .* not a finite number"):
            found.predict(wrong)
    with pytest.raises(CalibrationError, match="x has 1 numbers, expected 2"):
        plane.predict([1.0])


# Refused


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1, 2, 3], [1, 2]), "x has 3 rows and y has 2; give as many of each"),
        (([], []), "there are no readings; give some"),
        (([1], [2]), "1 reading cannot determine 2 coefficients and their uncertainty; give 3 "),
        (([1, 2], [2, 3]), "2 readings cannot determine 2 coefficients and their uncertainty"),
        (([5, 5, 5], [1, 2, 3]), "x is 5 in every reading; give readings at different x"),
        (([1, 2, 3], [1, None, 3]), "row 2: y is missing, not a number"),
        (([1, math.nan, 3], [1, 2, 3]), "row 2: x is nan, not a finite number"),
        ((["1", 2, 3], [1, 2, 3]), "row 1: x is '1', not a number"),
        (([[1, 2], [3]], [1, 2]), "row 2: x is [3], expected 2 numbers as in row 1"),
        (([[1, 2], [3, None]], [1, 2]), "row 2: x2 is missing, not a number"),
        ((5, [1]), "x is int; give a sequence of numbers"),
        ((np.ma.array([1, 2, 3], mask=[0, 1, 0]), [1, 2, 3]), "row 2: x is missing"),
        ((pandas.DataFrame(), [1, 2]), "x is a data frame without columns; give one or more"),
        (
            ([1, 2, 3], [1e300, 2e300, 4e300]),
            "the numbers are too large or too small to be squared",
        ),
        (
            ([1, 2, 3], [1e160, 2e160, 4e160]),
            "the numbers are too large or too small to be squared",
        ),
        ((np.zeros((2, 2, 2)), [1, 2]), "x has shape (2, 2, 2); give (n,) or (n, k)"),
    ],
)
def test_readings_that_are_refused(arguments, message):
    with pytest.raises(CalibrationError) as caught:
        calibrate(*arguments)
    assert str(caught.value).startswith(message)
    assert caught.value.exit_code == 2
    assert isinstance(caught.value, train.TrainError)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"degree": 0}, 'degree is 0; give a whole number from 1, or "auto"'),
        ({"degree": 1.5}, "degree is 1.5; give"),
        ({"degree": True}, "degree is True; give"),
        ({"degree": "best"}, "degree is 'best'; give"),
        ({"degree": 5}, "6 readings cannot determine 6 coefficients"),
        ({"sigma": [1, 1, 1]}, "sigma has 3 rows and y has 6"),
        ({"sigma": [1, 1, 0, 1, 1, 1]}, "row 3: sigma is 0; a standard uncertainty is larger"),
        ({"name": "Probe 7"}, "name is 'Probe 7'; give lowercase letters"),
        ({"name": "../x"}, "name is '../x'; give"),
        ({"sigma": [1e-200] * 6}, "the numbers are too large or too small to be squared"),
        ({"x_name": "X"}, "x_name is 'X'; give"),
        ({"x_name": 3}, "x_name is 3; give"),
        ({"unit_x": 3}, "unit_x is 3; give a unit as text"),
        ({"y_name": "c0"}, "y_name is 'c0'; give"),
        ({"y_name": "x"}, "x_name and y_name are both 'x'; give two names"),
        ({"unit_x": ""}, "unit_x is ''; give a unit as text"),
        ({"unit_y": "a\nb"}, "unit_y is 'a\\nb'; give"),
        ({"dtype": "float16"}, "dtype is 'float16'; give float32 or float64"),
        ({"features": ["a", "b"]}, "2 features are named, x has 1"),
    ],
)
def test_options_that_are_refused(options, message):
    with pytest.raises(CalibrationError) as caught:
        calibrate(X, Y, **options)
    assert str(caught.value).startswith(message)


def test_too_few_different_x():
    x = [1, 1, 1, 2, 2, 3, 3, 3]
    with pytest.raises(CalibrationError, match="8 readings at 3 different x cannot determine 4"):
        calibrate(x, range(8), degree=3)
    found = calibrate(x, range(8), degree=2)
    assert any("3 coefficients from 3 different x" in text for text in found.warnings)


def test_features_that_depend_on_each_other():
    rows = [[a, 2 * a + 1, b] for a, b in zip(X, Y, strict=True)]
    with pytest.raises(CalibrationError, match="coefficient of twice separately from"):
        calibrate(rows, Y, features=["once", "twice", "other"])
    with pytest.raises(CalibrationError, match="coefficient of x2 separately from"):
        calibrate(rows, Y)
    with pytest.raises(CalibrationError, match="several features make a plane, degree 1"):
        calibrate(rows, Y, degree=2)
    frame = pandas.DataFrame(rows, columns=["a", "b", "c"])
    with pytest.raises(CalibrationError, match="no column 'd'; there are a, b, c"):
        calibrate(frame, Y, features=["a", "d"])


def test_sums_that_do_not_reach():
    sums = Sums(2)
    sums.add(X, Y)
    with pytest.raises(CalibrationError, match="the sums reach degree 2, not 3"):
        calibrate_from(sums, degree=3)
    assert calibrate_from(sums, degree=np.int64(1)).exact == calibrate(X, Y).exact
    assert calibrate_from(sums).exact == calibrate(X, Y, degree=2).exact


# The second look


def leave_one_out(x, y, degree):
    """Return the error of each reading against the fit of all others, by fitting them."""
    errors = []
    for index in range(len(x)):
        others = calibrate(
            [*x[:index], *x[index + 1 :]], [*y[:index], *y[index + 1 :]], degree=degree
        )
        errors.append(y[index] - others.predict(x[index]))
    return errors


def noisy(rows, seed=2):
    generator = np.random.default_rng(seed)
    x = np.round(generator.random(rows) * 10, 2)
    y = np.round(1 + x / 2 - x**2 / 30 + generator.normal(size=rows) * 0.05, 3)
    return x.tolist(), y.tolist()


def test_leave_one_out_errors_are_those_of_fits_without_the_reading():
    x, y = noisy(14)
    found = calibrate(x, y, degree="auto")
    for row in found.selection[:4]:
        errors = leave_one_out(x, y, row.degree)
        assert row.loo == pytest.approx(math.sqrt(np.mean(np.square(errors))), rel=1e-9)


def test_the_table_of_auto():
    x, y = noisy(40)
    found = calibrate(x, y, degree="auto")
    assert [row.degree for row in found.selection] == list(range(1, 11))
    assert [row.degree for row in found.selection if row.chosen] == [found.degree] == [2]
    by_degree = {row.degree: row for row in found.selection}
    assert by_degree[2].why == "the lowest degree that is as good as any"
    assert "leave-one-out error" in by_degree[1].why
    assert "AICc" in by_degree[1].why
    for row in found.selection:
        alone = calibrate(x, y, degree=row.degree)
        assert row.residual_sd == alone.residual_sd
        n, k = 40, row.degree + 2
        squares = alone.residual_sd**2 * (n - row.degree - 1)
        expected = n * math.log(squares / n) + 2 * k + 2 * k * (k + 1) / (n - k - 1)
        assert row.aicc == pytest.approx(expected, rel=1e-12)
    assert same(found, calibrate(x, y, degree=2))


@pytest.mark.parametrize("rows", [500, residuals._EXACT_ROWS + 1])
@pytest.mark.parametrize("degree", [1, 2, 4])
def test_auto_finds_the_degree_that_is_there(rows, degree):
    generator = np.random.default_rng(rows + degree)
    x = generator.random(rows) * 2 - 1
    y = np.polynomial.chebyshev.chebval(x, [1.0] * (degree + 1)) + generator.normal(size=rows)
    assert calibrate(x, y, degree="auto").degree == degree


def test_evidence_of_some_units_is_enough():
    # Degree 1 is 14.7 units of AICc behind: far more than the 2 that count as none.
    generator, x = np.random.default_rng(4), np.arange(40.0) / 4
    y = (x + 0.03 * (x - 5) ** 2 + generator.normal(0, 0.3, 40)).round(3)
    found = calibrate(x, y, degree="auto")
    first, second = found.selection[:2]
    assert second.chosen
    assert 2 < first.aicc - second.aicc < 20


def test_auto_with_an_exact_polynomial():
    found = calibrate(range(12), [v**3 - v for v in range(12)], degree="auto")
    assert found.degree == 3
    assert found.residual_sd == 0.0
    assert found.selection[2].aicc == -math.inf
    assert found.selection[2].loo == 0.0


def test_auto_looks_no_further_than_the_readings_allow():
    assert calibrate([1, 2, 3], [1, 2, 4], degree="auto").degree == 1
    five = calibrate([1, 1, 2, 2, 3, 3, 4, 4, 5, 5], range(10), degree="auto")
    assert [row.degree for row in five.selection] == [1, 2, 3]
    with pytest.raises(CalibrationError, match="x is 2 in every reading"):
        calibrate([2, 2, 2, 2], [1, 2, 3, 4], degree="auto")
    plane = calibrate(np.random.default_rng(1).random((9, 2)), range(9), degree="auto")
    assert plane.degree == 1


def test_auto_without_a_second_look_goes_by_aicc():
    x, y = noisy(40)
    sums = Sums(10)
    sums.add(x, y)
    found = calibrate_from(sums, degree="auto")
    assert found.degree == 2
    assert math.isnan(found.selection[0].loo)
    assert 'the readings were read only once, so "auto" compares AICc alone' in found.warnings
    assert found.x is None
    assert found.largest_residuals == ()


@pytest.mark.parametrize("rows", [300, residuals._EXACT_ROWS + 700])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_second_look_does_not_depend_on_blocks(rows, weighted):
    generator = np.random.default_rng(2)
    x = np.round(generator.random(rows) * 10, 2)
    y = np.sin(x) + generator.normal(size=rows) * 0.1
    sigma = generator.integers(1, 4, rows) / 8 if weighted else None
    whole = calibrate(x, y, degree="auto", sigma=sigma)
    sums, blocks = Sums(10, weighted=weighted), []
    for part in np.array_split(np.arange(rows), 7):
        s = None if sigma is None else sigma[part]
        sums.add(x[part], y[part], s)
        blocks.append(ReadingsBlock(x[part], y[part], s))
    parts = calibrate_from(sums, degree="auto", rows=blocks, sigma_name=whole.sigma_name)
    assert parts == whole
    assert parts.x.tolist() == whole.x.tolist()


def test_largest_residuals_are_named_by_row():
    x = list(range(20))
    y = [3.0 * v + 1 for v in x]
    y[6] += 5.0
    y[12] -= 3.0
    found = calibrate(x, y)
    first, second = found.largest_residuals[:2]
    assert (first.row, first.x, first.y) == (7, (6.0,), 24.0)
    assert (second.row, second.x, second.y) == (13, (12.0,), 34.0)
    assert first.residual == float(24 - (found.exact[0] + 6 * found.exact[1]))
    u = statsmodels_residuals(x, y)
    assert first.standardized == pytest.approx(u[6], rel=1e-12)
    rows = calibrate_from(
        sums_of(x, y), rows=[ReadingsBlock(x, y, rows=range(101, 121))]
    ).largest_residuals
    assert [row.row for row in rows[:2]] == [107, 113]


def sums_of(x, y):
    sums = Sums()
    sums.add(x, y)
    return sums


def statsmodels_residuals(x, y):
    import statsmodels.api as sm

    fit = sm.OLS(np.array(y), sm.add_constant(np.array(x, dtype=float))).fit()
    return fit.get_influence().resid_studentized_internal


def test_residuals_of_precise_readings_keep_their_digits():
    # Around 1e6 with a scatter of 1e-9: in doubles a residual would be noise.
    x = [Decimal(k) for k in range(50)]
    noise = [Decimal((k * 7919) % 13 - 6).scaleb(-12) for k in range(50)]
    y = [10**6 + 3 * v + n for v, n in zip(x, noise, strict=True)]
    found = calibrate(x, y, dtype="float64")
    for residual in found.largest_residuals:
        exact = Fraction(y[residual.row - 1]) - sum(
            c * Fraction(x[residual.row - 1]) ** k for k, c in enumerate(found.exact)
        )
        assert residual.residual == float(exact)


# Warnings


def said(found, words):
    return any(words in text for text in found.warnings)


def test_a_good_calibration_has_no_warnings():
    x, y = noisy(40)
    assert calibrate(x, y, degree=2).warnings == ()


def test_a_reading_that_carries_the_curve_alone():
    x, y = [1, 1.1, 1.2, 1.3, 1.1, 50], [1, 2, 1, 2, 1, 9]
    found = calibrate(x, y)
    assert said(found, "single readings dominate the curve (leverage above 0.5): row 6 (1.00)")
    # Of degree 3, the reading at 50 determines the last coefficient alone.
    x, y = [1, 1, 1.1, 1.1, 1.2, 1.2, 1.3, 1.3, 50], [1, 2, 1, 2, 1, 3, 2, 1, 9]
    table = calibrate(x, y, degree="auto").selection
    assert [row.degree for row in table] == [1, 2, 3]
    assert table[2].loo == math.inf
    assert table[2].why == "some reading determines a coefficient alone"
    assert not table[2].chosen


def test_a_dtype_that_is_too_coarse():
    x = np.arange(30.0)
    y = 1000 + x + np.random.default_rng(1).normal(size=30) * 1e-5
    assert said(calibrate(x, y), 'dtype="float64" is more accurate')
    assert calibrate(x, y, dtype="float64").warnings == ()


def test_standard_uncertainties_that_do_not_fit():
    x, y = noisy(60)
    fit = {s: calibrate(x, y, degree=2, sigma=[s] * 60) for s in (0.05, 0.5, 0.005)}
    assert fit[0.05].warnings == ()
    assert said(fit[0.5], "the standard uncertainties are too large")
    assert said(fit[0.005], "the standard uncertainties are too small")
    assert fit[0.05].sigma_name == "sigma"
    # All the same, they change no coefficient; and standard errors are relative.
    assert fit[0.5].coefficients == fit[0.005].coefficients
    assert fit[0.5].sigma.tolist() == [0.5] * 60


def test_constant_y():
    found = calibrate(X, [2.5] * 6)
    assert [c.value for c in found.coefficients] == [2.5, 0.0]
    assert found.r2 == 1.0
    assert said(found, "y is the same in every reading")


@pytest.mark.parametrize("values", [[], [0.0], [1.0, 1e-300, -1.0], [0.1] * 1000, [1e300, -1e300]])
def test_exact_sum(values):
    assert columns.exact_sum(np.array(values, dtype=np.float64)) == sum(map(Fraction, values))


def test_numbers_beyond_doubles():
    with pytest.raises(CalibrationError, match="too large"):
        calibrate([10**320 * v for v in range(4)], range(4), dtype="float64")

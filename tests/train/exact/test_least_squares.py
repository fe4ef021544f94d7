"""The exact fit beside three others: fractions by hand, statsmodels, and mpmath."""

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import statsmodels.api
from hypothesis import assume, given
from hypothesis import strategies as st

from train import Sums, uncertainty_of
from train._calibration.calibrate import calibrate
from train._exact.elimination import DependentError
from train._exact.least_squares import solve, term_name
from train._exact.moments import plane, polynomial
from train._learn.datasets import load_dataset

SMALL = st.integers(-50, 50)


def normal_equations(design, y, weights):
    """Return coefficients, the inverse of the Gram matrix, and the squares, by Gauss and Jordan."""
    size = len(design[0])
    rows = [
        [
            *(
                sum(w * r[i] * r[j] for w, r in zip(weights, design, strict=True))
                for j in range(size)
            ),
            sum(w * r[i] * t for w, r, t in zip(weights, design, y, strict=True)),
            *(Fraction(int(i == j)) for j in range(size)),
        ]
        for i in range(size)
    ]
    for k in range(size):
        swap = next((i for i in range(k, size) if rows[i][k]), None)
        if swap is None:
            return None
        rows[k], rows[swap] = rows[swap], rows[k]
        rows[k] = [Fraction(v) / rows[k][k] for v in rows[k]]
        for i in range(size):
            if i != k:
                rows[i] = [a - rows[i][k] * b for a, b in zip(rows[i], rows[k], strict=True)]
    found = [row[size] for row in rows]
    inverse = [row[size + 1 :] for row in rows]
    residuals = [
        t - sum(c * v for c, v in zip(found, r, strict=True))
        for r, t in zip(design, y, strict=True)
    ]
    return found, inverse, sum(w * e * e for w, e in zip(weights, residuals, strict=True))


@given(
    st.lists(st.tuples(SMALL, SMALL, st.sampled_from([1, 2, 4])), min_size=5, max_size=9),
    st.integers(1, 3),
    st.booleans(),
    st.booleans(),
)
def test_polynomials_are_exact(rows, degree, intercept, weighted):
    x, y = [Fraction(r[0], 10) for r in rows], [Fraction(r[1], 4) for r in rows]
    sigma = [r[2] for r in rows]  # powers of two: their weights are not cut
    weights = [Fraction(1, s * s) if weighted else Fraction(1) for s in sigma]
    powers = polynomial(degree)[0 if intercept else 1 :]
    design = [[v**e for (e,) in powers] for v in x]
    expected = normal_equations(design, y, weights)
    sums = Sums(degree, weighted=weighted)
    sums.add(x, y, sigma if weighted else None)
    if expected is None:
        with pytest.raises(DependentError):
            solve(sums, powers)
        return
    coefficients, inverse, squares = expected
    found = solve(sums, powers)
    assert list(found.coefficients) == coefficients
    assert list(found.inverse_diagonal) == [inverse[k][k] for k in range(len(powers))]
    assert found.squares == squares
    mean = sum(map(mul2, weights, y)) / sum(weights) if intercept else 0
    assert found.total_squares == sum(w * (t - mean) ** 2 for w, t in zip(weights, y, strict=True))
    for size in range(1, len(powers) + 1):
        lower = normal_equations([row[:size] for row in design], y, weights)
        assert found.squares_of(size) == lower[2]


def mul2(left, right):
    return left * right


@given(st.lists(st.tuples(SMALL, SMALL, SMALL), min_size=5, max_size=9), st.booleans())
def test_planes_are_exact(rows, intercept):
    columns = [[Fraction(r[k], 8) for r in rows] for k in range(2)]
    y = [Fraction(r[2], 100) for r in rows]
    powers = plane(2)[0 if intercept else 1 :]
    design = [[1, a, b][0 if intercept else 1 :] for a, b in zip(*columns, strict=True)]
    expected = normal_equations(design, y, [Fraction(1)] * len(y))
    assume(expected is not None)
    sums = Sums(features=2)
    sums.add(columns, y)
    found = solve(sums, powers)
    assert list(found.coefficients) == expected[0]
    assert list(found.inverse_diagonal) == [row[k] for k, row in enumerate(expected[1])]
    assert found.squares == expected[2]


def test_each_root_and_share_is_rounded_once():
    # A variance that is rounded before its root is taken gives another double once in a while.
    generator = np.random.default_rng(8)
    for _ in range(100):
        x, y = generator.uniform(1, 2, (2, 4))
        sums = Sums(1)
        sums.add(x, y)
        found = solve(sums, polynomial(1))
        variances = [found.residual_variance * entry for entry in found.inverse_diagonal]
        values = [*found.standard_errors, found.residual_sd]
        for value, variance in zip(values, [*variances, found.residual_variance], strict=True):
            half = Fraction(math.ulp(value)) / 2
            assert (Fraction(value) - half) ** 2 <= variance <= (Fraction(value) + half) ** 2
        share = 1 - found.squares / found.total_squares
        assert abs(Fraction(found.r2) - share) <= Fraction(math.ulp(found.r2)) / 2


def test_results_are_correctly_rounded():
    # Every number beside 300 digits of mpmath, on data that no double-precision solver survives.
    generator = np.random.default_rng(8)
    x = 1000 + np.sort(generator.random(40))
    y = np.sin(x) * 1e-3 + generator.normal(size=40) * 1e-9
    found = calibrate(x, y, degree=7)
    with mpmath.workdps(300):
        design = mpmath.matrix([[mpmath.mpf(float(v)) ** k for k in range(8)] for v in x])
        right = mpmath.matrix([mpmath.mpf(float(v)) for v in y])
        inverse = mpmath.inverse(design.T * design)
        solution = inverse * (design.T * right)
        residuals = right - design * solution
        squares = sum(e * e for e in residuals)
        mean = sum(right) / 40
        variance = squares / 32
        assert [c.value for c in found.coefficients] == [float(v) for v in solution]
        assert [c.standard_error for c in found.coefficients] == [
            float(mpmath.sqrt(variance * inverse[k, k])) for k in range(8)
        ]
        assert found.residual_sd == float(mpmath.sqrt(variance))
        assert found.r2 == float(1 - squares / sum((v - mean) ** 2 for v in right))


# Uncertainty, used as the card says it is meant


def at(uncertainty, x):
    """Return curve and h at a row of features."""
    u = [(v - c) / w for v, c, w in zip(x, uncertainty.center, uncertainty.half_width, strict=True)]
    terms = [math.prod(v**e for v, e in zip(u, p, strict=True)) for p in uncertainty.powers]
    curve = math.fsum(c * t for c, t in zip(uncertainty.curve, terms, strict=True))
    h = sum(
        math.fsum(f * t for f, t in zip(row, terms, strict=True)) ** 2 for row in uncertainty.factor
    )
    return curve, h


def data(kind):
    generator = np.random.default_rng(3)
    if kind == "plane":
        x = generator.normal(size=(60, 3)) * [1.0, 10.0, 0.1] + [5.0, 0.0, 1.0]
        y = x @ [1.0, 0.2, 30.0] + generator.normal(size=60)
        return x, y, plane(3)
    x = generator.random(60) * 4 - 1
    y = 1 + x - x**2 + generator.normal(size=60) * 0.1
    return x[:, None], y, polynomial({"line": 1, "cubic": 3}[kind])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("kind", ["line", "cubic", "plane"])
def test_intervals_are_those_of_statsmodels(kind, intercept, weighted):
    from scipy import stats

    x, y, powers = data(kind)
    powers = powers if intercept else powers[1:]
    sigma = np.random.default_rng(4).integers(1, 9, 60) / 4
    degree = 1 if kind == "plane" else powers[-1][0]
    found = calibrate(x, y, degree=degree, intercept=intercept, sigma=sigma if weighted else None)
    uncertainty = found.uncertainty

    def design(rows):
        return np.stack([np.prod(rows ** np.array(p), axis=1) for p in powers], axis=1)

    typical = math.sqrt(np.mean(sigma**2)) if weighted else 1.0
    assert uncertainty.typical_sigma == pytest.approx(typical, rel=1e-15)
    weights = 1 / sigma**2 if weighted else np.ones(60)
    reference = statsmodels.api.WLS(y, design(x), weights=weights).fit()
    assert [c.value for c in found.coefficients] == pytest.approx(reference.params, rel=1e-9)
    assert [c.standard_error for c in found.coefficients] == pytest.approx(reference.bse, rel=1e-9)
    assert found.residual_sd == pytest.approx(math.sqrt(reference.scale), rel=1e-12)
    if kind != "plane" or intercept:  # statsmodels finds a constant among x3's values
        centered = reference.centered_tss if intercept else reference.uncentered_tss
        assert found.r2 == pytest.approx(1 - reference.ssr / centered, rel=1e-12)
    new = x[:20] * 1.1
    predicted = reference.get_prediction(design(new), weights=np.full(20, 1 / typical**2))
    table = predicted.summary_frame(alpha=0.05)
    t = stats.t.ppf(0.975, uncertainty.degrees_of_freedom)
    for row, expected in zip(new, table.to_dict("records"), strict=True):
        curve, h = at(uncertainty, row)
        s = uncertainty.residual_sd
        confidence, prediction = t * s * math.sqrt(h), t * s * math.sqrt(h + typical**2)
        assert curve == pytest.approx(expected["mean"], rel=1e-9)
        assert curve - confidence == pytest.approx(expected["mean_ci_lower"], rel=1e-9, abs=1e-9)
        assert curve + prediction == pytest.approx(expected["obs_ci_upper"], rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("intercept", [True, False])
def test_uncertainty_of_degree_10_beside_mpmath(intercept):
    generator = np.random.default_rng(9)
    x = 20 + generator.random(80) * 3
    y = np.cos(x) + generator.normal(size=80) * 0.01
    found = calibrate(x, y, degree=10, intercept=intercept)
    first = 0 if intercept else 1
    with mpmath.workdps(200):
        design = mpmath.matrix([[mpmath.mpf(float(v)) ** k for k in range(first, 11)] for v in x])
        inverse = mpmath.inverse(design.T * design)
        solution = inverse * (design.T * mpmath.matrix([mpmath.mpf(float(v)) for v in y]))
        for value in np.linspace(*found.domain[0], 17).tolist():
            z = mpmath.matrix([mpmath.mpf(value) ** k for k in range(first, 11)])
            curve, h = at(found.uncertainty, [value])
            assert h == pytest.approx(float((z.T * inverse * z)[0]), rel=1e-9)
            assert curve == pytest.approx(float((z.T * solution)[0]), rel=1e-9)


@pytest.mark.parametrize(
    ("name", "powers"),
    [
        ("thermometer", [[0], [1]]),
        ("noisy_line", [[0], [1]]),
        ("noisy_plane", [[0, 0], [1, 0], [0, 1]]),
    ],
)
def test_uncertainty_of_shipped_data(name, powers):
    dataset = load_dataset(name)
    found = uncertainty_of(dataset.x, dataset.y, powers)
    assert found == calibrate(dataset.x, dataset.y).uncertainty
    assert found.powers == tuple(map(tuple, powers))
    assert found.degrees_of_freedom == dataset.rows - len(powers)


@pytest.mark.parametrize(
    "powers",
    [[[0], [2]], [[2]], [[1], [3]], [[0], [1], [3]], [[0, 0], [1, 0], [1, 1]], [[1, 0], [1, 1]]],
    ids=str,
)
def test_terms_may_lack_those_below_them(powers):
    generator = np.random.default_rng(5)
    x = generator.normal(size=(40, len(powers[0]))) + 3.0
    design = np.stack([np.prod(x ** np.array(p), axis=1) for p in powers], axis=1)
    y = design @ np.arange(1.0, 1 + len(powers)) + generator.normal(size=40) * 0.1
    found = uncertainty_of(x if x.shape[1] > 1 else x[:, 0], y, powers)
    reference = statsmodels.api.OLS(y, design).fit()
    assert found.residual_sd == pytest.approx(math.sqrt(reference.scale), rel=1e-12)
    inverse = np.linalg.inv(design.T @ design)
    for row, terms in zip(x, design, strict=True):
        curve, h = at(found, row)
        assert curve == pytest.approx(terms @ reference.params, rel=1e-9)
        assert h == pytest.approx(terms @ inverse @ terms, rel=1e-9)


def test_terms_have_names():
    assert [term_name(e, None) for e in polynomial(2)] == ["1", "x", "x^2"]
    assert [term_name(e, ["a", "b"]) for e in plane(2)] == ["1", "a", "b"]
    assert term_name((1, 2), None) == "x1*x2^2"

"""What readings tell about their curve: exact, rounded once, and as statsmodels says."""

import dataclasses
import json
import math
import random
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

import infer
from export._cards.uncertainty import uncertainty
from infer._artifact.format import read_card, render
from infer._artifact.store import Artifact
from infer._model import open_model
from train import CalibrationError, uncertainty_of
from train._learn.models import MODELS

GENERATOR = random.Random(5)  # noqa: S311 - a sample, not a secret


def noisy(rows, curve):
    """Return readings of a curve."""
    return [round(curve(*row) + GENERATOR.gauss(0, 0.1), 3) for row in rows]


LINE_ROWS = [[round(GENERATOR.uniform(3, 9), 3)] for _ in range(12)]
WIDE_ROWS = [[round(20 + 0.7 * i, 3)] for i in range(40)]
PLANE_ROWS = [
    [round(GENERATOR.gauss(5, 1), 3), round(GENERATOR.gauss(-2, 3), 3)] for _ in range(25)
]

# Rows of features, readings, exponents of the terms.
CASES = {
    "line": (LINE_ROWS, noisy(LINE_ROWS, lambda x: 2 * x + 1), [(0,), (1,)]),
    "no intercept": (LINE_ROWS, noisy(LINE_ROWS, lambda x: 2 * x), [(1,)]),
    "quintic": (
        WIDE_ROWS,
        noisy(WIDE_ROWS, lambda x: 1 + math.sin(x / 9)),
        [(power,) for power in range(6)],
    ),
    "plane": (PLANE_ROWS, noisy(PLANE_ROWS, lambda a, b: a - 3 * b), [(0, 0), (0, 1), (1, 0)]),
    "constant": (LINE_ROWS, noisy(LINE_ROWS, lambda x: 4.0), [(0,)]),
}


def numbers(rows, y, powers):
    """Return what the card holds."""
    columns = rows if len(rows[0]) > 1 else [x for (x,) in rows]
    return uncertainty_of(columns, y, powers)._asdict()


@pytest.fixture
def served(exported):
    """Return a function that gives a model with the uncertainty of some readings."""

    def load(rows, y, powers):
        name = "plane" if len(rows[0]) == 2 else "f2c"
        document = json.loads((exported / name / "model.json").read_text("utf-8"))
        document["uncertainty"] = numbers(rows, y, powers)
        return open_model(Artifact("", read_card(render(document), name)), "python", "cpu")

    return load


def design(rows, powers):
    """Return the terms of each row, plain powers."""
    return np.array([[math.prod(map(pow, row, e)) for e in powers] for row in rows])


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("level", [0.8, 0.95, 0.999])
def test_intervals_are_those_of_statsmodels(served, case, level):
    sm = pytest.importorskip("statsmodels.api")
    rows, y, powers = CASES[case]
    model = served(rows, y, powers)
    inside = [[sum(pair) / 2 for pair in zip(*two, strict=True)] for two in pairwise(rows)]
    # Shifted and scaled for a power above the first: of plain ones statsmodels keeps six digits.
    shift, scale = (34.0, 14.0) if case == "quintic" else (0.0, 1.0)
    fit = sm.OLS(y, design((np.array(rows) - shift) / scale, powers)).fit()
    prediction = fit.get_prediction(design((np.array(inside) - shift) / scale, powers))
    frame = prediction.summary_frame(alpha=1 - level)
    x = np.array(inside) if len(powers[0]) > 1 else np.array(inside)[:, 0]
    for kind, name in (("prediction", "obs"), ("confidence", "mean")):
        found = model.interval(x, level, kind)
        assert np.allclose(found.low, frame[f"{name}_ci_lower"], rtol=1e-9, atol=1e-11)
        assert np.allclose(found.high, frame[f"{name}_ci_upper"], rtol=1e-9, atol=1e-11)


def by_fractions(rows, y, powers, center, half_width):
    """Return terms of each row, exact: shifted and scaled."""
    scaled = [
        [
            (Fraction(v) - Fraction(c)) / Fraction(w)
            for v, c, w in zip(row, center, half_width, strict=True)
        ]
        for row in rows
    ]
    return [[math.prod(map(pow, row, e)) for e in powers] for row in scaled]


# Without an intercept the terms are others around the middle, and the factor has an empty row.
@pytest.mark.parametrize("case", [case for case in CASES if case != "no intercept"])
def test_each_number_is_rounded_once(case):
    rows, y, powers = CASES[case]
    found = numbers(rows, y, powers)
    terms = by_fractions(rows, y, powers, found["center"], found["half_width"])
    readings = [Fraction(value) for value in y]
    size = range(len(powers))

    def residuals(curve):
        return [
            v - sum(c * t for c, t in zip(curve, row, strict=True))
            for v, row in zip(readings, terms, strict=True)
        ]

    curve = [Fraction(value) for value in found["curve"]]
    gram = [[sum(row[i] * row[j] for row in terms) for j in size] for i in size]
    left = [sum(r * row[i] for r, row in zip(residuals(curve), terms, strict=True)) for i in size]
    # What one step of exact iterative refinement would change, by a solver that is not ours.
    exact = np.linalg.solve(np.array(gram, float), np.array(left, float))
    for value, change in zip(found["curve"], exact, strict=True):
        assert abs(change) <= 0.51 * math.ulp(value)
    nearer = [value + Fraction(change) for value, change in zip(curve, exact, strict=True)]
    squares = sum(r * r for r in residuals(nearer))
    sd = Fraction(found["residual_sd"])
    assert abs(sd**2 - squares / (len(y) - len(powers))) <= 1.01 * sd * Fraction(math.ulp(sd))
    # FᵀF is the inverse of the Gram matrix.
    factor = [[Fraction(value) for value in row] for row in found["factor"]]
    for i in size:
        for j in size:
            product = sum(row[i] * sum(row[k] * gram[k][j] for k in size) for row in factor)
            weight = sum(
                abs(row[i]) * sum(abs(row[k] * gram[k][j]) for k in size) for row in factor
            )
            assert abs(product - (i == j)) <= 3e-16 * weight


def test_the_readings_lie_between_minus_one_and_one():
    for rows, y, powers in CASES.values():
        found = numbers(rows, y, powers)
        columns = np.array(rows).T
        for values, center, half in zip(columns, found["center"], found["half_width"], strict=True):
            assert 0.9 < max(abs(values - center)) / half <= 1.0


def test_as_many_terms_as_readings_leave_nothing_to_tell():
    with pytest.raises(CalibrationError, match="give 3 readings or more"):
        uncertainty_of([1.0, 2.0], [1.0, 3.0], [(0,), (1,)])
    exact = uncertainty_of([1.0, 2.0, 3.0], [1.0, 3.0, 5.0], [(0,), (1,)])
    assert (exact.residual_sd, exact.degrees_of_freedom) == (0.0, 1)
    same = uncertainty_of([2.0, 2.0], [1.0, 3.0], [(0,)])
    assert same.curve == (2.0,)


def test_models_of_measurements_have_an_uncertainty_and_others_none(exported, fitted):
    assert [name for name, model in MODELS.items() if model.measured] == ["f2c", "line", "plane"]
    for folder in sorted(exported.glob("*")):
        if folder.is_dir():
            model = infer.load(folder)
            known = MODELS[model.name.partition(".")[0]].measured
            assert (model.card.uncertainty is not None) == known
    fit = fitted("f2c")
    own = dataclasses.replace(fit.model, measured=False)
    assert uncertainty(dataclasses.replace(fit, model=own)) is None


@pytest.mark.parametrize("name", ["f2c", "line", "plane"])
def test_the_curve_is_the_optimum_that_is_served(exported, name):
    model = infer.load(exported / name)
    x = np.array(model.card.domain).T
    x = x if model.card.features else x[:, 0]
    low, high = model.interval(x, kind="confidence")
    assert np.allclose((low + high) / 2, model(x), rtol=1e-6, atol=1e-6)

"""NIST's certified answers: at least 13 digits of every one, from CSV digits and from doubles.

``pytest tests -k nist -rP`` prints the digits.
"""

import csv
import json
import math
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

import train

FOLDER = Path(__file__).parent / "nist"
CERTIFIED = json.loads((FOLDER / "certified.json").read_text("utf-8"))


def lre(value, certified):
    """Return how many digits are right, at most 15."""
    error = abs(value - certified) / (abs(certified) or 1.0)
    return min(15.0, -math.log10(error)) if error else 15.0


def readings(name):
    """Return the texts of y, and those of each feature."""
    rows = list(csv.DictReader((FOLDER / f"{name}.csv").read_text("utf-8").splitlines()))
    names = [key for key in rows[0] if key != "y"]
    return [row["y"] for row in rows], [[row[key] for row in rows] for key in names]


def as_decimals(texts):
    return [Decimal(text) for text in texts]


def as_scaled(texts):
    places = max(-Decimal(text).as_tuple().exponent for text in texts)
    return train.Decimals([int(Decimal(text).scaleb(places)) for text in texts], places)


def as_doubles(texts):
    return np.array(texts, dtype=np.float64)


def fitted(name, kind, dtype="float64"):
    y, features = readings(name)
    certified = CERTIFIED[name]
    sums = train.Sums(certified["degree"], features=len(features))
    columns = [kind(texts) for texts in features]
    x = columns if len(columns) > 1 else columns[0]
    sums.add(x, kind(y))
    return train.calibrate_from(
        sums,
        intercept=certified["intercept"],
        rows=[train.ReadingsBlock(x, kind(y))],
        dtype=dtype,
    )


@pytest.mark.parametrize("kind", [as_decimals, as_scaled, as_doubles])
@pytest.mark.parametrize("name", CERTIFIED)
def test_nist(name, kind):
    certified, found = CERTIFIED[name], fitted(name, kind)
    assert found.n == certified["n"]
    digits = {
        "coefficients": [
            lre(c.value, v)
            for c, v in zip(found.coefficients, certified["coefficients"], strict=True)
        ],
        "standard errors": [
            lre(c.standard_error, v)
            for c, v in zip(found.coefficients, certified["standard_errors"], strict=True)
        ],
        "residual_sd": [lre(found.residual_sd, certified["residual_sd"])],
        "r2": [lre(found.r2, certified["r2"])],
    }
    worst = {what: min(values) for what, values in digits.items()}
    shown = ", ".join(f"{what} {value:.1f}" for what, value in worst.items())
    print(f"{name} {kind.__name__}: {shown}")  # noqa: T201
    assert min(worst.values()) >= 13.0


def test_nist_filip_keeps_12_digits_when_served():
    # Ten powers of x between -9 and -3: plain powers in float64 keep 8 digits.
    found = fitted("filip", as_decimals)
    module, (low, high) = found.served.module(), found.domain[0]
    x = torch.linspace(low, high, 2001, dtype=torch.float64)
    answers = module(x).tolist()
    plain = np.polyval([c.value for c in reversed(found.coefficients)], x.numpy())
    errors, plain_errors = [], []
    for at, answer, other in zip(x.tolist(), answers, plain.tolist(), strict=True):
        exact = sum(c * Fraction(at) ** k for k, c in enumerate(found.exact))
        errors.append(abs(Fraction(answer) - exact) / exact)
        plain_errors.append(abs(Fraction(other) - exact) / exact)
    assert max(errors) < 1e-14
    assert max(plain_errors) > 1e-11
    assert max(errors) <= found.evaluation_error / 0.75  # y is between 0.76 and 0.93

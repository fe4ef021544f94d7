"""From where an optimizer in float64 stands still to the nearest float64."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch import nn

import train
from train._learn.models import MODELS
from train._learn.refine import refine
from train._learn.spec import designs

LINEAR = ["f2c", "line", "plane", "sin_cubic", "dynamic_net"]


def parameter(value):
    return nn.Parameter(torch.tensor(value, dtype=torch.float64))


class Linear(nn.Module):
    """y = a + b·x, beside a constant that is no buffer and a parameter that is no number."""

    def __init__(self):
        super().__init__()
        self.a, self.b = parameter(0.0), parameter(0.0)
        self.register_buffer("nothing", None)
        self.one = torch.tensor(1.0, dtype=torch.float64)

    def forward(self, x):
        return self.one * self.a + self.b * x


class Squared(Linear):
    def forward(self, x):
        return self.a + self.b * x**1


TERMS = {"a": {(0,): 1}, "b": {(1,): 1}}


@pytest.mark.parametrize("name", LINEAR)
@pytest.mark.parametrize("away", [0.0, 2.0**-46, -(2.0**-43)])
def test_the_way_back_to_the_judges_bits(fitted, name, away):
    fit = fitted(name, dtype="float64")
    values = {
        key: value * (1 + away * sign) + (away * 1e-9 if not value else 0.0)
        for sign, (key, value) in zip((1, -1, 1, -1, 1), fit.optimum.items(), strict=False)
    }
    found = refine(fit.model, fit.recipe, fit.dataset, values)
    for key, value in fit.optimum.items():
        # The sine's even terms are zero; what is left of them shows in no output.
        assert found[key] == value if value else abs(found[key]) < 1e-25


def test_it_does_not_do_the_optimizers_work(fitted):
    fit = fitted("line", dtype="float64")
    for values in (
        {**fit.parameters, "w": fit.parameters["w"] * (1 + 2.0**-28)},
        {"w": 0.0, "b": 0.0},
    ):
        assert refine(fit.model, fit.recipe, fit.dataset, values) == values


def test_a_nonlinear_model_goes_to_where_its_gradient_is_zero(fitted):
    fit = fitted("sin_legendre", dtype="float64")
    far = {name: value * (1 + 2.0**-45) for name, value in fit.parameters.items()}
    found = refine(fit.model, fit.recipe, fit.dataset, far)
    assert (found["b"], found["d"]) == (fit.parameters["b"], fit.parameters["d"])
    assert max(abs(found["a"]), abs(found["c"])) < 1e-25


@pytest.mark.parametrize("rows", [2, 3, (1 << 13) - 1, (1 << 13) + 2, 20_000])
def test_any_number_of_rows(own_model, rows):
    generator = np.random.default_rng(rows)
    x = generator.standard_normal(rows)
    y = 0.1 * x + 0.3 + generator.standard_normal(rows)
    fit = train.fit(own_model(Linear, train.Dataset("own", x, y), TERMS), dtype="float64")
    assert fit.differing_bits == 0


def test_features_of_different_units(own_model):
    class Plane(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = parameter(0.0), parameter(0.0), parameter(0.0)

        def forward(self, x):
            return self.a * x[..., 0] + self.b * x[..., 1] + self.c

    generator = np.random.default_rng(7)
    x = generator.standard_normal((500, 2)) * [1e7, 1e-7] + [3e7, 0.0]
    y = generator.standard_normal(500)
    terms = {"a": {(1, 0): 1}, "b": {(0, 1): 1}, "c": {(0, 0): 1}}
    fit = train.fit(own_model(Plane, train.Dataset("own", x, y), terms), dtype="float64")
    assert fit.differing_bits == 0


def test_columns_that_are_nearly_alike(own_model):
    # Of 1, x, x² and x³ over so short a range, a Gram matrix in float64 says nothing any more.
    generator = np.random.default_rng(113)
    n, (low, high) = generator.integers(5, 60), sorted(generator.uniform(-100, 100, 2))
    x = generator.uniform(low, high, n)
    y = generator.standard_normal(n) * 10.0 ** generator.integers(-3, 4) + x * generator.normal()
    data = train.Dataset("own", x, np.round(y, 4))
    model = dataclasses.replace(MODELS["sin_cubic"], dataset=data)
    assert train.fit(model, dtype="float64").differing_bits == 0


def test_what_cannot_be_refined_is_left_alone(own_model):
    x = np.array([1.0, 2.0, 4.0])
    for y in (np.zeros(3), np.full(3, math.inf)):
        model = own_model(Linear, train.Dataset("own", x, y), TERMS)
        values = {"a": 0.0, "b": 0.0}
        assert refine(model, model.recipes[0], model.dataset, values) == values
    # One row, two parameters: no step is determined.
    model = own_model(Linear, train.Dataset("own", x[:1], x[:1]), TERMS)
    assert refine(model, model.recipes[0], model.dataset, {"a": 0.5, "b": 0.5}) == {
        "a": 0.5,
        "b": 0.5,
    }


def test_a_forward_beyond_the_contract_is_an_error(own_model):
    x = np.array([1.0, 2.0, 4.0])
    model = own_model(Squared, train.Dataset("own", x, np.array([1.0, 3.0, 2.0])), TERMS)
    assert train.fit(model).differing_bits == 0  # float32 needs no refinement
    with pytest.raises(train.TrainError, match=r"^mine: a float64 fit needs a forward of \+ - \* "):
        train.fit(model, dtype="float64")


def test_it_asks_the_module_and_not_the_terms():
    # The judge reads the terms. Were these wrong, the two would part.
    model = MODELS["f2c"]
    wrong = train.ModelSpec(**{**vars(model), "constants": {"scale": 0.2}})
    assert designs(wrong, model.recipes[0], "float64")[0]["w"] == {(1,): 0.2}
    with pytest.raises(train.NotAtOptimumError) as caught:
        train.fit(wrong, dtype="float64")
    assert caught.value.fit.differing_bits > 0

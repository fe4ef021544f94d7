"""Steps: by hand, by an optimizer, in whitened parameters."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import train
from train._learn.modules import Line, set_values, values
from train._learn.steps import make_stepper


def line(w, b):
    module = Line()
    set_values(module, {"w": w, "b": b})
    return module


def slopes(w, b):
    return {"w": torch.tensor(w).double(), "b": torch.tensor(b).double()}


def numbers(module):
    return {name: value.item() for name, value in values(module).items()}


def recipe(optimizer, rate=0.5, **settings):
    return train.Recipe("mine", optimizer, rate, 1, "mean", **settings)


@pytest.mark.parametrize("optimizer", ["by hand", "SGD"])
def test_plain_steps_subtract_rate_times_slope(optimizer):
    module = line(1.0, 2.0)
    stepper = make_stepper(module, recipe(optimizer), None)
    stepper.step(0.0, slopes(4.0, -1.0))
    stepper.step(0.0, slopes(2.0, 0.0))
    assert numbers(module) == {"w": -2.0, "b": 2.5}


def test_by_hand_works_on_numpy_scalars():
    state = SimpleNamespace(w=np.float64(1.0), b=np.float64(2.0))
    make_stepper(state, recipe("by hand"), None).step(0.0, {"w": 4.0, "b": -1.0})
    assert (state.w, state.b) == (-1.0, 2.5)


def test_momentum_is_the_optimizers():
    module = line(0.0, 0.0)
    stepper = make_stepper(module, recipe("SGD", momentum=0.5), None)
    for _ in range(2):
        stepper.step(0.0, slopes(1.0, 0.0))
    assert numbers(module)["w"] == -0.5 - 0.75


def test_rmsprop_steps_do_not_depend_on_the_size_of_the_slope():
    module = line(0.0, 0.0)
    make_stepper(module, recipe("RMSprop", 0.1), None).step(0.0, slopes(1e6, -1.0))
    w, b = numbers(module).values()
    assert w == pytest.approx(-b, rel=1e-6)


def test_in_whitened_parameters_one_full_step_arrives():
    # loss = (w - 3)²·50 + (b + 2)²·0.005: with T⁻¹ the root of the curvature, all is round.
    module = line(1.0, 1.0)
    curvature = torch.diag(torch.tensor([100.0, 0.01], dtype=torch.float64))
    transform = torch.linalg.inv(torch.linalg.cholesky(curvature)).T
    stepper = make_stepper(module, recipe("SGD", 1.0), transform)
    stepper.step(0.0, slopes(100.0 * (1.0 - 3.0), 0.01 * (1.0 + 2.0)))
    assert numbers(module) == pytest.approx({"w": 3.0, "b": -2.0})


@pytest.mark.parametrize("optimizer", ["by hand", "SGD", "RMSprop", "LBFGS"])
def test_a_stepper_goes_on_from_what_it_remembers(optimizer):
    transform = 2.0 * torch.eye(2, dtype=torch.float64) if optimizer == "LBFGS" else None
    chosen = recipe(optimizer, 0.1, momentum=0.9)
    path = [slopes(4.0, -1.0), slopes(3.0, -0.5), slopes(2.0, 0.5), slopes(-1.0, 1.5)]
    whole, first = line(1.0, 2.0), line(1.0, 2.0)
    stepper = make_stepper(whole, chosen, transform)
    for slope in path:
        stepper.step(torch.tensor(1.0), slope)
    stepper = make_stepper(first, chosen, transform)
    for slope in path[:2]:
        stepper.step(torch.tensor(1.0), slope)
    remembered = stepper.state_dict()
    for _ in range(2):  # the memory is not used up by going on from it
        second = line(**numbers(first))
        stepper = make_stepper(second, chosen, transform)
        stepper.load_state_dict(remembered)
        for slope in path[2:]:
            stepper.step(torch.tensor(1.0), slope)
        assert numbers(second) == numbers(whole)


@pytest.mark.parametrize("name", ["f2c", "line", "plane", "sin_cubic", "dynamic_net"])
def test_the_loop_whitens_so_that_one_step_arrives(name):
    # The scale of the loss counts as well: a mean, half a sum, the mean over three forms.
    model = train._learn.models.find_model(name)
    row = dataclasses.replace(model.recipes[0], optimizer="SGD", until="epochs", epochs=2)
    fit = train.fit(name, recipe=row)
    assert fit.losses[0] > 1.5 * fit.best_loss
    assert fit.losses[1] == pytest.approx(fit.best_loss, rel=1e-9)

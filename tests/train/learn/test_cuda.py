"""On a GPU. Everything here needs one, and is skipped elsewhere."""

import dataclasses

import numpy as np
import pytest
import torch

import train
from train._learn import checkpoint
from train._learn.models import MODELS

pytestmark = pytest.mark.cuda

TUTORIALS = [
    pytest.param(name, row, id=f"{name}-{row.name}")
    for name, model in MODELS.items()
    for row in model.recipes
    if row.library == "torch" and row.until == "epochs"
]


def bits(parameters):
    return {name: np.float32(value).tobytes() for name, value in parameters.items()}


@pytest.mark.parametrize("name", list(MODELS))
def test_the_default_fit_ends_on_the_cpus_bits(fitted, name):
    fit = train.fit(name, device="cuda")
    assert fit.device == "cuda"
    assert fit.at_optimum
    assert bits(fit.parameters) == bits(fitted(name).parameters)
    assert (fit.loss, fit.best_loss) == (fitted(name).loss, fitted(name).best_loss)


@pytest.mark.parametrize(("name", "row"), TUTORIALS)
def test_every_recipe_runs_as_on_the_cpu(name, row):
    # The random numbers are the CPU's on both, so the starts, the data and the orders are alike.
    row = dataclasses.replace(row, epochs=min(row.epochs, 5))
    here, there = (train.fit(name, recipe=row, device=device) for device in ("cpu", "cuda"))
    assert there.device == "cuda"
    assert there.losses == pytest.approx(here.losses, rel=1e-3)
    assert there.parameters == pytest.approx(here.parameters, rel=1e-3, abs=1e-4)
    assert there.dataset.sha256 == here.dataset.sha256


def test_the_raw_readings_diverge_there_too():
    with pytest.raises(train.DivergedError) as caught:
        train.fit("f2c", recipe="raw-diverges", device="cuda")
    assert caught.value.epoch == 11


@pytest.mark.parametrize("fraction", [0.2, 0.5])
def test_rows_are_held_out_alike(fraction):
    here, there = (
        train.fit("plane", validation_fraction=fraction, seed=3, device=device)
        for device in ("cpu", "cuda")
    )
    assert here.validation.sha256 == there.validation.sha256
    assert there.validation_loss == pytest.approx(here.validation_loss, rel=1e-9)


@pytest.mark.parametrize(("name", "row"), TUTORIALS)
def test_a_stopped_fit_goes_on(stopped, tmp_path, name, row):
    row = dataclasses.replace(row, epochs=6)
    whole = train.fit(name, recipe=row, device="cuda")
    fit = stopped(name, 3, recipe=row, device="cuda")
    (tmp_path / checkpoint.FILE).write_bytes(checkpoint.to_bytes(fit))
    saved = checkpoint.read(tmp_path)
    assert saved.device == "cuda"
    resumed = train.fit(name, recipe=saved.recipe, device=saved.device, resume=saved.state)
    assert resumed.history == whole.history
    # A file from a GPU can be read where there is none: its tensors are the CPU's.
    assert all(
        value.device.type == "cpu"
        for value in saved.state["state"].values()
        if isinstance(value, torch.Tensor)
    )


@pytest.mark.parametrize("name", list(MODELS))
def test_a_stopped_default_fit_goes_on(fitted, stopped, tmp_path, name):
    whole = train.fit(name, device="cuda")
    fit = stopped(name, whole.epochs - 1, device="cuda")
    (tmp_path / checkpoint.FILE).write_bytes(checkpoint.to_bytes(fit))
    resumed = train.fit(name, device="cuda", resume=checkpoint.read(tmp_path).state)
    assert resumed.history == whole.history


def test_fitting_leaves_the_gpus_random_numbers_alone():
    torch.manual_seed(5)
    expected = torch.rand(4, device="cuda")
    torch.manual_seed(5)
    train.fit("dynamic_net", device="cuda")
    train.fit("plane", recipe="torch", device="cuda")
    assert torch.equal(torch.rand(4, device="cuda"), expected)


def test_numpy_has_no_gpu():
    with pytest.raises(train.TrainError, match="computes with numpy; type --device cpu"):
        train.fit("sin_cubic", recipe="numpy", device="cuda")

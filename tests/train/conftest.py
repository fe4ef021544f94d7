"""Fits that many tests look at, each made once; what the markers mean."""

import dataclasses
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

import train
from train._learn.models import find_model, find_recipe

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items):
    """Leave what needs a GPU to those who have one."""
    for item in items:
        if (
            HERE in item.path.parents
            and item.get_closest_marker("cuda")
            and not torch.cuda.is_available()
        ):
            item.add_marker(pytest.mark.skip(reason="needs an NVIDIA GPU"))


@pytest.fixture(scope="session")
def fitted():
    """Return a function from a model, and a recipe of the table, to the fit."""
    return cache(train.fit)


@pytest.fixture(scope="session")
def recipe():
    """Return a function from a model's and a recipe's name to that row, with changes."""

    def changed(model, name=None, /, **changes):
        return dataclasses.replace(find_recipe(find_model(model), name), **changes)

    return changed


@pytest.fixture(scope="session")
def stopped():
    """Return a function that ends a fit after some epoch, and returns what there is of it."""

    def stop(model, epoch, **options):
        with pytest.raises(train.StoppedError) as caught:
            train.fit(model, watch=lambda now: now.number == epoch, **options)
        return caught.value.fit

    return stop


@pytest.fixture(scope="session")
def bits():
    """Return a function from parameters to their bits: as float32, or the doubles they are."""

    def as_bytes(parameters, kind=np.float32):
        return {name: kind(value).tobytes() for name, value in parameters.items()}

    return as_bytes


@pytest.fixture(scope="session")
def own_model():
    """Return a function that makes a row for a module, data and terms of one's own."""

    def spec(module, dataset, terms, *recipes, **more):
        return train.ModelSpec(
            name="mine",
            module=module,
            dataset=dataset,
            input=train.Quantity("x", "what goes in", "1"),
            output=train.Quantity("y", "what comes out", "1"),
            recipes=recipes or (train.lbfgs("sum"),),
            variants=(train.Variant("", "Mine", "y = …", terms),),
            description="A model of a user.",
            **more,
        )

    return spec

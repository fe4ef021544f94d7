"""Recipes are data."""

import dataclasses
import json

import pytest

import train
from train._models import MODELS

EVERY = [
    pytest.param(recipe, id=f"{name}-{recipe.name}")
    for name, model in MODELS.items()
    for recipe in model.recipes
]


@pytest.mark.parametrize("recipe", EVERY)
def test_settings_are_json_and_tell_what_is_not_the_default(recipe):
    settings = recipe.settings()
    assert json.loads(json.dumps(settings)) == settings
    assert "name" not in settings
    fields = {field.name: field for field in dataclasses.fields(recipe)}
    assert {"optimizer", "learning_rate", "epochs", "loss", "dtype", "until"} <= set(settings)
    plain = train.Recipe(recipe.name, "SGD", 0.1, 1, "mean")
    for name in fields.keys() - settings.keys() - {"name"}:
        assert getattr(recipe, name) == getattr(plain, name)


def test_simple_settings_make_the_recipe_again():
    recipe = train.Recipe("mine", "SGD", 1e-3, 7, "sum", momentum=0.9)
    assert train.Recipe(name="mine", **recipe.settings()) == recipe


def test_a_recipe_cannot_be_changed_but_copied():
    recipe = train.lbfgs("mean")
    with pytest.raises(dataclasses.FrozenInstanceError):
        recipe.epochs = 1
    assert dataclasses.replace(recipe, epochs=1).epochs == 1


@pytest.mark.parametrize("loss", ["mean", "sum", "half-mean", "half-sum"])
def test_the_default_recipe_asks_for_the_judge(loss):
    recipe = train.lbfgs(loss)
    assert (recipe.name, recipe.loss) == ("lbfgs", loss)
    assert (recipe.until, recipe.dtype) == ("optimum", "float64")
    assert not recipe.is_random


def test_which_recipes_are_random():
    random = {
        (name, recipe.name)
        for name, model in MODELS.items()
        for recipe in model.recipes
        if recipe.is_random
    }
    # SEEDS gives line a seed, and no other start or data that are drawn.
    assert random == {
        *(("line", name) for name in ("manual", "autograd")),
        *(("plane", name) for name in ("scratch", "torch")),
        *(("sin_cubic", n) for n in ("numpy", "tensor", "autograd", "linear", "rmsprop", "module")),
        ("dynamic_net", "sgd"),
    }
    sgd = train.Recipe("sgd", "SGD", 0.1, 1, "mean")
    assert not sgd.is_random
    assert dataclasses.replace(sgd, validation_fraction=0.2).is_random

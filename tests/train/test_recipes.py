"""Recipes are data."""

import dataclasses
import json

import pytest

import train


def test_settings_are_everything_but_the_name():
    recipe = train.Recipe("mine", "SGD", 1e-3, 7, "sum", momentum=0.9)
    settings = recipe.settings()
    assert "name" not in settings
    assert train.Recipe(name="mine", **settings) == recipe
    assert json.loads(json.dumps(settings)) == settings


def test_a_recipe_cannot_be_changed_but_copied():
    recipe = train.lbfgs("mean")
    with pytest.raises(dataclasses.FrozenInstanceError):
        recipe.epochs = 1
    assert dataclasses.replace(recipe, epochs=1).epochs == 1


@pytest.mark.parametrize("loss", ["mean", "sum"])
def test_the_default_recipe_asks_for_the_judge(loss):
    recipe = train.lbfgs(loss)
    assert (recipe.name, recipe.loss) == ("lbfgs", loss)
    assert (recipe.until, recipe.dtype) == ("optimum", "float64")

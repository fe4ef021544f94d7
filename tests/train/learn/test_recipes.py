"""Recipes are data."""

import dataclasses
import json

import pytest

import train
from train._learn.models import MODELS, find_recipe
from train._learn.tutorials.printed import PRINTED

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
    # The tutorials give line a seed, and no other start or data that are drawn.
    assert random == {
        *(("line", name) for name in ("manual", "autograd")),
        *(("plane", name) for name in ("scratch", "torch")),
        *(("sin_cubic", n) for n in ("numpy", "tensor", "autograd", "linear", "rmsprop", "module")),
        ("dynamic_net", "sgd"),
    }
    sgd = train.Recipe("sgd", "SGD", 0.1, 1, "mean")
    assert not sgd.is_random
    for change in (
        {"validation_fraction": 0.2},
        {"variants": "random"},
        {"batches": "shuffled"},
        {"batches": "stream"},
        {"drawn": True},
        {"module": "linear"},
        {"start": {"w": train.Draw("normal")}},
    ):
        assert dataclasses.replace(sgd, **change).is_random
    assert not dataclasses.replace(sgd, batches="in order", start={"w": 2.0}).is_random


# The tutorials: optimizer, gradient, rate, epochs, loss.
TUTORIALS = {
    ("f2c", "finite-difference"): ("by hand", "finite-difference", 1e-2, 1, "mean"),
    ("f2c", "raw-diverges"): ("by hand", "by hand", 1e-2, 100, "mean"),
    ("f2c", "raw"): ("by hand", "by hand", 1e-4, 100, "mean"),
    ("f2c", "raw-mean"): ("by hand", "by hand", 1e-4, 10_000, "mean"),
    ("f2c", "normalized"): ("by hand", "by hand", 1e-3, 5000, "mean"),
    ("f2c", "autograd"): ("by hand", "autograd", 1e-2, 5000, "mean"),
    ("f2c", "sgd"): ("SGD", "autograd", 1e-2, 5000, "mean"),
    ("f2c", "split"): ("SGD", "autograd", 1e-2, 4000, "mean"),
    ("line", "manual"): ("by hand", "by hand", 1e-4, 500, "half-sum"),
    ("line", "autograd"): ("by hand", "autograd", 1e-4, 500, "half-sum"),
    # ½·squared error, the gradients divided by the batch size: half the mean.
    ("plane", "scratch"): ("by hand", "autograd", 0.03, 3, "half-mean"),
    ("plane", "torch"): ("SGD", "autograd", 0.03, 3, "mean"),
    ("sin_cubic", "numpy"): ("by hand", "by hand", 1e-6, 2000, "sum"),
    ("sin_cubic", "tensor"): ("by hand", "by hand", 1e-6, 2000, "sum"),
    ("sin_cubic", "autograd"): ("by hand", "autograd", 1e-6, 2000, "sum"),
    ("sin_cubic", "linear"): ("by hand", "autograd", 1e-6, 2000, "sum"),
    ("sin_cubic", "rmsprop"): ("RMSprop", "autograd", 1e-3, 2000, "sum"),
    ("sin_cubic", "module"): ("RMSprop", "autograd", 3e-3, 2000, "sum"),  # "a rate that works"
    ("sin_legendre", "function"): ("by hand", "function", 5e-6, 2000, "sum"),
    ("dynamic_net", "sgd"): ("SGD", "autograd", 1e-8, 30_000, "sum"),
}
RAW = {"constants": {"scale": 1.0}}
LINE = {"batches": "stream", "batch_size": 32, "seed": 1000}
MORE = {
    ("f2c", "finite-difference"): {**RAW, "delta": 0.1, "dtype": "float32"},
    ("f2c", "raw-diverges"): RAW,
    ("f2c", "raw"): {**RAW, "average_again": False, "dtype": "float32"},
    ("f2c", "raw-mean"): {**RAW, "average_again": True},
    ("f2c", "normalized"): {"constants": {}},
    ("f2c", "split"): {"held_out": (0, 3)},
    ("line", "manual"): LINE,
    ("line", "autograd"): LINE,
    ("plane", "scratch"): {"batches": "in order", "batch_size": 10, "drawn": True},
    ("plane", "torch"): {"batches": "shuffled", "batch_size": 10, "module": "linear"},
    ("sin_cubic", "numpy"): {"library": "numpy", "dtype": "float64"},
    ("sin_cubic", "tensor"): {"library": "torch", "dtype": "float32"},
    ("sin_cubic", "linear"): {"module": "linear"},
    ("sin_cubic", "rmsprop"): {"module": "linear"},
    ("sin_cubic", "module"): {"module": ""},
    ("dynamic_net", "sgd"): {"momentum": 0.9, "variants": "random"},
}


def test_every_recipe_of_the_tutorials_is_a_row_of_its_name():
    rows = {
        (name, row.name): (row.optimizer, row.gradient, row.learning_rate, row.epochs, row.loss)
        for name, model in MODELS.items()
        for row in model.recipes[1:]
    }
    assert rows == TUTORIALS
    assert set(PRINTED) == set(TUTORIALS)
    for (name, chosen), expected in MORE.items():
        row = find_recipe(MODELS[name], chosen)
        assert {field: getattr(row, field) for field in expected} == expected


def test_the_starts_of_the_tutorials():
    for name in "abcd":
        for chosen in ("numpy", "tensor", "autograd", "module"):
            assert find_recipe(MODELS["sin_cubic"], chosen).start[name] == train.Draw("normal")
    line = find_recipe(MODELS["line"], "manual").start
    assert line == {"w": train.Draw("uniform"), "b": 0.0}
    plane = find_recipe(MODELS["plane"], "scratch").start
    assert plane == {"w0": train.Draw("normal", 0.01), "w1": train.Draw("normal", 0.01), "b": 0.0}
    # Where a recipe says nothing, the module does.
    for name, expected in (
        ("f2c", {"w": 1.0, "b": 0.0}),
        ("sin_legendre", {"a": 0.0, "b": -1.0, "c": 0.0, "d": 0.3}),
    ):
        module = MODELS[name].make_module()
        assert {key: value.item() for key, value in module.named_parameters()} == expected
        assert all(not row.start for row in MODELS[name].recipes)


@pytest.mark.parametrize(("name", "chosen"), list(TUTORIALS))
def test_a_seed_matters_where_a_recipe_says_so(name, chosen):
    row = find_recipe(MODELS[name], chosen)
    ends = [train.fit(name, recipe=dataclasses.replace(row, epochs=1, seed=s)) for s in (7, 7, 8)]
    assert ends[0].history == ends[1].history
    assert (ends[0].history != ends[2].history) == row.is_random
    # What was printed with a seed, or without anything random, can be compared digit by digit.
    assert PRINTED[name, chosen].random == (row.is_random and name != "line")


def test_adding_a_recipe_is_adding_a_row():
    line = MODELS["line"]
    mine = train.Recipe("mine", "SGD", 1e-4, 3, "mean", momentum=0.5)
    fit = train.fit(dataclasses.replace(line, recipes=(*line.recipes, mine)), recipe="mine")
    assert fit.recipe is mine
    assert fit.epochs == 3


def test_a_draw_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        train.Draw("normal").scale = 2.0

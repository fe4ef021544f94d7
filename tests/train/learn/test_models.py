"""The table of models."""

import dataclasses
import re

import pytest

import train
from train._learn.models import MODELS, find_model, find_recipe, unknown
from train._learn.spec import designs


def test_the_names_are_listed_once():
    names = train.list_models()
    assert {"f2c", "sin_cubic", "dynamic_net"} <= set(names)
    assert len(set(names)) == len(names)
    assert [find_model(name).name for name in names] == names


def test_the_table_cannot_be_changed():
    with pytest.raises(TypeError):
        MODELS["f2c"] = None
    with pytest.raises(dataclasses.FrozenInstanceError):
        find_model("f2c").name = "c2f"


@pytest.mark.parametrize("name", train.list_models())
def test_a_row_is_complete(name):
    model = find_model(name)
    assert re.fullmatch("[a-z][a-z0-9_]*", model.name)
    assert model.description.endswith(".")
    for quantity in (model.input, model.output):
        assert re.fullmatch("[a-z][a-z0-9_]*", quantity.name)
        assert quantity.meaning
        assert quantity.unit
    assert find_recipe(model, None) is model.recipes[0]
    assert len({recipe.name for recipe in model.recipes}) == len(model.recipes)
    assert len({variant.name for variant in model.variants}) == len(model.variants)
    # A lone variant needs no name; several need one each.
    assert all(bool(variant.name) == (len(model.variants) > 1) for variant in model.variants)
    for variant in model.variants:
        assert model.input.name in variant.formula
        assert variant.formula.startswith(f"{model.output.name} = ")


def test_the_default_variant_of_dynamic_net_is_order5():
    assert [variant.name for variant in find_model("dynamic_net").variants] == [
        "order3",
        "order4",
        "order5",
    ]


def test_all_systems_and_their_recipes_are_there():
    # The tutorials, in order; the first recipe is ours, to the optimum.
    recipes = {name: [recipe.name for recipe in MODELS[name].recipes] for name in MODELS}
    raw = ["finite-difference", "raw-diverges", "raw", "raw-mean"]
    assert recipes["f2c"][1:] == [*raw, "normalized", "autograd", "sgd", "split"]
    assert recipes["line"][1:] == ["manual", "autograd"]
    assert recipes["plane"][1:] == ["scratch", "torch"]
    assert recipes["sin_cubic"][1:] == [
        *("numpy", "tensor", "autograd", "linear", "rmsprop", "module"),
    ]
    assert recipes["sin_legendre"][1:] == ["function"]
    assert recipes["dynamic_net"][1:] == ["sgd"]
    assert {names[0] for names in recipes.values()} == {"lbfgs"}


def test_constants_of_a_design_are_the_models_or_the_recipes():
    f2c = find_model("f2c")
    for dtype, scale in (("float32", 13421773 * 2.0**-27), ("float64", 0.1)):
        of_model = designs(f2c, find_recipe(f2c, "sgd"), dtype)
        assert of_model == [{"w": {(1,): scale}, "b": {(0,): 1}}]
        # "raw" takes the readings without ×0.1.
        of_recipe = designs(f2c, find_recipe(f2c, "raw"), dtype)
        assert of_recipe == [{"w": {(1,): 1.0}, "b": {(0,): 1}}]


def test_an_unknown_name_gets_a_suggestion():
    with pytest.raises(train.UnknownNameError, match=r"no model named 'sin_cubik'\. Did you mean "):
        find_model("sin_cubik")
    with pytest.raises(train.UnknownNameError) as caught:
        find_recipe(find_model("f2c"), "sdg")
    message = str(caught.value)
    assert message.startswith("no recipe of f2c named 'sdg'. Did you mean 'sgd'? Known: lbfgs, ")
    assert isinstance(caught.value, LookupError)
    assert caught.value.exit_code == 2


def test_nothing_is_suggested_for_a_name_like_no_other():
    assert unknown("model", "xyz", ["f2c", "line"]) == "no model named 'xyz'. Known: f2c, line."

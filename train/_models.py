"""The models that can be fitted, as rows in a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from torch import nn

from train._datasets import Dataset
from train._errors import UnknownNameError
from train._modules import SCALE, Cubic, DynamicNet, Thermometer
from train._recipes import Recipe, lbfgs

# What a parameter is multiplied by: coefficient by exponents, one exponent a feature.
# {(4,): 1, (5,): 1} is x⁴ + x⁵.
Basis = Mapping[tuple[int, ...], float]


@dataclass(frozen=True)
class Quantity:
    """An input or output: its name in the formula, what it is, and its unit ("1" for none)."""

    name: str
    meaning: str
    unit: str


@dataclass(frozen=True)
class Variant:
    """A form in which a model is served; all variants of a model share one fit.

    Attributes:
        name: what follows the dot in its name; empty for the only one.
        title: one line for people.
        formula: the function in the field's notation.
        terms: what each parameter is multiplied by, for models linear in their parameters. The
            judge reads this and never the module.
        view: takes the fitted module, returns the module of this form, sharing its parameters.
    """

    name: str
    title: str
    formula: str
    terms: Mapping[str, Basis]
    view: Callable[[Any], nn.Module] = lambda module: module


@dataclass(frozen=True)
class ModelSpec:
    """A model that can be fitted.

    Attributes:
        name: what a user types.
        module: makes the module with its parameters at the start of the fit.
        dataset: a name of the table of datasets, or data of your own.
        input: what it eats.
        output: what it gives.
        recipes: its recipes; the first one is the default.
        variants: the forms in which it is served; the loss is the mean over these. The last one
            is the default.
        description: what a user should know before using it.
    """

    name: str
    module: Callable[[], nn.Module]
    dataset: str | Dataset
    input: Quantity
    output: Quantity
    recipes: tuple[Recipe, ...]
    variants: tuple[Variant, ...]
    description: str


_POWERS: Mapping[str, Basis] = {"a": {(0,): 1}, "b": {(1,): 1}, "c": {(2,): 1}, "d": {(3,): 1}}

_SPECS = (
    ModelSpec(
        name="f2c",
        module=Thermometer,
        dataset="thermometer",
        input=Quantity("t_u", "reading of the unknown thermometer", "°F"),
        output=Quantity("t_c", "temperature", "°C"),
        recipes=(lbfgs("mean"), Recipe("sgd", "SGD", 1e-2, 5000, "mean")),
        variants=(
            Variant(
                "",
                "Fahrenheit to Celsius, as eleven readings teach it",
                "t_c = w·(0.1·t_u) + b",
                {"w": {(1,): SCALE}, "b": {(0,): 1}},
            ),
        ),
        description=(
            "This is what eleven noisy readings of one thermometer teach, not the textbook: "
            "98.6 °F gives 35.6 °C, where the true scale says 37.0. That is the point of fitting: "
            "the curve corrects this thermometer, its errors included, and can be no better than "
            "its readings."
        ),
    ),
    ModelSpec(
        name="sin_cubic",
        module=Cubic,
        dataset="sine",
        input=Quantity("x", "angle", "rad"),
        output=Quantity("y", "sine of the angle", "1"),
        recipes=(lbfgs("sum"),),
        variants=(Variant("", "The sine by a cubic", "y = a + b·x + c·x² + d·x³", _POWERS),),
        description=(
            "The best cubic for sin x over [-π, π] by least squares on 2,000 points. It is off by "
            "up to 0.2 at the ends of the range and useless beyond it."
        ),
    ),
    ModelSpec(
        name="dynamic_net",
        module=DynamicNet,
        dataset="sine",
        input=Quantity("x", "angle", "rad"),
        output=Quantity("y", "sine of the angle", "1"),
        recipes=(lbfgs("sum"),),
        variants=(
            Variant(
                "order3",
                "The sine by a net of random depth, served at order 3",
                "y = a + b·x + c·x² + d·x³",
                {**_POWERS, "e": {}},
                lambda net: net.at(3),
            ),
            Variant(
                "order4",
                "The sine by a net of random depth, served at order 4",
                "y = a + b·x + c·x² + d·x³ + e·x⁴",
                {**_POWERS, "e": {(4,): 1}},
                lambda net: net.at(4),
            ),
            Variant(
                "order5",
                "The sine by a net of random depth, served at order 5",
                "y = a + b·x + c·x² + d·x³ + e·x⁴ + e·x⁵",
                {**_POWERS, "e": {(4,): 1, (5,): 1}},
                lambda net: net.at(5),
            ),
        ),
        description=(
            "In training this net adds no, one or two further terms at random, which share one "
            "parameter. The fit minimizes the loss expected over the three orders; it is served "
            "at a fixed one."
        ),
    ),
)

MODELS: Mapping[str, ModelSpec] = MappingProxyType({spec.name: spec for spec in _SPECS})


def list_models() -> list[str]:
    """Return the names of the models that can be fitted."""
    return list(MODELS)


def find_model(name: str) -> ModelSpec:
    """Return a row of the table.

    Raises:
        UnknownNameError: there is none of that name.
    """
    if name not in MODELS:
        raise UnknownNameError(unknown("model", name, list(MODELS)))
    return MODELS[name]


def find_recipe(model: ModelSpec, name: str | None) -> Recipe:
    """Return a recipe of a model, its default for None.

    Raises:
        UnknownNameError: the model has none of that name.
    """
    by_name = {recipe.name: recipe for recipe in model.recipes}
    if name is None:
        return model.recipes[0]
    if name not in by_name:
        raise UnknownNameError(unknown(f"recipe of {model.name}", name, list(by_name)))
    return by_name[name]


def unknown(kind: str, name: str, known: list[str]) -> str:
    """Return the message for a name that is not in a table, with the nearest that are."""
    from difflib import get_close_matches

    near = get_close_matches(name, known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"no {kind} named {name!r}.{hint} Known: {', '.join(known)}."

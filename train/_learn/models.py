"""The models that can be fitted, as rows in a table."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from infer._text import suggest
from train._errors import UnknownNameError
from train._learn.modules import (
    SCALE,
    Cubic,
    DynamicNet,
    Legendre,
    Line,
    LinearCubic,
    LinearPlane,
    Plane,
    Thermometer,
)
from train._learn.recipes import Recipe, lbfgs
from train._learn.spec import Basis, Coefficients, ModelSpec, Quantity, Variant
from train._learn.tutorials.recipes import RECIPES

_POWERS: Mapping[str, Basis] = {"a": {(0,): 1}, "b": {(1,): 1}, "c": {(2,): 1}, "d": {(3,): 1}}
_ANGLE = Quantity("x", "angle", "rad")
_SINE = Quantity("y", "sine of the angle", "1")


def _expand_legendre(p: Coefficients) -> Coefficients:
    """Return a + b·P3(c + d·x) as a + b·x + c·x² + d·x³."""
    a, b, c, d = p["a"], p["b"], p["c"], p["d"]
    return {
        "a": a + b * (5 * c**3 - 3 * c) / 2,
        "b": b * d * (15 * c**2 - 3) / 2,
        "c": b * d**2 * 15 * c / 2,
        "d": b * d**3 * 5 / 2,
    }


_SPECS = (
    ModelSpec(
        name="f2c",
        module=Thermometer,
        dataset="thermometer",
        input=Quantity("t_u", "reading of the unknown thermometer", "°F"),
        output=Quantity("t_c", "temperature", "°C"),
        recipes=(lbfgs("mean"), *RECIPES["f2c"]),
        variants=(
            Variant(
                "",
                "Fahrenheit to Celsius, as eleven readings teach it",
                "t_c = w·(0.1·t_u) + b",
                {"w": {(1,): "scale"}, "b": {(0,): 1}},
            ),
        ),
        description=(
            "This is what eleven noisy readings of one thermometer teach, not the textbook: "
            "98.6 °F gives 35.6 °C, where the true scale says 37.0. That is the point of fitting: "
            "the curve corrects this thermometer, its errors included, and can be no better than "
            "its readings."
        ),
        measured=True,
        constants={"scale": SCALE},
    ),
    ModelSpec(
        name="line",
        module=Line,
        dataset="noisy_line",
        input=Quantity("x", "x", "1"),
        output=Quantity("y", "y", "1"),
        recipes=(lbfgs("half-sum"), *RECIPES["line"]),
        variants=(
            Variant(
                "",
                "A line through noisy points",
                "y = w·x + b",
                {"w": {(1,): 1}, "b": {(0,): 1}},
            ),
        ),
        description=(
            "The points scatter by 3 around y = 2x + 1. The line that is served fits a fixed "
            "sample of 1,000 of them; the recipes of the tutorial see a new batch at each step."
        ),
        measured=True,
    ),
    ModelSpec(
        name="plane",
        module=Plane,
        dataset="noisy_plane",
        input=Quantity("x", "features", "1"),
        output=Quantity("y", "y", "1"),
        recipes=(lbfgs("half-mean"), *RECIPES["plane"]),
        variants=(
            Variant(
                "",
                "A plane over two features",
                "y = w0·x0 + w1·x1 + b",
                {"w0": {(1, 0): 1}, "w1": {(0, 1): 1}, "b": {(0, 0): 1}},
            ),
        ),
        description=(
            "The rows scatter by 0.01 around y = 2·x0 - 3.4·x1 + 4.2. The plane that is served "
            "fits a fixed sample of 1,000 of them."
        ),
        measured=True,
        modules={"linear": LinearPlane},
    ),
    ModelSpec(
        name="sin_cubic",
        module=Cubic,
        dataset="sine",
        input=_ANGLE,
        output=_SINE,
        recipes=(lbfgs("sum"), *RECIPES["sin_cubic"]),
        variants=(Variant("", "The sine by a cubic", "y = a + b·x + c·x² + d·x³", _POWERS),),
        description=(
            "The best cubic for sin x over [-π, π] by least squares on 2,000 points. It is off by "
            "up to 0.2 at the ends of the range and useless beyond it."
        ),
        modules={"linear": LinearCubic},
    ),
    ModelSpec(
        name="sin_legendre",
        module=Legendre,
        dataset="sine",
        input=_ANGLE,
        output=_SINE,
        recipes=(lbfgs("sum", whiten=False), *RECIPES["sin_legendre"]),
        variants=(
            Variant(
                "",
                "The sine by a Legendre polynomial",
                "y = a + b·P3(c + d·x), P3(z) = ½(5z³ - 3z)",
                _POWERS,
            ),
        ),
        description=(
            "The cubic of sin_cubic once more, as a Legendre polynomial of a scaled angle: its "
            "four parameters reach the same best cubic, and it fits the sine just as well."
        ),
        expand=_expand_legendre,
    ),
    ModelSpec(
        name="dynamic_net",
        module=DynamicNet,
        dataset="sine",
        input=_ANGLE,
        output=_SINE,
        recipes=(lbfgs("sum"), *RECIPES["dynamic_net"]),
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
    """Return a model of the table.

    Raises:
        UnknownNameError: there is no model of that name.
    """
    if name not in MODELS:
        raise UnknownNameError(unknown("model", name, list(MODELS)))
    return MODELS[name]


def find_recipe(model: ModelSpec, name: str | None) -> Recipe:
    """Return a recipe of a model; None for the default.

    Raises:
        UnknownNameError: the model has no recipe of that name.
    """
    by_name = {recipe.name: recipe for recipe in model.recipes}
    if name is None:
        return model.recipes[0]
    if name not in by_name:
        raise UnknownNameError(unknown(f"recipe of {model.name}", name, list(by_name)))
    return by_name[name]


def unknown(kind: str, name: str, known: list[str]) -> str:
    """Return the message for an unknown name, with the closest known one."""
    return f"no {kind} named {name!r}.{suggest(name, known, 1)} Known: {', '.join(known)}."

"""The models that can be fitted, as rows in a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from types import MappingProxyType
from typing import Any

from torch import nn

from train._datasets import Dataset
from train._errors import UnknownNameError
from train._modules import (
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
from train._recipes import Draw, Recipe, lbfgs

# What a parameter is multiplied by: coefficient by exponents, one exponent a feature; a coefficient
# may be the name of one of the model's constants. {(4,): 1, (5,): 1} is x⁴ + x⁵.
Basis = Mapping[tuple[int, ...], float | str]
Design = Mapping[str, Mapping[tuple[int, ...], float]]
Coefficients = dict[str, Fraction]


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
        terms: what each coefficient is multiplied by. The coefficients are the parameters, or
            for a model that is not linear in these, what its ``expand`` gives. The judge reads
            this and never the module.
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
        measured: whether the data are readings that scatter around the curve, so that their
            residuals tell how uncertain it is. The parameters then are one a monomial.
        constants: constants by name, for use in ``terms``.
        modules: other modules that recipes train, by name; they compute the same function.
        expand: for a model that is not linear in its parameters, turns these into the
            coefficients of a polynomial, exactly.
    """

    name: str
    module: Callable[[], nn.Module]
    dataset: str | Dataset
    input: Quantity
    output: Quantity
    recipes: tuple[Recipe, ...]
    variants: tuple[Variant, ...]
    description: str
    measured: bool = False
    constants: Mapping[str, float] = field(default_factory=dict)
    modules: Mapping[str, Callable[[], nn.Module]] = field(default_factory=dict)
    expand: Callable[[Coefficients], Coefficients] | None = None

    def make_module(self, name: str = "") -> nn.Module:
        """Return a new module: the one that is served, or another one by name."""
        return self.modules[name]() if name else self.module()

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return tuple(name for name, _ in self.module().named_parameters())


def designs(model: ModelSpec, recipe: Recipe) -> list[Design]:
    """Return the terms of each variant as numbers, with the constants that a recipe sets."""
    constants = {**model.constants, **recipe.constants}
    return [
        {
            name: {e: constants[c] if isinstance(c, str) else c for e, c in basis.items()}
            for name, basis in variant.terms.items()
        }
        for variant in model.variants
    ]


_POWERS: Mapping[str, Basis] = {"a": {(0,): 1}, "b": {(1,): 1}, "c": {(2,): 1}, "d": {(3,): 1}}
_NORMAL_START = {name: Draw("normal") for name in "abcd"}
_RAW = {"scale": 1.0}
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
        recipes=(
            lbfgs("mean"),
            Recipe(
                "finite-difference", "by hand", 1e-2, 1, "mean", "finite-difference", constants=_RAW
            ),
            Recipe("raw-diverges", "by hand", 1e-2, 100, "mean", "by hand", constants=_RAW),
            Recipe("raw", "by hand", 1e-4, 100, "mean", "by hand", constants=_RAW),
            Recipe(
                "raw-mean",
                "by hand",
                1e-4,
                10_000,
                "mean",
                "by hand",
                constants=_RAW,
                average_again=True,
            ),
            Recipe("normalized", "by hand", 1e-3, 5000, "mean", "by hand"),
            Recipe("autograd", "by hand", 1e-2, 5000, "mean"),
            Recipe("sgd", "SGD", 1e-2, 5000, "mean"),
            Recipe("split", "SGD", 1e-2, 4000, "mean", held_out=(0, 3)),
        ),
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
        recipes=(
            lbfgs("half-sum"),
            Recipe(
                "manual",
                "by hand",
                1e-4,
                500,
                "half-sum",
                "by hand",
                start={"w": Draw("uniform"), "b": 0.0},
                batches="stream",
                batch_size=32,
                seed=1000,
            ),
            Recipe(
                "autograd",
                "by hand",
                1e-4,
                500,
                "half-sum",
                start={"w": Draw("uniform"), "b": 0.0},
                batches="stream",
                batch_size=32,
                seed=1000,
            ),
        ),
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
        recipes=(
            lbfgs("half-mean"),
            Recipe(
                "scratch",
                "by hand",
                0.03,
                3,
                "half-mean",
                start={"w0": Draw("normal", 0.01), "w1": Draw("normal", 0.01), "b": 0.0},
                batches="in order",
                batch_size=10,
                drawn=True,
            ),
            Recipe(
                "torch",
                "SGD",
                0.03,
                3,
                "mean",
                module="linear",
                batches="shuffled",
                batch_size=10,
                drawn=True,
            ),
        ),
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
        recipes=(
            lbfgs("sum"),
            Recipe(
                "numpy",
                "by hand",
                1e-6,
                2000,
                "sum",
                "by hand",
                start=_NORMAL_START,
                dtype="float64",
                library="numpy",
            ),
            Recipe("tensor", "by hand", 1e-6, 2000, "sum", "by hand", start=_NORMAL_START),
            Recipe("autograd", "by hand", 1e-6, 2000, "sum", start=_NORMAL_START),
            Recipe("linear", "by hand", 1e-6, 2000, "sum", module="linear"),
            Recipe("rmsprop", "RMSprop", 1e-3, 2000, "sum", module="linear"),
            Recipe("module", "RMSprop", 3e-3, 2000, "sum", start=_NORMAL_START),
        ),
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
        recipes=(
            lbfgs("sum", whiten=False),
            Recipe("function", "by hand", 5e-6, 2000, "sum", "function"),
        ),
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
        recipes=(
            lbfgs("sum"),
            Recipe(
                "sgd",
                "SGD",
                1e-8,
                30_000,
                "sum",
                momentum=0.9,
                start={name: Draw("normal") for name in "abcde"},
                variants="random",
            ),
        ),
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

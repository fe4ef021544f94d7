"""The parts of a model that can be fitted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from torch import nn

from train._learn.datasets import Dataset
from train._learn.modules import round_to
from train._learn.recipes import DType, Recipe

# The factor of a parameter: coefficients by exponents, one exponent per feature; a coefficient may
# be the name of one of the model's constants. {(4,): 1, (5,): 1} is x⁴ + x⁵.
Basis = Mapping[tuple[int, ...], float | str]
Design = Mapping[str, Mapping[tuple[int, ...], float]]
Coefficients = dict[str, Fraction]


@dataclass(frozen=True)
class Quantity:
    """An input or output: its name in the formula, its meaning, and its unit ("1" for none)."""

    name: str
    meaning: str
    unit: str


@dataclass(frozen=True)
class Variant:
    """A form in which a model is served; all variants of a model share one fit.

    Attributes:
        name: the part of its name after the dot; empty for the only one.
        title: one line of text.
        formula: the function in mathematical notation.
        terms: the factor of each coefficient. The coefficients are the parameters, or for a model
            that is not linear in these, what its ``expand`` returns. The judge reads this and
            never the module.
        view: returns the module of this form for the fitted module, sharing its parameters.
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
        name: its name.
        module: returns a new module with the parameters at the start of the fit.
        dataset: the name of a built-in dataset, or a dataset.
        input: its input.
        output: its output.
        recipes: its recipes; the first one is the default.
        variants: the forms in which it is served; the loss is the mean over them. The last one is
            the default.
        description: what a user should know before using it.
        measured: whether the data are readings that scatter around the curve, so that the residuals
            determine its uncertainty. Each parameter then belongs to one monomial.
        constants: constants by name, for use in ``terms``; rounded to the served dtype, like the
            module's buffers.
        modules: other modules that recipes train, by name; they compute the same function.
        expand: for a model that is not linear in its parameters, converts these to the
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
        """Return a new module: the served one, or another by name."""
        return self.modules[name]() if name else self.module()

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return tuple(name for name, _ in self.module().named_parameters())


def designs(model: ModelSpec, recipe: Recipe, dtype: DType) -> list[Design]:
    """Return the terms of each variant as numbers.

    The constants are the model's, or those that the recipe sets, rounded to the served dtype.
    """
    constants = {
        name: round_to(value, dtype)
        for name, value in {**model.constants, **recipe.constants}.items()
    }
    return [
        {
            name: {e: constants[c] if isinstance(c, str) else c for e, c in basis.items()}
            for name, basis in variant.terms.items()
        }
        for variant in model.variants
    ]

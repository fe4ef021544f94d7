"""What a model that can be fitted consists of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from torch import nn

from train._learn.datasets import Dataset
from train._learn.modules import round_to
from train._learn.recipes import DType, Recipe

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
        constants: constants by name, for use in ``terms``; rounded to the dtype that is served,
            as the module's buffers are.
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


def designs(model: ModelSpec, recipe: Recipe, dtype: DType) -> list[Design]:
    """Return the terms of each variant as numbers.

    The constants are the model's, or what the recipe sets instead, rounded to the dtype that the
    model is served in.
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

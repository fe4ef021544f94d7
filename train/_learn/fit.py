"""Fitting a model: training, judging, and the record of both."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import nn

from train._errors import TrainError, UnknownNameError
from train._learn.datasets import Dataset
from train._learn.double_double import Wide, wide
from train._learn.judge import UndeterminedError, Verdict, judge
from train._learn.loop import Epoch, Outcome, Watcher, run
from train._learn.models import find_model, find_recipe, unknown
from train._learn.modules import round_to, set_values
from train._learn.recipes import REDUCTIONS, DType, Recipe
from train._learn.refine import refine, wide_outputs
from train._learn.spec import ModelSpec, Variant, designs

DTYPES: tuple[DType, ...] = ("float32", "float64")

# Rounding the parameters of a nonlinear model changes its loss by less than this fraction. For
# float64 that is below the precision of a double.
_ROUNDING_SHARES: Mapping[DType, float] = {"float32": 2.0**-30, "float64": 2.0**-50}


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted model.

    Attributes:
        model: the model that was fitted.
        recipe: its recipe, overrides included.
        dtype: "float32" or "float64": what parameters are rounded to and served in;
            ``recipe.dtype`` is what it was trained in.
        device: "cpu" or "cuda".
        dataset: the training rows.
        validation: the validation rows; None if there are none.
        history: each epoch's loss, validation loss and parameters.
        parameters: the result, rounded once to ``dtype``; negligible ones are zero, if the recipe
            runs until the optimum.
        optimum: the exact optimum, rounded in the same way; None for a model that is not linear in
            its parameters.
        loss: loss of ``parameters`` on ``dataset``, computed exactly; nan if they are not finite.
        best_loss: the smallest possible loss on it.
        validation_loss: the last epoch's.
        gradient: of the last step, for recipes that compute it by hand or by differences.
        diverged_at: the first epoch whose loss was not finite; None if all were.
        stopped: whether ``watch`` ended the fit early.
        checkpoint: what ``fit(resume=…)`` needs to continue from here.
    """

    model: ModelSpec
    recipe: Recipe
    dtype: DType
    device: str
    dataset: Dataset
    validation: Dataset | None
    history: tuple[Epoch, ...]
    parameters: Mapping[str, float]
    optimum: Mapping[str, float] | None
    loss: float
    best_loss: float
    validation_loss: float | None
    gradient: Mapping[str, float] | None
    diverged_at: int | None
    stopped: bool
    checkpoint: Mapping[str, Any] = field(repr=False)

    @property
    def name(self) -> str:
        """The model's name."""
        return self.model.name

    @property
    def epochs(self) -> int:
        """Number of epochs."""
        return len(self.history)

    @property
    def losses(self) -> tuple[float, ...]:
        """The training loss of each epoch."""
        return tuple(epoch.loss for epoch in self.history)

    @cached_property
    def differing_bits(self) -> int | None:
        """Number of bits in which ``parameters`` differ from ``optimum``; None without one."""
        if self.optimum is None or not all(map(math.isfinite, self.parameters.values())):
            return None
        return sum(
            (_bits(self.parameters[name], self.dtype) ^ _bits(value, self.dtype)).bit_count()
            for name, value in self.optimum.items()
        )

    @property
    def at_optimum(self) -> bool:
        """Whether the parameters are the optimum: by their bits, or if unknown, by the loss."""
        if self.optimum is not None:
            return self.differing_bits == 0
        return self.loss <= self.best_loss * (1.0 + _ROUNDING_SHARES[self.dtype])

    def module(self, variant: Variant) -> nn.Module:
        """Return the fitted module of a variant: in ``dtype``, on the CPU, no gradients."""
        numbers = {**self.recipe.constants, **self.parameters}
        return fitted_module(self.model, numbers, variant, getattr(torch, self.dtype))


def fitted_module(
    model: ModelSpec, numbers: Mapping[str, float], variant: Variant, dtype: torch.dtype
) -> nn.Module:
    """Return a variant's module in evaluation mode on the CPU.

    Args:
        model: whose module.
        numbers: its parameters, and any constants to replace, by name.
        variant: the form.
        dtype: of the module.
    """
    module = model.module()
    set_values(module, numbers)
    return variant.view(module).to(dtype).requires_grad_(False).eval()


def fit(
    name: str | ModelSpec,
    *,
    recipe: str | Recipe | None = None,
    dtype: str = "float32",
    device: str = "cpu",
    seed: int | None = None,
    validation_fraction: float | None = None,
    watch: Watcher | None = None,
    resume: Mapping[str, Any] | None = None,
) -> Fit:
    """Fit a model.

    Args:
        name: a name of ``list_models()``, or a model of your own.
        recipe: the name of one of the model's recipes, or a recipe; None for the default.
        dtype: "float32" or "float64", what the model is served in: its constants and parameters
            are rounded to it. (A recipe has its own dtype to train in.)
        device: "cpu" or "cuda".
        seed: of all random numbers, instead of the recipe's.
        validation_fraction: fraction of the rows held out for validation, instead of the recipe's;
            at least 0 and less than 1.
        watch: called after each epoch; ends the fit if it returns True.
        resume: the checkpoint of a stopped fit of the same model, recipe and dtype; the result has
            the same bits as without the stop.

    Returns:
        The fit, certified by the judge if the recipe runs until the optimum.

    Raises:
        UnknownNameError: no such model, recipe, dtype or device.
        DivergedError: the loss became infinite or nan; holds the fit so far.
        StoppedError: ``watch`` ended it; holds the fit so far.
        NotAtOptimumError: a recipe that runs until the optimum did not reach it.
        TrainError: the data do not determine the parameters, or cannot be split; or a forward for
            float64 uses more than + - * and negation.
    """
    model = find_model(name) if isinstance(name, str) else name
    chosen = recipe if isinstance(recipe, Recipe) else find_recipe(model, recipe)
    if seed is not None:
        chosen = replace(chosen, seed=seed)
    if validation_fraction is not None:
        chosen = replace(chosen, validation_fraction=validation_fraction)
    served = _dtype(dtype)
    outcome = run(model, chosen, _device(device, chosen), watch, resume, served)
    result = _certified(model, chosen, served, device, outcome)
    if outcome.end == "diverged":
        raise DivergedError(result)
    if outcome.end == "stopped":
        raise StoppedError(result)
    if chosen.until == "optimum" and not result.at_optimum:
        raise NotAtOptimumError(result)
    return result


def _certified(
    model: ModelSpec, recipe: Recipe, dtype: DType, device: str, outcome: Outcome
) -> Fit:
    """Return the record of a run, with the verdict of the judge."""
    dataset = outcome.training
    try:
        verdict = _judge(model, recipe, dtype, dataset)
    except UndeterminedError as error:
        raise TrainError(f"{model.name}: {error}") from error
    except OverflowError as error:
        raise TrainError(
            f"{model.name}: the optimum lies beyond the largest {dtype}; scale the data"
        ) from error
    found = {name: round_to(value, dtype) for name, value in outcome.values.items()}
    finite = all(map(math.isfinite, found.values()))
    linear = model.expand is None
    if finite and recipe.until == "optimum":
        if dtype == "float64" and outcome.end != "stopped":
            found = refine(model, recipe, dataset, found)
        if linear:
            found = verdict.settle(found)
        else:
            found = _settle_by_outputs(model, recipe, dataset, dtype, found)
    last = outcome.epochs[-1]
    # The last step can overshoot although the loss before it was finite.
    diverged = last.number if outcome.end == "diverged" else None if finite else last.number + 1
    if diverged is not None:
        outcome = replace(outcome, end="diverged")
    result = Fit(
        model=model,
        recipe=recipe,
        dtype=dtype,
        device=device,
        dataset=dataset,
        validation=outcome.validation,
        history=tuple(outcome.epochs),
        parameters=found,
        optimum=verdict.parameters if linear else None,
        loss=verdict.loss(_coefficients(model, found)) if finite else math.nan,
        best_loss=verdict.best_loss,
        validation_loss=last.validation_loss,
        gradient=outcome.gradient,
        diverged_at=diverged,
        stopped=outcome.end == "stopped",
        checkpoint=outcome.checkpoint,
    )
    if outcome.end == "diverged":
        raise DivergedError(result)
    return result


def _judge(model: ModelSpec, recipe: Recipe, dtype: DType, dataset: Dataset) -> Verdict:
    factor, mean = REDUCTIONS[recipe.loss]
    if recipe.batches == "stream":  # the loss of a step is that of a batch
        factor *= recipe.batch_size / dataset.rows
    # Arrays, not lists: the judge reads them in blocks.
    columns: Any = list(dataset.x.reshape(dataset.rows, -1).T)
    y: Any = dataset.y
    return judge(
        columns,
        y,
        designs(model, recipe, dtype),
        mean=mean,
        dtype=dtype,
        factor=factor,
    )


def _coefficients(model: ModelSpec, parameters: Mapping[str, float]) -> Mapping[str, Any]:
    """Return the coefficients of the judge's terms."""
    if model.expand is None:
        return parameters
    return model.expand({name: Fraction(value) for name, value in parameters.items()})


def _settle_by_outputs(
    model: ModelSpec,
    recipe: Recipe,
    dataset: Dataset,
    dtype: DType,
    parameters: Mapping[str, float],
) -> dict[str, float]:
    """Set negligible parameters to zero, as the judge does for linear models.

    A parameter is negligible if setting it to zero moves no output by half a unit in the last place
    of the largest one.
    """

    def outputs(numbers: Mapping[str, float]) -> Wide:
        if dtype == "float64":  # whose own rounding would show
            return wide_outputs(model, recipe, numbers, dataset.x)
        numbers = {**recipe.constants, **numbers}
        served = fitted_module(model, numbers, model.variants[-1], torch.float32)
        return wide(served.double()(torch.tensor(dataset.x)).numpy())

    full = outputs(parameters)
    minus, largest = full.negative(), float(np.abs(full.high).max())
    digits = 24 if dtype == "float32" else 53
    half_ulp = math.ldexp(1.0, math.frexp(largest)[1] - digits - 1)
    return {
        name: value
        if np.abs(outputs({**parameters, name: 0.0}).plus(minus).high).max() >= half_ulp
        else 0.0
        for name, value in parameters.items()
    }


def _dtype(name: str) -> DType:
    for dtype in DTYPES:
        if name == dtype:
            return dtype
    raise UnknownNameError(unknown("dtype", name, [*DTYPES]))


def _device(name: str, recipe: Recipe) -> torch.device:
    if name not in ("cpu", "cuda"):
        raise UnknownNameError(unknown("device", name, ["cpu", "cuda"]))
    if name == "cuda" and recipe.library == "numpy":
        raise TrainError(f"recipe {recipe.name!r} computes with numpy; type --device cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise TrainError("no CUDA device here; type --device cpu")
    return torch.device(name)


def _bits(value: float, dtype: DType) -> int:
    return int.from_bytes(struct.pack("<f" if dtype == "float32" else "<d", value), "little")


class DivergedError(TrainError):
    """The loss became infinite or nan.

    Attributes:
        fit: the fit up to there.
        epoch: the first epoch, counted from 1, whose loss is not finite.
        learning_rate: the recipe's.
    """

    def __init__(self, fit: Fit) -> None:
        recipe, self.epoch = fit.recipe, fit.diverged_at
        super().__init__(
            f"{fit.name}: recipe {recipe.name!r} diverged: the loss of epoch {self.epoch} is not "
            f"finite, at learning rate {recipe.learning_rate:g}. Try a smaller rate (a tenth of "
            "it, then a hundredth), or normalize the inputs to one scale, so that one rate suits "
            "every parameter."
        )
        self.fit = fit
        self.learning_rate = recipe.learning_rate


class StoppedError(TrainError):
    """``watch`` ended the fit early; the commands exit with 130, as for Ctrl-C.

    Attributes:
        fit: the fit up to there; its ``checkpoint`` resumes it.
    """

    exit_code = 130

    def __init__(self, fit: Fit) -> None:
        super().__init__(
            f"{fit.name}: stopped after epoch {fit.epochs:,} of at most {fit.recipe.epochs:,}, "
            f"at loss {fit.losses[-1]:.9g}."
        )
        self.fit = fit


class NotAtOptimumError(TrainError):
    """The fit ended, but not at the optimum that the judge computed.

    Attributes:
        fit: the fit.
    """

    def __init__(self, fit: Fit) -> None:
        distance = (
            f"loss {fit.loss:.9g}, not the best possible {fit.best_loss:.9g}"
            if fit.optimum is None
            else f"{fit.differing_bits} bits from the optimum {dict(fit.optimum)}"
        )
        super().__init__(
            f"{fit.name}: recipe {fit.recipe.name!r} ended after {fit.epochs:,} epochs at "
            f"{dict(fit.parameters)}, {distance}. Use more epochs or a learning rate closer to 1."
        )
        self.fit = fit

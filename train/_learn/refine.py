"""The last bits of a float64 fit, which float64 arithmetic cannot find.

A gradient that is computed in float64 is noise once the parameters are right up to a few units in
the last place. So where the optimizer has converged, the errors of the predictions and their
derivatives are computed again, from the same forward, in twice the precision; they give a last
small step. This is iterative refinement as for linear systems (J. H. Wilkinson, "Rounding Errors in
Algebraic Processes", 1963), with Gauss-Newton steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from train._errors import TrainError
from train._learn.datasets import Dataset
from train._learn.double_double import Jet, Wide, wide
from train._learn.modules import set_values
from train._learn.recipes import Recipe
from train._learn.spec import ModelSpec, Variant

# Refinement finds bits, not optima: parameters farther away than this, as a fraction of the
# predictions (root mean squares), are not refined. An optimizer whose steps have become as small as
# 2**-44 may need thousands more.
_NEAR = 2.0**-30
_MOST_STEPS = 20
_BLOCK = 1 << 13  # rows per block: intermediates stay in the processor's cache


def refine(
    model: ModelSpec, recipe: Recipe, dataset: Dataset, values: Mapping[str, float]
) -> dict[str, float]:
    """Return the parameters of least squares near the given ones, rounded once to float64.

    Args:
        model: the trained model; all its variants count equally.
        recipe: sets constants of the module.
        dataset: the training rows.
        values: where the optimizer converged. They are returned unchanged if the optimum is not
            near, or if the steps do not converge.

    Raises:
        TrainError: a forward uses more than + - * and negation.
    """
    at = {name: wide(value) for name, value in values.items()}
    before = math.inf
    with np.errstate(all="ignore"):  # a step that is not finite is rejected
        for _ in range(_MOST_STEPS):
            step, size = _step(model, recipe, dataset, at)
            if size >= before / 2:  # the noise of twice the precision
                break
            if not size < _NEAR:
                return dict(values)
            at = {name: value.plus(wide(step[name])) for name, value in at.items()}
            before = size
    return {name: float(value.high) for name, value in at.items()}


def wide_outputs(
    model: ModelSpec, recipe: Recipe, values: Mapping[str, float], x: NDArray[np.float64]
) -> Wide:
    """Return what the last form of a model gives for float64 inputs, in twice the precision.

    Raises:
        TrainError: its forward uses more than + - * and negation.
    """
    at = {name: wide(value) for name, value in values.items()}
    with np.errstate(all="ignore"):
        return _forward(model, recipe, model.variants[-1], at)(Jet(wide(x))).value


def _step(
    model: ModelSpec, recipe: Recipe, dataset: Dataset, at: Mapping[str, Wide]
) -> tuple[dict[str, float], float]:
    """Return the step to the optimum, and its size as a fraction of the predictions'.

    The size is nan if the data do not determine a step.
    """
    factor: Any = np.zeros((0, len(at)))
    right = {name: wide(0.0) for name in at}
    squares = 0.0
    for variant in model.variants:
        forward = _forward(model, recipe, variant, at)
        for start in range(0, dataset.rows, _BLOCK):
            x, y = (part[start : start + _BLOCK] for part in (dataset.x, dataset.y))
            answer = forward(Jet(wide(x)))
            error = wide(y).plus(answer.value.negative())
            slopes = np.zeros((len(y), len(at)))
            for column, name in enumerate(at):
                if (slope := answer.slopes.get(name)) is not None:
                    slopes[:, column] = slope.high
                    right[name] = right[name].plus(slope.times(error).total(len(y)))
            # Of all slopes so far; their Gram matrix would lose twice as many digits.
            factor = np.linalg.qr(np.vstack((factor, slopes)), mode="r")
            squares += float(np.broadcast_to(answer.value.high**2, len(y)).sum())
    try:
        whitened = np.linalg.solve(factor.T, [float(value.high) for value in right.values()])
        step = np.linalg.solve(factor, whitened)
    except np.linalg.LinAlgError:  # no square, or one that has no inverse
        return {}, math.nan
    size = float(np.linalg.norm(whitened)) / math.sqrt(squares) if squares else math.nan
    return dict(zip(at, step.tolist(), strict=True)), size


def _forward(
    model: ModelSpec, recipe: Recipe, variant: Variant, at: Mapping[str, Wide]
) -> Callable[[Jet], Jet]:
    """Return a variant's forward on jets."""
    module = model.module()
    set_values(module, recipe.constants)
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    view = variant.view(module)
    for part in view.modules():
        numbers = {**part._parameters, **part._buffers}
        part._parameters.clear()
        part._buffers.clear()
        for attribute, tensor in numbers.items():
            if tensor is None:
                continue
            name = names.get(id(tensor))
            one = {name: wide(1.0)} if name else {}
            part.__dict__[attribute] = Jet(at[name] if name else wide(tensor.item()), one)

    def forward(x: Jet) -> Jet:
        try:
            answer: Jet = view(x)
        except (TypeError, AttributeError) as error:
            raise TrainError(
                f"{model.name}: a float64 fit needs a forward of + - * and negation: {error}"
            ) from error
        return answer

    return forward

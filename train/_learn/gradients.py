"""Four ways to compute the same gradient: autograd, by hand, differences, a custom function.

Each strategy returns the loss of a batch and its gradient by parameter; docs/learn.md compares
them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from train._learn.recipes import REDUCTIONS, Recipe

# What a strategy works on: a torch module, or a plain object with numpy scalars for parameters.
State = Any
Gradient = dict[str, Any]
Forward = Callable[[Any], Any]
Strategy = Callable[[State, Sequence[Forward], Any, Any, Recipe], tuple[Any, Gradient]]


def reduce(error: Any, recipe: Recipe) -> Any:
    """Return the loss for the errors of a batch."""
    factor, mean = REDUCTIONS[recipe.loss]
    squares = error * error
    total = squares.mean() if mean else squares.sum()
    return total if factor == 1.0 else factor * total


def loss_of(forwards: Sequence[Forward], x: Any, y: Any, recipe: Recipe) -> Any:
    """Return the loss of a batch: the mean over the forwards (one, for most models)."""
    losses = [reduce(forward(x) - y, recipe) for forward in forwards]
    return losses[0] if len(losses) == 1 else sum(losses) / len(losses)


def by_autograd(
    state: nn.Module, forwards: Sequence[Forward], x: Tensor, y: Tensor, recipe: Recipe
) -> tuple[Tensor, Gradient]:
    """Compute the gradient by automatic differentiation."""
    loss = loss_of(forwards, x, y, recipe)
    names, parameters = zip(*state.named_parameters(), strict=True)
    gradient = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
    return loss.detach(), dict(zip(names, gradient, strict=True))


def through_function(
    state: Any, _forwards: Sequence[Forward], x: Tensor, y: Tensor, recipe: Recipe
) -> tuple[Tensor, Gradient]:
    """Compute the gradient by autograd through the module's custom function."""
    return by_autograd(state, [state.through_function], x, y, recipe)


def by_hand(
    state: State, forwards: Sequence[Forward], x: Any, y: Any, recipe: Recipe
) -> tuple[Any, Gradient]:
    """Apply the chain rule: d loss / d prediction, times d prediction / d parameter, summed."""
    with torch.no_grad():
        error = forwards[0](x) - y
        factor, mean = REDUCTIONS[recipe.loss]
        slope = 2.0 * factor * error / (len(y) if mean else 1)
        gradient = {name: (slope * part).sum() for name, part in state.partials(x).items()}
        if recipe.average_again:
            gradient = {name: value / len(y) for name, value in gradient.items()}
        return reduce(error, recipe), gradient


def by_differences(
    state: nn.Module, forwards: Sequence[Forward], x: Tensor, y: Tensor, recipe: Recipe
) -> tuple[Tensor, Gradient]:
    """Compute the gradient by central differences."""
    with torch.no_grad():
        gradient = {}
        for name, parameter in state.named_parameters():
            here = parameter.clone()
            there = []
            for delta in (recipe.delta, -recipe.delta):
                parameter.copy_(here + delta)
                there.append(loss_of(forwards, x, y, recipe))
            parameter.copy_(here)
            gradient[name] = (there[0] - there[1]) / (2.0 * recipe.delta)
        return loss_of(forwards, x, y, recipe), gradient


STRATEGIES: Mapping[str, Strategy] = MappingProxyType(
    {
        "autograd": by_autograd,
        "by hand": by_hand,
        "finite-difference": by_differences,
        "function": through_function,
    }
)

"""Optimizer steps: by hand, or by a torch optimizer, optionally in whitened parameters."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from train._learn.gradients import Gradient, State
from train._learn.recipes import Recipe


class Stepper(Protocol):
    """Moves parameters along a gradient."""

    def step(self, loss: Any, gradient: Gradient) -> None:
        """Take one step."""

    def state_dict(self) -> dict[str, Any]:
        """Return its state, for a checkpoint."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore its state from a checkpoint."""


class ByHand:
    """Subtracts learning rate times gradient; works on tensors and on numpy scalars."""

    def __init__(self, state: State, recipe: Recipe) -> None:
        """Move the parameters of this state."""
        self._state = state
        self._rate = recipe.learning_rate

    def step(self, _loss: Any, gradient: Gradient) -> None:
        """See ``Stepper.step``."""
        if not isinstance(self._state, nn.Module):
            for name, slope in gradient.items():
                setattr(self._state, name, getattr(self._state, name) - self._rate * slope)
            return
        parameters = dict(self._state.named_parameters())
        with torch.no_grad():
            for name, slope in gradient.items():
                parameters[name].sub_(self._rate * slope)

    def state_dict(self) -> dict[str, Any]:
        """See ``Stepper.state_dict``; there is no state."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See ``Stepper.load_state_dict``."""


class ByOptimizer:
    """Passes the gradient to an optimizer of ``torch.optim``.

    With a ``transform`` T, the optimizer moves q where the parameters are p = T·q. If T is derived
    from the curvature of the loss, all directions of q are alike, and full steps converge at once.
    """

    def __init__(self, state: nn.Module, recipe: Recipe, transform: Tensor | None) -> None:
        """Move the parameters of this module."""
        self._parameters = dict(state.named_parameters())
        self._transform = transform
        self._moved: list[Tensor] = list(self._parameters.values())
        if transform is not None:
            start = torch.stack([value.detach() for value in self._parameters.values()])
            self._q = _solve(transform, start).requires_grad_()
            self._moved = [self._q]
        self._optimizer = _optimizer(recipe, self._moved)

    def step(self, loss: Any, gradient: Gradient) -> None:
        """See ``Stepper.step``."""
        if self._transform is None:
            for name, slope in gradient.items():
                self._parameters[name].grad = slope
        else:
            slopes = torch.stack([gradient[name] for name in self._parameters])
            self._q.grad = self._transform.T @ slopes
        # The gradient is already set; an optimizer that needs a closure gets the loss.
        self._optimizer.step(lambda: loss)
        if self._transform is not None:
            with torch.no_grad():
                there = self._transform @ self._q
                for parameter, value in zip(self._parameters.values(), there, strict=True):
                    parameter.copy_(value)

    def state_dict(self) -> dict[str, Any]:
        """See ``Stepper.state_dict``."""
        moved = [value.detach() for value in self._moved]
        return {"optimizer": self._optimizer.state_dict(), "moved": moved}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See ``Stepper.load_state_dict``."""
        # A copy, or the optimizer would modify the checkpoint's tensors.
        self._optimizer.load_state_dict(deepcopy(state["optimizer"]))
        with torch.no_grad():
            for value, saved in zip(self._moved, state["moved"], strict=True):
                value.copy_(saved)


def _solve(transform: Tensor, start: Tensor) -> Tensor:
    """Return q for p = T·q; by numpy, which starts no threads for a few numbers."""
    q = np.linalg.solve(transform.double().cpu().numpy(), start.double().cpu().numpy())
    return torch.tensor(q, dtype=start.dtype, device=start.device)


def make_stepper(state: State, recipe: Recipe, transform: Tensor | None) -> Stepper:
    """Return the stepper that a recipe names."""
    if recipe.optimizer == "by hand":
        return ByHand(state, recipe)
    return ByOptimizer(state, recipe, transform)


def _optimizer(recipe: Recipe, parameters: list[Any]) -> torch.optim.Optimizer:
    rate = recipe.learning_rate
    if recipe.optimizer == "LBFGS":
        return torch.optim.LBFGS(
            parameters,
            lr=rate,
            max_iter=1,  # the loop counts, watches and stops; the state persists between steps
            tolerance_grad=0.0,
            tolerance_change=0.0,
            history_size=20,
        )
    if recipe.optimizer == "RMSprop":
        return torch.optim.RMSprop(parameters, lr=rate)
    return torch.optim.SGD(parameters, lr=rate, momentum=recipe.momentum)

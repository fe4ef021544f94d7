"""Recipes: how a model is fitted, as data that one training loop reads."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal


@dataclass(frozen=True)
class Recipe:
    """A way to fit a model.

    Attributes:
        name: what a user types.
        optimizer: a class of ``torch.optim``.
        learning_rate: its ``lr``.
        epochs: at most so many passes over the data.
        loss: how squared errors are reduced.
        momentum: of SGD.
        until: "optimum" stops when the predictions stand still and asks the judge to certify the
            result; "epochs" runs through.
        dtype: the dtype of parameters and data while fitting.
    """

    name: str
    optimizer: Literal["LBFGS", "SGD"]
    learning_rate: float
    epochs: int
    loss: Literal["mean", "sum"]
    momentum: float = 0.0
    until: Literal["optimum", "epochs"] = "epochs"
    dtype: Literal["float32", "float64"] = "float32"

    def settings(self) -> dict[str, str | float | bool]:
        """Return everything but the name, by field."""
        return {
            field.name: getattr(self, field.name) for field in fields(self) if field.name != "name"
        }


def lbfgs(loss: Literal["mean", "sum"]) -> Recipe:
    """Return the default recipe: L-BFGS in float64 until nothing moves any more.

    It takes full steps and no line search. A line search compares losses, and a loss is flat at
    its minimum: it cannot tell parameters apart that differ by the square root of the machine's
    precision. Gradients can.
    """
    return Recipe("lbfgs", "LBFGS", 1.0, 500, loss, until="optimum", dtype="float64")

"""Recipes: how a model is trained, as data for one training loop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Literal

Loss = Literal["mean", "sum", "half-sum", "half-mean"]
DType = Literal["float32", "float64"]

# The factor of the sum of squared errors, and whether it is also divided by the number of rows.
REDUCTIONS: Mapping[Loss, tuple[float, bool]] = {
    "mean": (1.0, True),
    "sum": (1.0, False),
    "half-sum": (0.5, False),
    "half-mean": (0.5, True),
}


@dataclass(frozen=True)
class Draw:
    """A random start: standard normal, or uniform on [0, 1), times a scale."""

    kind: Literal["normal", "uniform"]
    scale: float = 1.0


@dataclass(frozen=True)
class Recipe:
    """A way to fit a model.

    Attributes:
        name: its name.
        optimizer: a class of ``torch.optim``, or "by hand": subtract rate times gradient.
        learning_rate: its ``lr``.
        epochs: largest number of passes over the data (steps, for a stream).
        loss: how the squared errors of a batch are reduced.
        gradient: how it is computed. "by hand" is the chain rule with the module's ``partials``,
            "function" goes through the module's custom autograd function.
        momentum: of SGD.
        delta: step of the central difference, for "finite-difference".
        start: parameters to start from, where they are not the module's own.
        constants: constants of the module to replace; {"scale": 1.0} takes raw readings.
        module: which of the model's modules to train, "" for the one that is served.
        batches: all rows at once, batches of them in order or shuffled each epoch, or a new
            batch each step from the dataset's source ("stream").
        batch_size: rows of a batch, where they are not all.
        drawn: whether the data are redrawn with the seed instead of the fixed sample.
        variants: each step on the mean over the model's variants, or on a random one.
        average_again: divide the gradient by the rows once more, as one tutorial does.
        whiten: optimize transformed parameters in which all directions have the same curvature.
        held_out: validation rows, counted from 0.
        validation_fraction: fraction of rows, chosen by the seed, for validation.
        seed: of all random numbers.
        until: "optimum" stops when the predictions have converged and asks the judge to certify
            the result; "epochs" runs all epochs.
        dtype: the dtype of parameters and data while fitting, whatever they are served in.
        library: "torch" or "numpy", which needs gradient and optimizer by hand.
    """

    name: str
    optimizer: Literal["LBFGS", "RMSprop", "SGD", "by hand"]
    learning_rate: float
    epochs: int
    loss: Loss
    gradient: Literal["autograd", "by hand", "finite-difference", "function"] = "autograd"
    momentum: float = 0.0
    delta: float = 0.1
    start: Mapping[str, float | Draw] = field(default_factory=dict)
    constants: Mapping[str, float] = field(default_factory=dict)
    module: str = ""
    batches: Literal["all", "in order", "shuffled", "stream"] = "all"
    batch_size: int = 0
    drawn: bool = False
    variants: Literal["all", "random"] = "all"
    average_again: bool = False
    whiten: bool = False
    held_out: tuple[int, ...] = ()
    validation_fraction: float = 0.0
    seed: int = 0
    until: Literal["optimum", "epochs"] = "epochs"
    dtype: DType = "float32"
    library: Literal["torch", "numpy"] = "torch"

    @property
    def is_random(self) -> bool:
        """Whether the seed matters."""
        return (
            self.drawn
            or bool(self.module)
            or self.batches in ("shuffled", "stream")
            or self.variants == "random"
            or self.validation_fraction > 0
            or any(isinstance(value, Draw) for value in self.start.values())
        )

    def settings(self) -> dict[str, str | float | bool]:
        """Return what the recipe sets, by field: the essentials, and what is not the default."""
        result: dict[str, str | float | bool] = {}
        for each in fields(self):
            value = getattr(self, each.name)
            default = each.default_factory() if callable(each.default_factory) else each.default
            essential = default is MISSING or each.name in ("dtype", "gradient", "until")
            if each.name != "name" and (essential or value != default):
                result[each.name] = value if isinstance(value, (str, float, int)) else str(value)
        return result


def lbfgs(
    loss: Loss, *, start: Mapping[str, float | Draw] | None = None, whiten: bool = True
) -> Recipe:
    """Return the default recipe: L-BFGS in float64 until it has converged.

    It takes full steps without a line search. A line search compares losses, and a loss is flat at
    its minimum: it cannot distinguish parameters that differ by the square root of the machine
    precision. Gradients can.
    """
    return Recipe(
        "lbfgs",
        "LBFGS",
        1.0,
        500,
        loss,
        start=start or {},
        whiten=whiten,
        until="optimum",
        dtype="float64",
    )

"""What can go wrong while fitting; each error says what to change."""

from __future__ import annotations


class TrainError(Exception):
    """Base of everything that this package raises on purpose; the commands exit with 1."""

    exit_code = 1


class UnknownNameError(TrainError, LookupError):
    """No model, recipe or device of that name; the commands exit with 2."""

    exit_code = 2


class DivergedError(TrainError):
    """The loss became infinite or nan.

    Attributes:
        epoch: the epoch, counted from 1, whose loss was the first non-finite one.
        learning_rate: the recipe's.
    """

    def __init__(
        self, model: str, recipe: str, epoch: int, learning_rate: float, loss: float
    ) -> None:
        super().__init__(
            f"{model}: recipe {recipe!r} diverged: the loss of epoch {epoch} is {loss}, at "
            f"learning rate {learning_rate:g}. Try a smaller rate (a tenth of it), or normalize "
            "the inputs to one scale, so that one rate suits every parameter."
        )
        self.epoch = epoch
        self.learning_rate = learning_rate


class NotAtOptimumError(TrainError):
    """The fit ended, but its parameters are not the optimum that the judge computed."""

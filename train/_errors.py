"""What can go wrong while fitting; each error says what to change."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from train._fit import Fit


class TrainError(Exception):
    """Base of everything that this package raises on purpose; the commands exit with 1."""

    exit_code = 1


class UnknownNameError(TrainError, LookupError):
    """No model, recipe or device of that name; the commands exit with 2."""

    exit_code = 2


class ReadingsError(TrainError):
    """A file of readings cannot be read as such, or a row in it; the commands exit with 2."""

    exit_code = 2


class DamagedFileError(ReadingsError):
    """A file begins as one of a known format and is none; the commands exit with 1."""

    exit_code = 1


class ColumnsError(ReadingsError, LookupError):
    """The file has no such columns, they hold no numbers, or it must be said which they are."""


class DivergedError(TrainError):
    """The loss became infinite or nan.

    Attributes:
        fit: what there is of the fit.
        epoch: the epoch, counted from 1, whose loss was the first that is not finite.
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
    """Somebody ended the fit before its time; the commands exit with 130, as for Ctrl-C.

    Attributes:
        fit: where it stood; its ``checkpoint`` resumes it.
    """

    exit_code = 130

    def __init__(self, fit: Fit) -> None:
        super().__init__(
            f"{fit.name}: stopped after epoch {fit.epochs:,} of at most {fit.recipe.epochs:,}, "
            f"at loss {fit.losses[-1]:.9g}."
        )
        self.fit = fit


class NotAtOptimumError(TrainError):
    """The fit ended, but its parameters are not the optimum that the judge computed.

    Attributes:
        fit: where it ended.
    """

    def __init__(self, fit: Fit) -> None:
        distance = (
            f"loss {fit.loss:.9g}, not the best possible {fit.best_loss:.9g}"
            if fit.optimum is None
            else f"{fit.differing_bits} bits from the optimum {dict(fit.optimum)}"
        )
        super().__init__(
            f"{fit.name}: recipe {fit.recipe.name!r} ended after {fit.epochs:,} epochs at "
            f"{dict(fit.parameters)}, {distance}. Give it more epochs or a rate nearer to 1."
        )
        self.fit = fit


class CalibrationError(TrainError, ValueError):
    """The readings, or what is asked of them, do not make a calibration; the commands exit with 2.

    Attributes:
        row: the row of the readings that is wrong, counted from 1; None if it is not one row.
    """

    exit_code = 2

    def __init__(self, message: str, row: int | None = None) -> None:
        super().__init__(message if row is None else f"row {row:,}: {message}")
        self.message = message
        self.row = row

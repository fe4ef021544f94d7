"""What can go wrong while fitting; each error says what to change."""

from __future__ import annotations


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

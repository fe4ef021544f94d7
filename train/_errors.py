"""Errors of fitting; each says what to change."""

from __future__ import annotations


class TrainError(Exception):
    """Base of the errors of this package; the commands exit with 1."""

    exit_code = 1


class UnknownNameError(TrainError, LookupError):
    """No model, recipe or device has that name; the commands exit with 2."""

    exit_code = 2


class ReadingsError(TrainError):
    """A file of readings, or a row in it, cannot be read; the commands exit with 2."""

    exit_code = 2


class DamagedFileError(ReadingsError):
    """A file starts like one of a known format but is damaged; the commands exit with 1."""

    exit_code = 1


class ColumnsError(ReadingsError, LookupError):
    """Columns are missing or hold no numbers, or must be chosen by the user."""


class CalibrationError(TrainError, ValueError):
    """The readings or the arguments do not allow a calibration; the commands exit with 2.

    Attributes:
        row: number of the invalid row, from 1; None if it is not a single row.
    """

    exit_code = 2

    def __init__(self, message: str, row: int | None = None) -> None:
        super().__init__(message if row is None else f"row {row:,}: {message}")
        self.message = message
        self.row = row

"""What can go wrong while serving; each error says what to type instead.

``exit_code`` is what the commands leave with: 2 for a wrong call, 1 for a failure.
"""

from __future__ import annotations


class InferError(Exception):
    """Base of everything that this package raises on purpose."""

    exit_code = 1


class ModelNotFoundError(InferError, LookupError):
    """No model of that name, or no folder at that path."""

    exit_code = 2


class ArtifactError(InferError):
    """An artifact is damaged, tampered with, or not in a format that this version reads."""


class RuntimeUnavailableError(InferError):
    """The runtime does not exist, is not installed, or cannot run this artifact here."""


class EngineUnavailableError(InferError):
    """The engine does not exist, is not installed, or cannot be reached."""


class DataError(InferError):
    """A file of data is not what it should be; says which file, row and column."""


class InputError(InferError, ValueError):
    """The value handed to a model is not something that it can compute on."""

    exit_code = 2

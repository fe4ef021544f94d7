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


def suggest(wrong: str, known: list[str]) -> str:
    """Return `` Did you mean …?`` for the names nearest to a wrong one, or nothing.

    Where none is near, those that begin with it: "onnx" is "onnxruntime" cut short.
    """
    from difflib import get_close_matches

    by_lower = {name.lower(): name for name in known}
    start = wrong.lower()
    matches = get_close_matches(start, list(by_lower), n=3)
    if start and not matches:
        matches = [name for name in by_lower if name.startswith(start)][:3]
    near = [by_lower[match] for match in matches]
    return f" Did you mean {' or '.join(repr(name) for name in near)}?" if near else ""


def printable(text: str) -> str:
    """Return text that a terminal shows and does not obey.

    Control characters, line separators, and characters that are invisible or turn the direction
    of writing come out as JSON escapes them: a file's name cannot forge a line or hide its end.
    """
    if text.isprintable():
        return text
    from unicodedata import category

    return "".join(
        character if character.isprintable() or category(character) == "Zs" else _escaped(character)
        for character in text
    )


def printable_lines(text: str) -> str:
    """Return the same of text that consists of lines."""
    return "\n".join(map(printable, text.split("\n")))


def _escaped(character: str) -> str:
    digits = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{digits[at : at + 4]}" for at in range(0, len(digits), 4))

"""What can be wrong with a text."""

from __future__ import annotations


class TextError(Exception):
    """A text cannot be read, or not without a decision of the user's; the message begins a place.

    Attributes:
        line: where, None if it is not one line.
    """

    def __init__(self, message: str, line: int | None = None) -> None:
        """Take what is wrong."""
        super().__init__(message)
        self.line = line

    def within(self, file: str) -> str:
        """Return the message with the file's name before it."""
        return f"{file}: {self}" if self.line is None else f"{file}, line {self.line}: {self}"

"""What can be wrong with a text."""

from __future__ import annotations


class TextError(Exception):
    """A text cannot be read, or not without a decision of the user's.

    Attributes:
        line: where, None if it is not one line.
        column: where, for people; empty if it is not one column.
    """

    def __init__(self, message: str, line: int | None = None, column: str = "") -> None:
        """Take what is wrong, and where."""
        super().__init__(message, line, column)
        self.message, self.line, self.column = message, line, column

    def within(self, file: str, word: str = "line") -> str:
        """Return the message with the file's name and the place before it."""
        place = [] if self.line is None else [f"{word} {self.line}"]
        place += [f"column {self.column}"] if self.column else []
        return f"{', '.join([file, *place])}: {self.message}"

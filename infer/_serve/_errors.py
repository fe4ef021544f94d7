"""Errors in requests, as HTTP statuses and messages."""

from __future__ import annotations

from typing import Any

# A message quotes at most so many characters of a value, and so many items of a list.
_LONGEST = 60
_ITEMS = 8

RETRY = (b"retry-after", b"1")


class RequestError(Exception):
    """A request that is answered with an error.

    Attributes:
        status: HTTP status.
        headers: additional headers of the answer.
        reason: what is logged but not sent to the client; may be empty.
    """

    def __init__(
        self, status: int, message: str, *headers: tuple[bytes, bytes], reason: str = ""
    ) -> None:
        """Say what was wrong, what was expected, and what to send instead."""
        super().__init__(message)
        self.status = status
        self.headers = headers
        self.reason = reason


class DisconnectedError(Exception):
    """The client has disconnected, so it gets no answer."""


def brief(value: Any, depth: int = 3) -> Any:
    """Return a small excerpt of a parsed JSON value of any size, length and depth.

    For the whole value, ``repr`` and ``json.dumps`` would be slow if it is large, and fail if it
    is nested deeply.
    """
    if isinstance(value, str):
        return value[:_LONGEST]
    if isinstance(value, (list, tuple)):
        return [brief(item, depth - 1) for item in value[:_ITEMS]] if depth else []
    if isinstance(value, dict):
        items = [*value.items()][:_ITEMS] if depth else []
        return {key[:_LONGEST]: brief(item, depth - 1) for key, item in items}
    return value


def show(value: Any) -> str:
    """Return an excerpt of a parsed JSON value for an error message, in Python notation."""
    return cut(repr(brief(value)))


def cut(text: str, longest: int = _LONGEST) -> str:
    """Truncate text to that many characters."""
    return text if len(text) <= longest else f"{text[: longest - 3]}…"

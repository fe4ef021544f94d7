"""What a request did wrong, in the protocol's terms."""

from __future__ import annotations

from typing import Any

# Characters of a value that a message repeats, and items of a list that it looks at.
_LONGEST = 60
_ITEMS = 8

RETRY = (b"retry-after", b"1")


class RequestError(Exception):
    """A request that gets an error as its answer.

    Attributes:
        status: HTTP status.
        headers: more headers of the answer.
        reason: what the log is told and the client is not, or nothing.
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
    """The client has gone; nobody waits for an answer."""


def brief(value: Any, depth: int = 3) -> Any:
    """Return a small stand-in for a parsed JSON value, whatever its size, length and depth.

    ``repr`` and ``json.dumps`` of the value itself take as long as it is large, and fail if it is
    nested deeply.
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
    """Return how an error repeats a parsed JSON value: as Python spells it, cut short."""
    return cut(repr(brief(value)))


def cut(text: str, longest: int = _LONGEST) -> str:
    """Return text of at most that many characters."""
    return text if len(text) <= longest else f"{text[: longest - 3]}…"

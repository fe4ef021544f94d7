"""Errors in requests, as HTTP statuses and messages."""

from __future__ import annotations

from typing import Any

from infer._text import outline, shortened

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


def show(value: Any) -> str:
    """Return an excerpt of a parsed JSON value for an error message, in Python notation."""
    return shortened(repr(outline(value)))

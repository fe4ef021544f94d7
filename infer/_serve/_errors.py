"""What a request did wrong, in the protocol's terms."""

from __future__ import annotations

from typing import Any

from infer._text import outline, shortened

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


def show(value: Any) -> str:
    """Return how an error repeats a parsed JSON value: as Python spells it, cut short."""
    return shortened(repr(outline(value)))

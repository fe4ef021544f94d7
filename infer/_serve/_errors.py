"""What a request did wrong, in the protocol's terms."""

from __future__ import annotations


class RequestError(Exception):
    """A request that gets an error as its answer.

    Attributes:
        status: HTTP status.
        headers: more headers of the answer.
    """

    def __init__(self, status: int, message: str, *headers: tuple[bytes, bytes]) -> None:
        """Say what was wrong, what was expected, and what to send instead."""
        super().__init__(message)
        self.status = status
        self.headers = headers


class DisconnectedError(Exception):
    """The client has gone; nobody waits for an answer."""

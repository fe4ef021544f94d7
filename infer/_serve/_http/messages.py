"""Requests, replies, and what an application has to offer."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import NamedTuple, Protocol

from infer._serve._errors import RequestError
from infer._serve._memory import Share

Body = bytes | memoryview

# Bytes of a body that are kept as they come, without an account.
SMALL = 1 << 16

JSON = b"content-type: application/json\r\n"


class Request(NamedTuple):
    """The head of a request.

    Attributes:
        method: as sent.
        path: of the target, decoded, without its query.
        headers: by their names in lower case; values of a repeated field joined by a comma.
        length: of the body in bytes, None for a chunked one.
        keep_alive: whether the client expects the connection to stay open.
        http_1_0: whether it speaks the old version.
        expects_continue: whether it waits for ``100 Continue`` before it sends the body.
    """

    method: str
    path: str
    headers: Mapping[bytes, bytes]
    length: int | None = 0
    keep_alive: bool = True
    http_1_0: bool = False
    expects_continue: bool = False


class Reply(NamedTuple):
    """An answer, and what is logged of it.

    Attributes:
        status: HTTP status.
        fields: lines of the head, without the content's length.
        head: the first part of the body.
        tail: the rest, or None.
        model: that it is about, or nothing.
        elements: how many numbers were computed.
        request_id: of an inference request.
        error: what is wrong.
    """

    status: int
    fields: bytes
    head: bytes
    tail: memoryview | None = None
    model: str = ""
    elements: int = 0
    request_id: str = ""
    error: str = ""

    @property
    def size(self) -> int:
        """Bytes of the body."""
        return len(self.head) + (0 if self.tail is None else len(self.tail))


class Route(NamedTuple):
    """Where a request goes, decided by its head alone.

    Attributes:
        answer: makes the reply from the body, at once or later; accounts for memory; never raises.
        most: bytes that the body may have.
        before: how many bytes of a long body come before those that should be aligned.
        model: that the request is about, or nothing.
    """

    answer: Callable[[Body, Share], Reply | Awaitable[Reply]]
    most: int = SMALL
    before: int = 0
    model: str = ""


class RequestHandler(Protocol):
    """The application that answers requests."""

    def route(self, request: Request) -> Route | Reply:
        """Decide where a request goes, or refuse it before its body has come; never raises."""

    def answered(self, client: str, request: Request | None, reply: Reply, seconds: float) -> None:
        """Count and log a reply; there is no request if its head could not be read."""


def refusal(error: RequestError, model: str = "") -> Reply:
    """Return the reply that tells a client what is wrong."""
    fields = b"".join(b"%b: %b\r\n" % header for header in error.headers)
    body = json.dumps({"error": str(error)}).encode()
    return Reply(error.status, JSON + fields, body, model=model, error=str(error))


def too_long(most: int, found: str) -> RequestError:
    """Return the error for a body beyond its limit."""
    return RequestError(413, f"expected a body of at most {most:,} bytes, found {found}")


# Lines of a status, complete with the end of the line.
STATUS_LINES = {
    status.value: b"HTTP/1.1 %d %b\r\n" % (status, status.phrase.encode()) for status in HTTPStatus
}

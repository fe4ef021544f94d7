"""Requests, replies, and the interface of the application."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import NamedTuple, Protocol

from infer._serve._errors import RequestError
from infer._serve._memory import Share

Body = bytes | memoryview

# Bodies up to this many bytes do not count towards the memory budget.
SMALL = 1 << 16

JSON = b"content-type: application/json\r\n"


class Request(NamedTuple):
    """The head of a request.

    Attributes:
        method: as sent.
        path: of the target, decoded, without the query.
        headers: by name in lower case; values of a repeated field are joined by commas.
        length: of the body in bytes; None for a chunked body.
        keep_alive: whether the client expects the connection to stay open.
        http_1_0: whether the version is HTTP/1.0.
        expects_continue: whether the client waits for ``100 Continue`` before it sends the body.
    """

    method: str
    path: str
    headers: Mapping[bytes, bytes]
    length: int | None = 0
    keep_alive: bool = True
    http_1_0: bool = False
    expects_continue: bool = False


class Reply(NamedTuple):
    """An answer, and what is logged about it.

    Attributes:
        status: HTTP status.
        fields: header lines, without Content-Length.
        head: the first part of the body.
        tail: the rest, or None.
        model: name of the model; may be empty.
        elements: how many numbers were computed.
        request_id: of an inference request.
        error: error message; may be empty.
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
    """How a request is answered, decided by its head alone.

    Attributes:
        answer: computes the reply from the body, now or later; takes its share of memory; never
            raises.
        most: how many bytes the body may have.
        before: how many bytes of a long body precede those that should be aligned.
        model: name of the model; may be empty.
    """

    answer: Callable[[Body, Share], Reply | Awaitable[Reply]]
    most: int = SMALL
    before: int = 0
    model: str = ""


class RequestHandler(Protocol):
    """The application that answers requests."""

    def route(self, request: Request) -> Route | Reply:
        """Return the route of a request, or reject it before its body arrives; never raises."""

    def answered(self, client: str, request: Request | None, reply: Reply, seconds: float) -> None:
        """Count and log a reply; the request is None if its head could not be parsed."""


def refusal(error: RequestError, model: str = "") -> Reply:
    """Return the reply for an error."""
    fields = b"".join(b"%b: %b\r\n" % header for header in error.headers)
    body = json.dumps({"error": str(error)}).encode()
    return Reply(error.status, JSON + fields, body, model=model, error=str(error))


def too_long(most: int, found: str) -> RequestError:
    """Return the error for a body that exceeds its limit."""
    return RequestError(413, f"expected a body of at most {most:,} bytes, found {found}")


# Status lines, including the line ending.
STATUS_LINES = {
    status.value: b"HTTP/1.1 %d %b\r\n" % (status, status.phrase.encode()) for status in HTTPStatus
}

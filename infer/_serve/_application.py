"""The ASGI application: routes, bodies, limits and errors."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from infer._runtimes._arena import empty
from infer._serve import _metadata
from infer._serve._body import EXTENSION
from infer._serve._catalog import Catalog, Served
from infer._serve._errors import DisconnectedError, RequestError
from infer._serve._inference import Answer, Limits, infer
from infer._serve._pages import Pages
from infer._serve._settings import Settings
from infer._serve._tensors import dumps, loads

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from infer._serve._log import Log
    from infer._serve._metrics import Metrics

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

# Bytes of a body that are answered at once, and values of an answer: it takes less time than to
# wake a thread. Everything larger is computed beside the event loop.
_SMALL = 1 << 16
# Where the binary data begins in memory, so that arithmetic finds its values aligned.
_ALIGNMENT = 64
# Of a body that is no inference request: the filter of the repository's index.
_SMALL_BODY = 1 << 16
# Characters of a text from a request that are repeated.
_LONGEST = 200

_JSON = (b"content-type", b"application/json")
_BINARY = (b"content-type", b"application/octet-stream")
_RETRY = (b"retry-after", b"1")


class Reply(NamedTuple):
    """An answer: its status, its headers, the parts of its body, and what is logged of it.

    Attributes:
        status: HTTP status.
        headers: without the content's length.
        head: the first part of the body.
        tail: the rest, or None.
        model: that it is about, or nothing.
        elements: how many numbers were computed.
        request_id: of an inference request.
        error: what is wrong.
    """

    status: int
    headers: Headers
    head: bytes
    tail: memoryview | None = None
    model: str = ""
    elements: int = 0
    request_id: str = ""
    error: str = ""


class Application:
    """The ASGI application of one worker."""

    def __init__(
        self,
        catalog: Catalog,
        pages: Pages,
        settings: Settings,
        metrics: Metrics,
        log: Log,
        pool: Executor,
    ) -> None:
        """Put the parts together; the pool computes what is large."""
        self._catalog = catalog
        self._pages = pages
        self._settings = settings
        self._limits = Limits(settings.max_elements, settings.max_json)
        self._metrics = metrics
        self._failures = log
        self._log = log if settings.access_log else None
        self._pool = pool
        self._held = 0
        self._queued = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        began = perf_counter()
        held = self._Held(self)
        model = ""
        try:
            parts = scope["path"].split("/")
            if len(parts) > 3 and parts[1] == "v2" and parts[2] == "models":
                served, action = self._route(parts)
                model = served.card.name
                reply = await self._model(served, action, scope, receive, held)
            else:
                reply = await self._other(scope, receive, held)
        except RequestError as error:
            if error.reason:
                self._failures.tell("failure", {"model": model, "error": error.reason})
            reply = _error(error.status, str(error), *error.headers)._replace(model=model)
        except DisconnectedError:
            held.release()
            return
        except Exception as error:  # noqa: BLE001 - a client is owed an answer
            held.release()
            self._report(error)
            reply = _error(500, "the server failed; its log tells why")._replace(model=model)
        if reply.error:
            self._metrics.failed(model, reply.status)
        try:
            size = await _send(reply, send)
        finally:
            held.release()
        if self._log is not None:
            self._tell(self._log, scope, reply, size, perf_counter() - began)

    class _Held:
        """What one request holds of the memory that all of them share."""

        def __init__(self, application: Application) -> None:
            self._application = application
            self._size = 0

        def take(self, size: int) -> None:
            application = self._application
            if application._held + size > application._settings.max_memory:
                raise RequestError(503, "too much is in flight; try again", _RETRY)
            application._held += size
            self._size += size

        def release(self) -> None:
            self._application._held -= self._size
            self._size = 0

    def _route(self, parts: list[str]) -> tuple[Served, str]:
        """Return model and action of a path /v2/models/NAME[/versions/VERSION][/ACTION]."""
        rest = parts[4:]
        versioned = rest[:1] == ["versions"] and len(rest) > 1
        served = self._catalog.find(parts[3], rest[1] if versioned else None)
        if versioned:
            rest = rest[2:]
        return served, "/".join(rest)

    async def _model(
        self, served: Served, action: str, scope: Scope, receive: Receive, held: _Held
    ) -> Reply:
        if action == "infer":
            _allow(scope, "POST")
            return await self._infer(served, scope, receive, held)
        if action not in _OF_MODEL:
            raise RequestError(404, f"no such path; known: infer, ready, config, not {action!r}")
        _allow(scope, "GET", "HEAD")
        return Reply(200, [_JSON], dumps(_OF_MODEL[action](served)), model=served.card.name)

    async def _other(self, scope: Scope, receive: Receive, held: _Held) -> Reply:
        path = scope["path"]
        if path == "/v2/repository/index":
            _allow(scope, "POST")
            body = await self._read(scope, dict(scope["headers"]), receive, held, 0, _SMALL_BODY)
            if len(body) and type(loads(body)) is not dict:
                raise RequestError(400, "expected a JSON object, or nothing")
            return Reply(200, [_JSON], dumps(_metadata.index(self._catalog)))
        make = _OF_SERVER.get(path)
        page = self._pages.get(path)
        if make is None and page is None and path != "/metrics":
            raise RequestError(404, f"no such path: {path[:_LONGEST]}; /docs tells which there are")
        _allow(scope, "GET", "HEAD")
        if make is not None:
            return Reply(200, [_JSON], dumps(make()))
        kind, content = self._metrics.page() if page is None else page
        return Reply(200, [(b"content-type", kind.encode())], content)

    async def _infer(self, served: Served, scope: Scope, receive: Receive, held: _Held) -> Reply:
        headers = dict(scope["headers"])
        length = headers.get(b"inference-header-content-length")
        json_size = None if length is None else _number(length, "Inference-Header-Content-Length")
        body = await self._read(
            scope, headers, receive, held, json_size or 0, self._settings.max_body
        )
        began = perf_counter()
        if b"content-encoding" in headers:
            body = self._decompress(headers[b"content-encoding"], body, held)
        if len(body) <= _SMALL:
            answer = infer(served, body, json_size, self._limits)
        else:
            answer = await self._beside(served, body, json_size)
        if answer.tail is not None:
            held.take(len(answer.tail))
        elif len(answer.head) > _SMALL:
            held.take(len(answer.head))
        self._metrics.answered(served.card.name, answer.elements, perf_counter() - began)
        kind = [_JSON]
        if answer.tail is not None:
            size = b"%d" % len(answer.head)
            kind = [_BINARY, (b"inference-header-content-length", size)]
        return Reply(
            200,
            kind,
            answer.head,
            answer.tail,
            served.card.name,
            answer.elements,
            answer.request_id,
        )

    async def _beside(
        self, served: Served, body: bytes | memoryview, json_size: int | None
    ) -> Answer:
        """Answer in a thread, while the event loop goes on."""
        if self._queued >= self._settings.max_queue:
            raise RequestError(503, "too many large requests wait; try again", _RETRY)
        self._queued += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._pool, infer, served, body, json_size, self._limits
            )
        finally:
            self._queued -= 1

    async def _read(
        self,
        scope: Scope,
        headers: dict[bytes, bytes],
        receive: Receive,
        held: _Held,
        before: int,
        most: int,
    ) -> bytes | memoryview:
        """Return the body.

        Args:
            scope: of the request.
            headers: the same as in the scope.
            receive: gives the next part of the body.
            held: accounts for the memory.
            before: how many bytes come before those that should be aligned.
            most: how long a body may be.
        """
        length = headers.get(b"content-length")
        size = 0 if length is None else _number(length, "Content-Length")
        if size > most:
            raise RequestError(413, f"expected a body of at most {most:,} bytes, found {size:,}")
        fill = scope.get("extensions", {}).get(EXTENSION)
        if fill is not None and size > _SMALL:
            import numpy as np

            # Not cleared beforehand: a client that claims much and sends nothing costs nothing.
            memory = empty(size + _ALIGNMENT, np.dtype(np.uint8))
            start = -(memory.ctypes.data + before) % _ALIGNMENT
            view: memoryview = memory.data[start : start + size]
            await fill(view, held.take)
            return view
        part = await _next_part(receive)
        if not part.get("more_body"):
            only: bytes = part["body"]
            if len(only) > most:
                raise RequestError(413, f"expected a body of at most {most:,} bytes, found more")
            return only
        return await _read_parts(part, receive, held, most)

    def _decompress(self, coding: bytes, body: bytes | memoryview, held: _Held) -> bytes:
        bits = {b"gzip": 31, b"deflate": 15}.get(coding.lower())
        if bits is None:
            raise RequestError(
                415,
                f"expected gzip or deflate at Content-Encoding, found {coding.decode('latin1')!r}",
                (b"accept-encoding", b"gzip, deflate"),
            )
        most = self._settings.max_body
        decoder = zlib.decompressobj(bits)
        try:
            plain = decoder.decompress(body, most + 1)
        except zlib.error as error:
            raise RequestError(400, f"the body cannot be decompressed: {error}") from None
        if len(plain) > most:
            raise RequestError(413, f"expected at most {most:,} bytes after decompression")
        if not decoder.eof:
            raise RequestError(400, "the compressed body ends too early")
        held.take(len(plain))
        return plain

    def _report(self, error: Exception) -> None:
        import logging

        logging.getLogger("uvicorn.error").error("a request failed", exc_info=error)

    def _tell(self, log: Log, scope: Scope, reply: Reply, size: int, seconds: float) -> None:
        facts: dict[str, Any] = {
            "client": scope["client"][0] if scope["client"] else "",
            "method": scope["method"],
            "path": scope["path"][:_LONGEST],
            "status": reply.status,
            "bytes": size,
            "seconds": round(seconds, 6),
        }
        if reply.model:
            facts["model"] = reply.model
        if reply.elements:
            facts["elements"] = reply.elements
        if reply.request_id:
            facts["id"] = reply.request_id[:_LONGEST]
        if reply.error:
            facts["error"] = reply.error
        log.tell("request", facts)


async def _read_parts(
    part: dict[str, Any], receive: Receive, held: Application._Held, most: int
) -> bytes:
    """Return a body that comes in parts."""
    parts, size = [], 0
    while True:
        data: bytes = part["body"]
        size += len(data)
        if size > most:
            raise RequestError(413, f"expected a body of at most {most:,} bytes, found more")
        held.take(len(data))
        parts.append(data)
        if not part.get("more_body"):
            return b"".join(parts)
        part = await _next_part(receive)


async def _next_part(receive: Receive) -> dict[str, Any]:
    part = await receive()
    if part["type"] == "http.disconnect":
        raise DisconnectedError
    return part


async def _send(reply: Reply, send: Send) -> int:
    """Send an answer and return the size of its body."""
    head, tail = reply.head, reply.tail
    size = len(head) + (0 if tail is None else len(tail))
    headers = [*reply.headers, (b"content-length", b"%d" % size)]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    if tail is None and size <= _SMALL:
        await send({"type": "http.response.body", "body": head})
        return size
    await send({"type": "http.response.body", "body": head, "more_body": True})
    if tail is not None:
        await send({"type": "http.response.body", "body": tail, "more_body": True})
    # Waits until the client has taken nearly all: until then the memory counts as held.
    await send({"type": "http.response.body", "body": b""})
    return size


def _error(status: int, message: str, *headers: tuple[bytes, bytes]) -> Reply:
    body = json.dumps({"error": message}).encode()
    return Reply(status, [_JSON, *headers], body, error=message)


def _allow(scope: Scope, *methods: str) -> None:
    if scope["method"] not in methods:
        allowed = ", ".join(methods)
        raise RequestError(
            405,
            f"{scope['path'][:_LONGEST]} takes {allowed}, not {scope['method']}",
            (b"allow", allowed.encode()),
        )


def _number(text: bytes, header: str) -> int:
    if not text.isdigit() or len(text) > 18:
        raise RequestError(400, f"expected a whole number at {header}")
    return int(text)


_OF_SERVER: Mapping[str, Callable[[], dict[str, Any]]] = {
    "/v2": _metadata.server,
    "/v2/": _metadata.server,
    "/v2/health/live": _metadata.server_live,
    "/v2/health/ready": _metadata.server_ready,
}
_OF_MODEL: Mapping[str, Callable[[Served], dict[str, Any]]] = {
    "": _metadata.model,
    "ready": _metadata.model_ready,
    "config": _metadata.config,
}

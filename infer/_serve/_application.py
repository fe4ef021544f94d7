"""Routes and error handling: from a request to its reply."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

from infer._serve import _metadata
from infer._serve._catalog import Catalog, ServedModel
from infer._serve._encodings import check_coding, unpack
from infer._serve._errors import RETRY, RequestError
from infer._serve._http.messages import (
    JSON,
    SMALL,
    Body,
    Reply,
    Request,
    Route,
    refusal,
    too_long,
)
from infer._serve._inference import Answer, Limits, infer
from infer._serve._memory import Share
from infer._serve._pages import Pages
from infer._serve._settings import Settings
from infer._serve._tensors import dumps, loads

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from concurrent.futures import Executor

    from infer._serve._log import Log
    from infer._serve._metrics import Metrics

# Requests with a small body and at most this much JSON are computed in the event loop, because it
# would take longer to wake a thread. All others are computed in threads.
_SMALL_JSON = 1 << 13
# Limit of the body of a request for the repository index.
_SMALL_BODY = 1 << 13
# A message quotes at most so many characters of a request.
_LONGEST = 200
# Approximate memory of parsed JSON, in bytes: an array or object, and a value in one.
_CONTAINER = 64
_VALUE = 32

_BINARY = b"content-type: application/octet-stream\r\ninference-header-content-length: %d\r\n"


class InferenceApplication:
    """Answers the requests of one worker."""

    def __init__(
        self,
        catalog: Catalog,
        pages: Pages,
        settings: Settings,
        metrics: Metrics,
        log: Log,
        pool: Executor,
    ) -> None:
        """Store the components; the pool computes large requests."""
        self._catalog = catalog
        self._pages = pages
        self._settings = settings
        self._limits = Limits(settings.max_elements, settings.max_json)
        self._metrics = metrics
        self._log = log
        self._pool = pool
        self._queued = 0

    def route(self, request: Request) -> Route | Reply:
        """Return the route of a request, or reject it before its body arrives."""
        model = ""
        try:
            parts = request.path.split("/")
            if len(parts) > 3 and parts[1] == "v2" and parts[2] == "models":
                served, action = self._find(parts)
                model = served.card.name
                route = self._of_model(served, action, request)
            else:
                route = self._other(request)
            if request.length is not None and request.length > route.most:
                raise too_long(route.most, f"{request.length:,}")
        except RequestError as error:
            return self._refusal(error, model)
        except Exception as error:  # noqa: BLE001 - the client must get an answer
            return self._failure(error, model)
        return route

    def answered(self, client: str, request: Request | None, reply: Reply, seconds: float) -> None:
        """Count and log a reply; the request is None if its head could not be parsed."""
        if reply.error:
            self._metrics.failed(reply.model, reply.status)
        if self._settings.access_log:
            self._log.access(
                client=client,
                method="" if request is None else request.method,
                path="" if request is None else request.path,
                status=reply.status,
                size=reply.size,
                seconds=0.0 if request is None else seconds,
                model=reply.model,
                elements=reply.elements,
                request_id=reply.request_id,
                error=reply.error,
            )

    def _find(self, parts: list[str]) -> tuple[ServedModel, str]:
        """Return model and action of a path /v2/models/NAME[/versions/VERSION][/ACTION]."""
        rest = parts[4:]
        versioned = rest[:1] == ["versions"] and len(rest) > 1
        served = self._catalog.find(parts[3], rest[1] if versioned else None)
        if versioned:
            rest = rest[2:]
        return served, "/".join(rest)

    def _of_model(self, served: ServedModel, action: str, request: Request) -> Route:
        name = served.card.name
        if action == "infer":
            _allow(request, "POST")
            headers = request.headers
            length = headers.get(b"inference-header-content-length")
            json_size = None if length is None else _number(length)
            coding = check_coding(headers.get(b"content-encoding"))
            answer = partial(self._infer, served, coding, json_size)
            return Route(answer, self._settings.max_body, json_size or 0, name)
        if action not in _OF_MODEL:
            raise RequestError(
                404, f"no such path; known: infer, ready, config, not {action[:_LONGEST]!r}"
            )
        _allow(request, "GET", "HEAD")
        return self._simple(lambda _: dumps(_OF_MODEL[action](served)), name)

    def _other(self, request: Request) -> Route:
        path = request.path
        if path == "/v2/repository/index":
            _allow(request, "POST")
            return self._simple(self._index)._replace(most=_SMALL_BODY)
        make = _OF_SERVER.get(path)
        page = self._pages.get(path) if make is None else None
        if make is None and page is None and path != "/metrics":
            raise RequestError(404, f"no such path: {path[:_LONGEST]}; see /docs for a list")
        _allow(request, "GET", "HEAD")
        if make is not None:
            return self._simple(lambda _: dumps(make()))
        kind, content = self._metrics.page() if page is None else page
        fields = b"content-type: %b\r\n" % kind.encode()
        return Route(lambda _body, _share: Reply(200, fields, content))

    def _index(self, body: Body) -> bytes:
        if body and type(loads(body)) is not dict:
            raise RequestError(400, "expected a JSON object, or nothing")
        return dumps(_metadata.index(self._catalog))

    def _simple(self, make: Callable[[Body], bytes], model: str = "") -> Route:
        """Return the route to a JSON document that needs no computation."""

        def answer(body: Body, _share: Share) -> Reply:
            try:
                return Reply(200, JSON, make(body), model=model)
            except RequestError as error:
                return self._refusal(error, model)
            except Exception as error:  # noqa: BLE001
                return self._failure(error, model)

        return Route(answer, model=model)

    def _infer(
        self, served: ServedModel, coding: bytes, json_size: int | None, body: Body, share: Share
    ) -> Reply | Awaitable[Reply]:
        arguments = (served, coding, json_size, body, share, perf_counter())
        json_bytes = len(body) if json_size is None else json_size
        if not coding and len(body) <= SMALL and json_bytes <= _SMALL_JSON:
            return self._compute(*arguments)
        if self._queued >= self._settings.max_queue:
            error = RequestError(503, "too many large requests are waiting; try again", RETRY)
            return self._refusal(error, served.card.name)
        self._queued += 1
        later = asyncio.get_running_loop().run_in_executor(self._pool, self._compute, *arguments)
        later.add_done_callback(self._computed)
        return later

    def _computed(self, _later: asyncio.Future[Reply]) -> None:
        self._queued -= 1

    def _compute(
        self,
        served: ServedModel,
        coding: bytes,
        json_size: int | None,
        body: Body,
        share: Share,
        began: float,
    ) -> Reply:
        """Answer an inference request, in any thread."""
        name = served.card.name
        try:
            if coding:
                body = unpack(body, coding, self._settings.max_body, share.take)
            self._account(body, json_size, share)
            answer = infer(served, body, json_size, self._limits)
            size = len(answer.head) if answer.tail is None else len(answer.tail)
            if size > SMALL:
                share.take(size)
        except RequestError as error:
            return self._refusal(error, name)
        except Exception as error:  # noqa: BLE001
            return self._failure(error, name)
        self._metrics.answered(name, answer.elements, perf_counter() - began)
        return _reply(answer, name)

    def _account(self, body: Body, json_size: int | None, share: Share) -> None:
        """Take the memory that the JSON of a body will need, before it is parsed."""
        size = len(body) if json_size is None else json_size
        if size <= _SMALL_JSON or size > self._limits.max_json:  # the latter is rejected later
            return
        text = bytes(body[:size]) if size < len(body) else bytes(body)
        values = text.count(b",")
        if values > self._limits.max_elements:
            raise RequestError(
                413, f"expected at most {self._limits.max_elements:,} values, found more"
            )
        containers = text.count(b"[") + text.count(b"{")
        share.take(_CONTAINER * containers + _VALUE * values)

    def _refusal(self, error: RequestError, model: str) -> Reply:
        """Log the internal reason of an error, if any, and return the reply."""
        if error.reason:
            self._log.event("failure", {"model": model, "error": error.reason})
        return refusal(error, model)

    def _failure(self, error: Exception, model: str) -> Reply:
        """Log an unexpected error, and return the reply."""
        import traceback

        text = "".join(traceback.format_exception(error))
        self._log.event("failure", {"level": "error", "traceback": text})
        return refusal(RequestError(500, "the server failed; see its log"), model)


def _reply(answer: Answer, model: str) -> Reply:
    fields = JSON if answer.tail is None else _BINARY % len(answer.head)
    head, tail, elements, request_id = answer
    return Reply(200, fields, head, tail, model, elements, request_id)


def _allow(request: Request, *methods: str) -> None:
    if request.method not in methods:
        allowed = ", ".join(methods)
        raise RequestError(
            405,
            f"{request.path[:_LONGEST]} takes {allowed}, not {request.method}",
            (b"allow", allowed.encode()),
        )


def _number(text: bytes) -> int:
    if not text.isdigit() or len(text) > 18:
        raise RequestError(400, "expected a whole number at Inference-Header-Content-Length")
    return int(text)


_OF_SERVER: Mapping[str, Callable[[], dict[str, Any]]] = {
    "/v2": _metadata.server,
    "/v2/": _metadata.server,
    "/v2/health/live": _metadata.server_live,
    "/v2/health/ready": _metadata.server_ready,
}
_OF_MODEL: Mapping[str, Callable[[ServedModel], dict[str, Any]]] = {
    "": _metadata.model,
    "ready": _metadata.model_ready,
    "config": _metadata.config,
}

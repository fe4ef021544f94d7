"""The calls: each reads a message, if it needs to, and writes its answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from time import perf_counter
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from infer._serve import _metadata
from infer._serve._errors import RequestError, cut
from infer._serve._grpc import inference, wire
from infer._serve._grpc.room import Room, disconnect
from infer._serve._settings import Settings

if TYPE_CHECKING:
    from concurrent.futures import Executor

    import grpc

    from infer._serve._catalog import Catalog
    from infer._serve._log import Log
    from infer._serve._metrics import Metrics

NAME = "inference.GRPCInferenceService"

# Bytes of a message that is answered at once: it takes less time than to wake a thread.
_SMALL = 1 << 16
# Characters of a text from a request that are logged, and of an error, which is sent as a header.
_LONGEST = 200
_LONGEST_ERROR = 1000
# Seconds.
_CANCELLED_WITHIN = 0.05
# By the HTTP status that an error has: the name of gRPC's.
_CODES = {
    400: "INVALID_ARGUMENT",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    413: "RESOURCE_EXHAUSTED",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
}
# Calls of Triton that are not offered, and what to do instead.
_INSTEAD = {
    **dict.fromkeys(
        ("RepositoryModelLoad", "RepositoryModelUnload"),
        "models are chosen when the server starts, and read again when their folder is replaced",
    ),
    **dict.fromkeys(
        (
            "CudaSharedMemoryRegister",
            "CudaSharedMemoryStatus",
            "CudaSharedMemoryUnregister",
            "SystemSharedMemoryRegister",
            "SystemSharedMemoryStatus",
            "SystemSharedMemoryUnregister",
        ),
        "shared memory is not supported; send the values as raw_input_contents",
    ),
    "ModelStatistics": "statistics are at /metrics of the HTTP port, for Prometheus",
    "TraceSetting": "there is no tracing; each call is a line of the access log",
    "LogSettings": "the log is set when the server starts: --access-log or --no-access-log",
}

Context = Any  # grpc.aio.ServicerContext[bytes, bytes]


class _Call:
    """One call, and what is logged of it."""

    def __init__(self, method: str, context: Context) -> None:
        self.method = method
        self.context = context
        self.peer = context.peer()
        self.began = perf_counter()
        self.model = self.request_id = self.error = ""
        self.elements = self.size = 0
        self.status = "OK"

    def fail(self, error: RequestError) -> None:
        self.status = _CODES.get(error.status, "INTERNAL")
        self.error = cut(str(error), _LONGEST_ERROR)


class Service:
    """The service of one worker."""

    def __init__(
        self, catalog: Catalog, settings: Settings, metrics: Metrics, log: Log, pool: Executor
    ) -> None:
        """Put the parts together; the pool computes what is large."""
        self.room = Room(settings)
        self._catalog = catalog
        self._settings = settings
        self._metrics = metrics
        self._log = log
        self._pool = pool
        self._calls = 0
        self._queued = 0

    def handler(self) -> grpc.GenericRpcHandler:
        """Return what gRPC asks for the handler of a call.

        All are handlers of streams, which look the same to a client, because only these decide when
        a message is read, and see when an answer was taken.
        """
        import grpc

        methods: dict[str, Callable[[_Call], Awaitable[None]]] = {
            "ServerLive": self._constant({"live": True}),
            "ServerReady": self._constant({"ready": True}),
            "ServerMetadata": self._constant(_metadata.server()),
            "ModelReady": self._simple(self._model_ready),
            "ModelMetadata": self._simple(self._model_metadata),
            "ModelConfig": self._simple(self._model_config),
            "RepositoryIndex": self._simple(self._index),
            "ModelInfer": self._infer,
            "ModelStreamInfer": self._stream,
            **{name: _refuse(message) for name, message in _INSTEAD.items()},
        }

        def handle(name: str, run: Callable[[_Call], Awaitable[None]]) -> Any:
            async def behave(_: Any, context: Context) -> None:
                await self._run(_Call(name, context), run)

            return grpc.stream_stream_rpc_method_handler(behave)

        handlers = {name: handle(name, run) for name, run in methods.items()}
        return grpc.method_handlers_generic_handler(NAME, handlers)

    async def _run(self, call: _Call, run: Callable[[_Call], Awaitable[None]]) -> None:
        """Answer a call: its errors become its status."""
        import grpc.aio

        self._calls += 1
        try:
            if self._calls > self._settings.max_connections:
                raise RequestError(503, "too many calls; try again")
            await run(call)
        except RequestError as error:
            self._failed(call, error)
        except asyncio.CancelledError:
            if call.status == "OK":
                call.status, call.error = "CANCELLED", "the client has gone, or the grace is over"
            self._tell(call)
            raise
        except Exception as error:
            logging.getLogger("grpc").error("a call failed", exc_info=error)
            self._failed(call, RequestError(500, "the server failed; its log tells why"))
        finally:
            self._calls -= 1
        self._tell(call)
        if call.status != "OK":
            with suppress(grpc.aio.InternalError):  # the client has gone
                await call.context.abort(getattr(grpc.StatusCode, call.status), call.error)

    def _failed(self, call: _Call, error: RequestError) -> None:
        call.fail(error)
        self._metrics.failed(call.model, error.status)
        if error.reason:
            self._log.tell("failure", {"error": error.reason})

    def _constant(self, answer: dict[str, Any]) -> Callable[[_Call], Awaitable[None]]:
        """Return a call that reads nothing, so that it is answered whatever else goes on."""

        async def run(call: _Call) -> None:
            await self._write(call, wire.encode(answer, f"{call.method}Response"))

        return run

    def _simple(
        self, answer: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> Callable[[_Call], Awaitable[None]]:
        """Return a call of a function from the fields of its request to those of its answer."""

        async def run(call: _Call) -> None:
            message = await self._read(call)
            try:
                found = answer(wire.decode(message, f"{call.method}Request"))
            finally:
                self.room.give(len(message))
            await self._write(call, wire.encode(found, f"{call.method}Response"))

        return run

    def _model_ready(self, asked: dict[str, Any]) -> dict[str, Any]:
        served = self._catalog.get(asked.get("name", ""))
        version = asked.get("version") or None
        return {"ready": served is not None and version in (None, served.version)}

    def _model_metadata(self, asked: dict[str, Any]) -> dict[str, Any]:
        served = self._catalog.find(asked.get("name", ""), asked.get("version") or None)
        return _metadata.model(served)

    def _model_config(self, asked: dict[str, Any]) -> dict[str, Any]:
        served = self._catalog.find(asked.get("name", ""), asked.get("version") or None)
        return {"config": _metadata.config(served)}

    def _index(self, asked: dict[str, Any]) -> dict[str, Any]:
        if asked.get("repository_name"):
            raise RequestError(404, "there is one repository, which has no name")
        return {"models": _metadata.index(self._catalog)}

    async def _infer(self, call: _Call) -> None:
        message = await self._read(call)
        held = len(message)
        try:
            answer = await self._compute(call, message)
            del message
            self.room.take(len(answer))
            held += len(answer)
            await self._write(call, answer)
        finally:
            self.room.give(held)

    async def _stream(self, call: _Call) -> None:
        """Answer one request after the other; an error is an answer, and does not end the call."""
        while (message := await self._next(call, self._settings.idle)) is not None:
            one = _Call(call.method, call.context)
            held = len(message)
            try:
                try:
                    inner = await self._compute(one, message, stream=True)
                    self.room.take(len(inner))
                    held += len(inner)
                except RequestError as error:
                    self._failed(one, error)
                    inner = wire.encode({"id": one.request_id}, "ModelInferResponse")
                answer = {"error_message": one.error, "infer_response": inner}
                await self._write(one, wire.encode(answer, "ModelStreamInferResponse"))
            finally:
                self.room.give(held)
            self._tell(one)

    async def _compute(self, call: _Call, message: bytes, *, stream: bool = False) -> bytes:
        """Return the answer to a message; a large one is computed while the event loop goes on."""
        began = perf_counter()
        if len(message) <= _SMALL:
            found = self._answer(call, message, stream=stream)
        elif self._queued >= self._settings.max_queue:
            raise RequestError(503, "too many large requests wait; try again")
        else:
            self._queued += 1
            try:
                found = await asyncio.get_running_loop().run_in_executor(
                    self._pool, lambda: self._answer(call, message, stream=stream)
                )
            finally:
                self._queued -= 1
        call.elements = found.elements
        self._metrics.answered(found.served.card.name, found.elements, perf_counter() - began)
        return found.message

    def _answer(self, call: _Call, message: bytes, *, stream: bool) -> inference.Inference:
        fields = wire.decode(message, "ModelInferRequest")
        call.request_id = fields.get("id", "")
        served = self._catalog.find(
            fields.get("model_name", ""), fields.get("model_version") or None
        )
        call.model = served.card.name
        asked = fields.get("parameters", {}).get("triton_enable_empty_final_response", {})
        final = stream and asked.get("bool_param", False)
        return inference.infer(served, fields, self._settings.max_elements, final=final)

    async def _read(self, call: _Call) -> bytes:
        """Return the one message of a call, which holds its length of the room."""
        message = await self._next(call, self._settings.timeout)
        if message is None:
            raise RequestError(400, "expected a message, found none")
        return message

    async def _next(self, call: _Call, limit: float) -> bytes | None:
        """Return the next message of a call, or None if there is none."""
        message = await self.room.receive(call.context.read, limit)
        if isinstance(message, bytes):
            return message
        # The library takes one that is too large for the end, and then cancels the call.
        try:
            await asyncio.sleep(_CANCELLED_WITHIN)
        except asyncio.CancelledError:
            most = self._settings.max_body
            self._failed(call, RequestError(413, f"expected a message of at most {most:,} bytes"))
            raise
        return None

    async def _write(self, call: _Call, answer: bytes) -> None:
        """Return when an answer was taken; the connection of a client that does not is closed."""
        from grpc.aio import InternalError

        call.size += len(answer)

        def cut(error: RequestError) -> None:
            self._failed(call, error)
            disconnect(self._settings.grpc_port or 0, _address(call.peer))

        try:
            await self.room.send(call.context.write(answer), self._settings.timeout, cut)
        except InternalError:  # the client has gone
            raise asyncio.CancelledError from None

    def _tell(self, call: _Call) -> None:
        if not self._settings.access_log:
            return
        facts: dict[str, Any] = {
            "client": _address(call.peer)[0],
            "method": "gRPC",
            "path": f"/{NAME}/{call.method}",
            "status": call.status,
            "bytes": call.size,
            "seconds": round(perf_counter() - call.began, 6),
        }
        if call.model:
            facts["model"] = call.model
        if call.elements:
            facts["elements"] = call.elements
        if call.request_id:
            facts["id"] = call.request_id[:_LONGEST]
        if call.error:
            facts["error"] = call.error
        self._log.tell("request", facts)


def _refuse(message: str) -> Callable[[_Call], Awaitable[None]]:
    async def run(_: _Call) -> None:
        raise RequestError(501, message)

    return run


def _address(peer: str) -> tuple[str, int]:
    """Return host and port from what gRPC says of a client, such as ipv6:%5B::1%5D:40000."""
    host, _, port = unquote(peer).partition(":")[2].rpartition(":")
    return host.strip("[]"), int(port) if port.isdecimal() else 0

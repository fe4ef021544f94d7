"""The calls of the service."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from infer._serve import _metadata
from infer._serve._encodings import unpack
from infer._serve._errors import DisconnectedError, RequestError
from infer._serve._grpc import inference, wire
from infer._serve._grpc.limits import CallLimits, CallState
from infer._serve._memory import Budget
from infer._serve._settings import Settings
from infer._text import shortened

if TYPE_CHECKING:
    from concurrent.futures import Executor

    import grpc

    from infer._serve._catalog import Catalog
    from infer._serve._log import Log
    from infer._serve._metrics import Metrics

NAME = "inference.GRPCInferenceService"

# A message up to this many bytes is answered in the same thread: waking another takes longer.
_SMALL = 1 << 16
# Limit of characters of an error message, which is sent as a header.
_LONGEST_ERROR = 1000
# A call whose message is too large is cancelled within so many seconds.
_CANCELLED_WITHIN = 0.05
# The first bytes of deflated data, by level.
_ZLIB = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
_GONE = "the client disconnected, sent more than --max-body, or the grace period is over"
# gRPC status codes by HTTP status.
_CODES = {
    400: "INVALID_ARGUMENT",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    413: "RESOURCE_EXHAUSTED",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
}
# Triton's calls that are not supported, and what to do instead.
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
    "TraceSetting": "there is no tracing; each call is a line in the access log",
    "LogSettings": "the log is set when the server starts: --access-log or --no-access-log",
}


class _Call:
    """One call, or one message of a stream, and what is logged about it."""

    def __init__(self, method: str, context: grpc.ServicerContext) -> None:
        self.method = method
        self.client = _host(context.peer())
        self.began = perf_counter()
        self.model = self.request_id = self.error = ""
        self.elements = self.size = 0
        self.status = "OK"
        self.answered = False

    def fail(self, error: RequestError) -> None:
        self.status = _CODES.get(error.status, "INTERNAL")
        self.error = shortened(str(error), _LONGEST_ERROR)


Messages = Iterator[bytes]
# Computes the answer to a call from its messages.
_Answer = Callable[[_Call, CallState, Messages], bytes]


class Service:
    """The service of one worker. Each call runs in its own thread."""

    def __init__(
        self,
        catalog: Catalog,
        settings: Settings,
        budget: Budget,
        metrics: Metrics,
        log: Log,
        pool: Executor,
    ) -> None:
        """Store the components; the pool computes large requests."""
        self.limits = CallLimits(settings, budget)
        self._catalog = catalog
        self._settings = settings
        self._metrics = metrics
        self._log = log
        self._pool = pool
        self._queue = threading.Semaphore(settings.max_queue)

    def handler(self) -> grpc.GenericRpcHandler:
        """Return the handlers of all calls.

        All take a stream of messages, which looks the same to a client, because only such handlers
        control when a message is read.
        """
        import grpc

        answers: dict[str, _Answer] = {
            "ServerLive": _constant({"live": True}),
            "ServerReady": _constant({"ready": True}),
            "ServerMetadata": _constant(_metadata.server()),
            "ModelReady": self._simple(self._model_ready),
            "ModelMetadata": self._simple(self._model_metadata),
            "ModelConfig": self._simple(self._model_config),
            "RepositoryIndex": self._simple(self._index),
            "ModelInfer": self._infer,
            **{name: _refuse(message) for name, message in _INSTEAD.items()},
        }

        def handle(name: str, answer: _Answer) -> grpc.RpcMethodHandler:
            def behave(messages: Messages, context: grpc.ServicerContext) -> bytes:
                return self._run(_Call(name, context), context, messages, answer)

            return grpc.stream_unary_rpc_method_handler(behave)

        handlers = {name: handle(name, answer) for name, answer in answers.items()}
        handlers["ModelStreamInfer"] = grpc.stream_stream_rpc_method_handler(self._stream)
        return grpc.method_handlers_generic_handler(NAME, handlers)

    def _run(
        self, call: _Call, context: grpc.ServicerContext, messages: Messages, answer: _Answer
    ) -> bytes:
        """Return the answer to a call; turn errors into its status."""
        state = self.limits.open(context)

        def end() -> None:
            """Handle the end of the call: its answer was read, or never will be."""
            self.limits.close(state)
            if call.answered:
                if state.error is not None:
                    self._failed(call, state.error)
                self._log_call(call)

        if not context.add_callback(end):  # the call is already over
            self.limits.close(state)
        try:
            with self._errors(call, context):
                found = answer(call, state, messages)
                state.memory.take(len(found))
                self.limits.wait(state, self._settings.timeout)
                call.size, call.answered = len(found), True
                return found
        finally:
            self.limits.close(state)

    @contextmanager
    def _errors(self, call: _Call, context: grpc.ServicerContext) -> Iterator[None]:
        """End a call with the status of the exception."""
        import grpc

        try:
            yield
        except RequestError as error:
            self._failed(call, error)
        except DisconnectedError:
            call.status, call.error = "CANCELLED", _GONE
        except Exception as error:
            logging.getLogger("grpc").error("a call failed", exc_info=error)
            self._failed(call, RequestError(500, "the server failed; see its log"))
        else:
            return
        self._log_call(call)
        context.abort(getattr(grpc.StatusCode, call.status), call.error)

    def _failed(self, call: _Call, error: RequestError) -> None:
        call.fail(error)
        self._metrics.failed(call.model, error.status)
        if error.reason:
            self._log.event("failure", {"model": call.model, "error": error.reason})

    def _simple(self, answer: Callable[[dict[str, Any]], dict[str, Any]]) -> _Answer:
        """Make a call of a function from the fields of a request to the fields of its answer."""

        def run(call: _Call, state: CallState, messages: Messages) -> bytes:
            message = self._read(state, messages)
            found = answer(wire.decode(self._plain(state, message), f"{call.method}Request"))
            return wire.encode(found, f"{call.method}Response")

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

    def _infer(self, call: _Call, state: CallState, messages: Messages) -> bytes:
        return self._compute(call, state, self._read(state, messages))

    def _stream(self, messages: Messages, context: grpc.ServicerContext) -> Iterator[bytes]:
        """Answer requests one after another; an error is an answer and does not end the call."""
        state, idle = self.limits.open(context), self._settings.idle
        if not context.add_callback(lambda: self.limits.close(state)):
            self.limits.close(state)
        try:
            with self._errors(_Call("ModelStreamInfer", context), context):
                while (message := self.limits.receive(state, messages, idle)) is not None:
                    yield from self._part(_Call("ModelStreamInfer", context), state, message)
                    self.limits.reset(state)
        finally:
            self.limits.close(state)

    def _part(self, call: _Call, state: CallState, message: bytes) -> Iterator[bytes]:
        """Yield the answer to one message of a stream; return once it has been read."""
        try:
            inner = self._compute(call, state, message, stream=True)
            state.memory.take(len(inner))
        except RequestError as error:
            self._failed(call, error)
            inner = wire.encode({"id": call.request_id}, "ModelInferResponse")
        answer = {"error_message": call.error, "infer_response": inner}
        found = wire.encode(answer, "ModelStreamInferResponse")
        call.size = len(found)
        self.limits.wait(state, self._settings.timeout)
        try:
            yield found
        finally:
            if state.error is not None:
                self._failed(call, state.error)
            self._log_call(call)

    def _compute(
        self, call: _Call, state: CallState, message: bytes, *, stream: bool = False
    ) -> bytes:
        """Return the answer to a message; large ones are queued."""
        began = perf_counter()
        if len(message) <= _SMALL and not _coding(message):
            found = self._answer(call, state, message, stream=stream)
        elif not self._queue.acquire(blocking=False):
            raise RequestError(503, "too many large requests are waiting; try again")
        else:
            try:
                found = self._pool.submit(
                    self._answer, call, state, message, stream=stream
                ).result()
            finally:
                self._queue.release()
        call.elements = found.elements
        self._metrics.answered(found.served.card.name, found.elements, perf_counter() - began)
        return found.message

    def _answer(
        self, call: _Call, state: CallState, message: bytes, *, stream: bool
    ) -> inference.Inference:
        fields = wire.decode(self._plain(state, message), "ModelInferRequest")
        call.request_id = fields.get("id", "")
        name, version = fields.get("model_name", ""), fields.get("model_version") or None
        served = self._catalog.find(name, version)
        call.model = served.card.name
        asked = fields.get("parameters", {}).get("triton_enable_empty_final_response", {})
        final = stream and asked.get("bool_param", False)
        return inference.infer(served, fields, self._settings.max_elements, final=final)

    def _plain(self, state: CallState, message: bytes) -> bytes:
        """Decompress a message if it is compressed."""
        coding = _coding(message)
        if not coding:
            return message
        most = self._settings.max_body
        return bytes(unpack(message, coding, most, state.memory.take))

    def _read(self, state: CallState, messages: Messages) -> bytes:
        """Return the single message of a call."""
        message = self.limits.receive(state, messages, self._settings.timeout)
        if message is None:
            # The library treats a message that is too large as the end, and then cancels the call.
            time.sleep(_CANCELLED_WITHIN)
            if not state.context.is_active():
                raise DisconnectedError
            raise RequestError(400, "expected a message, found none")
        return message

    def _log_call(self, call: _Call) -> None:
        if self._settings.access_log:
            self._log.access(
                client=call.client,
                method="gRPC",
                path=f"/{NAME}/{call.method}",
                status=call.status,
                size=call.size,
                seconds=perf_counter() - call.began,
                model=call.model,
                elements=call.elements,
                request_id=call.request_id,
                error=call.error,
            )


def _coding(message: bytes) -> bytes:
    """Return the compression of a message; empty if there is none.

    The library could decompress it, but without a limit. It does not report which messages are
    compressed, but no valid message starts like this: these would be fields 3 and 15 with wire
    types that they do not have.
    """
    if message[:2] == b"\x1f\x8b":
        return b"gzip"
    return b"deflate" if message[:2] in _ZLIB else b""


def _constant(answer: dict[str, Any]) -> _Answer:
    """Make a call that reads no message, so that it is always answered."""

    def run(call: _Call, *_: Any) -> bytes:
        return wire.encode(answer, f"{call.method}Response")

    return run


def _refuse(message: str) -> _Answer:
    def run(*_: Any) -> bytes:
        raise RequestError(501, message)

    return run


def _host(peer: str) -> str:
    """Return the address in gRPC's description of a client, such as ipv6:%5B::1%5D:40000."""
    return unquote(peer).partition(":")[2].rpartition(":")[0].strip("[]")

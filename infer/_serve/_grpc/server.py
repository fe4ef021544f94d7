"""The thread that calls run in, with an event loop of its own, and the port that they come to."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from infer._errors import InferError
from infer._serve._log import Handler
from infer._serve._settings import Settings

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from infer._serve._catalog import Catalog
    from infer._serve._log import Log
    from infer._serve._metrics import Metrics

# Seconds between two looks at what waits too long, and for the workers to take connections.
_LOOK = 0.1
_START = 30.0
# Streams of one connection.
_STREAMS = 128


@contextmanager
def reserved(settings: Settings) -> Iterator[Settings]:
    """Keep the port for the workers, which then listen at it; with port 0, choose one.

    Raises:
        InferError: somebody else listens there.
    """
    if settings.grpc_port is None:
        yield settings
        return
    with ExitStack() as keepers:
        try:
            family, *_, address = _resolve(settings)
            keeper = keepers.enter_context(socket.socket(family, socket.SOCK_STREAM))
            if sys.platform != "win32":
                keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            keeper.bind(address)
            # Only now, so that it is an error if somebody was here before.
            if hasattr(socket, "SO_REUSEPORT"):
                keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        except OSError as error:
            raise InferError(
                f"cannot listen at {settings.host} port {settings.grpc_port}: "
                f"{error.strerror or error}; try another --grpc-port"
            ) from None
        port = keeper.getsockname()[1]
        if address[0] == "0.0.0.0":  # noqa: S104
            # gRPC would listen at IPv6 too, if it could; nobody asked for that.
            other = keepers.enter_context(socket.socket(socket.AF_INET6, socket.SOCK_STREAM))
            with suppress(OSError):
                other.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                other.bind(("::", port))
        yield settings._replace(grpc_port=port)


def wait_until_listening(settings: Settings) -> None:
    """Return when a worker takes calls.

    Raises:
        InferError: none does for a long time.
    """
    if settings.grpc_port is None:
        return
    address = _resolve(settings)[4]
    end = time.monotonic() + _START
    while time.monotonic() < end:
        try:
            socket.create_connection(address[:2], 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise InferError(f"no worker takes gRPC calls within {_START:g} s; the log tells why")


@contextmanager
def grpc_server(
    settings: Settings, catalog: Catalog, metrics: Metrics, log: Log, pool: Executor
) -> Iterator[Callable[[], None]]:
    """Take calls beside what else this process does; yield what stops that, from any thread.

    At the end, what is in flight has its grace.

    Raises:
        InferError: the port cannot be listened at.
    """
    if settings.grpc_port is None:
        yield lambda: None
        return
    # What the library says by itself goes to standard error, where a line is JSON.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    import grpc.aio

    from infer._serve._grpc.service import Service

    logger, handler = logging.getLogger("grpc"), Handler(log)
    # The library calls it an error that a client has gone.
    handler.addFilter(lambda record: "ExecuteBatchError" not in record.getMessage())
    logger.handlers, logger.propagate = [handler], False
    service = Service(catalog, settings, metrics, log, pool)
    started: Future[Callable[[], None]] = Future()

    async def serve() -> None:
        loop, stopped = asyncio.get_running_loop(), asyncio.Event()
        server = grpc.aio.server(options=_options(settings))
        server.add_generic_rpc_handlers((service.handler(),))
        _listen(server, settings)
        await server.start()

        def stop() -> None:
            with suppress(RuntimeError):  # the loop has ended before
                loop.call_soon_threadsafe(stopped.set)

        started.set_result(stop)
        looks = loop.create_task(look())
        await stopped.wait()
        await server.stop(settings.grace)
        looks.cancel()

    async def look() -> None:
        while True:
            await asyncio.sleep(_LOOK)
            service.room.check()

    def run() -> None:
        loop = _new_loop()
        try:
            loop.run_until_complete(serve())
        except Exception as error:
            if started.done():
                logger.error("gRPC ended", exc_info=error)
            else:
                started.set_exception(error)
        finally:
            loop.close()

    thread = threading.Thread(target=run, name="samebits-grpc")
    thread.start()
    stop = started.result()
    try:
        yield stop
    finally:
        stop()
        thread.join()


def _options(settings: Settings) -> list[tuple[str, int]]:
    """Return the library's options, each for one of our limits."""
    return [
        ("grpc.max_receive_message_length", settings.max_body),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_concurrent_streams", _STREAMS),
        ("grpc.max_allowed_incoming_connections", settings.max_connections),
        ("grpc.max_connection_idle_ms", round(settings.idle * 1000)),
        ("grpc.server_handshake_timeout_ms", round(settings.timeout * 1000)),
        # A window that grows by itself would hold bytes that nobody asked for.
        ("grpc.http2.bdp_probe", 0),
        ("grpc.so_reuseport", int(settings.workers > 1 or hasattr(socket, "SO_REUSEPORT"))),
    ]


def _listen(server: object, settings: Settings) -> None:
    *_, (host, *_) = _resolve(settings)
    address = f"[{host}]" if ":" in host else host
    try:
        port = server.add_insecure_port(f"{address}:{settings.grpc_port}")  # type: ignore[attr-defined]
    except RuntimeError:
        port = 0
    if port != settings.grpc_port:
        raise InferError(f"cannot listen at {settings.host} port {settings.grpc_port}")


def _resolve(settings: Settings) -> tuple[int, int, int, str, tuple[str, int]]:
    found = socket.getaddrinfo(settings.host, settings.grpc_port, type=socket.SOCK_STREAM)
    return found[0]  # type: ignore[return-value]


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()

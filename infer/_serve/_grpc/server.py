"""The gRPC server: its threads and its port.

grpc.aio would need fewer threads, but a path that is not UTF-8 stops its server (grpcio 1.85).
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from infer._errors import InferError
from infer._serve._log import Handler
from infer._serve._memory import Budget
from infer._serve._settings import Settings

if TYPE_CHECKING:
    from concurrent.futures import Executor

    import grpc

    from infer._serve._catalog import Catalog
    from infer._serve._log import Log
    from infer._serve._metrics import Metrics

# Seconds between two checks for calls that have waited too long.
_INTERVAL = 0.1
# Simultaneous calls, in addition to large ones that wait to be computed.
_CALLS = 64
# Limit of simultaneous streams on one connection.
_STREAMS = 128


@contextmanager
def reserved(settings: Settings) -> Iterator[Settings]:
    """Reserve the port for the workers, which then listen on it; choose one for port 0.

    Raises:
        InferError: the port is not available.
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
            # Only now, so that it is an error if another process already listens.
            if hasattr(socket, "SO_REUSEPORT"):
                keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        except OSError as error:
            raise InferError(
                f"cannot listen on {settings.host} port {settings.grpc_port}: "
                f"{error.strerror or error}; try another --grpc-port"
            ) from None
        port = keeper.getsockname()[1]
        if not hasattr(socket, "SO_REUSEPORT"):  # Windows: two sockets cannot have one port
            keeper.close()
        if address[0] == "0.0.0.0":  # noqa: S104
            # gRPC would also listen on IPv6 if it could, which was not requested.
            other = keepers.enter_context(socket.socket(socket.AF_INET6, socket.SOCK_STREAM))
            with suppress(OSError):
                other.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                other.bind(("::", port))
        yield settings._replace(grpc_port=port)


@contextmanager
def grpc_server(
    settings: Settings, budget: Budget, catalog: Catalog, metrics: Metrics, log: Log, pool: Executor
) -> Iterator[Callable[[], None]]:
    """Serve calls in the background; yield a function that stops it, from any thread.

    At the end, calls in flight have their grace period.

    Raises:
        InferError: the port is not available.
    """
    if settings.grpc_port is None:
        yield lambda: None
        return
    # The library would write its own messages to standard error, where every line is JSON.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    import grpc

    from infer._serve._grpc.service import Service

    logger, handler = logging.getLogger("grpc"), Handler(log)
    # The library logs an error when a client sends a header with an invalid encoding.
    handler.addFilter(lambda record: not record.getMessage().startswith("Invalid encoding"))
    logger.handlers, logger.propagate = [handler], False
    service = Service(catalog, settings, budget, metrics, log, pool)
    calls = settings.max_queue + _CALLS
    with _threads(calls) as threads:
        server = grpc.server(
            threads, [service.handler()], None, _options(settings), maximum_concurrent_rpcs=calls
        )
        _listen(server, settings)
        server.start()
        stopped = threading.Event()

        def check_repeatedly() -> None:
            while not stopped.wait(_INTERVAL):
                service.limits.check()

        def stop() -> None:
            server.stop(settings.grace)

        watch = threading.Thread(target=check_repeatedly, name="samebits-grpc-watch", daemon=True)
        watch.start()
        try:
            yield stop
        finally:
            server.stop(settings.grace).wait()
            stopped.set()
            watch.join()


@contextmanager
def _threads(count: int) -> Iterator[ThreadPoolExecutor]:
    """Return that many threads, all started: later the system might refuse one."""
    ready = threading.Barrier(count)
    with ThreadPoolExecutor(count, thread_name_prefix="samebits-grpc") as threads:
        for _ in range(count):
            threads.submit(ready.wait)
        yield threads


def _options(settings: Settings) -> list[tuple[str, int]]:
    """Return the library's options that enforce our limits."""
    return [
        ("grpc.max_receive_message_length", settings.max_body),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_concurrent_streams", _STREAMS),
        ("grpc.max_allowed_incoming_connections", settings.max_connections),
        ("grpc.max_connection_idle_ms", round(settings.idle * 1000)),
        ("grpc.server_handshake_timeout_ms", round(settings.timeout * 1000)),
        # Messages are decompressed in ``service``, within our limits.
        ("grpc.per_message_decompression", 0),
        # A window that grows by itself would buffer more than our limits.
        ("grpc.http2.bdp_probe", 0),
        ("grpc.so_reuseport", int(hasattr(socket, "SO_REUSEPORT"))),
    ]


def _listen(server: grpc.Server, settings: Settings) -> None:
    *_, (host, *_) = _resolve(settings)
    address = f"[{host}]" if ":" in host else host
    try:
        port = server.add_insecure_port(f"{address}:{settings.grpc_port}")
    except RuntimeError:
        port = 0
    if port != settings.grpc_port:
        raise InferError(f"cannot listen on {settings.host} port {settings.grpc_port}")


def _resolve(settings: Settings) -> tuple[int, int, int, str, tuple[str, int]]:
    found = socket.getaddrinfo(settings.host, settings.grpc_port, type=socket.SOCK_STREAM)
    return found[0]  # type: ignore[return-value]

"""Sockets, signals and worker processes."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Callable
from contextlib import closing
from functools import partial

from infer._errors import InferError, RuntimeUnavailableError
from infer._serve._catalog import Catalog, ServedModel
from infer._serve._grpc.server import grpc_server, reserved
from infer._serve._settings import Settings
from infer._serve._supervisor import handling, supervise

_NEEDED = ("httptools", "numpy", "orjson", "prometheus_client")


def check_installed(settings: Settings) -> None:
    """Check that the packages that serving needs are installed.

    Raises:
        RuntimeUnavailableError: one is not; the message says what to type.
    """
    from importlib.util import find_spec

    if settings.grpc_port is not None and find_spec("grpc") is None:
        raise RuntimeUnavailableError(
            "infer serve --grpc-port needs grpcio, not installed here; "
            "type: pip install 'samebits[grpc]'"
        )
    absent = [package for package in _NEEDED if find_spec(package) is None]
    if absent:
        raise RuntimeUnavailableError(
            f"infer serve needs {', '.join(absent)}, not installed here; "
            "type: pip install 'samebits[serve]'"
        )


def serve(settings: Settings, ready: Callable[[str, list[str]], None]) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        settings: see there.
        ready: called with the address and the model names once connections are accepted.

    Raises:
        InferError: a model cannot be read, the address is not available, or something that serving
            needs is not installed.
    """
    check_installed(settings)
    if settings.workers > 1 and not hasattr(os, "fork"):
        raise RuntimeUnavailableError("this system cannot fork workers; type --workers 1")
    names = [served.card.name for served in Catalog(settings.models)]
    listener = _listen(settings)
    host, port = listener.getsockname()[:2]
    address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    run = work if settings.workers == 1 else partial(supervise, work)
    with reserved(settings) as chosen:
        if chosen.grpc_port is not None:
            address += f", gRPC at {address[7:].rpartition(':')[0]}:{chosen.grpc_port}"
        run(chosen, listener, lambda: ready(address, names))


def work(settings: Settings, listener: socket.socket, ready: Callable[[], None]) -> None:
    """Serve from this process until SIGINT or SIGTERM."""
    import gc
    import logging
    from concurrent.futures import ThreadPoolExecutor

    import httptools  # noqa: F401 - now, so that the first request does not wait for it
    import numpy  # noqa: F401
    import orjson  # noqa: F401

    from infer._runtimes._threads import threads
    from infer._serve._application import InferenceApplication
    from infer._serve._http.hosts import Hosts
    from infer._serve._http.server import Server
    from infer._serve._log import Handler, Log
    from infer._serve._memory import Budget
    from infer._serve._metrics import Metrics
    from infer._serve._pages import Pages

    log = Log()
    logger = logging.getLogger("asyncio")
    logger.handlers, logger.propagate = [Handler(log)], False
    logger.setLevel(logging.ERROR)
    catalog = Catalog(settings.models)
    metrics = Metrics([served.card.name for served in catalog])
    pages = Pages(catalog, lambda problem: log.event("page", {"problem": problem}))

    def reloaded(served: ServedModel) -> None:
        name, problem = served.card.name, served.problem
        metrics.reloaded(name, "refused" if problem else "replaced")
        log.event("reload", {"model": name, "version": served.version, "problem": problem})
        pages.refresh()

    hosts = Hosts(settings.host, listener.getsockname()[0], settings.allowed_hosts)
    budget = Budget(settings.max_memory)
    pool = ThreadPoolExecutor(threads(), thread_name_prefix="samebits-large")
    with closing(_event_loop()) as loop:
        application = InferenceApplication(catalog, pages, settings, metrics, log, pool)
        server = Server(application, settings, hosts, budget, loop)
        stop_watching = catalog.watch(reloaded)
        # Everything created so far is permanent, so full garbage collections need not traverse it.
        gc.freeze()
        with grpc_server(settings, budget, catalog, metrics, log, pool) as stop_grpc:

            def stop(*_: object) -> None:
                server.stop()
                stop_grpc()

            with handling(stop):
                loop.run_until_complete(server.run(listener, ready))
        stop_watching()
    pool.shutdown(cancel_futures=True)  # whose clients have disconnected
    log.close()


def _event_loop() -> asyncio.AbstractEventLoop:
    """Return a new event loop: uvloop's where it is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def _listen(settings: Settings) -> socket.socket:
    try:
        family = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        if sys.platform != "win32":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
        listener.listen(2048)
    except OSError as error:
        raise InferError(
            f"cannot listen on {settings.host} port {settings.port}: {error.strerror or error}; "
            "try another --port"
        ) from None
    return listener

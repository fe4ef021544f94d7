"""What the command line decides about a server."""

from __future__ import annotations

from typing import NamedTuple


class Settings(NamedTuple):
    """How to serve. Sizes are in bytes, times in seconds; limits hold for each worker.

    Attributes:
        models: names or paths; none for every model that can be loaded by name.
        host: address to listen at.
        allowed_hosts: names that a request's Host may have beside that address; ``*`` for any.
        port: 0 for any that is free.
        grpc_port: the same for gRPC; None for no gRPC.
        workers: processes.
        max_body: size of a request's body, also after decompression.
        max_json: size of the JSON in a body, and about that of an answer in JSON.
        max_elements: numbers in a request's tensor.
        max_memory: what the bodies and answers of all requests may hold at one time.
        max_connections: open connections; for one more, the one that has been idle longest goes.
        max_queue: large requests that compute or wait for it.
        timeout: for a request to arrive, and for its answer to be taken.
        idle: between two requests on a connection.
        grace: for what is in flight when the server is told to stop.
        access_log: whether each request is logged.
    """

    models: tuple[str, ...] = ()
    host: str = "127.0.0.1"
    allowed_hosts: tuple[str, ...] = ()
    port: int = 8000
    grpc_port: int | None = None
    workers: int = 1
    max_body: int = 64 << 20
    max_json: int = 8 << 20
    max_elements: int = 16 << 20
    max_memory: int = 1 << 30
    max_connections: int = 512
    max_queue: int = 64
    timeout: float = 30.0
    idle: float = 60.0
    grace: float = 30.0
    access_log: bool = True

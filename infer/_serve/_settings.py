"""The settings of a server: limits, timeouts and their defaults."""

from __future__ import annotations

from typing import NamedTuple


class Settings(NamedTuple):
    """Settings of a server. Sizes are in bytes, times in seconds; limits apply to each worker.

    Attributes:
        models: names or paths; empty for every model that can be loaded by name.
        host: address to listen on.
        allowed_hosts: additional values of the Host header to accept; ``*`` accepts any.
        port: 0 for any free port.
        grpc_port: the same for gRPC; None for no gRPC.
        workers: number of processes.
        max_body: size of a request body, before and after decompression.
        max_json: size of the JSON in a body, and approximately of an answer in JSON.
        max_elements: how many numbers the tensor of a request may have.
        max_memory: total size of all bodies and answers in flight.
        max_connections: open connections; beyond that, the one idle longest is closed.
        max_queue: large requests that are being computed or waiting.
        timeout: for a request to arrive, and for the client to read its answer.
        idle: between two requests on a connection.
        grace: for requests in flight when the server stops.
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

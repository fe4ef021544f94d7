"""Speed of ``infer serve`` over gRPC, compared with HTTP in the same run.

    python benchmarks/grpc.py [--rounds N] [--seconds S]

One value per request: one client in Python for each protocol, one request after another, and eight
such clients. A million values: the same request in binary over HTTP, and raw over gRPC. The two
protocols alternate, and a figure is the median over the rounds. Both clients are Triton's.

Needs ``pip install 'samebits[bench]'``.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":  # the clients' processes import this file too, without its folder
    from _require import require

    # Python puts a script's folder first, where this file and http.py would hide libraries.
    sys.path[:] = [entry for entry in sys.path if not entry.endswith("benchmarks")]
    require("grpc", "numpy", "tritonclient")

import argparse
import multiprocessing
import os
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MODEL = "sin_cubic"
CLIENTS = 8
MILLION = 1_000_000


@contextmanager
def serving() -> Iterator[dict[str, str]]:
    """Serve over both protocols; yield the addresses."""
    command = [str(Path(sys.executable).with_name("infer")), "serve", MODEL]
    options = ["--port=0", "--grpc-port=0", "--no-access-log"]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None  # noqa: S101 - for the type checker
            http, _, grpc = process.stdout.readline().rpartition(", gRPC at ")
            yield {"http": http.rpartition("//")[2], "grpc": grpc.strip()}
        finally:
            process.terminate()


def client(protocol: str, address: str, count: int) -> Any:
    """Return a function that sends one request for that many values."""
    import numpy as np

    if protocol == "http":
        from tritonclient import http as triton
    else:
        from tritonclient import grpc as triton
    x = np.linspace(-3, 3, count, dtype="f4")
    source = triton.InferInput("x", x.shape, "FP32")
    source.set_data_from_numpy(x)
    connection = triton.InferenceServerClient(address)
    return lambda: connection.infer(MODEL, [source]).as_numpy("y")


def load(protocol: str, address: str, seconds: float) -> int:
    """Return how many requests for one value one client completes."""
    ask = client(protocol, address, 1)
    ask()
    end, count = time.perf_counter() + seconds, 0
    while time.perf_counter() < end:
        ask()
        count += 1
    return count


def rate(protocol: str, address: str, seconds: float, clients: int) -> float:
    """Return the requests per second of several clients, each in its own process."""
    with multiprocessing.get_context("spawn").Pool(clients) as pool:
        return sum(pool.starmap(load, [(protocol, address, seconds)] * clients)) / seconds


def million(protocol: str, address: str) -> float:
    """Return the median milliseconds of a request for a million values."""
    ask = client(protocol, address, MILLION)
    ask()
    times = []
    for _ in range(20):
        began = time.perf_counter()
        ask()
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1e3


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3, help="of each load")
    options = parser.parse_args()
    print(f"{'what':36}{'gRPC':>10}{'HTTP':>10}{'ratio':>8}")
    with serving() as addresses:
        for what, measure in (
            ("one value, requests/s", lambda p, a: rate(p, a, options.seconds, 1)),
            (
                f"one value, {CLIENTS} clients, requests/s",
                lambda p, a: rate(p, a, options.seconds, 8),
            ),
            ("a million values, ms", million),
        ):
            found = [
                [measure(protocol, addresses[protocol]) for protocol in ("grpc", "http")]
                for _ in range(options.rounds)
            ]
            grpc, http = (statistics.median(column) for column in zip(*found, strict=True))
            ratio = statistics.median(a / b for a, b in found)
            print(f"{what:36}{grpc:>10,.1f}{http:>10,.1f}{ratio:>8.2f}")
    print(f"\n{os.cpu_count()} processors")


if __name__ == "__main__":
    main()

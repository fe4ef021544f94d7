"""Speed of ``infer serve``, compared with MLServer and with copying the same bytes.

    python benchmarks/http.py [--rounds N] [--seconds S] [--mlserver PYTHON]

One value per request: 16 connections, by wrk or, if it is not installed, by a client in Python.
Ours and MLServer alternate, so that drift of the machine affects both equally; a figure is the
median over the rounds. MLServer runs the same model.onnx in a custom runtime, without parallel
workers; both with an access log, the default, and both without.
A million values: one request in binary, compared with sending the same bytes back and forth on
loopback.

PYTHON is an interpreter with mlserver and onnxruntime; by default, an environment is created in
build/mlserver, which takes minutes the first time. Needs ``pip install 'samebits[bench]'``.
"""

from __future__ import annotations

import sys

from _require import require

# Python puts a script's folder first, where this file would hide the standard library's http.
path = sys.path[:]
sys.path[:] = [entry for entry in path if not entry.endswith("benchmarks")]
if __name__ == "http":  # imported by another script in this folder, which needs the library
    del sys.modules["http"]
    import http

    sys.path[:] = path  # for that script's own imports
else:
    require("httptools", "infer", "numpy")

import argparse
import http.client
import json
import multiprocessing
import os
import re
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

MODEL = "sin_cubic"
ROOT = Path(__file__).resolve().parent.parent
CONNECTIONS = 16
MILLION = 1_000_000
TENSOR = {"name": "x", "shape": [1], "datatype": "FP32", "data": [0.5]}
BODY = json.dumps({"inputs": [TENSOR]})
PATH = f"/v2/models/{MODEL}/infer"

RUNTIME = """
import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse

class Runtime(MLModel):
    async def load(self):
        self.session = onnxruntime.InferenceSession(self.settings.parameters.uri)
        return True

    async def predict(self, payload):
        x = NumpyCodec.decode_input(payload.inputs[0]).astype("float32")
        (y,) = self.session.run(None, {"x": x})
        return InferenceResponse(
            model_name=self.name, outputs=[NumpyCodec.encode_output("y", y)]
        )
"""


class Load(NamedTuple):
    """Result of a load of small requests: requests per second, and the 99th percentile."""

    rate: float
    p99: float


def free_port() -> int:
    """Return a free port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@contextmanager
def running(command: list[str], port: int, folder: Path) -> Iterator[None]:
    """Start a server, wait until it answers, and stop it at the end."""
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        end = time.monotonic() + 120
        while answer(port) is None:
            if process.poll() is not None or time.monotonic() > end:
                sys.exit(f"{command[0]} does not serve:\n{(folder / 'log.txt').read_text()}")
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(30)


def answer(port: int) -> float | None:
    """Return the model's answer to the value, or None if the server does not answer yet."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", PATH, BODY, {"Content-Type": "application/json"})
        value: float = json.loads(connection.getresponse().read())["outputs"][0]["data"][0]
    except (OSError, KeyError, ValueError):
        return None
    finally:
        connection.close()
    return value


@contextmanager
def ours(folder: Path, port: int, *options: str) -> Iterator[None]:
    """Serve with ``infer serve``."""
    folder = folder / f"ours{port}"
    folder.mkdir()
    infer = str(Path(sys.executable).with_name("infer"))
    with running([infer, "serve", MODEL, "--port", str(port), *options], port, folder):
        yield


@contextmanager
def mlserver(folder: Path, port: int, python: Path, *, access_log: bool) -> Iterator[None]:
    """Serve with MLServer."""
    folder = folder / f"mlserver{port}"
    folder.mkdir()
    shutil.copy(ROOT / "artifacts" / MODEL / "model.onnx", folder)
    (folder / "runtime.py").write_text(RUNTIME)
    settings = {
        "parallel_workers": 0,
        "http_port": port,
        "grpc_port": free_port(),
        "metrics_port": free_port(),
        "debug": access_log,
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    model = {
        "name": MODEL,
        "implementation": "runtime.Runtime",
        "parameters": {"uri": str(folder / "model.onnx")},
    }
    (folder / "model-settings.json").write_text(json.dumps(model))
    with running([str(python.with_name("mlserver")), "start", "."], port, folder):
        yield


def interpreter(given: Path | None) -> Path:
    """Return an interpreter with mlserver, by default in a new environment."""
    if given is not None:
        return given
    folder = ROOT / "build" / "mlserver"
    python = folder / "bin" / "python"
    if not (folder / "bin" / "mlserver").exists():
        print(f"making {folder} …", file=sys.stderr)
        venv.create(folder, with_pip=True)
        packages = ("mlserver", "onnxruntime")
        subprocess.run([str(python), "-m", "pip", "install", "-q", *packages], check=True)
    return python


def load_by_wrk(folder: Path, port: int, seconds: float) -> Load:
    """Load a server with wrk."""
    script = folder / "post.lua"
    script.write_text(
        f"wrk.method = 'POST'\nwrk.body = '{BODY}'\n"
        "wrk.headers['Content-Type'] = 'application/json'\n"
        "done = function(summary, latency, requests)\n"
        "  io.write(string.format('%d %d %d %f\\n', summary.requests, summary.errors.status,\n"
        "    summary.duration, latency:percentile(99)))\nend\n"
    )
    url = f"http://127.0.0.1:{port}{PATH}"
    options = ["-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s", "-s", str(script)]
    output = subprocess.check_output([str(shutil.which("wrk")), *options, url], text=True)
    requests, errors, duration, p99 = map(float, output.splitlines()[-1].split())
    if errors:
        sys.exit(f"{errors:,.0f} requests of {requests:,.0f} failed")
    return Load(requests / duration * 1e6, p99 / 1e6)


def load_by_python(_folder: Path, port: int, seconds: float) -> Load:
    """Load a server with one process that keeps all connections busy."""
    with multiprocessing.get_context("fork").Pool(1) as pool:
        times = pool.apply(ask_all, (port, seconds))
    return Load(len(times) / seconds, statistics.quantiles(times, n=100)[98])


def ask_all(port: int, seconds: float) -> list[float]:
    """Send requests on all connections, each after the previous answer; return the latencies."""
    import selectors

    head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(BODY)}\r\n\r\n{BODY}".encode()
    times: list[float] = []
    with selectors.DefaultSelector() as selector:
        began: dict[int, float] = {}
        for _ in range(CONNECTIONS):
            connection = socket.create_connection(("127.0.0.1", port))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(connection, selectors.EVENT_READ)
            began[connection.fileno()] = time.perf_counter()
            connection.sendall(request)
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            for key, _ in selector.select(1):
                sock = key.fileobj
                assert isinstance(sock, socket.socket)  # noqa: S101 - for the type checker
                data = sock.recv(1 << 16)
                while not data.endswith(b"}"):
                    data += sock.recv(1 << 16)
                if b" 200 " not in data[:20]:
                    sys.exit(f"a request failed: {data!r}")
                now = time.perf_counter()
                times.append(now - began[sock.fileno()])
                began[sock.fileno()] = now
                sock.sendall(request)
    return times


def echo(listener: socket.socket, size: int) -> None:
    """Echo each block of that many bytes."""
    connection, _ = listener.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    memory = memoryview(bytearray(size))
    with connection:
        while receive(connection, memory, size):
            connection.sendall(memory)


def receive(connection: socket.socket, memory: memoryview, size: int, at: int = 0) -> bool:
    """Fill memory from an offset; return False if the other side closes first."""
    while at < size:
        count = connection.recv_into(memory[at:size])
        if not count:
            return False
        at += count
    return True


def million(port: int, rounds: int) -> tuple[float, float, float]:
    """Return the median seconds of a request and of a copy, and their median ratio."""
    x = np.linspace(-3, 3, MILLION, dtype="<f4")
    tensor = {**TENSOR, "shape": [MILLION], "parameters": {"binary_data_size": x.nbytes}}
    del tensor["data"]
    request = {"inputs": [tensor], "parameters": {"binary_data_output": True}}
    head = json.dumps(request).encode()
    body = head + x.tobytes()
    lines = (
        f"POST {PATH} HTTP/1.1",
        "Host: localhost",
        f"Inference-Header-Content-Length: {len(head)}",
        f"Content-Length: {len(body)}",
    )
    start = ("\r\n".join(lines) + "\r\n\r\n").encode()
    memory = memoryview(bytearray(2 * len(body)))
    listener = socket.create_server(("127.0.0.1", 0))
    other = multiprocessing.get_context("fork").Process(target=echo, args=(listener, len(body)))
    other.start()
    copier = socket.create_connection(listener.getsockname())
    asker = socket.create_connection(("127.0.0.1", port))
    for connection in (copier, asker):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def copy() -> None:
        copier.sendall(body)
        receive(copier, memory, len(body))

    def ask() -> None:
        asker.sendall(start)
        asker.sendall(body)
        at = asker.recv_into(memory)
        while (end := bytes(memory[: min(at, 4096)]).find(b"\r\n\r\n")) < 0:
            at += asker.recv_into(memory[at:])
        size = int(re.search(rb"(?i)\r\ncontent-length: (\d+)", bytes(memory[: end + 2]))[1])  # type: ignore[index]
        receive(asker, memory, end + 4 + size, at)

    def seconds(action: Callable[[], None]) -> float:
        began = time.perf_counter()
        action()
        return time.perf_counter() - began

    copy()
    ask()
    pairs = [(seconds(ask), seconds(copy)) for _ in range(rounds)]
    copier.close()
    asker.close()
    other.join()
    asked, copied = (statistics.median(column) for column in zip(*pairs, strict=True))
    return asked, copied, statistics.median(a / b for a, b in pairs)


def show(seconds: float) -> str:
    """Return a time in milliseconds."""
    return f"{seconds * 1e3:,.2f} ms"


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="of the small requests")
    parser.add_argument("--seconds", type=float, default=5, help="of each load")
    parser.add_argument("--mlserver", type=Path, metavar="PYTHON", help="has mlserver")
    options = parser.parse_args()
    python = interpreter(options.mlserver)
    load = load_by_wrk if shutil.which("wrk") else load_by_python
    ports = [free_port() for _ in range(4)]
    with (
        tempfile.TemporaryDirectory() as name,
        ours(Path(name), ports[0]),
        ours(Path(name), ports[1], "--no-access-log"),
        mlserver(Path(name), ports[2], python, access_log=True),
        mlserver(Path(name), ports[3], python, access_log=False),
    ):
        if len({np.float32(answer(port)) for port in ports}) != 1:
            sys.exit("the servers do not agree")
        found: list[list[Load]] = [[], [], [], []]
        for _ in range(options.rounds):
            for port, loads in zip(ports, found, strict=True):
                loads.append(load(Path(name), port, options.seconds))
        asked, copied, ratio = million(ports[1], 20 * options.rounds)
    print(f"{'what':40}{'ours':>12}  {'reference':26}{'':>12}{'ratio':>8}  {'goal':>7}")

    def line(what: str, mine: str, reference: str, theirs: str, ratio: float, goal: str) -> None:
        print(f"{what:40}{mine:>12}  {reference:26}{theirs:>12}{ratio:>8.2f}  {goal:>7}")

    for what, *columns in (
        ("one value", found[0], found[2]),
        ("one value, no access logs", found[1], found[3]),
    ):
        for part, unit, goal in (("rate", "requests/s", ">= 8"), ("p99", "99% within", "< 1")):
            pair = [[getattr(one, part) for one in column] for column in columns]
            mine, theirs = map(statistics.median, pair)
            texts = [f"{v:,.0f}" if part == "rate" else show(v) for v in (mine, theirs)]
            middle = statistics.median(a / b for a, b in zip(*pair, strict=True))
            line(f"{what}, {unit}", texts[0], "MLServer", texts[1], middle, goal)
    line("a million values", show(asked), "a copy on loopback", show(copied), ratio, "<= 2")
    print(f"\n{CONNECTIONS} connections, {load.__name__[8:]}, {os.cpu_count()} processors")


if __name__ == "__main__":
    main()

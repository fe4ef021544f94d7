"""Servers as a user starts them, each a process of its own on a free port."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import infer
from infer._artifact.format import render
from infer._ieee.patterns import specials

SHIPPED = Path(__file__).resolve().parents[3] / "artifacts"


class Server:
    """A running server."""

    def __init__(self, *arguments, folder, **variables):
        self.errors = folder / "stderr.txt"
        command = shutil.which("infer", path=str(Path(sys.executable).parent))
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [command, "serve", "--port", "0", *map(str, arguments)],
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, **variables},
            )
        self.greeting = self.process.stdout.readline().decode()
        found = re.search(r"http://[\d.]+:(\d+)(?:, gRPC at ([\d.]+:\d+))?$", self.greeting.strip())
        assert found, (self.greeting, self.errors.read_text())
        self.port = int(found[1])
        self.address = f"127.0.0.1:{self.port}"
        self.grpc_address = found[2]

    def stop(self, number=signal.SIGTERM):
        """Stop the server and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(20)
        finally:
            self.process.kill()
            self.process.stdout.close()

    def log(self):
        """Return the lines of the log, each of which must be JSON."""
        *lines, _unfinished = self.errors.read_text("utf-8").split("\n")
        return [json.loads(line) for line in lines]

    def ask(self, method, path, body=None, **headers):
        """Send a request on a new connection; return status, headers and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def infer(self, name, request, **headers):
        """Send an inference request in JSON; return status and the answer's JSON."""
        body = request if isinstance(request, (bytes, str)) else json.dumps(request)
        status, _, answer = self.ask("POST", f"/v2/models/{name}/infer", body, **headers)
        return status, json.loads(answer)

    @staticmethod
    def binary_head(name, values):
        """Return the JSON before so many float32 values, whose answer shall be binary too."""
        tensor = {"name": name, "shape": [values], "datatype": "FP32"}
        tensor["parameters"] = {"binary_data_size": 4 * values}
        request = {"inputs": [tensor], "parameters": {"binary_data_output": True}}
        return json.dumps(request).encode()

    @classmethod
    def binary_start(cls, model, name, values):
        """Return all of such a request that comes before its values, as it goes over a socket."""
        head = cls.binary_head(name, values)
        lengths = (len(head), len(head) + 4 * values)
        return (
            b"POST /v2/models/%s/infer HTTP/1.1\r\nhost: localhost\r\n"
            b"inference-header-content-length: %d\r\ncontent-length: %d\r\n\r\n%s"
        ) % (model.encode(), *lengths, head)

    def connect(self):
        """Return a plain socket."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def metric(self, name, **labels):
        """Return the value of a metric, 0 if there is none yet."""
        inside = ",".join(f'{key}="{value}"' for key, value in labels.items())
        text = self.ask("GET", "/metrics")[2].decode()
        found = re.search(rf"^{name}{{{re.escape(inside)}}} (.+)$", text, re.MULTILINE)
        return float(found[1]) if found else 0.0


def within(seconds, condition):
    """Wait until a condition holds, and return what it gave."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.02)
    return found


@pytest.fixture
def wait():
    """Return the function that waits for a condition."""
    return within


@pytest.fixture
def start(tmp_path):
    """Return a function that starts a server, stopped after the test."""
    servers = []

    def start_server(*arguments, **variables):
        folder = tmp_path / f"server{len(servers)}"
        folder.mkdir()
        servers.append(Server(*arguments, folder=folder, **variables))
        return servers[-1]

    yield start_server
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def serving(tmp_path_factory):
    """Return a context manager: a server that several tests share, and that must end well."""

    @contextmanager
    def serve(*arguments, **variables):
        running = Server(*arguments, folder=tmp_path_factory.mktemp("server"), **variables)
        yield running
        assert running.stop() == 0

    return serve


@pytest.fixture(scope="session")
def double(tmp_path_factory):
    """Return the folder of a model in double precision."""
    document = json.loads((SHIPPED / "sin_cubic" / "model.json").read_text("utf-8"))
    port = {"dtype": "float64"}
    document |= {
        "name": "double_cubic",
        "title": "In double precision",
        "dtype": "float64",
        "inputs": [document["inputs"][0] | port],
        "outputs": [document["outputs"][0] | port],
        "files": {},
    }
    folder = tmp_path_factory.mktemp("own") / "double_cubic"
    folder.mkdir()
    (folder / "model.json").write_bytes(render(document))
    return folder


@pytest.fixture
def local(double):
    """Return a function that loads in this process what the server serves by a name."""
    return lambda name: infer.load(double if name == "double_cubic" else name)


@pytest.fixture(scope="session")
def inputs_of():
    """Return a function from a card to special values and random bit patterns, (n,) or (n, k)."""

    def inputs(card):
        generator = np.random.default_rng(7)
        unsigned = {"float32": np.uint32, "float64": np.uint64}[card.dtype]
        corners = np.array(specials(card.dtype), card.dtype)
        some = generator.integers(0, np.iinfo(unsigned).max, 500, unsigned).view(card.dtype)
        values = np.concatenate([corners, some, np.linspace(-90, 90, 100, dtype=card.dtype)])
        if card.features is None:
            return values
        return generator.choice(values, (len(values), card.features))

    return inputs


@pytest.fixture
def serve_without():
    """Return a function that serves where some packages are not installed, with its result."""

    def serve(packages, *options):
        code = (
            f"import sys; sys.modules.update(dict.fromkeys({packages!r}));"
            f"from infer._cli import main; main(['serve', 'f2c', *{options!r}])"
        )
        return subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False
        )

    return serve


@pytest.fixture(scope="session")
def server(serving, double):
    """Return a server of all shipped models and of one in double precision."""
    with serving(*sorted(path.name for path in SHIPPED.iterdir()), double) as running:
        yield running


@pytest.fixture(scope="session")
def both(serving, double):
    """Return such a server over HTTP and gRPC."""
    names = sorted(path.name for path in SHIPPED.iterdir())
    with serving("--grpc-port=0", *names, double) as running:
        yield running


@pytest.fixture(scope="session")
def strict(serving):
    """Return a server with low limits, for what goes beyond them."""
    limits = {
        "max-body": "1M",
        "max-json": "64K",
        "max-elements": 200_000,
        "max-memory": "2M",
        "max-connections": 24,
        "timeout": 1,
        "idle": 1,
    }
    options = [f"--{name}={value}" for name, value in limits.items()]
    with serving("f2c", "plane", "--grpc-port=0", *options) as running:
        yield running

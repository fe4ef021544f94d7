"""Mutated requests over gRPC: no failure of ours is ever the answer, and nobody else notices."""

import random
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

import grpc
import numpy as np
import pytest
from tritonclient.grpc import service_pb2

import infer

SERVICE = "/inference.GRPCInferenceService"
# What a request may be answered with; INTERNAL and UNKNOWN would be ours.
ALLOWED = {"INVALID_ARGUMENT", "NOT_FOUND", "RESOURCE_EXHAUSTED"}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """Return the process of a server, its address and the path of its log."""
    log = tmp_path_factory.mktemp("fuzz") / "stderr.txt"
    command = [Path(sys.executable).with_name("infer"), "serve", "sin_cubic", "plane"]
    options = ["--port=0", "--grpc-port=0", "--timeout=2", "--max-body=1M", "--max-elements=100K"]
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [*command, *options], stdout=subprocess.PIPE, stderr=errors, text=True
        )
    with process:
        address = process.stdout.readline().rpartition("gRPC at ")[2].strip()
        yield process, address, log
        process.terminate()


@pytest.fixture
def honest(running):
    """Check the answers to a client of its own while the test runs."""
    process, address, log = running
    wrong, asked, stop = [], [0], threading.Event()

    def ask():
        generator = np.random.default_rng(5)
        model = infer.load("sin_cubic")
        with grpc.insecure_channel(address) as channel:
            call = channel.unary_unary(f"{SERVICE}/ModelInfer")
            while not stop.is_set():
                x = generator.standard_normal(generator.integers(1, 50), "f4")
                answer = service_pb2.ModelInferResponse.FromString(
                    call(raw(x).SerializeToString(), timeout=20)
                )
                if answer.raw_output_contents[0] != model(x).tobytes():
                    wrong.append(x)
                asked[0] += 1

    client = threading.Thread(target=ask)
    client.start()
    yield
    stop.set()
    client.join()
    assert wrong == []
    assert asked[0] > 100
    assert process.poll() is None
    assert '"traceback"' not in log.read_text()


def raw(x, name="sin_cubic"):
    request = service_pb2.ModelInferRequest(model_name=name, id="id")
    request.inputs.add(name="x", datatype="FP32", shape=x.shape)
    request.raw_input_contents.append(x.tobytes())
    return request


def seeds():
    """Return requests of each form."""
    x = np.linspace(-2, 2, 6, dtype="f4")
    typed = raw(x)
    typed.ClearField("raw_input_contents")
    typed.inputs[0].contents.fp32_contents.extend(x.tolist())
    whole = raw(x)
    whole.ClearField("raw_input_contents")
    whole.inputs[0].datatype = "INT64"
    whole.inputs[0].contents.int64_contents.extend([1, -1, 1 << 40, 0, 5, -(1 << 62)])
    full = raw(x.reshape(3, 2), "plane")
    full.parameters["a"].bool_param = True
    full.outputs.add(name="y").parameters["b"].string_param = "text"
    full.inputs[0].parameters["c"].double_param = 1.5
    return [one.SerializeToString() for one in (raw(x), typed, whole, full)]


def mutated(generator, data):
    data = bytearray(data)
    for _ in range(generator.randrange(1, 5)):
        at = generator.randrange(len(data) + 1)
        action = generator.randrange(6)
        if action == 0 and at < len(data):
            data[at] ^= 1 << generator.randrange(8)
        elif action == 1 and at < len(data):
            data[at] = generator.choice([0, 1, 0x7F, 0x80, 0xFF, generator.randrange(256)])
        elif action == 2:
            del data[at : at + generator.randrange(1, 9)]
        elif action == 3:
            data[at:at] = generator.randbytes(generator.randrange(1, 9))
        elif action == 4:
            data[at:at] = data[: generator.randrange(len(data) + 1)]
        else:
            data = data[:at]
    return bytes(data)


def test_mutated_messages(running, honest):
    generator = random.Random(1)  # noqa: S311
    found = {}
    with grpc.insecure_channel(running[1]) as channel:
        calls = {
            name: channel.unary_unary(f"{SERVICE}/{name}")
            for name in ("ModelInfer", "ModelReady", "ModelMetadata", "ModelConfig")
        }
        calls["RepositoryIndex"] = channel.unary_unary(f"{SERVICE}/RepositoryIndex")
        stream = channel.stream_stream(f"{SERVICE}/ModelStreamInfer")
        sources = seeds()
        for index in range(10_000):
            message = mutated(generator, generator.choice(sources))
            name = "ModelInfer" if index % 5 else generator.choice([*calls])
            call = calls[name].future(message, timeout=20)
            code = call.code().name
            assert code in {"OK", *ALLOWED}, (code, call.details(), message)
            assert code == "OK" or call.details()
            found[code] = found.get(code, 0) + 1
            if index % 100 == 0:
                (answer,) = stream(iter([message]), timeout=20)
                service_pb2.ModelStreamInferResponse.FromString(answer)
    assert {"OK", "INVALID_ARGUMENT", "NOT_FOUND"} <= set(found)


def test_mutated_answers_are_those_of_what_google_reads(running, honest):
    generator = random.Random(2)  # noqa: S311
    models = {name: infer.load(name) for name in ("sin_cubic", "plane")}
    answered = 0
    with grpc.insecure_channel(running[1]) as channel:
        call = channel.unary_unary(f"{SERVICE}/ModelInfer")
        for _ in range(2_000):
            x = generator.choice([np.zeros((2, 2), "f4"), np.arange(4, dtype="f4")])
            message = bytearray(raw(x, "plane" if x.ndim == 2 else "sin_cubic").SerializeToString())
            message[generator.randrange(len(message))] = generator.randrange(256)
            asked = call.future(bytes(message), timeout=20)
            if asked.code() != grpc.StatusCode.OK:
                assert asked.code().name in ALLOWED
                continue
            answer = service_pb2.ModelInferResponse.FromString(asked.result())
            read = service_pb2.ModelInferRequest.FromString(bytes(message))
            (tensor,) = read.inputs
            kinds = {"FP32": "<f4", "INT32": "<i4", "UINT32": "<u4"}
            sent = np.frombuffer(read.raw_input_contents[0], kinds[tensor.datatype])
            expected = models[answer.model_name](sent.reshape(tensor.shape))
            assert answer.raw_output_contents[0] == expected.tobytes()
            answered += 1
    assert answered > 100


def test_mutated_frames(running, honest):
    """Below gRPC: HTTP/2 itself, of which the library makes what it can."""
    generator = random.Random(3)  # noqa: S311
    host, _, port = running[1].rpartition(":")
    good = whole_call(seeds()[0])
    for _ in range(10_000):
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(mutated(generator, good))
            connection.shutdown(socket.SHUT_WR)
            try:
                while connection.recv(1 << 16):
                    pass
            except ConnectionResetError:
                pass


def whole_call(message):
    """Return the bytes of a connection that makes one call."""

    def frame(kind, flags, stream, payload):
        head = struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream)
        return head + payload

    fields = [
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", f"{SERVICE}/ModelInfer".encode()),
        (b":authority", b"here"),
        (b"te", b"trailers"),
        (b"content-type", b"application/grpc"),
    ]
    block = b"".join(
        b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value for name, value in fields
    )
    body = b"\0" + struct.pack(">I", len(message)) + message
    start = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"")
    return start + frame(1, 4, 1, block) + frame(0, 1, 1, body)

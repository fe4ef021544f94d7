"""What a client over gRPC may cost: beyond the limits, slow, in great numbers, compressed."""

import gzip
import socket
import struct
import threading
import time
import zlib
from contextlib import ExitStack
from pathlib import Path

import grpc
import numpy as np
import pytest
from tritonclient.grpc import service_pb2

import infer
from infer._serve._grpc.service import NAME

INFER = f"/{NAME}/ModelInfer"
STREAM = f"/{NAME}/ModelStreamInfer"


def open_channel(server):
    options = {
        "grpc.max_receive_message_length": -1,
        "grpc.max_send_message_length": -1,
        "grpc.use_local_subchannel_pool": 1,
    }
    return grpc.insecure_channel(server.grpc_address, [*options.items()])


def request(x, name="f2c", tensor="t_u"):
    """Return the bytes of a raw request."""
    datatype = {"f": "FP", "u": "UINT", "b": "BOOL"}[x.dtype.kind]
    datatype += "" if datatype == "BOOL" else str(8 * x.itemsize)
    found = service_pb2.ModelInferRequest(model_name=name)
    found.inputs.add(name=tensor, datatype=datatype, shape=x.shape)
    found.raw_input_contents.append(x.tobytes())
    return found.SerializeToString()


ONE = request(np.array([98.6], "f4"))


def works(server, timeout=10):
    """Check the answer to an honest client; return the seconds that it took."""
    began = time.monotonic()
    expected = infer.load("f2c")(np.array([98.6], "f4"))
    with open_channel(server) as channel:
        answer = channel.unary_unary(INFER)(ONE, timeout=timeout)
    found = service_pb2.ModelInferResponse.FromString(answer)
    assert found.raw_output_contents[0] == expected.tobytes()
    return time.monotonic() - began


def fails(channel, data, **options):
    """Return code and details of the error that a request gets."""
    with pytest.raises(grpc.RpcError) as error:
        channel.unary_unary(INFER)(data, timeout=20, **options)
    return error.value.code().name, error.value.details()


def test_a_message_beyond_the_limit(strict, wait):
    with open_channel(strict) as channel:
        for size in (1 << 20) + 1, 100 << 20:
            code, details = fails(channel, bytes(size))
            assert (code, f"larger than max ({size} vs. 1048576)" in details) == (
                "RESOURCE_EXHAUSTED",
                True,
            )
        assert fails(channel, request(np.zeros(200_001, "u1")))[0] == "RESOURCE_EXHAUSTED"
    works(strict)
    last = [line for line in strict.log() if line.get("path") == INFER]
    assert {line["status"] for line in last} <= {"OK", "RESOURCE_EXHAUSTED", "CANCELLED"}


def test_a_call_without_a_message(strict):
    with open_channel(strict) as channel, pytest.raises(grpc.RpcError) as error:
        channel.stream_unary(INFER)(iter([]), timeout=20)
    assert error.value.code().name == "INVALID_ARGUMENT"
    assert error.value.details() == "expected a message, found none"


@pytest.mark.parametrize("coding", [b"gzip", b"deflate"])
def test_a_bomb_costs_no_memory(coding, strict):
    before = resident(strict)
    packer = zlib.compressobj(9, wbits=31 if coding == b"gzip" else 15)
    bomb = packer.compress(bytes(60 << 20)) + packer.flush()
    with connect(strict) as connection:
        send(connection, headers(1, INFER, (b"grpc-encoding", coding)), framed(bomb, flag=1))
        found, error = ends(connection, 1)
    assert (found, b"after decompression" in error) == (b"", True)
    works(strict)
    assert peak(strict) < before + (30 << 20)


def status(server, field):
    text = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(text.partition(f"{field}:")[2].split()[0]) << 10


def resident(server):
    return status(server, "VmRSS")


def peak(server):
    return status(server, "VmHWM")


class Silent:
    """An iterator of requests that never gives one, until it is told to end."""

    def __init__(self):
        self.end = threading.Event()

    def __iter__(self):
        self.end.wait(30)
        return iter([])


def test_silent_clients_end_and_keep_nobody_out(strict):
    silent = Silent()
    with ExitStack() as stack:
        channels = [stack.enter_context(open_channel(strict)) for _ in range(10)]
        calls = [channel.stream_unary(INFER).future(iter_of(silent)) for channel in channels]
        calls += [channel.stream_stream(STREAM)(iter_of(silent)) for channel in channels]
        time.sleep(0.2)
        assert works(strict, timeout=20) < 15
        with open_channel(strict) as channel:
            began = time.monotonic()
            channel.unary_unary(f"/{NAME}/ServerLive")(b"", timeout=5)
            assert time.monotonic() - began < 1
        codes = {ended(call) for call in calls}
        silent.end.set()
    assert codes == {"CANCELLED"}
    assert {line["status"] for line in strict.log()} >= {"UNAVAILABLE"}
    assert works(strict) < 5


def iter_of(silent):
    yield from silent


def ended(call):
    """Wait for a call to fail; return its code."""
    with pytest.raises(grpc.RpcError) as error:
        call.result(20) if hasattr(call, "result") else next(call)
    return error.value.code().name


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def headers(stream, path=INFER, *more):
    """Return a frame of header fields, none of which is compressed."""
    fields = [
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", path if isinstance(path, bytes) else path.encode()),
        (b":authority", b"here"),
        (b"te", b"trailers"),
        (b"content-type", b"application/grpc"),
        *more,
    ]
    block = b"".join(
        b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value for name, value in fields
    )
    return frame(1, 4, stream, block)


def connect(server, *, window=None):
    """Return a plain socket that has said hello; the window is how much it takes of an answer."""
    host, _, port = server.grpc_address.rpartition(":")
    connection = socket.create_connection((host, int(port)), timeout=20)
    settings = b"" if window is None else struct.pack(">HI", 4, window)
    connection.sendall(PREFACE + frame(4, 0, 0, settings))
    return connection


def framed(message, flag=0):
    """Return a message as gRPC has it in the data of HTTP/2."""
    return bytes([flag]) + struct.pack(">I", len(message)) + message


def data(stream, payload, *, end):
    return frame(0, int(end), stream, payload)


def send(connection, head, message):
    """Send a whole call, of what the first window takes."""
    assert len(message) < 1 << 16
    parts = [message[at : at + 16_000] for at in range(0, len(message), 16_000)]
    last = len(parts) - 1
    connection.sendall(head + b"".join(data(1, p, end=i == last) for i, p in enumerate(parts)))


def ends(connection, stream):
    """Read frames until a stream or the connection has ended; return its data and its headers."""
    received, found = b"", {0: b"", 1: b""}
    while True:
        if len(received) >= 9:
            size, kind, flags, number = struct.unpack(">IBBI", b"\0" + received[:9])
            if len(received) >= 9 + size:
                payload, received = received[9 : 9 + size], received[9 + size :]
                if number == stream and kind in found:
                    found[kind] += payload
                if number == stream and (kind == 3 or (flags & 1 and kind in found)):
                    return found[0], found[1]
                continue
        if not (part := connection.recv(1 << 16)):
            return found[0], found[1]
        received += part


def test_half_a_message_ends(strict):
    message = framed(request(np.zeros(100_000, "f4")))
    with ExitStack() as stack:
        connections = [stack.enter_context(connect(strict)) for _ in range(6)]
        for connection in connections:
            connection.sendall(headers(1) + data(1, message[:10_000], end=False))
        assert works(strict, timeout=20) < 10
        for connection in connections:
            found, error = ends(connection, 1)
            assert (found, b"CANCELLED" in error) == (b"", True)


def test_an_answer_that_nobody_takes_ends_and_gives_its_room_back(strict):
    message = framed(request(np.zeros(60_000, "u1")))
    with ExitStack() as stack:
        connections = [stack.enter_context(connect(strict, window=100)) for _ in range(9)]
        for connection in connections:
            send(connection, headers(1), message)
        time.sleep(1.5)
        with open_channel(strict) as channel:
            x = np.linspace(0, 100, 200_000, dtype="f4")
            answer = channel.unary_unary(INFER)(request(x), timeout=10)
            expected = infer.load("f2c")(x).tobytes()
            assert service_pb2.ModelInferResponse.FromString(answer).raw_output_contents == [
                expected
            ]
        for connection in connections:
            assert len(ends(connection, 1)[0]) <= 100
    late = [line for line in strict.log() if line.get("status") == "DEADLINE_EXCEEDED"]
    assert len(late) >= 5


def test_a_compressed_message(strict):
    packed, deflated = gzip.compress(ONE), zlib.compress(ONE)
    expected = infer.load("f2c")(np.array([98.6], "f4")).tobytes()
    for coding, flag, body, answered in [
        (b"gzip", 1, packed, True),
        (b"gzip", 0, ONE, True),
        (b"deflate", 1, deflated, True),
        (b"deflate", 1, zlib.compress(ONE, 0), True),
        (b"deflate", 1, zlib.compress(ONE, 9), True),
        (b"gzip", 1, packed[:-12], False),
        (b"gzip", 1, packed + packed, False),
        (b"gzip", 1, packed[:20] + b"x" + packed[21:], False),
        (b"deflate", 1, deflated[:-2], False),
        (b"nonsense", 1, packed, False),
    ]:
        with connect(strict) as connection:
            send(connection, headers(1, INFER, (b"grpc-encoding", coding)), framed(body, flag))
            assert (expected in ends(connection, 1)[0]) == answered, (coding, flag)
    for ours in b"gzip", b"identity", b"deflate":
        for flag in (0, 1, 2):
            with connect(strict) as connection:
                send(connection, headers(1, INFER, (b"grpc-encoding", ours)), framed(packed, flag))
                found, error = ends(connection, 1)
                assert expected in found or error or found == b""
    works(strict)


def test_many_bombs_at_once_cost_no_memory(start):
    server = start("f2c", "--grpc-port=0", "--no-access-log")
    works(server)
    before = resident(server)
    bomb = gzip.compress(bytes(60 << 20), 9)
    with ExitStack() as stack:
        connections = [stack.enter_context(connect(server)) for _ in range(60)]
        for connection in connections:
            send(connection, headers(1, INFER, (b"grpc-encoding", b"gzip")), framed(bomb, 1))
        for connection in connections:
            found, error = ends(connection, 1)
            assert found == b""
            assert b"decompression" in error or b"try again" in error
    works(server)
    assert peak(server) < before + (100 << 20)


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nhost: here\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
        PREFACE[:-3],
        PREFACE + b"\xff" * 100,
        PREFACE + frame(4, 0, 0) + headers(1, "/no/such/path") + data(1, b"", end=True),
        PREFACE + frame(4, 0, 0) + headers(1, b"/no\xff/path") + data(1, b"", end=True),
        PREFACE + frame(4, 0, 0) + headers(1, INFER, (b"a\xff", b"\xff")) + data(1, b"", end=True),
        PREFACE + frame(4, 0, 0) + headers(1, "nonsense") + data(1, b"", end=True),
        PREFACE + frame(4, 0, 0) + frame(1, 0, 1, b"\0") + frame(9, 0, 1, b"\0") * 1000,
        PREFACE + frame(4, 0, 0) + data(1, b"x", end=True),
        PREFACE + frame(4, 0, 0) + headers(1) + data(1, b"\0\xff\xff\xff\xff", end=False),
    ],
)
def test_what_is_no_call_ends(sent, strict):
    with connect_plainly(strict) as connection:
        connection.sendall(sent)
        connection.settimeout(15)
        try:
            while connection.recv(1 << 16):
                works(strict)
        except ConnectionResetError:
            pass
    works(strict)
    assert not [line for line in strict.log() if line.get("status") in ("UNKNOWN", "INTERNAL")]


def connect_plainly(server):
    host, _, port = server.grpc_address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=20)


def test_too_many_connections(strict):
    with ExitStack() as stack:
        for _ in range(60):
            stack.enter_context(connect(strict))
        time.sleep(0.2)
        process = Path(f"/proc/{strict.process.pid}/fd")
        assert len(list(process.iterdir())) < 90
    deadline = time.monotonic() + 10
    while True:
        try:
            works(strict, timeout=2)
            break
        except grpc.RpcError:
            assert time.monotonic() < deadline


def test_many_calls_on_one_connection(strict):
    silent = Silent()
    with open_channel(strict) as channel:
        calls = [channel.stream_unary(INFER).future(iter_of(silent)) for _ in range(60)]
        codes = {ended(call) for call in calls}
        silent.end.set()
    assert codes == {"CANCELLED"}
    works(strict)


def test_large_requests_have_a_queue(start):
    server = start("sin_cubic", "--max-queue", "1", "--no-access-log", "--grpc-port=0")
    x = np.linspace(-3, 3, 2_000_000, dtype="f4")
    body, found = request(x, "sin_cubic", "x"), set()
    expected = infer.load("sin_cubic")(x).tobytes()

    def ask():
        with open_channel(server) as channel:
            for _ in range(5):
                try:
                    answer = channel.unary_unary(INFER)(body, timeout=30)
                    result = service_pb2.ModelInferResponse.FromString(answer)
                    found.add(result.raw_output_contents[0] == expected)
                except grpc.RpcError as error:
                    found.add((error.code().name, error.details()))

    clients = [threading.Thread(target=ask) for _ in range(6)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert found == {True, ("UNAVAILABLE", "too many large requests are waiting; try again")}
    assert server.stop() == 0
    assert server.log() == []


@pytest.fixture(autouse=True)
def _no_failure(strict):
    """Check that no request made the server fail."""
    yield
    failed = [line for line in strict.log() if line.get("event") != "request"]
    assert failed == []


def test_calls_that_are_given_up_leave_nothing_behind(start):
    server = start("sin_cubic", "--grpc-port=0", "--no-access-log", "--max-memory=40M")
    x = np.linspace(-3, 3, 1_500_000, dtype="f4")
    body, expected = request(x, "sin_cubic", "x"), infer.load("sin_cubic")(x).tobytes()
    with open_channel(server) as channel:
        for index in range(60):
            call = channel.unary_unary(INFER).future(body, timeout=30)
            time.sleep(index % 20 / 1000)
            call.cancel()
        for _ in range(2):
            calls = [channel.unary_unary(INFER).future(body, timeout=30) for _ in range(2)]
            for call in calls:
                found = service_pb2.ModelInferResponse.FromString(call.result())
                assert found.raw_output_contents[0] == expected


def test_http_and_grpc_share_one_memory_budget(start, wait):
    server = start("sin_cubic", "--grpc-port=0", "--no-access-log", "--max-memory=40M")
    x = np.linspace(-3, 3, 4_000_000, dtype="f4")
    body = request(x, "sin_cubic", "x")

    def ask():
        try:
            return channel.unary_unary(INFER)(body, timeout=30) and "OK"
        except grpc.RpcError as error:
            return error.code().name

    with open_channel(server) as channel:
        assert ask() == "OK"
        with server.connect() as client:
            # 16 MB of a request over HTTP, whose last byte does not arrive.
            client.sendall(server.binary_start("sin_cubic", "x", len(x)) + x.tobytes()[:-1])
            wait(10, lambda: ask() == "UNAVAILABLE")
        wait(10, lambda: ask() == "OK")

"""HTTP on plain sockets: which bytes belong to which request, in whatever order they arrive."""

import gc
import gzip
import http.client
import itertools
import json
import os
import re
import socket
import statistics
import struct
import subprocess
import threading
import time
import weakref
import zlib

import numpy as np
import pytest

import infer
from infer._serve._http.chunks import Chunks

PATH = b"/v2/models/f2c/infer"
EXPECTED = infer.load("f2c")(98.6)
ASKED = {"inputs": [{"name": "t_u", "shape": [1], "datatype": "FP32", "data": [98.6]}]}
BODY = json.dumps(ASKED).encode()
HEAD = b"POST %b HTTP/1.1\r\nhost: localhost\r\n" % PATH
PLAIN = HEAD + b"content-length: %d\r\n\r\n%b" % (len(BODY), BODY)
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n%b0\r\nx-sum: 1\r\n\r\n" % b"".join(
    b"%x;note=1\r\n%b\r\n" % (len(part), part) for part in (BODY[:1], BODY[1:50], BODY[50:])
)
LIVE = b"GET /v2/health/live HTTP/1.1\r\nhost: localhost\r\n\r\n"
UPGRADES = [
    b"connection: Upgrade\r\nupgrade: x\r\n",
    b"connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n",
    b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n",
    b"upgrade: h2c\r\n",
    b"connection: upgrade\r\n",
]


class Client:
    """A socket that reads answers one by one."""

    def __init__(self, server):
        self.socket = server.connect()
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()

    def send(self, *parts, pause=0.002):
        """Send parts that should arrive one after the other."""
        for part in parts:
            self.socket.sendall(part)
            time.sleep(pause)

    def answer(self, *, body=True):
        """Return status, headers and body of the next answer; None at the end."""
        line = self.file.readline()
        if not line:
            return None
        fields = http.client.parse_headers(self.file)
        text = self.file.read(int(fields["content-length"])) if body else b""
        return int(line.split()[1]), fields, text

    def value(self):
        """Return the number in the next answer, or the whole answer if there is none."""
        status, _, body = self.answer()
        return json.loads(body)["outputs"][0]["data"][0] if status == 200 else (status, body)

    def silent(self, seconds=0.15):
        """Tell whether nothing more comes for a while, on an open connection."""
        self.socket.settimeout(seconds)
        try:
            return self.socket.recv(1) == "never"
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(20)


@pytest.fixture(scope="session")
def patient(serving):
    """Return a server of two models that gives up on a request after two seconds."""
    with serving("f2c", "sin_cubic", "--timeout", "2") as server:
        yield server


@pytest.fixture(scope="session")
def asyncio_server(serving, tmp_path_factory):
    """Return the same without uvloop."""
    folder = tmp_path_factory.mktemp("without")
    (folder / "uvloop.py").write_text("raise ImportError")
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    with serving("f2c", "sin_cubic", "--timeout", "2", PYTHONPATH=path) as server:
        yield server


@pytest.fixture(params=["patient", "asyncio_server"])
def either(request):
    """Return first the one, then the other: their transports differ."""
    return request.getfixturevalue(request.param)


# Bytes of one client never reach another.


@pytest.mark.parametrize("values", [1_000, 100_000, 400_000])
@pytest.mark.parametrize("upgrade", UPGRADES)
def test_a_request_without_its_body_gets_no_answer_of_another_one(upgrade, values, patient):
    secret = np.random.default_rng(values).random(values, "<f4")
    request = patient.binary_start("f2c", "t_u", values)
    head, _, start = request.partition(b"\r\n\r\n")
    with Client(patient) as victim:
        victim.send(request + secret.tobytes())
        expected = infer.load("f2c")(secret).tobytes()
        assert victim.answer()[2].endswith(expected)
    with Client(patient) as attacker:
        attacker.send(head + b"\r\n" + upgrade + b"\r\n" + start)
        assert attacker.silent()
        own = np.zeros(values, "<f4").tobytes()
        attacker.send(own[:-1])
        assert attacker.silent()
        attacker.send(own[-1:])
        zero = struct.pack("<f", infer.load("f2c")(0.0))
        assert attacker.answer()[2].endswith(zero * values)


def test_a_body_that_never_comes_is_refused_in_the_end(patient):
    head, _, start = patient.binary_start("f2c", "t_u", 100_000).partition(b"\r\n\r\n")
    with Client(patient) as attacker:
        attacker.send(head + b"\r\n" + UPGRADES[0] + b"\r\n" + start + bytes(399_999))
        status, fields, body = attacker.answer()
        assert (status, fields["connection"]) == (408, "close")
        assert json.loads(body)["error"] == "the request did not arrive within 2 s"
        assert attacker.answer() is None


@pytest.mark.parametrize("upgrade", UPGRADES)
def test_an_upgrade_is_ignored(upgrade, patient):
    request = PLAIN.replace(b"content-length", upgrade + b"content-length")
    head, _, body = request.partition(b"\r\n\r\n")
    with Client(patient) as client:
        client.send(request)
        assert client.value() == EXPECTED
        client.send(head + b"\r\n\r\n", body, pause=0.05)  # as a client that offers h2c may send it
        assert client.value() == EXPECTED
        client.send(CHUNKED.replace(b"transfer", upgrade + b"transfer"))
        assert client.value() == EXPECTED
        client.send(LIVE.replace(b"\r\n\r\n", b"\r\n" + upgrade + b"\r\n"))
        assert client.answer()[0] == 200
        assert client.silent()


@pytest.mark.parametrize("upgrade", [b"", *UPGRADES])
@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_a_body_that_looks_like_a_request_is_a_body(framing, upgrade, patient):
    before = patient.metric("samebits_requests_total", model="f2c")
    inner = PLAIN
    start = HEAD.replace(b"f2c", b"sin_cubic") + upgrade
    if framing == "length":
        request = start + b"content-length: %d\r\n\r\n" % len(inner) + inner
    else:
        chunk = b"%x\r\n%b\r\n0\r\n\r\n" % (len(inner), inner)
        request = start + b"transfer-encoding: chunked\r\n\r\n" + chunk
    with Client(patient) as client:
        client.send(request)
        status, _, body = client.answer()
        assert (status, "expected a body in JSON" in json.loads(body)["error"]) == (400, True)
        assert client.silent()
        client.send(PLAIN)
        assert client.value() == EXPECTED
    assert patient.metric("samebits_requests_total", model="f2c") == before + 1


# Honest clients that offer HTTP/2.


def test_curl_that_offers_http_2_is_answered(patient):
    command = ["curl", "-sS", "--max-time", "20", "--http2", "-d", BODY.decode()]
    for address in ("127.0.0.1", "localhost"):
        url = f"http://{address}:{patient.port}{PATH.decode()}"
        output = subprocess.run([*command, url], capture_output=True, check=True).stdout
        assert json.loads(output)["outputs"][0]["data"] == [EXPECTED]


JAVA = """
import java.net.URI;
import java.net.http.*;

public class Client {
    public static void main(String[] arguments) throws Exception {
        var client = HttpClient.newHttpClient();
        for (int i = 0; i < 3; i++) {
            var request = HttpRequest.newBuilder(URI.create(arguments[0]))
                .POST(HttpRequest.BodyPublishers.ofString(arguments[1])).build();
            var answer = client.send(request, HttpResponse.BodyHandlers.ofString());
            System.out.println(answer.statusCode() + " " + answer.body());
        }
    }
}
"""


@pytest.mark.needs("java")
def test_java_that_offers_http_2_is_answered(patient, tmp_path):
    (tmp_path / "Client.java").write_text(JAVA)
    url = f"http://localhost:{patient.port}{PATH.decode()}"
    command = ["java", str(tmp_path / "Client.java"), url, BODY.decode()]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=100)
    lines = result.stdout.splitlines()
    assert len(lines) == 3
    for line in lines:
        status, _, body = line.partition(" ")
        assert (status, json.loads(body)["outputs"][0]["data"]) == ("200", [EXPECTED])


# Each order of arrival.


@pytest.mark.parametrize("request_", [PLAIN, CHUNKED], ids=["length", "chunks"])
def test_a_request_may_be_split_anywhere(request_, patient):
    """Two requests in a row on each connection, both cut at the same place."""
    for cut in range(1, len(request_)):
        with Client(patient) as client:
            client.send(request_[:cut], request_[cut:] + request_[:cut], pause=0.001)
            assert client.value() == EXPECTED, cut
            client.send(request_[cut:] + LIVE, pause=0)
            assert client.value() == EXPECTED, cut
            assert client.answer()[2] == b'{"live":true}', cut


@pytest.mark.parametrize("request_", [PLAIN, CHUNKED], ids=["length", "chunks"])
def test_a_request_may_come_byte_by_byte(request_, patient):
    with Client(patient) as client:
        client.send(*(request_[i : i + 1] for i in range(len(request_))), pause=0)
        client.send(*((request_ + LIVE)[i : i + 3] for i in range(0, len(request_ + LIVE), 3)))
        assert client.value() == EXPECTED
        assert client.value() == EXPECTED
        assert client.answer()[2] == b'{"live":true}'


def test_what_follows_a_long_body_is_the_next_request(either):
    values = np.random.default_rng(1).random(50_000, "<f4")
    start = either.binary_start("f2c", "t_u", len(values))
    long = start + values.tobytes()
    expected = infer.load("f2c")(values).tobytes()
    whole = long + PLAIN + CHUNKED + long + LIVE
    cuts = [
        len(start) - 3,
        len(start),
        len(start) + 70_000,
        len(long) - 1,
        len(long),
        len(long) + 9,
    ]
    cuts += [len(long + PLAIN + CHUNKED) + 100, len(whole) - len(LIVE) - 1, len(whole) - 2]
    for chosen in ([], *([cut] for cut in cuts), cuts):
        places = [0, *chosen, len(whole)]
        with Client(either) as client:
            client.send(*(whole[a:b] for a, b in itertools.pairwise(places)))
            assert client.answer()[2].endswith(expected)
            assert client.value() == EXPECTED
            assert client.value() == EXPECTED
            assert client.answer()[2].endswith(expected)
            assert client.answer()[2] == b'{"live":true}'
            assert client.silent(0.02)


def test_pipelined_requests_have_no_limit_together(either):
    count = 3000
    with Client(either) as client:
        sender = threading.Thread(target=client.socket.sendall, args=(PLAIN * count,))
        sender.start()
        assert {client.value() for _ in range(count)} == {EXPECTED}
        sender.join()
        assert client.silent()


def test_a_client_that_pipelines_without_reading_is_not_read_any_further(patient):
    size = 60 << 20
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.settimeout(20)
        deaf.connect(("127.0.0.1", patient.port))
        began = time.monotonic()
        with pytest.raises(OSError):  # cut off when it took no answer for two seconds
            deaf.sendall(LIVE * (size // len(LIVE)))
        assert time.monotonic() - began > 1
    assert patient.infer("f2c", ASKED)[0] == 200


def test_an_empty_line_before_a_request_is_read_over_once(patient):
    with Client(patient) as client:
        client.send(b"\r\n" + PLAIN + b"\r", b"\n", PLAIN[:9], PLAIN[9:])
        assert (client.value(), client.value()) == (EXPECTED, EXPECTED)
        client.send(b"\r\n\r\n" + PLAIN)
        assert client.answer()[0] == 400
        assert client.answer() is None


# Versions, connections that end, bodies where none is expected.


def test_http_1_0_keeps_a_connection_on_request(either):
    old = PLAIN.replace(b"HTTP/1.1\r\nhost: localhost", b"HTTP/1.0")
    kept = old.replace(b"HTTP/1.0", b"HTTP/1.0\r\nConnection: Keep-Alive")
    with Client(either) as client:
        client.send(kept + kept)
        for _ in range(2):
            status, fields, _ = client.answer()
            assert (status, fields["connection"]) == (200, "keep-alive")
        client.send(old + PLAIN)
        status, fields, _ = client.answer()
        assert (status, fields["connection"]) == (200, "close")
        assert client.answer() is None


def test_a_request_that_asks_for_the_end_is_the_last(patient):
    for option in (b"close", b"Close", b"keep-alive, CLOSE"):
        last = PLAIN.replace(b"content-length", b"connection: %b\r\ncontent-length" % option)
        with Client(patient) as client:
            client.send(last + PLAIN)
            status, fields, _ = client.answer()
            assert (status, fields["connection"]) == (200, "close")
            assert client.answer() is None


def test_a_client_that_ends_its_side_still_gets_its_answers(either):
    values = np.ones(50_000, "<f4").tobytes()
    long = either.binary_start("f2c", "t_u", 50_000) + values
    with Client(either) as client:
        client.socket.sendall(long + PLAIN * 40)
        client.socket.shutdown(socket.SHUT_WR)
        assert client.answer()[0] == 200
        assert [client.value() for _ in range(40)] == [EXPECTED] * 40
        assert client.answer() is None
    with Client(either) as client:
        client.socket.sendall(PLAIN + PLAIN[:-1])
        client.socket.shutdown(socket.SHUT_WR)
        assert client.value() == EXPECTED
        assert client.answer() is None


def test_a_body_of_a_get_is_not_the_next_request(patient):
    for framing in (
        b"content-length: %d\r\n\r\n%b" % (len(PLAIN), PLAIN),
        b"transfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(PLAIN), PLAIN),
    ):
        request = LIVE[:-2] + framing
        with Client(patient) as client:
            client.send(request, LIVE.replace(b"GET", b"HEAD"), LIVE)
            assert client.answer()[2] == b'{"live":true}'
            assert client.answer(body=False)[1]["content-length"] == "13"
            assert client.answer()[2] == b'{"live":true}'
            assert client.silent(0.05)
    with Client(patient) as client:
        client.send(LIVE[:-2] + b"content-length: 70000\r\n\r\n", bytes(70_000), PLAIN)
        assert client.answer()[0] == 413
        assert client.value() == EXPECTED


def test_a_refused_body_is_read_over_or_the_connection_ends(either):
    unknown = PLAIN.replace(b"f2c", b"f2d")
    with Client(either) as client:
        client.send(unknown + PLAIN)
        assert client.answer()[0] == 404
        assert client.value() == EXPECTED
        # Nobody can tell whether the body comes now: what follows must not be taken for a request.
        client.send(unknown[: -len(BODY) - 2] + b"expect: 100-continue\r\n\r\n" + PLAIN)
        status, fields, _ = client.answer()
        assert (status, fields["connection"]) == (404, "close")
        assert client.answer() is None
    with Client(either) as client:
        client.send(CHUNKED.replace(b"f2c", b"f2d") + PLAIN)
        status, fields, _ = client.answer()
        assert (status, fields["connection"]) == (404, "close")
        assert client.answer() is None


def test_an_expectation_that_is_unknown_is_refused(patient):
    with Client(patient) as client:
        client.send(PLAIN.replace(b"content-length", b"expect: tea\r\ncontent-length"))
        assert client.answer()[0] == 417
        assert client.answer() is None


def test_an_answer_that_ends_the_connection_is_not_destroyed_by_what_still_comes(either):
    """Closing with unread bytes makes the system throw away what the client has not read."""
    for _ in range(5):
        with Client(either) as client:
            client.socket.sendall(b"nonsense\r\n\r\n" + bytes(500_000))
            time.sleep(0.02)
            client.socket.sendall(bytes(200_000))
            time.sleep(0.02)
            assert client.answer()[0] == 400
            assert client.answer() is None


# Hosts.


def host_status(server, *hosts, version=b"1.1", target=b"/v2/health/live"):
    fields = b"".join(b"host: %b\r\n" % host for host in hosts)
    with Client(server) as client:
        client.send(b"GET %b HTTP/%b\r\n%b\r\n" % (target, version, fields), pause=0)
        status, _, body = client.answer()
    return status, body.decode()


def test_a_loopback_server_answers_for_loopback_alone(patient):
    port = b"%d" % patient.port
    for host in (b"localhost", b"LOCALHOST.", b"127.0.0.1", b"[::1]", b"127.8.9.10"):
        assert host_status(patient, host)[0] == 200
        assert host_status(patient, host + b":" + port)[0] == 200
        assert host_status(patient, host + b":9")[0] == 200
    for host in (b"evil.example", b"localhost.evil.example", b"10.0.0.1", b"[fe80::1]", b"1.1"):
        status, body = host_status(patient, host + b":" + port)
        assert status == 421
        name = host.decode().strip("[]")
        assert f"--allowed-host {name}" in body
    for host in (b"", b"a b", b"localhost:x", b"a,b", b"localhost/", b"u@localhost", b"[::1"):
        assert host_status(patient, host)[0] == 400


def test_a_request_has_one_host(patient):
    assert host_status(patient)[0] == 400
    assert host_status(patient, b"localhost", b"localhost")[0] == 400
    assert host_status(patient, version=b"1.0")[0] == 200
    assert host_status(patient, b"evil.example", version=b"1.0")[0] == 421


def test_the_host_in_a_target_counts_too(patient):
    for host, status in ((b"localhost", 200), (b"evil.example", 421), (b"", 400)):
        found = host_status(patient, b"localhost", target=b"http://%b/v2/health/live?a" % host)
        assert found[0] == status
    assert host_status(patient, b"localhost", target=b"*")[0] == 404
    assert host_status(patient, b"localhost", target=b"localhost")[0] == 400


def test_more_hosts_can_be_allowed(start):
    server = start("f2c", "--allowed-host", "Models.example", "--allowed-host", "10.0.0.1")
    assert host_status(server, b"models.example:80")[0] == 200
    assert host_status(server, b"10.0.0.1")[0] == 200
    assert host_status(server, b"other.example")[0] == 421
    server = start("f2c", "--allowed-host", "*")
    assert host_status(server, b"other.example")[0] == 200
    assert host_status(server, b"a b")[0] == 400


def test_a_server_for_all_addresses_answers_for_addresses_and_its_own_name(start):
    server = start("f2c", "--host", "0.0.0.0")  # noqa: S104
    name = socket.gethostname().encode()
    for host in (b"localhost", b"127.0.0.1", b"10.0.0.1", b"[fe80::1]:80", name):
        assert host_status(server, host)[0] == 200, host
    assert host_status(server, b"evil.example")[0] == 421


# Compressed bodies.


def gzipped(text):
    return gzip.compress(text, 9, mtime=0)


def test_a_compressed_body_has_the_bits_of_a_plain_one(patient):
    values = np.random.default_rng(2).random(100_000, "<f4")
    head = patient.binary_head("t_u", len(values))
    body = head + values.tobytes()
    for coding, packed in (
        ("gzip", gzipped(body)),
        ("X-GZIP", gzipped(body)),
        ("deflate", zlib.compress(body)),
        ("identity", body),
    ):
        size = str(len(head))
        status, _, answer = patient.ask(
            "POST",
            PATH.decode(),
            packed,
            Content_Encoding=coding,
            Inference_Header_Content_Length=size,
        )
        assert status == 200
        assert answer.endswith(infer.load("f2c")(values).tobytes())


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (gzipped(BODY) + b"\0", 400, "bytes follow the end"),
        (gzipped(BODY[:9]) + gzipped(BODY[9:]), 400, "send it as one gzip member"),
        (gzipped(BODY) + bytes(70_000), 400, "bytes follow the end"),
        (gzipped(BODY)[:-1], 400, "ends too early"),
        (gzipped(BODY)[:-8] + bytes(8), 400, "cannot be decompressed"),
        (b"", 400, "ends too early"),
        (gzipped(bytes(1_100_000)), 413, "at most 100 times the size"),
        (gzipped(bytes(8_000_000)), 413, "send it uncompressed"),
        (gzipped(bytes(1_000_000)), 400, "expected a body in JSON"),
    ],
)
def test_a_compressed_body_that_is_damaged_or_a_bomb_is_refused(body, status, message, patient):
    found, answer = patient.infer("f2c", body, Content_Encoding="gzip")
    assert (found, message in answer["error"]) == (status, True)


def zeros(size):
    """Return a request of many zeros in JSON, of so many bytes."""
    count = size // 2
    tensor = {"name": "t_u", "shape": [count], "datatype": "FP32"}
    text = json.dumps({"inputs": [{**tensor, "data": 0}]})
    return text.replace('"data": 0', f'"data": [{",".join("0" * count)}]').encode()


@pytest.mark.parametrize(
    "body",
    [gzipped(zeros(8_000_000)), gzipped(zeros(1_000_000)), gzipped(b"[" * 1_000_000)],
    ids=["too large", "just large enough", "nested"],
)
def test_health_is_answered_under_a_flood_of_compressed_bodies(body, patient):
    assert len(body) < 9_000
    request = HEAD + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
    end = time.monotonic() + 2
    statuses, times = set(), []

    def flood():
        with Client(patient) as client:
            while time.monotonic() < end:
                client.send(request, pause=0)
                statuses.add(client.answer()[0])

    clients = [threading.Thread(target=flood) for _ in range(8)]
    for client in clients:
        client.start()
    with Client(patient) as client:
        while time.monotonic() < end:
            began = time.monotonic()
            client.send(LIVE, pause=0)
            assert client.answer()[0] == 200
            times.append(time.monotonic() - began)
            time.sleep(0.01)
    for client in clients:
        client.join()
    assert statuses <= {200, 400, 413}
    assert statistics.median(times) < 0.3, times


def test_json_counts_as_what_it_becomes(strict, start):
    nested = b'{"inputs": [' + b"[]," * 20_000 + b"[]]}"
    status, answer = strict.infer("f2c", nested)  # 60 KB, that become more than a megabyte
    assert (status, answer["error"]) == (400, "expected one input, 't_u', in the list at 'inputs'")
    server = start("f2c", "--max-memory", "1M")
    status, answer = server.infer("f2c", nested)
    assert (status, answer["error"]) == (503, "too much is in flight; try again")
    assert server.infer("f2c", ASKED)[0] == 200
    many = b'{"inputs": [' + b"0," * 200_001 + b"0]}"
    server = start("f2c", "--max-elements", "200000")
    status, answer = server.infer("f2c", many)
    assert (status, answer["error"]) == (413, "expected at most 200,000 values, found more")


def test_memory_is_given_back_whatever_becomes_of_a_request(start, wait):
    server = start("f2c", "--max-memory", "3M", "--timeout", "1")
    whole = server.binary_start("f2c", "t_u", 250_000) + bytes(1_000_000)
    big = b'{"inputs": [' + b"[]," * 20_000 + b"[]]}"
    chunks = b"transfer-encoding: chunked\r\n\r\n"
    for _ in range(4):
        for request in (
            whole,  # answered
            whole[:-1],  # left
            HEAD + b"content-length: %d\r\n\r\n%b" % (len(big), big),  # refused
            HEAD + chunks + b"80000\r\n" + bytes(0x80000) + b"zz",  # broken
            HEAD + chunks + b"80000\r\n" + bytes(0x70000),  # left
            HEAD + b"content-encoding: gzip\r\ncontent-length: 9\r\n\r\n" + bytes(9),
        ):
            with Client(server) as client:
                client.send(request)

    def free():
        body = bytes(1_400_000)
        head = server.binary_head("t_u", len(body) // 4)
        answer = server.ask(
            "POST", PATH.decode(), head + body, Inference_Header_Content_Length=str(len(head))
        )
        return answer[0] == 200

    wait(10, free)


def test_a_chunked_body_is_let_go_at_its_end():
    chunks = Chunks(100, lambda _size: None)
    assert chunks.feed(bytearray(b"5\r\nhello\r\n0\r\n\r\n"))
    left = weakref.ref(chunks)
    gc.disable()  # reference counts alone
    try:
        del chunks
        assert left() is None
    finally:
        gc.enable()


# What operators see.


def test_refusals_are_logged_and_counted(start, wait):
    server = start("f2c")
    for bad in (b"nonsense\r\n\r\n", LIVE.replace(b"localhost", b"evil.example")):
        with Client(server) as client:
            client.send(bad)
            client.answer()
    assert server.metric("samebits_errors_total", model="", status="400") == 1
    assert server.metric("samebits_errors_total", model="", status="421") == 1
    lines = wait(5, lambda: [line for line in server.log() if line["status"] in (400, 421)])
    assert [line["status"] for line in lines] == [400, 421]
    assert all(line["client"] == "127.0.0.1" and line["error"] for line in lines)


def test_answers_carry_a_date(patient):
    with Client(patient) as client:
        client.send(LIVE)
        fields = client.answer()[1]
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", fields["date"])

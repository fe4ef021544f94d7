"""Mutated HTTP requests: always an answer or a closed connection, and nobody else notices.

``pytest -m slow tests/fuzz/test_http.py``; ``SAMEBITS_FUZZ`` says how many mutations.
"""

import gzip
import json
import os
import random
import re
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import infer

MUTATIONS = int(os.environ.get("SAMEBITS_FUZZ", "10000"))
CLIENTS = 4
# Seconds after which a client without an answer counts as hanging, and mebibytes that the server
# may grow by between the first quarter of a run and its end.
HANG = 10
SLACK = 32

NAME = b"sin_cubic"
BODY = b'{"inputs": [{"name": "x", "shape": [2], "datatype": "FP32", "data": [0.5, 1.5]}]}'
TENSOR = b'{"inputs": [{"name": "x", "shape": [3], "datatype": "FP32", "parameters": %b}]}'
BINARY = TENSOR % b'{"binary_data_size": 12}'
CHUNKS = b"%x;a=b\r\n%b\r\n0\r\nX: y\r\n\r\n" % (len(BODY), BODY)
HOST = b"Host: localhost\r\n"
POST = b"POST /v2/models/%b/infer HTTP/1.1\r\n%b" % (NAME, HOST)
LONG = b"Content-Length: 70000\r\n\r\n" + BODY + b" " * (70_000 - len(BODY))


def with_length(head, body):
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


REQUESTS = [
    with_length(POST, BODY),
    with_length(POST + b"Connection: Upgrade\r\nUpgrade: h2c\r\n", BODY),
    with_length(POST + b"Expect: 100-continue\r\n", BODY),
    with_length(POST + b"Content-Encoding: gzip\r\n", gzip.compress(BODY, mtime=0)),
    with_length(
        POST + b"Inference-Header-Content-Length: %d\r\n" % len(BINARY),
        BINARY + struct.pack("<3f", 1, 2, 3),
    ),
    POST + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKS,
    POST + LONG,
    b"GET /v2/models/%b HTTP/1.1\r\n%bConnection: close\r\n\r\n" % (NAME, HOST),
    b"HEAD /docs HTTP/1.1\r\n%b\r\n" % HOST,
    b"GET http://localhost/metrics?a=%%20b HTTP/1.1\r\n%b\r\n" % HOST,
    b"GET /v2/health/ready HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    with_length(b"POST /v2/repository/index HTTP/1.1\r\n" + HOST, b'{"ready": true}'),
]
TOKENS = [
    b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b",", b";", b"\r\n\r\n", b"\xff", b"%00",
    b"%", b"/", b"Content-Length: 5\r\n", b"Content-Length: 0\r\n",
    b"Content-Length: 99999999999999999999\r\n", b"Content-Length: 67108864\r\n",
    b"Content-Length: 5, 5\r\n", b"Content-Length:\r\n", HOST, b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n", b"Transfer-Encoding:\x0bchunked\r\n",
    b"Connection: Upgrade\r\nUpgrade: x\r\n", b"ffffffffffffffff", b"Connection: close\r\n",
    b"Expect: 100-continue\r\n", b"Expect: x\r\n", b"Content-Encoding: deflate\r\n",
    b"Content-Encoding: br\r\n", b"Inference-Header-Content-Length: 9\r\n", b"HTTP/2.0",
    b"HTTP/1.0", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"CONNECT a:1 HTTP/1.1\r\n", b"x" * 70_000,
    b"a: b\r\n" * 200, b"[" * 5000, b"9" * 5000, b"1e400", b"NaN", b'{"id": "\xe2\x80\xae"}',
]  # fmt: skip


def mutated(chance):
    """Return the bytes of one or two requests that were damaged in a few places."""
    data = bytearray(b"".join(chance.choices(REQUESTS, k=chance.choice([1, 1, 2]))))
    for _ in range(chance.choice([1, 1, 2, 3, 6])):
        at = chance.randrange(len(data) + 1)
        if chance.random() < 0.7:  # heads are short, and what matters
            at = chance.randrange(min(len(data), 250) + 1)
        kind = chance.randrange(6)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del data[at : at + chance.choice([1, 1, 2, 9, 100])]
        elif kind == 2:
            data[at:at] = chance.choice(TOKENS)
        elif kind == 3:
            token = chance.choice(TOKENS)
            data[at : at + len(token)] = token
        elif kind == 4:
            line = data.rfind(b"\r\n", 0, at) + 2 if b"\r\n" in data[:at] else 0
            data[line:line] = chance.choice(TOKENS)
        else:
            del data[at:]
    return bytes(data)


def exchange(port, data, chance):
    """Send data in a few pieces, end this side, and return all that comes back."""
    with socket.create_connection(("127.0.0.1", port), timeout=HANG) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        received = []
        try:
            cuts = sorted(chance.randrange(len(data) + 1) for _ in range(chance.randrange(3)))
            for start, stop in zip([0, *cuts], [*cuts, len(data)], strict=True):
                client.sendall(data[start:stop])
            client.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused: what it said may still be there
        try:
            while part := client.recv(1 << 16):
                received.append(part)
        except ConnectionResetError:
            return b"".join(received), True
        return b"".join(received), False


def statuses(answer):
    """Return the status of each answer; every byte must belong to one."""
    found = []
    while answer:
        line = re.match(rb"HTTP/1\.1 (\d{3}) [A-Za-z- ]+\r\n", answer)
        assert line, answer[:200]
        head, blank, rest = answer.partition(b"\r\n\r\n")
        assert blank
        found.append(int(line[1]))
        if found[-1] != 100:
            size = int(re.search(rb"\r\ncontent-length: (\d+)", head)[1])
            # The answer to HEAD is a head: nothing, or the next answer, follows.
            if rest and not rest.startswith(b"HTTP/1.1 "):
                assert len(rest) >= size
                rest = rest[size:]
        answer = rest
    return found


def resident(pid):
    """Return the mebibytes that a process has in memory."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0]) / 1024


class Run:
    """What a server did while it was attacked."""

    def __init__(self, port):
        self.port = port
        self.counts, self.failures, self.done = Counter(), [], []

    def be_hostile(self, seed):
        """Send mutations; each must be answered, refused or ended."""
        chance = random.Random(seed)  # noqa: S311
        for number in range(MUTATIONS // CLIENTS):
            data = mutated(chance)
            began = time.monotonic()
            try:
                answer, reset = exchange(self.port, data, chance)
                found = statuses(answer)
            except Exception as error:  # noqa: BLE001 - a hang, or half an answer
                self.failures.append((seed, number, data[:300], repr(error)))
                continue
            self.counts.update(found)
            self.counts["reset"] += reset
            self.counts["mutations"] += 1
            if any(status >= 500 and status != 503 for status in found):
                self.failures.append((seed, number, data[:300], found))
            if time.monotonic() - began > HANG:
                self.failures.append((seed, number, data[:300], "took too long"))
        self.done.append(seed)

    def be_honest(self):
        """Ask for values of its own on one connection, and compare the bits of all answers."""
        generator = np.random.default_rng(7)
        model = infer.load(NAME.decode())
        client = socket.create_connection(("127.0.0.1", self.port), timeout=HANG)
        with client, client.makefile("rb") as answers:
            while len(self.done) < CLIENTS:
                count = int(generator.choice([1, 5, 30_000]))
                x = generator.random(count, "<f4") * 6 - 3
                parameters = json.dumps({"binary_data_size": 4 * count}).encode()
                head = (TENSOR % parameters).replace(b"[3]", b"[%d]" % count)[:-1]
                head += b', "parameters": {"binary_data_output": true}}'
                fields = b"Inference-Header-Content-Length: %d\r\n" % len(head)
                client.sendall(with_length(POST + fields, head + x.tobytes()))
                status = answers.readline()
                fields = b"".join(iter(answers.readline, b"\r\n"))
                size = int(re.search(rb"content-length: (\d+)\r\n$", fields)[1])
                body = answers.read(size)
                self.counts["honest"] += 1
                if b" 200 " not in status or not body.endswith(model(x).tobytes()):
                    self.failures.append(("honest", status, body[:300]))
                time.sleep(0.005)

    def attack(self, pid):
        """Run all clients; return the server's memory over time."""
        threads = [threading.Thread(target=self.be_hostile, args=(i,)) for i in range(CLIENTS)]
        threads.append(threading.Thread(target=self.be_honest))
        for thread in threads:
            thread.start()
        memory = []
        while any(thread.is_alive() for thread in threads):
            time.sleep(0.2)
            memory.append(resident(pid))
        return memory


@pytest.mark.slow
def test_mutated_requests_hurt_nobody(tmp_path):
    log = tmp_path / "log.txt"
    command = [str(Path(sys.executable).with_name("infer")), "serve", NAME.decode(), "--port=0"]
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [*command, "--timeout=3", "--max-body=1M"], stdout=subprocess.PIPE, stderr=errors
        )
    with process:
        try:
            run = Run(int(process.stdout.readline().rpartition(b":")[2]))
            memory = run.attack(process.pid)
            assert process.poll() is None
        finally:
            process.terminate()
    counts, text = run.counts, log.read_bytes()
    growth = max(memory[-len(memory) // 4 :]) - max(memory[: len(memory) // 4 + 1])
    print(f"\n{dict(counts)}, memory {memory[-1]:.0f} MiB, grew by {growth:.0f}")  # noqa: T201
    assert run.failures == []
    assert process.returncode == 0
    assert {json.loads(line)["event"] for line in text.splitlines()} == {"request"}
    assert b"Traceback" not in text
    assert counts["mutations"] == MUTATIONS // CLIENTS * CLIENTS
    assert counts["honest"] > MUTATIONS / 100
    assert min(counts[200], counts[400]) > MUTATIONS / 20
    assert growth < SLACK

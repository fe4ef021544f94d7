"""Good and hostile clients together, for a while: no wrong bit, no lost request, flat memory.

``SAMEBITS_SOAK_SECONDS=600 pytest -m slow -s tests/infer/serve/test_soak.py``
"""

import collections
import contextlib
import gzip
import json
import os
import random
import socket
import statistics
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from tritonclient import grpc as triton_grpc
from tritonclient import http as triton

import infer

SECONDS = float(os.environ.get("SAMEBITS_SOAK_SECONDS", "60"))
NAMES = ("f2c", "sin_cubic", "plane", "dynamic_net.order5")
# Mebibytes: the arena and the allocator keep some of what was in flight at the busiest time.
SLACK = 64
HEAD = b"POST /v2/models/f2c/infer HTTP/1.1\r\nhost: localhost\r\n"


def be_silent(server, chance):
    with server.connect() as connection:
        connection.sendall(HEAD[: chance.randrange(1, len(HEAD))])
        connection.settimeout(4)
        while connection.recv(1 << 16):
            pass


def leave_in_the_middle(server, chance):
    size = chance.choice([100, 100_000, 10_000_000])
    with server.connect() as connection:
        connection.sendall(HEAD + b"content-length: %d\r\n\r\n" % size)
        connection.sendall(bytes(chance.randrange(size)))


def send_garbage(server, chance):
    with server.connect() as connection:
        connection.sendall(chance.randbytes(chance.randrange(1, 3000)) + b"\r\n\r\n")
        while connection.recv(1 << 16):
            pass


def send_wrong_json(server, chance):
    cut = chance.randrange(60)
    asked = {"inputs": [{"name": "t_u", "shape": [2], "datatype": "FP32", "data": [1.0]}]}
    status, answer = server.infer("f2c", json.dumps(asked)[:-cut] if cut else asked)
    assert status == 400
    assert answer["error"]


def ask_for_a_gigabyte(server, chance):
    with server.connect() as connection:
        connection.sendall(HEAD + b"content-length: 1073741824\r\n\r\n")
        assert b" 413 " in connection.recv(1 << 16)


def never_read(server, chance):
    whole = server.binary_start("f2c", "t_u", 100_000) + bytes(400_000)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(4)
        connection.connect(("127.0.0.1", server.port))
        for _ in range(50):
            connection.sendall(whole)


def claim_a_body_and_upgrade(server, chance):
    size = chance.choice([100, 100_000, 2_000_000])
    upgrade = chance.choice([b"x", b"h2c", b"websocket"])
    head = HEAD + b"connection: upgrade\r\nupgrade: %b\r\n" % upgrade
    with server.connect() as connection:
        connection.settimeout(4)
        connection.sendall(head + b"content-length: %d\r\n\r\n" % size)
        assert b" 200 " not in connection.recv(1 << 16)


def hide_a_request_in_a_body(server, chance):
    inner = HEAD.replace(b"POST", b"GET") + b"\r\n"
    with server.connect() as connection:
        connection.sendall(HEAD + b"upgrade: x\r\ncontent-length: %d\r\n\r\n" % len(inner) + inner)
        connection.settimeout(10)
        answers = connection.recv(1 << 16)
        connection.settimeout(0.3)  # a second answer would follow at once
        with contextlib.suppress(TimeoutError):
            while part := connection.recv(1 << 16):
                answers += part
        assert answers.count(b"HTTP/1.1 ") == answers.count(b"HTTP/1.1 400 ") == 1


def send_a_bomb(server, chance):
    bomb = gzip.compress(b'{"inputs": [' + b"0," * chance.choice([400_000, 4_000_000]), 9)
    status, _, _ = server.ask("POST", "/v2/models/f2c/infer", bomb, Content_Encoding="gzip")
    assert status in (400, 413, 503)


def pipeline_without_reading(server, chance):
    with server.connect() as connection:
        connection.settimeout(4)
        connection.sendall(b"GET /docs HTTP/1.1\r\nhost: localhost\r\n\r\n" * 20_000)


def ask_for_another_host(server, chance):
    assert server.ask("GET", "/v2", Host="evil.example")[0] == 421


def send_garbage_over_grpc(server, chance):
    host, port = server.grpc_address.rsplit(":", 1)
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" * chance.randrange(2)
    with socket.create_connection((host, int(port)), 4) as connection:
        connection.sendall(preface + chance.randbytes(chance.randrange(1, 3000)))
        while connection.recv(1 << 16):
            pass


HOSTILE = (
    send_garbage_over_grpc,
    claim_a_body_and_upgrade,
    hide_a_request_in_a_body,
    send_a_bomb,
    pipeline_without_reading,
    ask_for_another_host,
    be_silent,
    leave_in_the_middle,
    send_garbage,
    send_wrong_json,
    ask_for_a_gigabyte,
    never_read,
)


def resident(server):
    """Return the mebibytes that the server has in memory."""
    text = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0]) / 1024


def be_hostile(server, seed, end, counts):
    chance = random.Random(seed)  # noqa: S311
    while time.monotonic() < end:
        act = chance.choice(HOSTILE)
        with contextlib.suppress(OSError):  # cut off, as it should be
            act(server, chance)
        counts[act.__name__] += 1


def watch_health(server, end, times):
    while time.monotonic() < end:
        began = time.monotonic()
        assert server.ask("GET", "/v2/health/live")[0] == 200
        times.append(time.monotonic() - began)
        time.sleep(0.1)


def connect_http(server):
    return triton.InferenceServerClient(server.address, network_timeout=30)


def ask_http(client, card, x, binary):
    tensor = triton.InferInput(card.input.name, list(x.shape), "FP32")
    tensor.set_data_from_numpy(x, binary_data=binary)
    outputs = [triton.InferRequestedOutput(card.output.name, binary_data=binary)]
    return client.infer(card.name, [tensor], outputs=outputs).as_numpy(card.output.name)


def connect_grpc(server):
    return triton_grpc.InferenceServerClient(server.grpc_address)


def ask_grpc(client, card, x, _binary):
    tensor = triton_grpc.InferInput(card.input.name, list(x.shape), "FP32").set_data_from_numpy(x)
    return client.infer(card.name, [tensor]).as_numpy(card.output.name)


HTTP, GRPC = (connect_http, ask_http), (connect_grpc, ask_grpc)


@pytest.mark.slow
def test_good_clients_never_notice_the_others(start, patterns):
    server = start(*NAMES, "--grpc-port", "0", "--timeout", "3", "--no-access-log")
    counts, wrong, lost, health = collections.Counter(), [], [], []
    end = time.monotonic() + SECONDS

    def be_good(seed, what, connect, ask):
        chance = np.random.default_rng(seed)
        models = [infer.load(name) for name in NAMES]
        with connect(server) as client:
            while time.monotonic() < end:
                model = models[chance.integers(len(models))]
                count = int(chance.choice([1, 1, 1, 7, 300, 100_000]))
                shape = (count,) if model.card.features is None else (count, model.card.features)
                bits = chance.integers(0, 1 << 32, shape, np.uint64).astype(np.uint32)
                x, binary = bits.view(np.float32), count > 300 or bool(chance.integers(2))
                try:
                    got = ask(client, model.card, x, binary)
                except Exception as error:  # noqa: BLE001 - whatever it is, an answer is missing
                    lost.append(repr(error))
                    continue
                counts[what] += 1
                counts["values"] += count
                if (patterns(got) != patterns(model(x))).any():
                    wrong.append((model.name, x))

    clients = [threading.Thread(target=watch_health, args=(server, end, health))]
    clients += [threading.Thread(target=be_good, args=(seed, "HTTP", *HTTP)) for seed in range(3)]
    clients += [threading.Thread(target=be_good, args=(3, "gRPC", *GRPC))]
    clients += [
        threading.Thread(target=be_hostile, args=(server, seed, end, counts)) for seed in range(6)
    ]
    for client in clients:
        client.start()
    memory = []
    while time.monotonic() < end:
        time.sleep(min(1.0, SECONDS / 20))
        memory.append(resident(server))
    for client in clients:
        client.join()
    early, late = max(memory[: len(memory) // 3]), max(memory[-len(memory) // 3 :])
    print(f"\n{SECONDS:g} s: {dict(counts)}, {len(wrong)} wrong, {len(lost)} lost")  # noqa: T201
    print(f"memory {early:.0f} MiB in the first third, {late:.0f} MiB in the last")  # noqa: T201
    print(f"health within {statistics.median(health):.4f} s (median)")  # noqa: T201
    assert (wrong, lost) == ([], [])
    assert statistics.median(health) < 0.3
    assert min(counts["HTTP"], counts["gRPC"]) > SECONDS
    assert set(counts) == {
        "HTTP",
        "gRPC",
        "values",
        *(act.__name__ for act in HOSTILE),
    }
    assert late < early + SLACK

"""Starting, stopping, reading models again, several processes: the command as a user runs it."""

import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import infer
from infer._artifact.format import render
from infer._files.folder import staged, write_files

HEAD = b"POST /v2/models/own_line/infer HTTP/1.1\r\nhost: localhost\r\n"


def asked(*data):
    return {"inputs": [{"name": "x", "shape": [len(data)], "datatype": "FP32", "data": [*data]}]}


@pytest.fixture
def replace(tmp_path, line):
    """Return a function that puts a line of another slope in its folder, as an export does."""

    def replace_line(slope, **changes):
        document = line(parameters={"a": slope, "b": -3.0}, **changes)
        with staged(tmp_path / "own_line") as folder:
            write_files(folder, {"model.json": render(document)})
        return tmp_path / "own_line"

    return replace_line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_finishes_what_is_in_flight_and_refuses_the_rest(number, start, replace, wait):
    server = start(replace(0.5))
    body = json.dumps(asked(1.0, 2.0)).encode()
    head = HEAD + b"content-length: %d\r\n\r\n" % len(body)
    values = 200_000
    with server.connect() as short, server.connect() as long, server.connect() as idle:
        short.sendall(head + body[:10])
        long.sendall(server.binary_start("own_line", "x", values) + bytes(100_000))
        idle.sendall(head + body)
        answer = b""
        while not answer.endswith(b"}"):
            answer += idle.recv(1 << 16)
        assert b"-2.5,-2.0" in answer
        server.process.send_signal(number)

        def refused():
            try:
                server.connect().close()
            except ConnectionRefusedError:
                return True
            return False

        wait(10, refused)
        assert idle.recv(1) == b""
        assert server.process.poll() is None
        short.sendall(body[10:])
        long.sendall(bytes(4 * values - 100_000))
        answers = [b"", b""]
        for index, connection in enumerate((short, long)):
            while part := connection.recv(1 << 16):
                answers[index] += part
    assert b"-2.5,-2.0" in answers[0]
    assert answers[1].endswith(struct.pack("<f", -3.0) * values)
    assert server.process.wait(10) == 0


def test_what_does_not_finish_is_given_up_after_the_grace(start, replace):
    server = start(replace(0.5), "--grace", "0.3")
    with server.connect() as connection:
        connection.sendall(HEAD + b"content-length: 100\r\n\r\n")
        time.sleep(0.2)
        assert server.stop() == 0


def test_what_still_computes_after_the_grace_is_given_up_quietly(start):
    server = start("f2c", "--grace", "0", "--no-access-log")
    values = 500_000
    tensor = {"name": "t_u", "shape": [values], "datatype": "FP32", "data": [0.5] * values}
    body = json.dumps({"inputs": [tensor]}).encode()
    head = b"POST /v2/models/f2c/infer HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n"
    connections = [server.connect() for _ in range(4)]
    for connection in connections:
        connection.sendall(head % len(body) + body)
    time.sleep(0.05)
    assert server.stop() == 0
    for connection in connections:
        connection.close()
    assert server.errors.read_text() == ""


def test_a_replaced_folder_is_read_again_without_a_lost_or_mixed_answer(start, replace, wait):
    slopes = [2.0**power for power in range(-8, 8)]
    folder = replace(slopes[0])
    versions = {infer.load(folder).card.digest[:12]: slopes[0]}
    server = start(folder)
    found, wrong, stop = set(), [], threading.Event()

    def ask():
        while not stop.is_set():
            status, answer = server.infer("own_line", asked(1.0, 3.0))
            slope = versions.get(answer.get("model_version"))
            expected = None if slope is None else [slope - 3.0, 3.0 * slope - 3.0]
            if status != 200 or answer["outputs"][0]["data"] != expected:
                wrong.append((status, answer))
            found.add(slope)

    clients = [threading.Thread(target=ask) for _ in range(2)]
    for client in clients:
        client.start()
    for slope in slopes[1:4]:
        card = json.loads(render_of(folder, slope))
        versions[card["digest"][:12]] = slope
        replace(slope)
        wait(10, lambda slope=slope: slope in found)
    stop.set()
    for client in clients:
        client.join()
    assert wrong == []
    assert server.metric("samebits_reloads_total", model="own_line", result="replaced") == 3
    wait(5, lambda: sum(line["event"] == "reload" for line in server.log()) == 3)


def render_of(folder, slope):
    """Return the bytes of the card that a replacement will have."""
    document = json.loads((folder / "model.json").read_text("utf-8"))
    return render({**document, "parameters": {"a": slope, "b": -3.0}})


@pytest.mark.parametrize("damage", ["another name", "no card", "damaged", "gone"])
def test_a_replacement_that_cannot_be_read_changes_nothing(damage, start, replace, wait):
    folder = replace(0.5)
    server = start(folder)
    if damage == "another name":
        replace(2.0, name="other_line")
    elif damage == "no card":
        (folder / "model.json").unlink()
    elif damage == "damaged":
        (folder / "model.json").write_bytes((folder / "model.json").read_bytes()[:-9])
    else:
        shutil.rmtree(folder)

    def refused():
        return json.loads(server.ask("POST", "/v2/repository/index")[2])[0]["reason"]

    assert str(folder) in wait(10, refused)
    assert server.infer("own_line", asked(1.0))[1]["outputs"][0]["data"] == [-2.5]
    replace(4.0)
    wait(10, lambda: not refused())
    assert server.infer("own_line", asked(1.0))[1]["outputs"][0]["data"] == [1.0]
    labels = {"model": "own_line"}
    assert server.metric("samebits_reloads_total", **labels, result="refused") >= 1
    assert server.metric("samebits_reloads_total", **labels, result="replaced") == 1


def test_several_workers_answer_and_count_together(start, wait):
    server = start("f2c", "--workers", "2")
    request = {"inputs": [{"name": "t_u", "shape": [1], "datatype": "FP32", "data": [98.6]}]}
    expected = infer.load("f2c")(98.6)
    for _ in range(40):
        assert server.infer("f2c", request)[1]["outputs"][0]["data"] == [expected]
    assert {server.metric("samebits_requests_total", model="f2c") for _ in range(10)} == {40}
    # One that dies is replaced, and what it counted stays.
    (victim, *_), before = children(server), set(children(server))
    os.kill(victim, signal.SIGKILL)
    wait(20, lambda: len(set(children(server)) - {victim}) == len(before))
    for _ in range(20):
        assert server.infer("f2c", request)[0] == 200
    assert server.metric("samebits_requests_total", model="f2c") == 60
    assert server.stop() == 0
    assert not [pid for pid in before if Path(f"/proc/{pid}").exists()]


def children(server):
    """Return the processes of the workers."""
    tasks = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
    return [int(pid) for pid in tasks.read_text().split()]


def test_the_log_can_be_switched_off(start):
    server = start("f2c", "--no-access-log")
    server.ask("GET", "/v2")
    assert server.stop() == 0
    assert server.log() == []


def test_it_listens_at_loopback_alone(server):
    rows = subprocess.run(
        ["cat", f"/proc/{server.process.pid}/net/tcp"], capture_output=True, text=True, check=True
    ).stdout
    listening = [row.split()[1] for row in rows.splitlines() if f":{server.port:04X} " in row]
    local = struct.pack("<I", struct.unpack(">I", socket.inet_aton("127.0.0.1"))[0]).hex().upper()
    assert f"{local}:{server.port:04X}" in listening
    assert f"00000000:{server.port:04X}" not in listening


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["f2d"], 2, "no model named 'f2d'. Did you mean 'f2c'?"),
        (["f2c", "f2c"], 1, "two models named 'f2c'"),
        (["--max-body", "much"], 2, "'much' is not a valid size; use e.g. 64M."),
        (["--max-body", "0"], 2, "'0' is not a valid size"),
        (["--timeout", "0"], 2, "--timeout"),
        (["--host", "nowhere.invalid"], 1, "cannot listen on nowhere.invalid port 8000"),
    ],
)
def test_a_wrong_call_says_what_to_type(arguments, code, message, command):
    result = command("infer", "serve", *arguments)
    assert (result.returncode, result.stdout) == (code, b"")
    assert message in result.stderr.decode()


def test_a_port_in_use_is_named(server, command):
    result = command("infer", "serve", "f2c", "--port", server.port)
    assert result.returncode == 1
    assert f"cannot listen on 127.0.0.1 port {server.port}: " in result.stderr.decode()
    assert "try another --port" in result.stderr.decode()


def test_without_the_extra_it_says_what_to_install(serve_without):
    result = serve_without(["httptools", "orjson"])
    assert result.returncode == 1
    assert "infer serve needs httptools, orjson, not installed here" in result.stderr
    assert "pip install 'samebits[serve]'" in result.stderr


def test_large_requests_have_a_queue(start):
    server = start("sin_cubic", "--max-queue", "1", "--no-access-log")
    values = 2_000_000
    head = server.binary_head("x", values)
    body = head + np.linspace(-3, 3, values, dtype="<f4").tobytes()
    found = []

    def ask():
        for _ in range(6):
            status, _, answer = server.ask(
                "POST",
                "/v2/models/sin_cubic/infer",
                body,
                Inference_Header_Content_Length=str(len(head)),
            )
            found.append((status, len(answer) > 4 * values or json.loads(answer)["error"]))

    clients = [threading.Thread(target=ask) for _ in range(6)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert set(found) == {(200, True), (503, "too many large requests are waiting; try again")}

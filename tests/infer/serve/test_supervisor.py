"""Several workers: they end with their supervisor, and it ends when they cannot go on."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import infer
from infer._serve._metrics import claim_folder, remove_abandoned

REQUEST = {"inputs": [{"name": "t_u", "shape": [1], "datatype": "FP32", "data": [50.0]}]}


def children(pid):
    """Return the processes that a process has started and not yet waited for."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii")
    return [int(child) for child in found.split()]


def lives(pid):
    """Tell whether a process runs: it is there, and not only because nobody asked how it ended."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text("ascii")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def folders(place):
    return sorted(place.glob("samebits-metrics-*"))


def command_line(*arguments):
    return [shutil.which("infer", path=str(Path(sys.executable).parent)), "serve", *arguments]


@pytest.fixture
def place(tmp_path):
    """Return a folder for the temporary files of servers."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


def test_workers_end_with_their_supervisor_and_the_port_is_free_again(start, place, wait):
    server = start("f2c", "--workers", "2", TMPDIR=str(place))
    workers = children(server.process.pid)
    assert len(workers) == 2
    assert len(folders(place)) == 1
    with server.connect() as idle:
        server.process.kill()
        server.process.wait()
        wait(10, lambda: not any(map(lives, workers)))
        assert idle.recv(1) == b""
    assert folders(place) == []
    again = start("f2c", "--workers", "2", "--port", server.port, TMPDIR=str(place))
    assert again.port == server.port
    assert again.infer("f2c", REQUEST)[0] == 200
    assert again.stop() == 0
    assert folders(place) == []


def test_what_is_in_flight_when_the_supervisor_is_killed_is_answered(start, place, wait):
    server = start("f2c", "--workers", "2", TMPDIR=str(place))
    workers = children(server.process.pid)
    body = json.dumps(REQUEST).encode()
    head = b"POST /v2/models/f2c/infer HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: %d\r\n\r\n"
    with server.connect() as connection:
        connection.sendall(head % len(body) + body[:20])
        time.sleep(0.2)
        server.process.kill()
        time.sleep(0.5)
        connection.sendall(body[20:])
        answer = b""
        while part := connection.recv(1 << 16):
            answer += part
    assert answer.startswith(b"HTTP/1.1 200")
    assert f'"data":[{infer.load("f2c")(50.0)!r}]'.encode() in answer
    wait(10, lambda: not any(map(lives, workers)))


def test_the_next_start_removes_what_the_dead_left_and_nothing_else(start, place, wait):
    running = start("f2c", "--workers", "2", TMPDIR=str(place))
    (kept,) = folders(place)
    killed = start("f2c", "--workers", "2", TMPDIR=str(place))
    workers = children(killed.process.pid)
    (left,) = {*folders(place)} - {kept}
    # Stopped, so that they cannot clean up: this is what the end of a machine looks like.
    for pid in (*workers, killed.process.pid):
        os.kill(pid, signal.SIGSTOP)
    for pid in (killed.process.pid, *workers):
        os.kill(pid, signal.SIGKILL)
    killed.process.wait()
    wait(10, lambda: not any(map(lives, workers)))
    assert {*folders(place)} == {kept, left}
    (place / "samebits-metrics-file").write_text("not ours")
    (place / "samebits-metrics-link").symlink_to(kept)
    third = start("f2c", "--workers", "2", TMPDIR=str(place))
    assert not left.exists()
    assert kept.exists()
    assert running.metric("samebits_requests_total", model="f2c") == 0
    assert third.stop() == running.stop() == 0
    names = [path.name for path in folders(place)]
    assert names == ["samebits-metrics-file", "samebits-metrics-link"]


def test_a_death_is_logged_and_made_good(start, place, wait):
    server = start("f2c", "--workers", "2", "--no-access-log", TMPDIR=str(place))
    victim, other = children(server.process.pid)
    os.kill(victim, signal.SIGKILL)

    def replaced():
        found = children(server.process.pid)
        return other in found and victim not in found and len(found) == 2

    wait(10, replaced)
    (row,) = server.log()
    assert {**row, "time": 0} == {
        "time": 0,
        "event": "worker",
        "pid": victim,
        "problem": "was ended by SIGKILL",
    }
    assert server.infer("f2c", REQUEST)[0] == 200


def test_workers_that_end_again_and_again_end_the_server(start, place):
    server = start("f2c", "--workers", "2", TMPDIR=str(place))
    stop = threading.Event()

    def kill():
        # A worker that was started a moment ago, and one that serves.
        while not stop.wait(0.02):
            try:
                for pid in children(server.process.pid):
                    os.kill(pid, signal.SIGKILL)
            except OSError:
                return

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        assert server.process.wait(30) == 1
    finally:
        stop.set()
        killer.join()
    *rows, last = server.errors.read_text("utf-8").splitlines()
    assert last == (
        "Error: workers ended 6 times within 60 s, the last was ended by SIGKILL; see the log"
    )
    assert {json.loads(row)["event"] for row in rows} == {"worker"}
    assert folders(place) == []


def without_files():
    """Let a process write no file, as if every disk were full; pipes go on."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def test_metrics_that_cannot_be_written_end_the_start_with_a_sentence(place):
    result = subprocess.run(
        command_line("f2c", "--workers", "2", "--port", "0"),
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        env={**os.environ, "TMPDIR": str(place)},
        preexec_fn=without_files,
    )
    assert (result.returncode, result.stdout) == (1, "")
    *rows, last = result.stderr.splitlines()
    assert last.startswith("Error: ")
    assert "Traceback" not in result.stderr
    for row in rows:
        assert json.loads(row)["event"] == "worker"
    assert folders(place) == []


@pytest.fixture
def full(place):
    """Return a folder on a disk of its own, with room for a few names but not for metrics."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "none", place], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no right to mount a disk here")
    (place / "other").write_bytes(bytes(40_000))
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_full_disk_is_named(full):
    result = subprocess.run(
        command_line("--workers", "2", "--port", "0"),
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        env={**os.environ, "TMPDIR": str(full)},
    )
    assert (result.returncode, result.stdout) == (1, "")
    *rows, last = result.stderr.splitlines()
    assert last.startswith("Error: a worker was ended by SIGBUS before it could serve")
    assert f"is the disk of {full}/samebits-metrics-" in last
    assert {json.loads(row)["event"] for row in rows} == {"worker"}
    assert folders(full) == []


def test_a_signal_before_the_workers_are_ready_is_an_orderly_end(place):
    with subprocess.Popen(
        command_line("--workers", "4", "--port", "0"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(place)},
    ) as process:
        deadline = time.monotonic() + 10
        while not folders(place) and time.monotonic() < deadline:
            time.sleep(0.005)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert process.stderr.read() == b""
    assert folders(place) == []


def test_a_folder_is_kept_as_long_as_anybody_holds_it(place, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(place))
    folder, lock = claim_folder()
    other, lock_of_other = claim_folder()
    child = os.fork()
    if not child:
        time.sleep(30)
        os._exit(0)
    try:
        os.close(lock)
        os.close(lock_of_other)
        remove_abandoned()
        assert [str(path) for path in folders(place)] == sorted([folder, other])
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    remove_abandoned()
    assert folders(place) == []

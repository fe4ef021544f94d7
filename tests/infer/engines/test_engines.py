import math
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from infer._engines._registry import load_engine
from infer._engines._window import in_order
from infer._engines.local import LocalEngine
from infer._errors import EngineUnavailableError

PROCESSES = LocalEngine(2, processes=True)


def test_pieces_are_taken_as_they_are_needed_and_come_in_order():
    taken = []

    def pieces():
        for number in range(50):
            taken.append(number)
            yield number

    results = in_order(lambda n: (time.sleep(0.002 * (n % 3)), n * n)[1], pieces(), 4)
    for expected in range(50):
        assert next(results) == expected * expected
        assert len(taken) <= expected + 7
    assert list(results) == []


def test_pieces_are_computed_side_by_side():
    both = threading.Barrier(2, timeout=20)
    assert len(list(LocalEngine(2).map(lambda _: both.wait(), range(8)))) == 8


@pytest.mark.parametrize("workers", [1, 3])
def test_the_first_error_ends_all(workers):
    begun, stopped = [], []

    def work(number):
        begun.append(number)
        if number == 4:
            raise KeyError(number)
        return number

    results = LocalEngine(workers).map(work, range(1000), lambda: stopped.append(len(begun)))
    got = []
    with pytest.raises(KeyError, match="4"):
        got.extend(results)
    assert got == [(n, n) for n in range(4)]
    assert len(begun) <= 4 + workers + 2
    assert len(stopped) == 1


# A process finds functions of the standard library, and none of a test's.
MEET = """
import os, time
open({folder!r} + f"/{{os.getpid()}}", "w").close()
for _ in range({seconds} * 100):
    if len(os.listdir({folder!r})) >= {many}:
        break
    time.sleep(0.01)
else:
    raise TimeoutError("alone")
"""


def test_processes_work_side_by_side_and_in_order(tmp_path):
    engine = load_engine("local", holds_lock=True)
    assert not engine.here
    code = MEET.format(folder=str(tmp_path), many=2, seconds=60)
    assert list(PROCESSES.map(exec, [code] * 2)) == [(code, None)] * 2
    assert not (tmp_path / str(os.getpid())).exists()
    numbers = [float(number) for number in range(40)]
    assert list(PROCESSES.map(math.sqrt, numbers)) == [(n, math.sqrt(n)) for n in numbers]


def test_the_first_error_ends_all_processes():
    taken, stopped = [], []

    def pieces():
        for number in [1.0, -1.0] + [4.0] * 100:
            taken.append(number)
            yield number

    results = PROCESSES.map(math.sqrt, pieces(), lambda: stopped.append(len(taken)))
    assert next(results) == (1.0, 1.0)
    with pytest.raises(ValueError, match="math domain error"):
        next(results)
    assert len(taken) <= 6
    assert len(stopped) == 1


def test_a_process_that_is_killed_is_told():
    with pytest.raises(EngineUnavailableError, match="lost a task: its process was kill"):
        list(PROCESSES.map(os._exit, [1]))


def test_ctrl_c_is_left_to_the_parent():
    told = list(LocalEngine(1, processes=True).map(signal.getsignal, [signal.SIGINT]))
    assert told == [(signal.SIGINT, signal.SIG_IGN)]


# In the end one process works and the other has nothing to do. What runs the tests may ignore
# Ctrl-C, as what a shell begins with & does.
WAITS = """
import signal, sys
from infer._engines.local import LocalEngine
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    list(LocalEngine(2, processes=True).map(exec, [sys.argv[1], *sys.argv[1:]]))
"""


def lives(process):
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes() != b""  # without one, it is a zombie
    except FileNotFoundError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_processes_end_with_the_one_that_began_them(end, tmp_path):
    (tmp_path / "here").mkdir()
    meet = MEET.format(folder=str(tmp_path / "here"), many=2, seconds=60)
    began = tmp_path / "began"
    wait = f"import time; open({str(began)!r}, 'w').close(); time.sleep(600)"
    (tmp_path / "waits.py").write_text(WAITS)
    command = [sys.executable, str(tmp_path / "waits.py"), meet, wait]
    with subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True) as parent:
        try:
            deadline = time.monotonic() + 100
            while not began.exists():
                assert time.monotonic() < deadline
                time.sleep(0.02)
            # As a terminal does: Ctrl-C goes to all of them.
            (os.killpg if end == signal.SIGINT else os.kill)(parent.pid, end)
            _, told = parent.communicate(timeout=60)
            assert parent.returncode == -end
            assert told.count(b"Traceback (most recent") == (end == signal.SIGINT)
            while any(lives(child.name) for child in (tmp_path / "here").iterdir()):
                assert time.monotonic() < deadline
                time.sleep(0.02)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(parent.pid, signal.SIGKILL)


def test_an_unknown_engine_is_refused_with_the_nearest():
    with pytest.raises(EngineUnavailableError, match=r"'rey'\. Did you mean 'ray'\? Known: local"):
        load_engine("rey")


def test_the_local_engine_joins_no_cluster():
    with pytest.raises(EngineUnavailableError, match="type: --engine ray"):
        load_engine("local", "10.0.0.1:6379")


def test_an_engine_that_is_not_installed_says_what_to_type(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EngineUnavailableError, match=r"type: pip install 'samebits\[ray\]'"):
        load_engine("ray")

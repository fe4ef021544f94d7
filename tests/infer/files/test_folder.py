"""A folder is old or new, complete or absent, whenever somebody pulls the plug."""

import importlib.util
import json
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infer._files import folder as _folder
from infer._files.folder import staged, write_files

WRITER = Path(__file__).with_name("folder_writer.py")
spec = importlib.util.spec_from_file_location("folder_writer", WRITER)
writer = importlib.util.module_from_spec(spec)
spec.loader.exec_module(writer)


def start(*arguments):
    return subprocess.Popen(
        [sys.executable, str(WRITER), *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )


# The plain way.


@pytest.fixture(params=["exchange", "fallback"])
def way(request, monkeypatch):
    """Run a test both ways: with an atomic exchange, and as on systems that have none."""
    if request.param == "fallback":
        monkeypatch.setattr(_folder, "_exchange", lambda one, other: False)
    return request.param


def test_a_new_folder(tmp_path, way):
    target = tmp_path / "deep" / "down" / "it"
    with staged(target) as staging:
        assert not target.exists()
        assert staging.parent == target.parent  # the same disk, so that renaming works
        assert staging.name.startswith(".")
        write_files(staging, {"a": b"1", "b": b"22"})
    assert {path.name: path.read_bytes() for path in target.iterdir()} == {"a": b"1", "b": b"22"}
    assert list(target.parent.iterdir()) == [target]


def test_a_folder_is_replaced_as_a_whole(tmp_path, way):
    target = tmp_path / "it"
    writer.write(target, "A")
    (target / "of old").write_text("goes with the old one")
    writer.write(target, "B")
    assert writer.state(target) == "B"
    assert writer.leftovers(target) == []


def test_a_file_is_replaced_too(tmp_path, way):
    # save() refuses this before; here it is not a folder's business.
    target = tmp_path / "it"
    target.write_text("a file")
    writer.write(target, "A")
    assert writer.state(target) == "A"


def test_an_error_in_the_block_leaves_all_as_it_was(tmp_path, way):
    target = tmp_path / "it"

    def fail():
        with staged(target) as staging:
            write_files(staging, {"one": b"half"})
            raise KeyError("mine")

    for expected in ("absent", "A"):
        if expected == "A":
            writer.write(target, "A")
        with pytest.raises(KeyError, match="mine"):
            fail()
        assert writer.state(target) == expected
        assert writer.leftovers(target) == []


def test_a_relative_path_survives_a_change_of_folder(tmp_path, monkeypatch, way):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    with staged(Path("it")) as staging:
        write_files(staging, {"a": b"1"})
        monkeypatch.chdir(tmp_path / "elsewhere")
    assert (tmp_path / "it" / "a").read_bytes() == b"1"


def test_a_file_is_never_written_twice(tmp_path):
    (tmp_path / "a").write_text("here")
    with pytest.raises(FileExistsError):
        write_files(tmp_path, {"a": b"1"})


@pytest.mark.parametrize("mask", [0o022, 0o027, 0o077])
def test_permissions_are_those_of_any_new_file(tmp_path, mask):
    old = os.umask(mask)
    try:
        writer.write(tmp_path / "it", "A")
        writer.write(tmp_path / "it", "B")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "it").stat().st_mode) == 0o777 & ~mask
    for path in (tmp_path / "it").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask


@pytest.mark.skipif(sys.platform != "linux", reason="is about Linux")
def test_the_target_is_never_absent_on_linux(tmp_path):
    target = tmp_path / "it"
    writer.write(target, "A")
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
    if not _folder._exchange(tmp_path / "x", tmp_path / "y"):
        pytest.skip("this disk has no atomic exchange")
    with start("many", target, "B", 100) as process:
        looks = 0
        while process.poll() is None:
            assert target.is_dir()
            looks += 1
    assert process.returncode == 0
    assert looks > 100


def test_an_exchange_that_cannot_be_is_told(tmp_path):
    (tmp_path / "here").mkdir()
    assert _folder._exchange(tmp_path / "here", tmp_path / "nowhere") is False
    assert [path.name for path in tmp_path.iterdir()] == ["here"]


def test_a_c_library_without_the_call_falls_back(tmp_path, monkeypatch):
    class Old:
        def __getattr__(self, name):
            raise AttributeError(name)

    writer.write(tmp_path / "it", "A")
    monkeypatch.setattr(_folder.ctypes, "CDLL", lambda *arguments, **options: Old())
    writer.write(tmp_path / "it", "B")
    assert writer.state(tmp_path / "it") == "B"


# Several at once.


def test_a_writer_in_its_block_neither_waits_nor_is_disturbed(tmp_path, way):
    target = tmp_path / "it"
    with staged(target) as slow:
        write_files(slow, dict.fromkeys(writer.NAMES, b"A" * 5000))
        writer.write(target, "B")  # comes and goes in the meantime
        assert writer.state(target) == "B"
        assert slow.is_dir()
    assert writer.state(target) == "A"  # the last one to end wins
    assert writer.leftovers(target) == []


@pytest.mark.parametrize("path", ["exchange", "fallback"])
@pytest.mark.parametrize("targets", [1, 2])
def test_many_writers_at_once(tmp_path, targets, path):
    processes = [
        start("many", tmp_path / f"it{number % targets}", version, 60, path)
        for number, version in enumerate("ABCD")
    ]
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"it{n}" for n in range(targets)]
    for number in range(targets):
        assert writer.state(tmp_path / f"it{number}") in "ABCD"


# Pulling the plug.


@pytest.mark.parametrize("rounds", [20, pytest.param(60, marks=pytest.mark.slow)])
def test_killed_at_random_moments(tmp_path, rounds):
    target, generator = tmp_path / "it", random.Random(1)  # noqa: S311
    seen, left, there = set(), 0, False
    begin = time.monotonic()
    writer.write(tmp_path / "other", "A")
    longest = max(0.03, 3 * (time.monotonic() - begin))  # a busy disk takes its time
    shutil.rmtree(tmp_path / "other")
    for round_ in range(rounds):
        with start("loop", target) as process:
            assert process.stdout.readline() == "ready\n"
            time.sleep(generator.uniform(0, longest))
            process.send_signal(signal.SIGKILL)
        now = writer.state(target)
        # Never a mixture, and never absent again.
        assert now in ("A", "B") or (now == "absent" and not there), f"round {round_}: {now}"
        there |= now != "absent"
        seen.add(now)
        left += bool(writer.leftovers(target))
        if round_ % 10 == 9:
            writer.write(target, "C")
            assert writer.state(target) == "C"
            assert writer.leftovers(target) == []
            writer.write(target, "A")
    assert {"A", "B"} <= seen
    assert left > rounds / 6  # the plug was pulled in the midst of it


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.parametrize("path", ["exchange", "fallback"])
@pytest.mark.parametrize("how", ["kill", "raise"])
def test_failing_at_every_single_step(tmp_path, how, path):
    target = tmp_path / "it"
    with start("faults", target, how, path) as process:
        results = [json.loads(line) for line in process.stdout]
    assert process.returncode == 0
    assert len(results) > 15  # it does that many things
    for result in results:
        allowed = {"A", "B"}
        if (how, path) == ("kill", "fallback"):
            allowed |= {"absent"}  # for a moment, where systems have no exchange
        assert result["then"] in allowed, result
        if result["code"] == 0:
            assert result["then"] == "B", result  # who reports success has succeeded
        # Whoever comes next puts things right, and loses nothing even if he fails himself.
        assert result["next"] in {"A", "B"}, result
        assert result["next_left"] == [], result
        assert (result["last"], result["last_left"]) == ("C", []), result
    assert {result["then"] for result in results} >= {"A", "B"}
    assert {result["code"] for result in results[:-1]} <= ({-9} if how == "kill" else {0, 1})
    assert (results[-1]["code"], results[-1]["then"]) == (2, "B")
    if (how, path) == ("kill", "fallback"):
        assert "absent" in {result["then"] for result in results}  # and that moment was met

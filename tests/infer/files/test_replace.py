"""A file is old or new, whole or absent, whenever somebody pulls the plug."""

import fcntl
import json
import os
import random
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from infer._files.replace import remove_parts, replace_file, replace_files, replacing

WRITER = Path(__file__).with_name("replace_writer.py")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_new_file_gets_the_usual_permissions_and_its_folders(tmp_path):
    before = os.umask(0o027)
    try:
        replace_file(tmp_path / "deep" / "down" / "it", b"1")
    finally:
        os.umask(before)
    path = tmp_path / "deep" / "down" / "it"
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"1", 0o640)
    assert names(path.parent) == ["it"]


def test_an_old_file_keeps_its_permissions(tmp_path):
    path = tmp_path / "it"
    path.write_bytes(b"old")
    path.chmod(0o604)
    replace_file(path, b"new")
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"new", 0o604)


def test_readers_keep_what_they_opened(tmp_path):
    path = tmp_path / "it"
    path.write_bytes(b"old")
    with path.open("rb") as reader:
        replace_file(path, b"new")
        assert reader.read() == b"old"


def test_an_error_in_the_block_leaves_all_as_it_was(tmp_path):
    path = tmp_path / "it"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), replacing(str(path)) as part:  # noqa: PT012
        Path(part).write_bytes(b"half")
        assert names(tmp_path) == sorted([Path(part).name, "it"])
        raise ZeroDivisionError
    assert (path.read_bytes(), names(tmp_path)) == (b"old", ["it"])


def test_a_relative_path_and_a_bare_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    replace_file("it", b"1")
    replace_file("./it", b"2")
    assert Path("it").read_bytes() == b"2"


def test_a_name_as_long_as_names_can_be(tmp_path):
    path = tmp_path / ("é" * 127)
    replace_file(path, b"1")
    assert path.read_bytes() == b"1"


def test_a_link_stays_and_what_it_points_to_is_replaced(tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("again")
    (tmp_path / "again").symlink_to("other/real")
    replace_file(tmp_path / "link", b"new")
    assert (tmp_path / "other" / "real").read_bytes() == b"new"
    assert (tmp_path / "link").is_symlink()
    (tmp_path / "dangling").symlink_to("other/new")
    replace_file(tmp_path / "dangling", b"1")
    assert (tmp_path / "other" / "new").read_bytes() == b"1"
    assert names(tmp_path / "other") == ["new", "real"]


def test_links_in_a_circle_are_an_error(tmp_path):
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    with pytest.raises(OSError, match="symbolic links") as caught:
        replace_file(tmp_path / "one", b"1")
    assert caught.value.filename == str(tmp_path / "one")


@pytest.mark.parametrize("name", ["folder", "folder/", "new/"])
def test_a_folder_is_not_replaced(tmp_path, name):
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError) as caught:
        replace_file(f"{tmp_path}/{name}", b"1")
    assert caught.value.filename == f"{tmp_path}/{name}"
    assert names(tmp_path) == ["folder"]


def test_a_file_as_a_folder_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"Not a directory|File exists"):
        replace_file(tmp_path / "file" / "it", b"1")


def test_a_folder_that_cannot_be_written_is_named_by_the_target(tmp_path, monkeypatch):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "it").write_bytes(b"old")
    folder.chmod(0o555)
    monkeypatch.chdir(folder)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)  # root may write everywhere
    try:
        with pytest.raises(PermissionError) as caught:
            replace_file("it", b"1")
    finally:
        os.seteuid(user)
        folder.chmod(0o755)
    assert caught.value.filename == "it"
    assert (names(folder), (folder / "it").read_bytes()) == (["it"], b"old")


def test_a_pipe_is_written_not_replaced(tmp_path):
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    replace_file(pipe, b"1" * 100_000)
    reader.join(30)
    assert got == [b"1" * 100_000]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    with pytest.raises(OSError, match="is a pipe or a device"), replacing(str(pipe)):
        pass
    assert names(tmp_path) == ["pipe"]


def test_a_full_device_is_an_error():
    with pytest.raises(OSError, match="No space left") as caught:
        replace_file("/dev/full", b"1")
    assert caught.value.filename == "/dev/full"
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
@pytest.mark.parametrize("to", ["file", "pipe"])
def test_standard_output_by_name_goes_on_where_it_is(tmp_path, name, to):
    code = (
        "import sys; from infer._files.replace import replace_file; print('before', flush=True); "
        "replace_file(sys.argv[1], b'data\\n'); print('after')"
    )
    command = [sys.executable, "-c", code, name]
    if to == "pipe":
        output = subprocess.run(command, capture_output=True, check=True).stdout
    else:
        with (tmp_path / "file").open("wb") as file:
            subprocess.run(command, stdout=file, check=True)
        output = (tmp_path / "file").read_bytes()
        assert names(tmp_path) == ["file"]
    assert output == b"before\ndata\nafter\n"


def test_leftovers_of_the_dead_go_and_those_of_the_living_stay(tmp_path):
    path = tmp_path / "it"
    dead, other = tmp_path / ".it.1-00.samebits-part", tmp_path / ".other.1-00.samebits-part"
    dead.write_bytes(b"half")
    other.write_bytes(b"half")
    with replacing(str(path)) as part:
        Path(part).write_bytes(b"slow")
        assert names(tmp_path) == sorted([Path(part).name, other.name])
        replace_file(path, b"fast")
        assert names(tmp_path) == sorted([Path(part).name, other.name, "it"])
        remove_parts(str(tmp_path))
        assert names(tmp_path) == sorted([Path(part).name, "it"])
        assert path.read_bytes() == b"fast"
    assert (names(tmp_path), path.read_bytes()) == (["it"], b"slow")


def test_without_locks_nothing_is_taken_for_a_leftover(tmp_path, monkeypatch):
    def flock(descriptor, operation):
        raise OSError(95, "Operation not supported")

    (tmp_path / ".it.1-00.samebits-part").write_bytes(b"perhaps in use")
    monkeypatch.setattr(fcntl, "flock", flock)
    replace_file(tmp_path / "it", b"1")
    assert names(tmp_path) == [".it.1-00.samebits-part", "it"]


def test_a_part_file_taken_for_a_leftover_before_it_was_locked(tmp_path, monkeypatch):
    taken = []

    def slow(descriptor, operation, flock=fcntl.flock):
        if not taken:
            taken.extend(tmp_path.glob("*.samebits-part"))
            taken[0].unlink()  # as another writer would, in this moment
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", slow)
    replace_file(tmp_path / "it", b"1")
    assert (names(tmp_path), len(taken)) == (["it"], 1)


def test_files_are_synced_before_they_are_renamed_and_their_folder_afterwards(
    tmp_path, monkeypatch
):
    done = []

    def fsync(descriptor, real=os.fsync):
        done.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        real(descriptor)

    def replace(source, target, real=os.replace):
        done.append("rename")
        real(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    replace_file(tmp_path / "it", b"1")
    part, *rest = done
    assert part.endswith(".samebits-part")
    assert rest == ["rename", tmp_path.name]


def test_a_set_is_sealed_by_its_last_file(tmp_path):
    replace_files(tmp_path / "fit", {"a": b"1", "b": b"2"})
    (tmp_path / "fit" / "mine").touch()
    replace_files(tmp_path / "fit", {"c": b"3", "b": b"4"})
    contents = {path.name: path.read_bytes() for path in (tmp_path / "fit").iterdir()}
    assert contents == {"a": b"1", "b": b"4", "c": b"3", "mine": b""}


@pytest.mark.parametrize("what", ["faults", "set"])
@pytest.mark.parametrize("how", ["kill", "raise"])
def test_failing_at_every_single_call(memory, what, how):
    target = memory / "it"
    output = subprocess.run(
        [sys.executable, str(WRITER), what, str(target), how],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (output.returncode, output.stderr) == (0, "")
    results = [json.loads(line) for line in output.stdout.splitlines()]
    assert len(results) > 15
    allowed = {"A", "B", "unsealed"} if what == "set" else {"A", "B"}
    assert {row["then"] for row in results} <= allowed
    assert {"A", "B"} <= {row["then"] for row in results}
    if how == "raise":  # an error may be one of cleaning up, and then something is left
        assert sum(bool(row["left"]) for row in results) <= 3 * (3 if what == "set" else 1)
    assert {(row["last"], *row["last_left"]) for row in results} == {("C",)}


@pytest.mark.parametrize("rounds", [15, pytest.param(200, marks=pytest.mark.slow)])
def test_killed_at_random_moments(memory, rounds):
    target, generator = memory / "it", random.Random(1)  # noqa: S311
    target.write_bytes(b"A" * 5000)
    command = [sys.executable, str(WRITER), "loop", str(target)]
    for _ in range(rounds):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout.readline() == "ready\n"
            time.sleep(generator.uniform(0, 0.03))
            process.send_signal(signal.SIGKILL)
        data = target.read_bytes()
        assert data in (b"A" * 5000, b"B" * 5000)
        assert len(names(memory)) <= 2
    replace_file(target, b"C")
    assert names(memory) == ["it"]


def test_several_at_a_time(tmp_path):
    target = tmp_path / "it"
    code = (
        "import sys; from infer._files.replace import replace_file\n"
        "for _ in range(60): replace_file(sys.argv[1], sys.argv[2].encode() * 5000)"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(target), version], stderr=subprocess.PIPE)
        for version in "ABC"
    ]
    while any(process.poll() is None for process in processes):
        if target.exists():
            data = target.read_bytes()
            assert data == data[:1] * 5000
    errors = [process.communicate()[1] for process in processes]
    assert ([process.returncode for process in processes], errors) == ([0] * 3, [b""] * 3)
    assert names(tmp_path) == ["it"]

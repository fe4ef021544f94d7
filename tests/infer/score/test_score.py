"""The command ``infer score``: what it takes and refuses, folders, and runs that were stopped."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest

import infer
from infer._artifact import store
from infer._engines._registry import load_engine
from infer._ieee.shortest import shortest
from infer._score import _file, _job
from infer._score._task import Counts


@pytest.fixture
def folder(tmp_path):
    """A folder with files of every format, in folders too, and some that are none."""
    root = tmp_path / "in"
    (root / "2026" / "01").mkdir(parents=True)
    table = pa.table({"n": np.arange(50), "temp_f": np.linspace(20, 90, 50)})
    pc.write_csv(table, root / "a.csv")
    pc.write_csv(table, root / "2026" / "b.CSV")
    pq.write_table(table, root / "2026" / "01" / "c.parquet", row_group_size=20)
    with pa.ipc.new_file(str(root / "2026" / "d.arrow"), table.schema) as writer:
        writer.write_table(table)
    (root / "readme.md").write_text("not data")
    (root / "_SUCCESS").touch()
    (root / ".hidden.csv").write_text("x")
    return root


def contents(root):
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


F2C = ("--model", "f2c", "--column", "temp_f")


def test_a_folder_keeps_its_shape(folder, tmp_path, score):
    code, output = score(folder, tmp_path / "out", *F2C)
    assert code == 0
    assert f"note: left out: {folder / 'readme.md'}\n" in output
    assert "200 rows in 4 files, 0 without a value\n" in output
    assert "note: 32 outside the range that the fit saw, 21.8 to 81.9 °F\n" in output
    names = {"a.csv", "2026/b.CSV", "2026/01/c.parquet", "2026/d.arrow"}
    assert set(contents(tmp_path / "out")) == names
    one = pq.read_table(tmp_path / "out" / "2026" / "01" / "c.parquet")
    expected = infer.load("f2c")(one["temp_f"].to_numpy())
    np.testing.assert_array_equal(one["t_c"].to_numpy(), expected)


def test_what_is_no_file_is_left_out(folder, tmp_path, score):
    os.mkfifo(folder / "pipe.csv")
    (folder / "2026" / "again").symlink_to(folder)
    code, output = score(folder, tmp_path / "out", *F2C)
    left_out = [folder / "2026" / "again", folder / "pipe.csv", folder / "readme.md"]
    assert (code, f"note: left out: {', '.join(map(str, left_out))}\n" in output) == (0, True)
    assert "200 rows in 4 files" in output


def test_a_link_to_nothing_is_an_error(folder, tmp_path, score):
    (folder / "gone.csv").symlink_to("nowhere")
    code, output = score(folder, tmp_path / "out", *F2C)
    assert (code, output) == (1, f"Error: {folder / 'gone.csv'}: No such file or directory\n")
    assert not (tmp_path / "out").exists()


def test_where_nothing_can_be_written_is_an_error(folder, score):
    target = folder / "a.csv" / "out"
    code, output = score(folder / "2026", target, *F2C)
    assert (code, output) == (1, f"Error: {target}: Not a directory\n")


def test_quiet_says_nothing(folder, tmp_path, score):
    assert score(folder, tmp_path / "out", *F2C, "--quiet") == (0, "")


def test_files_may_be_written_by_others_but_not_more_than_before(folder, tmp_path, score):
    (folder / "a.csv").chmod(0o640)
    assert score(folder / "a.csv", tmp_path / "o.csv", *F2C)[0] == 0
    assert (tmp_path / "o.csv").stat().st_mode & 0o777 == 0o640


def test_a_model_takes_its_columns_in_order(tmp_path, score, write, plane):
    model = write(plane())
    (tmp_path / "in.csv").write_text("b,a\n0.5,2\n,1\n")
    options = ("--model", model, "--as", "z")
    assert score(tmp_path / "in.csv", tmp_path / "o.csv", *options, "--column", "a, b")[0] == 0
    answer = infer.load(model)([2, 0.5])
    assert (tmp_path / "o.csv").read_text() == f"b,a,z\n0.5,2,{shortest(answer, 'float32')}\n,1,\n"
    code, output = score(tmp_path / "in.csv", tmp_path / "p.csv", *options)
    assert code == 2
    assert "own_plane takes 2 columns; name them in order: --column a,b" in output
    code, output = score(tmp_path / "in.csv", tmp_path / "p.csv", *options, "--column", "a")
    assert code == 2
    assert "own_plane takes 2 columns, found 1: a" in output


@pytest.mark.parametrize(
    ("source", "target", "options", "code", "problem"),
    [
        ("a.csv", "o.csv", ("--model", "f2d"), 2, "no model named 'f2d'. Did you mean 'f2c'?"),
        ("b.csv", "o.csv", F2C, 2, "no file or folder"),
        ("a.csv", "a.csv", F2C, 2, "is the input; expected another name"),
        ("a.csv", "link.csv", F2C, 2, "is the input; expected another name"),
        ("a.csv", "o.parquet", F2C, 2, "expected a name with the input's ending, .csv"),
        ("readme.md", "o.md", F2C, 2, "expected a name that ends with .csv, .tsv, .txt, .dat"),
        ("a.csv", "2026", F2C, 2, "is a folder; for a file in it, type"),
        (".", "2026", F2C, 2, "expected two folders, neither in the other"),
        ("2026", ".", F2C, 2, "expected two folders, neither in the other"),
        ("2026", "a.csv", F2C, 2, "is a file; expected a folder"),
        ("a.csv", "2026/b.CSV", F2C, 2, "it exists; type another name, or --force to replace"),
        ("a.csv", "o.csv", (*F2C, "--as", "n"), 2, "has a column 'n' already; name the new one"),
        ("a.csv", "o.csv", ("--model", "f2c", "--column", "tmp_f"), 2, "Did you mean 'temp_f'?"),
        ("a.csv", "o.csv", ("--model", "f2c", "--column", "n,temp_f"), 2, "takes one column"),
        ("a.csv", "o.csv", (*F2C, "--force", "--resume"), 2, "choose one"),
        ("a.csv", "o.csv", (*F2C, "--engine", "rai"), 1, "Did you mean 'ray'?"),
        ("a.csv", "o.csv", (*F2C, "--address", "x:1"), 1, "type: --engine ray"),
    ],
)
def test_a_wrong_call_is_refused_and_nothing_is_written(
    folder, score, source, target, options, code, problem
):
    (folder / "link.csv").symlink_to(folder / "a.csv")
    before = contents(folder)
    got, output = score(folder / source, folder / target, *options)
    assert (got, problem in output) == (code, True), output
    assert contents(folder) == before


def test_a_missing_library_is_named(folder, tmp_path, score, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    code, output = score(folder, tmp_path / "out", *F2C)
    assert code == 1
    assert "type: pip install 'samebits[batch]'" in output


def test_all_files_are_looked_at_before_one_is_written(folder, tmp_path, score):
    (folder / "z.csv").write_text("n,temp\n1,2\n")
    code, output = score(folder, tmp_path / "out", *F2C)
    assert code == 2
    assert f"{folder / 'z.csv'}: no column 'temp_f'. Did you mean 'temp'?" in output
    assert not (tmp_path / "out").exists()


def test_force_replaces_and_leaves_other_files_alone(folder, tmp_path, score):
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.csv").write_text("old")
    (out / "mine.csv").write_text("mine")
    code, output = score(folder, out, *F2C)
    assert code == 2
    assert "it is not empty; type another name, or --force" in output
    assert score(folder, out, *F2C, "--force")[0] == 0
    assert (out / "a.csv").read_text().startswith('"n","temp_f","t_c"\n')
    assert (out / "mine.csv").read_text() == "mine"


def test_a_file_that_changes_meanwhile_is_an_error(folder, tmp_path, score, monkeypatch):
    def format_that_appends(path):
        module = format_of(path)

        def score_and_append(*arguments):
            counts = module.score(*arguments)
            with Path(path).open("a", encoding="utf-8") as file:
                file.write("51,50\n")
            return counts

        return SimpleNamespace(score=score_and_append)

    format_of = _file.format_of
    monkeypatch.setattr(_file, "format_of", format_that_appends)
    code, output = score(folder / "a.csv", tmp_path / "o.csv", *F2C)
    assert code == 1
    assert f"{folder / 'a.csv'}: changed while it was read" in output
    assert not (tmp_path / "o.csv").exists()


def test_nothing_is_there_until_it_is_renamed(folder, tmp_path, score, monkeypatch):
    def interrupted(source, target):
        raise KeyboardInterrupt

    (tmp_path / "out").mkdir()
    monkeypatch.setattr(os, "replace", interrupted)
    code, output = score(folder / "a.csv", tmp_path / "out" / "a.csv", *F2C)
    assert (code, output) == (130, "Error: stopped\n")
    assert contents(tmp_path / "out") == {}


def test_resuming_keeps_what_is_finished_and_begins_the_rest_again(
    folder, tmp_path, score, monkeypatch
):
    out = tmp_path / "out"
    assert score(folder, tmp_path / "whole", *F2C)[0] == 0
    real = _job.score_file

    def fails_at_the_third(task, tick=None):
        if len(contents(out)) == 3:  # the journal and two
            raise _job.DataError("the disk is full")
        return real(task, tick)

    monkeypatch.setattr(_job, "score_file", fails_at_the_third)
    monkeypatch.setattr("infer._engines.local.threads", lambda: 1)
    code, output = score(folder, out, *F2C)
    assert code == 1
    assert "Error: the disk is full" in output
    done = set(contents(out)) - {".samebits-score"}
    assert len(done) == 2
    code, output = score(folder, out, *F2C)
    assert code == 2
    assert "an unfinished run is there; type --resume to go on with it" in output
    code, output = score(folder, out, "--model", "f2c", "--column", "n", "--resume")
    assert code == 2
    assert "has another model or other columns" in output

    # One of the finished files changes, as does the source of the other: both are not finished.
    # What was half-written goes.
    (out / ".a.csv.zzz.samebits-part").write_text("half")
    scored = []

    def counts(task, tick=None):
        scored.append(str(Path(task.target).relative_to(out)))
        assert not (out / ".a.csv.zzz.samebits-part").exists()
        return real(task, tick)

    monkeypatch.setattr(_job, "score_file", counts)
    changed = sorted(done)[0]
    (out / changed).write_text("not what was written")
    code, output = score(folder, out, *F2C, "--resume")
    assert code == 0
    assert "200 rows in 4 files" in output
    assert set(scored) == set(contents(folder)) - {"readme.md", "_SUCCESS", ".hidden.csv"} - (
        done - {changed}
    )
    assert contents(out) == contents(tmp_path / "whole")


def test_resuming_what_is_complete_compares_it(folder, tmp_path, score):
    out = tmp_path / "out"
    assert score(folder, out, *F2C)[0] == 0
    whole = contents(out)
    code, output = score(folder, out, *F2C, "--resume")
    assert (code, contents(out)) == (0, whole)
    assert "200 rows in 4 files" in output
    assert (
        "note: the run was already complete; its files were computed again, and they are the same\n"
        in output
    )
    (out / "a.csv").write_bytes(b"not what was written")
    before = contents(out)
    code, output = score(folder, out, *F2C, "--resume")
    assert (code, contents(out)) == (2, before)
    assert f"{out / 'a.csv'}: is not what this run would write" in output
    (out / "a.csv").unlink()
    before = contents(out)
    code, output = score(folder, out, *F2C, "--resume")
    assert (code, contents(out)) == (2, before)
    assert "holds no unfinished run to go on with" in output


def test_resuming_a_single_file(folder, tmp_path, score):
    target = tmp_path / "o.csv"
    assert score(folder / "a.csv", target, *F2C, "--resume")[0] == 0
    whole = target.read_bytes()
    assert score(folder / "a.csv", target, *F2C, "--resume")[0] == 0
    target.write_bytes(b"mine")
    code, output = score(folder / "a.csv", target, *F2C, "--resume")
    assert (code, target.read_bytes()) == (2, b"mine")
    assert "is not what this run would write; type another name, or --force" in output
    assert score(folder / "a.csv", target, *F2C, "--force")[0] == 0
    assert target.read_bytes() == whole


@pytest.mark.parametrize(
    "journal", [b"", b'{"model": "0', b"\x00" * 40 + b"\n", b"[]\n", b"{}\n[]\n"]
)
def test_a_journal_that_a_crash_has_damaged(folder, tmp_path, score, journal):
    out = tmp_path / "out"
    assert score(folder, out, *F2C)[0] == 0
    whole = contents(out)
    (out / ".samebits-score").write_bytes(journal)
    (out / "a.csv").unlink()
    code, output = score(folder, out, *F2C, "--resume")
    if journal.startswith(b"{}"):
        assert (code, "has another model or other columns" in output) == (2, True)
    else:
        assert (code, contents(out)) == (0, whole)


def test_two_runs_do_not_write_into_one_folder(folder, tmp_path, score):
    out = tmp_path / "out"
    out.mkdir()
    with (out / ".samebits-score").open("wb") as journal:
        fcntl.flock(journal, fcntl.LOCK_EX)
        for option in ("--force", "--resume"):
            code, output = score(folder, out, *F2C, option)
            assert (code, contents(out)) == (1, {".samebits-score": b""})
            assert f"{out}: another infer score writes to this output" in output
    assert score(folder, out, *F2C, "--resume")[0] == 0


def test_a_link_as_output_stays_and_a_pipe_is_refused(folder, tmp_path, score):
    (tmp_path / "real").mkdir()
    (tmp_path / "o.csv").symlink_to("real/o.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    assert score(folder / "a.csv", tmp_path / "o.csv", *F2C)[0] == 0
    assert (tmp_path / "o.csv").is_symlink()
    assert len((tmp_path / "real" / "o.csv").read_text().splitlines()) == 51
    for option in ((), ("--force",)):
        code, output = score(folder / "a.csv", tmp_path / "pipe.csv", *F2C, *option)
        assert (code, "is a pipe or a device; expected the name of a file" in output) == (2, True)
    assert {path.name for path in tmp_path.iterdir()} == {"in", "real", "o.csv", "pipe.csv"}


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
@pytest.mark.parametrize("how", ["kill", "raise"])
@pytest.mark.parametrize("every", [29, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("begin", ["fresh", "force", "resume"])
def test_a_run_that_fails_at_any_call_can_be_resumed(memory, how, every, begin):
    command = [sys.executable, Path(__file__).parents[1] / "files" / "score_writer.py"]
    output = subprocess.run(
        [*command, memory, begin, how, str(every)], capture_output=True, text=True, check=False
    )
    assert output.returncode == 0, output.stderr
    results = [json.loads(line) for line in output.stdout.splitlines()]
    assert len(results) >= 200 // every
    failed = {"kill": {-9}, "raise": {1}}[how]
    assert {row["code"] for row in results} <= {0, 2, 222} | failed
    assert [row for row in results if row["wrong"] or row["then"] != 0 or row["left"]] == []


@pytest.mark.skipif(sys.platform == "win32", reason="kills as POSIX does")
@pytest.mark.parametrize("rounds", [2, pytest.param(60, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_two_runs_at_a_time(folder, tmp_path, score, rounds, kind):
    source = folder / "a.csv" if kind == "file" else folder
    whole, out = (tmp_path / f"{name}{source.suffix}" for name in ("whole", "out"))
    assert score(source, whole, *F2C)[0] == 0
    command = [Path(sys.executable).with_name("infer"), "score", source, out, *F2C, "--force"]
    codes = []
    for _ in range(rounds):
        both = [
            subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        for process in both:
            errors = process.communicate()[1]
            codes.append(process.returncode)
            if process.returncode:
                assert "another infer score writes to this output" in errors
        if kind == "file":
            assert out.read_bytes() == whole.read_bytes()
        else:
            assert contents(out) == contents(whole)
    assert set(codes) <= ({0} if kind == "file" else {0, 1})
    assert codes.count(0) >= rounds
    assert not list(tmp_path.rglob("*.samebits-part"))


def test_ctrl_c_leaves_nothing_half_written(folder, tmp_path, score, monkeypatch):
    def stop(task, tick=None):
        raise KeyboardInterrupt

    monkeypatch.setattr(_job, "score_file", stop)
    code, output = score(folder, tmp_path / "out", *F2C)
    assert code == 130
    assert "stopped; type the same with --resume to go on" in output
    assert set(contents(tmp_path / "out")) == {".samebits-score"}


@pytest.mark.skipif(sys.platform == "win32", reason="kills as POSIX does")
def test_a_killed_run_shows_whole_files_only_and_can_be_resumed(tmp_path, score):
    root, out = tmp_path / "in", tmp_path / "out"
    root.mkdir()
    table = pa.table({"temp_f": np.random.default_rng(2).normal(50, 9, 100_000)})
    for number in range(12):
        pc.write_csv(table, root / f"{number:02}.csv")
    command = [str(Path(sys.executable).with_name("infer")), "score", str(root), str(out), *F2C]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    journal = out / ".samebits-score"
    while process.poll() is None and (
        not journal.exists() or len(journal.read_text().splitlines()) < 3
    ):
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    whole = contents(out)
    finished = [json.loads(line)["file"] for line in whole.pop(".samebits-score").splitlines()[1:]]
    before = {name: data for name, data in whole.items() if not name.endswith(".samebits-part")}
    assert 0 < len(before) < 12
    times = {name: (out / name).stat().st_mtime_ns for name in before}
    assert score(root, out, *F2C, "--resume")[0] == 0
    assert score(root, tmp_path / "whole", *F2C)[0] == 0
    assert contents(out) == contents(tmp_path / "whole")
    kept = [name for name in before if (out / name).stat().st_mtime_ns == times[name]]
    assert sorted(kept) == sorted(finished) != []
    assert all(before[name] == (out / name).read_bytes() for name in before)


def test_progress_counts_all_bytes_and_rows(folder, tmp_path):
    artifact = store.find("f2c")
    job = _job.plan(
        artifact, str(folder), str(tmp_path / "out"), ["temp_f"], None, force=False, resume=False
    )
    told = []
    engine = load_engine("local")
    total = Counts()
    for counts in _job.run(job, str(tmp_path / "out"), engine, lambda *got: told.append(got)):
        total = total.plus(counts)
    rows, read = map(sum, zip(*told, strict=True))
    assert rows == total.rows == 200
    heads = 2 * len('"n","temp_f"\n')  # of CSV files, which are no rows
    assert round(read) == sum(job.sizes.values()) - heads

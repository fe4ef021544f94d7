"""The engine on a real Ray: in a process of its own, for Ray leaves threads and warnings behind."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest

FILES = 8
# A busy machine takes ten times as long as one that does nothing else.
PATIENCE_SECONDS = 600
RUNNER = Path(__file__).with_name("ray_runner.py")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of files of two kinds, in the current one."""
    (tmp_path / "in" / "deep").mkdir(parents=True)
    generator = np.random.default_rng(9)
    for number in range(FILES):
        temperature = generator.normal(50, 9, 2000).round(3)
        reference = ((temperature - 32) / 1.8 + generator.normal(0, 0.1, 2000)).round(3)
        table = pa.table({"n": np.arange(2000), "temp_f": temperature, "ref_c": reference})
        if number % 4:
            pc.write_csv(table, tmp_path / "in" / f"{number}.csv")
        else:
            pq.write_table(table, tmp_path / "in" / "deep" / f"{number}.parquet")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "in"


@pytest.fixture
def calibrate():
    """Return a function that runs ``calibrate`` here."""
    from click.testing import CliRunner

    from export._calibrate_cli import main

    return lambda *arguments: CliRunner().invoke(main, [str(part) for part in arguments])


def marked(mark):
    """Return the processes whose environment holds a mark."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:  # it ended meanwhile, or is somebody else's
            continue
    return found


@pytest.fixture
def on_a_cluster():
    """Return a function that runs commands on a cluster, of which nothing survives the test."""
    # Not in tmp_path: the names of Ray's sockets would be too long.
    home = tempfile.mkdtemp(prefix="samebits-ray-")
    mark = {"SAMEBITS_TEST": home, "RAY_TMPDIR": home}
    quiet = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}

    def run(*commands):
        result = subprocess.run(
            [sys.executable, str(RUNNER)],
            input=json.dumps(commands),
            env={**os.environ, **mark, **quiet},
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_SECONDS,
        )
        assert result.returncode == 0, result.stderr
        assert "Dataset" not in result.stderr  # as Ray Data would tell of its progress
        return json.loads(result.stdout)

    yield run
    while processes := marked(f"SAMEBITS_TEST={home}".encode()):
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.05)
    shutil.rmtree(home)


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


FIT = ("--x", "temp_f", "--y", "ref_c", "--name", "probe", "--degree", "auto", "--json", "--quiet")


@pytest.mark.needs("ray")
def test_a_cluster_that_loses_nodes_does_what_one_machine_does(
    folder, tmp_path, score, calibrate, on_a_cluster
):
    (tmp_path / "bad").mkdir()
    shutil.copy(folder / "1.csv", tmp_path / "bad" / "1.csv")
    (tmp_path / "bad" / "2.csv").write_text("temp_f,ref_c,n\n1,2,3\n1,off,3\n")
    scored = score("in", "local", "--model", "f2c", "--column", "temp_f")
    fitted = calibrate("in", *FIT, "--out", "local-fit")
    refused = calibrate("bad", *FIT)
    assert (scored[0], fitted.exit_code, refused.exit_code) == (0, 0, 2)
    ray = ("--engine", "ray")
    first, second, third = on_a_cluster(
        ("infer", ["score", "in", "ray", "--model", "f2c", "--column", "temp_f", *ray], True),
        ("calibrate", ["in", *FIT, "--out", "ray-fit", *ray], True),
        ("calibrate", ["bad", *FIT, *ray], False),
    )
    lost = {"nodes": 2, "attempts at the lost piece": 2}
    assert first.pop("out") + first.pop("err") == scored[1]
    assert first == {"code": 0, "nodes and attempts": lost}
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")
    record = json.loads(second.pop("out"))
    assert second == {"code": 0, "err": "", "nodes and attempts": lost}
    assert record == {**json.loads(fitted.stdout), "folder": "ray-fit/probe"}
    card = "probe/model.json"
    assert (tmp_path / "ray-fit" / card).read_bytes() == (
        tmp_path / "local-fit" / card
    ).read_bytes()
    assert third == {"code": 2, "out": "", "err": refused.stderr}
    assert "bad/2.csv, line 3, column 'ref_c': text 'off', expected a number" in refused.stderr


@pytest.mark.needs("ray")
def test_an_address_where_nobody_listens_is_told_at_once(folder, tmp_path, score, calibrate):
    nowhere = ("--engine", "ray", "--address", "127.0.0.1:1")
    expected = "engine 'ray' cannot use '127.0.0.1:1': "
    code, output = score(folder, tmp_path / "out", "--model", "f2c", *nowhere)
    assert code == 1
    assert expected in output
    result = calibrate("in", *FIT, *nowhere)
    assert result.exit_code == 1
    assert expected in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["in"]

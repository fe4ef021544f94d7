"""The engine on a real Ray: in a process of its own, for Ray leaves threads and warnings behind."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest

FILES = 16


@pytest.fixture
def folder(tmp_path):
    """A folder of files of both kinds, each of which takes a while."""
    (tmp_path / "in" / "deep").mkdir(parents=True)
    generator = np.random.default_rng(9)
    for number in range(FILES):
        table = pa.table(
            {"n": np.arange(150_000), "temp_f": generator.normal(50, 9, 150_000).round(3)}
        )
        if number % 4:
            pc.write_csv(table, tmp_path / "in" / f"{number}.csv")
        else:
            pq.write_table(table, tmp_path / "in" / "deep" / f"{number}.parquet")
    return tmp_path / "in"


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.slow
@pytest.mark.needs("ray")
def test_a_cluster_that_loses_a_node_writes_the_same_bytes(folder, tmp_path, score):
    code, output = score(folder, tmp_path / "local", "--model", "f2c", "--column", "temp_f")
    assert code == 0, output
    (tmp_path / "marks").mkdir()
    runner = Path(__file__).with_name("ray_runner.py")
    result = subprocess.run(
        [sys.executable, str(runner), str(folder), str(tmp_path / "ray"), str(tmp_path / "marks")],
        env={**os.environ, "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    (told,) = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]
    assert told == {"nodes": 2, "attempts at the lost file": 2, "done": FILES}
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")


@pytest.mark.slow
@pytest.mark.needs("ray")
def test_an_address_where_nobody_listens_is_told_at_once(folder, tmp_path, score):
    options = ("--model", "f2c", "--engine", "ray", "--address", "127.0.0.1:1")
    code, output = score(folder, tmp_path / "out", *options)
    assert code == 1
    assert "engine 'ray' cannot use '127.0.0.1:1': " in output
    assert not (tmp_path / "out").exists()

"""Mutated CSV, Parquet, Arrow and Excel files, read as ``calibrate`` does and scored.

Each is refused by name, or gives what another reader makes of the same bytes: no crash, no
traceback, nothing that takes ten seconds, and no other answer where the data are as they were.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

RUNNER = Path(__file__).with_name("tables_runner.py")
KINDS = ["csv", "parquet", "arrow", "xlsx"]
# What may come of a mutated file: refused; the data that it was made of; other data, on which
# another reader agrees, because a mutation met them.
GOOD = {"refused", "same", "other"}
# Another reader that fails where ours does not proves nothing; that is rare.
UNKNOWN = "unknown"
BATCH = 250


def run(kind, first, last, folder):
    """Return what came of some mutations; a process that died or hung says with which."""
    folder.mkdir()
    result = subprocess.run(
        [sys.executable, RUNNER, kind, str(first), str(last), folder],
        capture_output=True,
        text=True,
        check=False,
        timeout=3600,
    )
    assert result.returncode == 0, f"{kind}: {result.stderr[-3000:]}"
    return [json.loads(line) for line in result.stdout.splitlines()]


def judge(kind, found, count):
    words = Counter(word.partition(":")[0] for _, _, *words in found for word in words)
    print(f"{kind}: {count:,} mutations: {dict(words)}")  # noqa: T201
    assert len(found) == count
    bad = [row for row in found if {word.partition(":")[0] for word in row[2:]} - {*GOOD, UNKNOWN}]
    assert bad == []
    assert words["same"] >= count // 50  # so that something was read
    assert words["refused"] >= count // 10
    assert words[UNKNOWN] <= count // 50


@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_of_mutated_tables_is_refused_or_right(kind, tmp_path):
    judge(kind, run(kind, 0, 100, tmp_path / "files"), 100)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_mutated_tables_are_refused_or_right(kind, tmp_path):
    count = 10_000
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [
            pool.submit(run, kind, first, first + BATCH, tmp_path / str(first))
            for first in range(0, count, BATCH)
        ]
        judge(kind, [row for job in jobs for row in job.result()], count)

"""Ten thousand mutations of each file that a runtime reads, under the right hash.

A process of its own takes a thousand of them, and must neither crash nor hang. The default run
tries a sample.
"""

import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from infer._artifact.store import SHIPPED
from infer._runtimes._registry import RUNTIMES

MODEL = "f2c"
RUNNER = Path(__file__).with_name("runtime_files_runner.py")
FILES = {row.file: row.name for row in RUNTIMES if row.file and row.missing() is None}


@pytest.mark.parametrize(
    ("batches", "size"),
    [pytest.param(10, 1000, marks=pytest.mark.slow, id="all"), pytest.param(1, 80, id="sample")],
)
@pytest.mark.parametrize("file", FILES)
def test_mutations_are_refused(tmp_path, file, batches, size):
    folder, found = shutil.copytree(Path(SHIPPED, MODEL), tmp_path / MODEL), Counter()
    original = {path.name: path.read_bytes() for path in folder.iterdir()}
    for seed in range(batches):
        for name, data in original.items():
            (folder / name).write_bytes(data)
        command = [sys.executable, RUNNER, folder, file, FILES[file], seed, size]
        result = subprocess.run(
            [*map(str, command)], capture_output=True, text=True, check=False, timeout=120
        )
        assert result.returncode == 0, f"seed {seed}: {result.returncode} {result.stderr[-1000:]}"
        assert not result.stderr
        found += Counter(json.loads(result.stdout))
    # A mutation may leave the file as it was.
    assert set(found) <= {"refused", "right"}
    assert found["refused"] > 0.9 * batches * size
    assert found.total() == batches * size

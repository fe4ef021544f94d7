"""Each benchmark starts, runs at a small size, and says what to type where something is missing."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent.parent / "benchmarks"
BENCHMARKS = sorted(FOLDER.glob("[a-z]*.py"))
# Options that make a run short, and the last of what it prints. http.py installs MLServer and
# startup.py this checkout, so these are only started.
SMALL = {
    "calibrate.py": ("--rows 1e3 --runs 1 --most 1e5", "goal: memory constant"),
    "score.py": ("--rows 20000 --rounds 1 --most 100000", " 100,000 "),
    "serve.py": ("--rounds 1 --millions 1", "import infer "),
    "grpc.py": ("--rounds 1 --seconds 0.2", " processors"),
    "fit.py": ("--runs 1 --most 1e3", "goal: time a row constant"),
}
LONG = {"fit.py", "grpc.py", "serve.py"}


def run(*command, **options):
    return subprocess.run(
        [sys.executable, *map(str, command)], capture_output=True, text=True, check=False, **options
    )


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.name)
def test_a_benchmark_tells_its_options(path, tmp_path):
    result = run(path, "--help", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(f"usage: {path.name}")


@pytest.mark.needs("bench")
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if name in LONG else ()) for name in SMALL],
)
def test_a_benchmark_runs_at_a_small_size(name, tmp_path):
    options, end = SMALL[name]
    result = run(FOLDER / name, *options.split(), cwd=tmp_path, timeout=120)
    assert result.returncode == 0, result.stderr
    assert end in result.stdout[-200:]


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.name)
def test_a_benchmark_without_its_packages_says_what_to_type(path, tmp_path):
    result = run("-S", path, "--help", cwd=tmp_path)  # finds no installed package
    assert result.returncode == 1
    assert re.fullmatch(
        rf"{path.name} needs [a-z, ]*numpy[a-z, ]*; type: pip install 'samebits\[bench\]'\n",
        result.stderr,
    )


def test_only_what_is_missing_is_named():
    for call, message in {
        "require('json', 'math')": "",
        "require('json', 'no_such_a', 'no_such_b')": (
            "-c needs no_such_a, no_such_b; type: pip install 'samebits[bench]'\n"
        ),
        "require_command('no-such-command')": (
            "-c needs no-such-command; install it with the system's package manager\n"
        ),
    }.items():
        code = f"from _require import require, require_command; {call}"
        result = run("-c", code, cwd=FOLDER)
        assert (result.returncode, result.stderr) == (1 if message else 0, message)

"""What a user gets from ``pip install .``: a wheel, click, and a working ``f2c``."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import tomllib

ROOT = Path(__file__).resolve().parent.parent
CI_EXTRAS = ("batch", "files", "onnx", "serve")  # as in .ci/lowest
README = (ROOT / "README.md").read_text("utf-8")


def interpreters():
    """Return every CPython from 3.10 on that is installed here, by version."""
    candidates = [sys.executable]
    candidates += [path for minor in range(10, 15) if (path := shutil.which(f"python3.{minor}"))]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    candidates += sorted(map(str, pyenv.glob("3.*/bin/python")))
    found = {}
    for candidate in candidates:
        probe = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"
        result = subprocess.run(
            [candidate, "-c", probe], capture_output=True, text=True, check=False
        )
        version = result.stdout.strip()
        if result.returncode == 0 and tuple(map(int, version.split("."))) >= (3, 10):
            found.setdefault(version, candidate)
    return found


def run(*command, **options):
    return subprocess.run(
        [str(part) for part in command], check=True, capture_output=True, text=True, **options
    )


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    run(
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        folder,
        ROOT,
    )
    (path,) = folder.iterdir()
    return path


CORE = (
    "(_artifact|_checks|_commands|_containers|_curve|_files|_ieee|_program|_runtimes|_writers"
    "|proofs)/"
)


def test_the_wheel_weighs_what_the_readme_says(wheel):
    with zipfile.ZipFile(wheel) as archive:
        # What answers need without an extra; the rest serves, scores, fits and exports.
        core = sum(
            entry.compress_size
            for entry in archive.infolist()
            if re.match(rf"artifacts/|infer/({CORE})?[^/]*$", entry.filename)
        )
    row = re.search(r"size of the wheel \| (\d+) KB, of which answering needs (\d+) KB", README)
    for stated, actual in zip(map(int, row.groups()), (wheel.stat().st_size, core), strict=True):
        assert abs(stated - actual / 1000) <= 3, f"README says {stated} KB, it is {actual:,} bytes"


def test_the_wheel_is_pure_and_complete(wheel):
    assert wheel.name == "samebits-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    artifacts = run("git", "ls-files", "artifacts", cwd=ROOT).stdout.split()
    assert artifacts
    assert set(artifacts) <= inside
    tops = {name.partition("/")[0] for name in inside}
    assert tops == {"artifacts", "export", "infer", "samebits-0.1.0.dist-info", "train"}
    assert {"infer/py.typed", "train/py.typed", "export/py.typed"} <= inside
    assert {str(path.relative_to(ROOT)) for path in (ROOT / "infer/page").iterdir()} <= inside


@pytest.mark.parametrize("version", interpreters())
def test_a_bare_install_answers(version, wheel, tmp_path):
    run(interpreters()[version], "-m", "venv", "--without-pip", tmp_path / "environment")
    python = tmp_path / "environment" / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python)
    run(*pip, "install", "--disable-pip-version-check", wheel)
    assert set(installed(python)) == {"click", "samebits"}
    f2c = python.with_name("f2c")
    result = run(f2c, "98.6", cwd=tmp_path)
    assert abs(float(result.stdout) - 35.62) < 0.01
    assert "outside the range" in result.stderr
    assert "sin_cubic" in run(python.with_name("infer"), "list", cwd=tmp_path).stdout
    check = run(python.with_name("infer"), "check", cwd=tmp_path).stdout
    assert check.count("intact") == check.count("\n") - 4  # every model, under four lines of head
    (tmp_path / "r.csv").write_text("raw,true\n1,2\n2,4.1\n3,6\n")
    for command in (
        (python.with_name("calibrate"), "r.csv"),
        (python, "-m", "train", "f2c"),
        (python, "-m", "export", "f2c", "--out", "models"),
    ):
        result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert result.returncode == 1
        assert re.fullmatch(
            r"Error: this command needs (numpy|torch), not installed here; "
            r"type: pip install 'samebits\[train\]'\n",
            result.stderr,
        )


def installed(python):
    code = "import importlib.metadata as m; print(*(d.name for d in m.distributions()))"
    return run(python, "-c", code).stdout.split()


def test_an_answer_costs_no_heavy_import():
    """What ``f2c`` must not load, for its start takes as long as its imports."""
    code = (
        "import sys; from infer import _f2c; _f2c.main(['50'], standalone_mode=False); "
        "print(*sys.modules)"
    )
    modules = set(run(sys.executable, "-c", code).stdout.split())
    assert "click" in modules
    heavy = {"numpy", "torch", "onnxruntime", "pathlib", "hashlib", "decimal", "fractions"}
    # What the interpreter itself brings in this environment is not ours.
    bare = set(run(sys.executable, "-c", "import sys, click; print(*sys.modules)").stdout.split())
    assert not (heavy - bare) & modules


def test_the_lowest_versions_are_those_that_ci_tests():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(row for name in CI_EXTRAS for row in extras[name])]
    pinned = {}
    for line in (ROOT / "constraints-lowest.txt").read_text("utf-8").splitlines():
        if match := re.match(r"([\w-]+)==([\d.]+)(.*)", line):
            pinned.setdefault(match[1], match[2])  # the first stands for the oldest Python
    bounds = dict(re.match(r"([\w-]+)>=([\d.]+)", row).groups() for row in wanted)
    for name, bound in bounds.items():
        assert pinned[name].removesuffix(".0") == bound.removesuffix(".0"), name
    oldest = project["requires-python"].removeprefix(">=")
    assert f"leg {oldest} constraints-lowest.txt" in (ROOT / ".ci" / "lowest").read_text("utf-8")


def test_the_readme_shows_the_commands_that_ci_runs():
    commands = [line for line in README.splitlines() if line.startswith("pip install")]
    assert commands == [
        "pip install . && f2c 98.6",
        "pip install -c constraints.txt -e '.[dev]' && pytest -n auto",
    ]

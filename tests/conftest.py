"""What tests need beside Python packages: where it is missing, they skip and say what to type.

Such a test is marked ``@pytest.mark.needs("node", …)``, by names of the table below. Where the
environment variable ``SAMEBITS_REQUIRE`` is set, as in ``.ci/run``, it fails instead of skipping.

``SAMEBITS_WITHOUT`` names packages, separated by commas, that an environment is not to have, as in
``.ci/lowest``: files of tests that import one of them are left out.
"""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine is no failure.
settings.register_profile("samebits", deadline=None)
settings.load_profile("samebits")

WEB = Path(__file__).parent / "web"


def _lacks_node():
    wanted = json.loads((WEB / "package.json").read_text("utf-8"))["engines"]["node"]
    oldest = int(re.fullmatch(r">=(\d+)", wanted)[1])
    if shutil.which("node") is None:
        return f"no node here; install Node.js {oldest} or newer"
    found = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    if int(re.match(r"v(\d+)", found)[1]) < oldest:
        return f"node is {found.strip()}; install Node.js {oldest} or newer"
    return None


def _lacks_npm_packages():
    # npm keeps a copy of the lock file there, of what it has installed.
    installed = WEB / "node_modules" / ".package-lock.json"
    wanted = json.loads((WEB / "package-lock.json").read_text("utf-8"))["packages"]
    found = json.loads(installed.read_text("utf-8"))["packages"] if installed.is_file() else {}
    versions = {name: package.get("version") for name, package in found.items()}
    # An optional one is for some platforms only.
    needed = {name: row for name, row in wanted.items() if name and not row.get("optional")}
    if any(versions.get(name) != row["version"] for name, row in needed.items()):
        return "the packages of tests/web are not installed; type: npm ci --prefix tests/web"
    return None


def _lacks_bench():
    packages = ("duckdb", "numexpr", "polars", "sklearn", "statsmodels")
    missing = [name for name in packages if find_spec(name) is None]
    return f"no {missing[0]} here; type: pip install 'samebits[bench]'" if missing else None


def _lacks_java():
    if shutil.which("java") and shutil.which("javac"):
        return None
    return (
        "no java and javac here; install a JDK, 11 or newer: apt-get install default-jdk-headless"
    )


def _lacks_ray():
    return None if find_spec("ray") else "no ray here; type: pip install 'samebits[ray]'"


def _lacks_torch():
    return None if find_spec("torch") else "no torch here; type: pip install 'samebits[train]'"


def _lacks_sha256sum():
    return None if shutil.which("sha256sum") else "no sha256sum here; install GNU coreutils"


def _lacks_chromium():
    if find_spec("playwright") is None:
        return "no playwright here; type: pip install playwright"
    return None if shutil.which("chromium") else "no chromium here; type: apt-get install chromium"


# By the name that a test gives: a function that tells why it is missing, None if it is there.
NEEDS = {
    "bench": cache(_lacks_bench),
    "chromium": cache(_lacks_chromium),
    "java": cache(_lacks_java),
    "node": cache(_lacks_node),
    "npm packages": cache(_lacks_npm_packages),
    "ray": cache(_lacks_ray),
    "sha256sum": cache(_lacks_sha256sum),
    "torch": cache(_lacks_torch),
}


@pytest.fixture
def memory(tmp_path):
    """Return an empty folder in memory where the system has that: fsync costs nothing there."""
    if not os.access("/dev/shm", os.W_OK):  # noqa: S108
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def warm():
    """Return a folder of commands for PATH that do not wait for torch: see ``warm_server.py``.

    They are for tests of what a command does. What it imports and how it starts is tested by
    ``test_entry.py``, ``test_architecture.py`` and ``test_packaging.py``.
    """
    here = Path(__file__).parent
    with tempfile.TemporaryDirectory() as name:  # a socket's path must be short
        folder = Path(name)
        client = (here / "warm_client.py").read_text("utf-8")
        for command in ("calibrate", "f2c", "infer", "python"):
            (folder / command).write_text(f"#!{sys.executable} -IS\n{client}", "utf-8")
            (folder / command).chmod(0o755)
        command = [sys.executable, here / "warm_server.py", folder / "socket"]
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        ) as server:
            assert server.stdout.readline() == "ready\n"
            yield folder
            server.kill()


def pytest_ignore_collect(collection_path):
    """Leave out files that import what is not to be there."""
    without = set(filter(None, os.environ.get("SAMEBITS_WITHOUT", "").split(",")))
    if not without or collection_path.suffix != ".py":
        return None
    found = set()
    for node in ast.walk(ast.parse(collection_path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found.add(node.module.partition(".")[0])
    return True if found & without else None


# Files of few and long tests, or of many and short ones; the others stand between.
FIRST = ("test_docs.py", "test_ray.py", "test_examples.py", "test_benchmarks.py", "test_page.py")
LAST = ("test_architecture.py", "test_model.py")


def pytest_collection_modifyitems(items):
    """Begin with the longest tests, so that parallel workers end together."""
    items.sort(key=lambda item: (item.path.name in LAST) - (item.path.name in FIRST))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Give each worker its share at once, in order: what a file's tests share is started once.

    A worker that has done its share takes from what another one has left.
    """
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log)


def pytest_runtest_setup(item):
    """Skip a test for want of what it needs; fail it where everything must be there."""
    for marker in item.iter_markers("needs"):
        for name in marker.args:
            reason = NEEDS[name]()
            if reason is not None and os.environ.get("SAMEBITS_REQUIRE"):
                pytest.fail(f"{reason}; $SAMEBITS_REQUIRE permits no skip", pytrace=False)
            if reason is not None:
                pytest.skip(reason)

"""A test that needs a tool skips where it is missing, and fails where everything must be there."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
WITH_TOOLS = "import pytest\n\n@pytest.mark.needs({names})\ndef test_it(): pass\n"


@pytest.fixture
def outcome(tmp_path):
    """Return a function that runs a test with some needs in an empty place."""
    (tmp_path / "web").mkdir()
    for file in ("conftest.py", "web/package.json", "web/package-lock.json"):
        shutil.copy(HERE / file, tmp_path / file)

    def run(*names, path="", **variables):
        test = tmp_path / "test_it.py"
        test.write_text(WITH_TOOLS.format(names=", ".join(map(repr, names))), encoding="utf-8")
        environment = {key: os.environ[key] for key in os.environ if key != "SAMEBITS_REQUIRE"}
        environment |= {"PATH": path, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **variables}
        command = [sys.executable, "-m", "pytest", "-q", "-rsEf", "-c", os.devnull, str(test)]
        command += ["-p", "no:cacheprovider", "-W", "ignore"]
        result = subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        return result.returncode, result.stdout

    return run


def tool(folder, name, says):
    path = folder / name
    path.write_text(f"#!/bin/sh\necho {says}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(folder)


def test_what_is_missing_is_named_and_what_to_type(outcome):
    code, output = outcome("npm packages")
    assert code == 0
    assert "1 skipped" in output
    assert "type: npm ci --prefix tests/web" in output


def test_nothing_is_skipped_where_everything_must_be_there(outcome):
    code, output = outcome("npm packages", SAMEBITS_REQUIRE="1")
    assert code == 1
    assert "type: npm ci --prefix tests/web; $SAMEBITS_REQUIRE permits no skip" in output


def test_a_package_for_another_platform_is_not_missing(outcome, tmp_path):
    lock = json.loads((HERE / "web" / "package-lock.json").read_text("utf-8"))
    everywhere = {
        name: row for name, row in lock["packages"].items() if name and not row.get("optional")
    }
    assert len(everywhere) < len(lock["packages"]) - 1
    installed = tmp_path / "web" / "node_modules" / ".package-lock.json"
    installed.parent.mkdir()
    installed.write_text(json.dumps({"packages": everywhere}), encoding="utf-8")
    assert "1 passed" in outcome("npm packages")[1]
    del everywhere["node_modules/onnxruntime-web"]
    installed.write_text(json.dumps({"packages": everywhere}), encoding="utf-8")
    assert "1 skipped" in outcome("npm packages")[1]


def test_a_test_runs_where_its_tool_is_there(outcome, tmp_path):
    assert "1 skipped" in outcome("node")[1]
    assert "1 passed" in outcome("node", path=tool(tmp_path, "node", "v20.0.0"))[1]
    assert "no chromium here; type: apt-get install chromium" in outcome("chromium")[1]
    assert "1 passed" in outcome("chromium", path=tool(tmp_path, "chromium", "hello"))[1]
    code, output = outcome("node", path=tool(tmp_path, "node", "v18.20.1"), SAMEBITS_REQUIRE="1")
    assert code == 1
    assert "node is v18.20.1; install Node.js 20 or newer" in output

"""What runs and asks on GitHub, and before a commit, fits the project."""

import os
import re
import sys
from pathlib import Path

import pytest
import yaml

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # hatchling brings it there

ROOT = Path(__file__).resolve().parent.parent
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def load(path):
    return yaml.safe_load((ROOT / path).read_text("utf-8"))


def test_ci_runs_on_every_version_that_the_package_claims():
    jobs = load(".github/workflows/ci.yml")["jobs"]
    claimed = [
        found[1]
        for line in PROJECT["project"]["classifiers"]
        if (found := re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", line))
    ]
    assert jobs["checks"]["strategy"]["matrix"]["python"] == claimed
    assert claimed[0] == PROJECT["project"]["requires-python"].removeprefix(">=")


def test_ci_has_the_pythons_that_the_lowest_versions_are_tested_on():
    steps = load(".github/workflows/ci.yml")["jobs"]["lowest"]["steps"]
    (versions,) = [step["with"]["python-version"] for step in steps if "with" in step]
    script = (ROOT / ".ci" / "lowest").read_text("utf-8")
    assert versions.split() == re.findall(r"^leg (3\.\d+) ", script, re.MULTILINE)


def test_ci_runs_scripts_of_the_project():
    steps = [
        step for job in load(".github/workflows/ci.yml")["jobs"].values() for step in job["steps"]
    ]
    scripts = {step["run"] for step in steps if step.get("run", "").startswith(".")}
    assert ".ci/run" in scripts
    for script in scripts:
        assert os.access(ROOT / script, os.X_OK), script


def test_ci_uses_the_constraints_that_the_readme_names():
    text = (ROOT / ".ci" / "run").read_text("utf-8")
    commands = re.findall(r"^pip install .*", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    assert sum("pytest" in command for command in commands) == 1
    assert all("-c constraints.txt" in command for command in commands if "pytest" in command)
    assert "${CONSTRAINTS:-constraints.txt}" in text
    pinned = re.search(r"CPython (3\.\d+)", (ROOT / "constraints.txt").read_text("utf-8"))[1]
    condition = load(".github/workflows/ci.yml")["jobs"]["checks"]["env"]["CONSTRAINTS"]
    assert f"matrix.python == '{pinned}' && 'constraints.txt'" in condition


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_a_form_is_complete(path):
    form = load(path)
    assert {"name", "description", "body"} <= form.keys()
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    assert len({field["id"] for field in fields}) == len(fields)
    assert all(field["attributes"]["label"] for field in fields)
    assert any(field.get("validations", {}).get("required") for field in fields)


def test_hooks_run_the_tools_that_ci_runs():
    (repository,) = load(".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"  # so that versions are those of constraints.txt
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    entries = {hook["id"]: hook["entry"] for hook in repository["hooks"]}
    for hook in ("ruff-check", "ruff-format", "mypy", "page"):
        command = re.split(r" --(?:force-exclude|check)", entries[hook])[0]
        assert re.search(rf"^{re.escape(command)}", script, re.MULTILINE), command

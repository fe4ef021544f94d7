"""Fits to export, and modules of a user."""

import dataclasses
import fcntl
import json
import os
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

import export
import train

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="session")
def fitted():
    """Return a function from a model's name to its fit by the default recipe."""
    return cache(train.fit)


@pytest.fixture(scope="session")
def exported(fitted, tmp_path_factory):
    """Return a folder with all artifacts, written by a process of this test run.

    Workers of pytest-xdist share it: the first one writes, the others wait.
    """
    root = tmp_path_factory.getbasetemp()
    out = (root.parent if "PYTEST_XDIST_WORKER" in os.environ else root) / "exported"
    with out.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in train.list_models():
            if not [*out.glob(name), *out.glob(f"{name}.*")]:
                export.save(fitted(name), out)
    return out


@pytest.fixture(scope="session")
def same():
    """Return a function that compares bits; any nan equals any nan."""

    def compare(answers, expected):
        pattern = f"uint{8 * answers.itemsize}"
        equal = answers.view(pattern) == expected.view(pattern)
        return bool((equal | (np.isnan(answers) & np.isnan(expected))).all())

    return compare


@pytest.fixture(scope="session")
def committed():
    """Return the folder of the artifacts in the repository.

    Their bytes hold the versions of the libraries that wrote them; others cannot write the same.
    """
    folder = ROOT / "artifacts"
    card = json.loads((folder / "f2c" / "model.json").read_text("utf-8"))
    for name, written_by in card["training"]["versions"].items():
        if version(name).partition("+")[0] != written_by:
            pytest.skip(f"the artifacts were written by {name} {written_by}; see constraints.txt")
    return folder


@pytest.fixture(scope="session")
def own_fit(fitted):
    """Return a function that makes a fit out of a user's module and values of its parameters."""

    def make(module, parameters, *, features=None):
        model = train.ModelSpec(
            name="mine",
            module=module,
            dataset="thermometer",
            input=train.Quantity("x", "what goes in", "V"),
            output=train.Quantity("y", "what comes out", "m/s"),
            recipes=(train.lbfgs("mean"),),
            variants=(train.Variant("", "Mine", "y = …", {}),),
            description="A model of a user.",
        )
        x = np.zeros((5, features) if features else 5)
        return dataclasses.replace(
            fitted("f2c"),
            model=model,
            dataset=train.Dataset("own", x, np.zeros(5)),
            parameters=parameters,
            optimum=parameters,
        )

    return make

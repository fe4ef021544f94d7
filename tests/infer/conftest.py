"""Artifacts made for one test, commands as a user runs them, and bits compared."""

import copy
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st

from infer._artifact.format import render
from infer._ieee.patterns import specials
from infer._program.program import parse

SHA256 = "0123456789abcdef" * 4

# y = a·x + b, in float32, without siblings: the python runtime needs the card alone.
LINE = {
    "format_version": 1,
    "name": "own_line",
    "default_variant": True,
    "title": "A line",
    "description": "For tests.",
    "formula": "y = a·x + b",
    "dtype": "float32",
    "inputs": [{"name": "x", "dtype": "float32", "shape": ["..."], "unit": "V"}],
    "outputs": [{"name": "y", "dtype": "float32", "shape": ["..."], "unit": "1"}],
    "domain": [[-1.5, 2.5]],
    "parameters": {"a": 0.5, "b": -3.0},
    "constants": {},
    "program": ["s1 = a * x", "y = s1 + b"],
    "training": {
        "recipe": "lbfgs",
        "settings": {"optimizer": "LBFGS", "epochs": 500, "learning_rate": 1.0, "nesterov": False},
        "dataset": {"name": "points", "rows": 11, "sha256": SHA256},
        "loss": 2.5,
        "best_loss": 2.5,
        "versions": {"numpy": "2.0", "torch": "2.9"},
    },
    "files": {},
    "uncertainty": None,
    "evaluation_error": None,
}

# What three readings of the line tell, at x = -1, 0 and 2.
UNCERTAINTY = {
    "residual_sd": 0.25,
    "degrees_of_freedom": 1,
    "powers": [[0], [1]],
    "center": [0.5],
    "half_width": [2.0],
    "curve": [-2.75, 1.0],
    "factor": [[0.625, 0.0], [0.125, 0.875]],
    "typical_sigma": 1.0,
}

# Two features, and the steps that no shipped model has: pick, subtract, negate.
PLANE = {
    "name": "own_plane",
    "title": "A plane",
    "formula": "y = -(u·x₀ - v·x₁)",
    "inputs": [{"name": "x", "dtype": "float32", "shape": ["...", 2], "unit": "m"}],
    "domain": [[-1.0, 1.0], [0.0, 4.0]],
    "parameters": {"u": 2.0, "v": -3.4000000953674316},
    "program": [
        "p = x[0]",
        "q = x[1]",
        "s1 = u * p",
        "s2 = v * q",
        "s3 = s1 - s2",
        "y = -s3",
    ],
}


@pytest.fixture(autouse=True)
def _a_plain_environment(monkeypatch):
    """Keep out the developer's own models, and a setting that would flush for the commands."""
    monkeypatch.delenv("SAMEBITS_ARTIFACTS", raising=False)
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)


@pytest.fixture
def line():
    """Return a function that makes a valid document, with changes at the top level."""
    return lambda **changes: copy.deepcopy({**LINE, **changes})


@pytest.fixture
def measured(line):
    """Return a function like ``line`` for a model that knows its uncertainty."""
    return lambda **changes: line(uncertainty={**copy.deepcopy(UNCERTAINTY), **changes})


@pytest.fixture
def plane(line):
    """Return a function like ``line`` for a model with two features."""
    return lambda **changes: line(**{**PLANE, **changes})


@pytest.fixture
def write(tmp_path):
    """Return a function that writes an artifact from a document and gives its folder."""

    def write_artifact(document, root=tmp_path):
        folder = root / document["name"]
        folder.mkdir(parents=True)
        (folder / "model.json").write_bytes(render(document))
        return folder

    return write_artifact


@pytest.fixture
def shipped():
    """Return the folder of the shipped artifacts."""
    return Path(__file__).resolve().parents[2] / "artifacts"


@pytest.fixture
def copied(shipped, tmp_path):
    """Return a function that copies a shipped artifact to where it can be damaged."""

    def copy_artifact(name="f2c"):
        return Path(shutil.copytree(shipped / name, tmp_path / name))

    return copy_artifact


@pytest.fixture
def patterns():
    """Return a function from values to bit patterns, one pattern for all nans."""

    def to_patterns(values, dtype="float32"):
        array = np.array(values, dtype)
        array[np.isnan(array)] = np.nan
        return array.view("uint32" if dtype == "float32" else "uint64")

    return to_patterns


@pytest.fixture
def random_inputs():
    """Return a function from a card and a count to the specials, then so many random bit patterns.

    They are an array of shape (n,), or (n, k) for k features.
    """

    def make(card, count):
        width = card.features or 1
        unsigned = {"float32": np.uint32, "float64": np.uint64}[card.dtype]
        generator = np.random.default_rng(20_260)
        patterns = generator.integers(
            0, np.iinfo(unsigned).max, (count, width), unsigned, endpoint=True
        )
        corners = np.array(specials(card.dtype), card.dtype)[:, None]
        if card.features:
            corners = generator.choice(corners[:, 0], (10_000, width))
        rows = np.concatenate([corners, patterns.view(card.dtype)])
        return rows if card.features else rows[:, 0]

    return make


@pytest.fixture
def command(tmp_path, warm):
    """Return a function that runs a command in an empty folder; see ``warm``."""
    folder = tmp_path / "cwd"
    folder.mkdir()

    def run(name, *arguments, stdin="", **variables):
        return subprocess.run(
            [warm / name, *map(str, arguments)],
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            cwd=folder,
            # So that the note's "°F" reads the same everywhere.
            env={**os.environ, "PYTHONIOENCODING": "utf-8", **variables},
            check=False,
            timeout=60,
        )

    return run


NUMPY = {"+": np.add, "-": np.subtract, "*": np.multiply}


@st.composite
def _programs(draw, dtype):
    """Any program that the grammar permits, each constant a value of the dtype."""
    features = draw(st.none() | st.integers(1, 3))
    values = st.floats(width=int(dtype[5:]), allow_nan=False, allow_infinity=False)
    varying, constants, lines = [], {}, []
    if features is None:
        varying.append("x")
    else:
        varying += [f"p{index}" for index in range(features)]
        lines += [f"p{index} = x[{index}]" for index in range(features)]
    count = draw(st.integers(1, 8))
    for number in range(count):
        target = "y" if number == count - 1 else f"s{number}"
        one = draw(st.sampled_from(varying))
        operator = draw(st.sampled_from(["+", "-", "*", "neg"]))
        if operator == "neg":
            lines.append(f"{target} = -{one}")
        else:
            other = draw(st.sampled_from([*varying, *constants, "new"]))
            if other == "new":
                other = f"c{len(constants)}"
                constants[other] = draw(values)
            pair = draw(st.permutations([one, other]))
            lines.append(f"{target} = {pair[0]} {operator} {pair[1]}")
        varying.append(target)
    return parse(lines, input="x", features=features, output="y", constants=constants, dtype=dtype)


def _by_numpy(program, rows):
    """Compute a program with the processor's own arithmetic, a step at a time."""
    at = {name: np.array(value, program.dtype) for name, value in program.constants.items()}
    if program.features is None:
        at[program.input] = rows[:, 0]
    with np.errstate(all="ignore"):
        for step in program.steps:
            operands = [at.get(name) for name in step.operands]
            if step.operator == "pick":
                at[step.target] = rows[:, step.feature]
            elif step.operator == "neg":
                at[step.target] = np.negative(*operands)
            else:
                at[step.target] = NUMPY[step.operator](*operands)
            assert at[step.target].dtype == program.dtype
    return at[program.output]


@pytest.fixture
def programs():
    """Return a function that gives the hypothesis strategy of all programs of a dtype."""
    return _programs


@pytest.fixture
def by_numpy():
    """Return a function that computes a program on rows with numpy, a step at a time."""
    return _by_numpy


@pytest.fixture
def score():
    """Return a function that runs ``infer score`` here; gives its exit code and all it printed."""
    from click.testing import CliRunner

    from infer._cli import main

    def run(*arguments):
        result = CliRunner().invoke(main, ["score", *map(str, arguments)])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.output

    return run

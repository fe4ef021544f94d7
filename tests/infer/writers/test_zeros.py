"""Zeros and their signs in ``model.onnx``, whatever onnxruntime's optimizer makes of it."""

import json
import subprocess
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from infer._artifact.store import find
from infer._writers.siblings import content

SCRIPT = Path(__file__).resolve().parents[2] / "web" / "onnxruntime_web.mjs"
# An optimizer may drop each of these as if it changed nothing; b shows the sign of its zero.
SUMS = ["a + p", "p + a", "a - n", "a + n", "a - p", "n + a", "p - a", "n - a"]
PROGRAMS = [
    *(["a = x * c", f"b = {text}", "y = b * c"] for text in SUMS),
    *(["a = x * c", f"y = {text}"] for text in SUMS),
    *([f"y = {text.replace('a', 'x')}"] for text in SUMS),
]


@pytest.fixture(params=["float32", "float64"])
def folders(request, line, write):
    """Return an artifact's folder for each program, with its ``model.onnx``."""
    found = []
    for number, program in enumerate(PROGRAMS):
        used = {name for name in "cnp" if any(f" {name}" in step for step in program)}
        constants = {name: value for name, value in NUMBERS.items() if name in used}
        document = line(name=f"zeros{number}", program=program, parameters={}, constants=constants)
        document["dtype"] = request.param
        for port in (*document["inputs"], *document["outputs"]):
            port["dtype"] = request.param
        folder = write(document)
        (folder / "model.onnx").write_bytes(content("model.onnx", find(folder).card))
        found.append(folder)
    return found


NUMBERS = {"c": 1.5, "n": -0.0, "p": 0.0}


def expected(folder, by_numpy, x):
    return by_numpy(find(folder).card.compiled, x.reshape(-1, 1))


def inputs(folder):
    return np.array([-0.0, 0.0, 2.0, -2.0], find(folder).card.dtype)


def test_onnxruntime_keeps_them(folders, by_numpy):
    for folder in folders:
        session = onnxruntime.InferenceSession(folder / "model.onnx")
        x = inputs(folder)
        found = session.run(None, {"x": x})[0]
        assert found.tobytes() == expected(folder, by_numpy, x).tobytes(), find(folder).card.program


@pytest.mark.needs("node", "npm packages")
def test_a_browser_keeps_them(folders, by_numpy, tmp_path):
    jobs = []
    for folder in folders:
        inputs(folder).tofile(folder / "input")
        paths = {name: str(folder / name) for name in ("input", "output")}
        jobs.append({**paths, "model": str(folder / "model.onnx"), "rows": 4})
    subprocess.run(["node", str(SCRIPT)], input=json.dumps(jobs).encode(), check=True, timeout=120)
    for folder in folders:
        right = expected(folder, by_numpy, inputs(folder))
        assert (folder / "output").read_bytes() == right.tobytes(), find(folder).card.program

"""``model.onnx`` gives the same bits in a browser's runtime: onnxruntime-web, in Node.

The reference is ``python`` on numpy. Both of onnxruntime-web's entrances for Node and for a page
without a GPU load the same WebAssembly.
"""

import json
import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest

import infer
from infer._artifact.store import find

SCRIPT = Path(__file__).resolve().parents[2] / "web" / "onnxruntime_web.mjs"
OPERATIONS = {"+": "Add", "-": "Sub", "*": "Mul", "neg": "Neg"}

# So many inputs go in alone, too: a single value does not take the way of four at a time.
ALONE = 200

pytestmark = pytest.mark.needs("node", "npm packages")


@pytest.fixture
def answers(tmp_path):
    """Return a function from (folder, inputs, rows a run) of many models to all their answers."""

    def run(*cases):
        jobs = []
        for number, (folder, x, rows) in enumerate(cases):
            source, target = tmp_path / f"{number}.input", tmp_path / f"{number}.output"
            x.tofile(source)
            paths = {"model": folder / "model.onnx", "input": source, "output": target}
            jobs.append({**{key: str(path) for key, path in paths.items()}, "rows": rows})
        subprocess.run(
            ["node", str(SCRIPT)], input=json.dumps(jobs).encode(), check=True, timeout=120
        )
        return [
            np.fromfile(job["output"], x.dtype) for job, (_, x, _) in zip(jobs, cases, strict=True)
        ]

    return run


def add_onnx(folder):
    """Write the program of a card as ``model.onnx``, a node a step, beside it."""
    card = find(folder).card
    program = card.compiled
    kind = {"float32": onnx.TensorProto.FLOAT, "float64": onnx.TensorProto.DOUBLE}[card.dtype]
    values = [onnx.helper.make_tensor(n, kind, [], [v]) for n, v in program.constants.items()]
    nodes = []
    for step in program.steps:
        if step.operator == "pick":
            index = f"{step.target}.index"
            values.append(
                onnx.helper.make_tensor(index, onnx.TensorProto.INT64, [], [step.feature])
            )
            nodes.append(
                onnx.helper.make_node("Gather", [program.input, index], [step.target], axis=-1)
            )
        else:
            operation = OPERATIONS[step.operator]
            nodes.append(onnx.helper.make_node(operation, step.operands, [step.target]))
    shape = ["n", card.features] if card.features else ["n"]
    graph = onnx.helper.make_graph(
        nodes,
        card.name,
        [onnx.helper.make_tensor_value_info(program.input, kind, shape)],
        [onnx.helper.make_tensor_value_info(program.output, kind, ["n"])],
        values,
    )
    opset = onnx.helper.make_opsetid("", 9)
    model = onnx.helper.make_model(graph, opset_imports=[opset], ir_version=4)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    return folder


def float64(document):
    """Return a document in float64, with the parameters that only a double can hold."""
    document["dtype"] = document["inputs"][0]["dtype"] = document["outputs"][0]["dtype"] = "float64"
    document["parameters"] = {name: value / 3 for name, value in document["parameters"].items()}
    return document


@pytest.fixture
def folders(shipped, line, plane, write):
    """Return the artifacts to compare, by name: the shipped ones, and what none of them has."""
    zero = {"parameters": {"a": 0.0, "b": 1.0}, "program": ["s1 = x + a", "y = s1 * b"]}
    own = {
        "own_plane": plane(),
        "own_plane_double": float64(plane(name="own_plane_double")),
        "own_line_double": float64(line(name="own_line_double")),
        # An optimizer may take these two steps for nothing; -0.0 + 0.0 is 0.0, though.
        "plus_zero": line(name="plus_zero", **zero),
        "plus_zero_double": float64(line(name="plus_zero_double", **zero)),
    }
    made = {name: add_onnx(write(document)) for name, document in own.items()}
    return {**{name: shipped / name for name in infer.list_models()}, **made}


def test_every_model_gives_the_same_bits_there(folders, random_inputs, answers):
    x = {name: random_inputs(find(folder).card, 1_000_000) for name, folder in folders.items()}
    together = [(folder, x[name], len(x[name])) for name, folder in folders.items()]
    alone = [(folder, x[name][:ALONE], 1) for name, folder in folders.items()]
    found = answers(*together, *alone)
    differing = {}
    for (folder, rows, at_once), answer in zip(together + alone, found, strict=True):
        expected = infer.load(folder, runtime="python")(rows)
        assert answer.shape == expected.shape
        pattern = f"uint{8 * answer.itemsize}"
        same = answer.view(pattern) == expected.view(pattern)
        same |= np.isnan(answer) & np.isnan(expected)
        differing[folder.name, at_once] = np.count_nonzero(~same)
    assert differing == dict.fromkeys(differing, 0)
    assert len(differing) == 2 * (len(infer.list_models()) + 5)


def test_minus_zero_plus_zero_is_zero_there(folders, answers):
    cases = []
    for name in ("sin_cubic", "plus_zero", "plus_zero_double"):
        minus_zero = np.array([-0.0], find(folders[name]).card.dtype)
        cases.append((folders[name], minus_zero, 1))
    for answer in answers(*cases):
        assert answer.tobytes() == bytes(answer.itemsize)

import hashlib
import json
from importlib.util import find_spec

import numpy as np
import onnx
import pytest

import infer
from infer._artifact.format import render
from infer._artifact.store import find
from infer._checks.integrity import check_integrity
from infer._checks.parity import DEFAULT_COUNT, check_parity
from infer._writers import onnx as writer

RUNTIMES = [name for name in infer.list_runtimes() if name != "python"]
RUNTIME_OF = {"model.onnx": "onnxruntime", "model.pt": "torchscript", "model.pt2": "torchexport"}
ARRAYS = ["python on numpy", *["python on torch"] * (find_spec("torch") is not None)]
WAYS = [*ARRAYS, *RUNTIMES]


def rewrite_card(folder, change):
    """Change a card as somebody would who recomputes the digest."""
    path = folder / "model.json"
    document = json.loads(path.read_bytes())
    change(document)
    path.write_bytes(render(document))


def rewrite_file(folder, file, data):
    """Replace a file as somebody would who puts its new size and hash into the card."""
    (folder / file).write_bytes(data)
    record = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    rewrite_card(folder, lambda document: document["files"].update({file: record}))


@pytest.mark.parametrize("name", ["f2c", "dynamic_net.order4"])
def test_a_shipped_model_agrees_in_every_way(name):
    artifact = find(name)
    assert check_integrity(artifact) == []
    parities = check_parity(artifact, count=500)
    assert [parity.way for parity in parities] == WAYS
    for parity in parities:
        assert parity.compared > 500
        assert (parity.differing, parity.bits, parity.example) == (0, 0, "")
        assert not parity.failed


def test_features_agree_too(write, plane):
    parities = check_parity(find(write(plane())), count=500)
    by_way = {parity.way: parity for parity in parities}
    for way in ARRAYS:
        assert by_way[way].compared > 500
        assert by_way[way].differing == 0
    for way in RUNTIMES:  # not in this artifact: neither right nor wrong
        assert by_way[way].compared == 0
        assert not by_way[way].failed
        assert "does not have" in by_way[way].example


def test_a_constant_of_the_card_with_a_new_digest(copied):
    folder = copied()
    before = json.loads((folder / "model.json").read_bytes())["parameters"]["b"]
    # One unit in the last place: the smallest lie that there is.
    rewrite_card(folder, lambda document: document["parameters"].update(b=before + 2.0**-19))
    artifact = find(folder)
    assert artifact.card.parameters["b"] != before
    problems = check_integrity(artifact)
    assert [problem.split(": ")[0] for problem in problems] == [
        str(folder / file) for file in sorted(RUNTIME_OF)
    ]
    for parity in check_parity(artifact, DEFAULT_COUNT):
        assert parity.differing == 0
        assert parity.failed == (parity.way in RUNTIMES), parity
        if parity.failed:
            assert parity.example in problems


@pytest.mark.skipif("onnxruntime" not in RUNTIMES, reason="needs onnxruntime")
def test_a_constant_of_the_onnx_file_with_a_new_hash(copied):
    folder = copied()
    model = onnx.load(folder / "model.onnx")
    (tensor,) = [t for t in model.graph.initializer if t.name == "b"]
    value = onnx.numpy_helper.to_array(tensor) * np.float32(2)
    tensor.CopyFrom(onnx.numpy_helper.from_array(value, "b"))
    rewrite_file(folder, "model.onnx", model.SerializeToString())
    artifact = find(folder)
    (problem,) = check_integrity(artifact)
    assert problem.startswith(f"{folder / 'model.onnx'}: expected the file that samebits writes")
    failed = {parity.way: parity.example for parity in check_parity(artifact) if parity.failed}
    assert failed == {"onnxruntime": problem}


@pytest.mark.skipif("onnxruntime" not in RUNTIMES, reason="needs onnxruntime")
def test_a_runtime_that_computes_something_else(copied, monkeypatch):
    # A writer with a fault: it writes another number than the card's, and expects it, too.
    folder, right = copied(), writer.render

    def wrong(card):
        constants = {**card.compiled.constants, "b": 2.5}
        return right(card._replace(compiled=card.compiled._replace(constants=constants)))

    rewrite_file(folder, "model.onnx", wrong(find(folder).card))
    monkeypatch.setattr(writer, "render", wrong)
    artifact = find(folder)
    assert check_integrity(artifact) == []
    for parity in check_parity(artifact, DEFAULT_COUNT):
        assert (parity.differing > 0) == (parity.way == "onnxruntime"), parity
        if parity.differing:
            assert parity.bits >= parity.differing
            assert parity.example.startswith("x = 0x")
            assert f"{parity.way} 0x" in parity.example


@pytest.mark.parametrize("file", list(RUNTIME_OF))
def test_a_damaged_file_fails_its_runtime(copied, file):
    runtime = RUNTIME_OF[file]
    folder = copied()
    data = bytearray((folder / file).read_bytes())
    data[-1] ^= 1
    (folder / file).write_bytes(data)
    (problem,) = check_integrity(find(folder))
    assert str(folder / file) in problem
    failed = {parity.way: parity for parity in check_parity(find(folder), 10) if parity.failed}
    if runtime in RUNTIMES:
        assert set(failed) == {runtime}
        assert failed[runtime].compared == 0
        assert failed[runtime].example == problem


@pytest.mark.parametrize("file", list(RUNTIME_OF))
def test_a_file_that_is_no_model_fails_its_runtime(copied, file):
    runtime = RUNTIME_OF[file]
    folder = copied()
    rewrite_file(folder, file, b"no model")
    (problem,) = check_integrity(find(folder))
    assert problem.startswith(f"{folder / file}: expected the file that samebits writes")
    failed = {
        parity.way: parity.example for parity in check_parity(find(folder), 10) if parity.failed
    }
    assert failed == ({runtime: problem} if runtime in RUNTIMES else {})

"""The runtimes of torch: what they let torch do, and what not."""

import hashlib
import io
import json
import logging
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

import infer
from infer._artifact.format import render
from infer._artifact.store import find
from infer._runtimes import torchexport
from infer._writers import torchexport as writer

PROGRAM = "archive/models/model.json"
CODE = "__import__('pathlib').Path('ran').touch()"


def packed(records):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in records.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return buffer.getvalue()


@pytest.fixture
def refused(copied, monkeypatch, tmp_path):
    """Return a function that makes records the content of model.pt2 and gives the refusal."""
    folder = copied()
    monkeypatch.chdir(tmp_path)

    def refuse(records):
        data = packed(records)
        (folder / "model.pt2").write_bytes(data)
        card = json.loads((folder / "model.json").read_bytes())
        record = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        card["files"]["model.pt2"] = record
        (folder / "model.json").write_bytes(render(card))
        with pytest.raises(infer.ArtifactError) as caught:
            infer.load(folder, runtime="torchexport")
        assert not (tmp_path / "ran").exists()
        return str(caught.value).removeprefix(f"{folder / 'model.pt2'}: ")

    return refuse


@pytest.fixture
def records():
    """Return the records of a shipped model."""
    with zipfile.ZipFile(io.BytesIO(find("f2c").read("model.pt2"))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def changed(records, change):
    program = json.loads(records[PROGRAM])
    change(program)
    return {**records, PROGRAM: json.dumps(program).encode()}


def nodes(program):
    return program["graph_module"]["graph"]["nodes"]


def sizes(program):
    return program["graph_module"]["graph"]["tensor_values"]["t_u"]["sizes"][0]["as_expr"]


REFUSAL = "expected the file that samebits writes for this card "
STRANGE = {
    "size": lambda program: sizes(program).update(expr_str=CODE),
    "operation": lambda program: nodes(program)[0].update(target="torch.os.system"),
    "name": lambda program: nodes(program)[0].update(name=CODE),
    "key": lambda program: program["graph_module"]["graph"]["tensor_values"].update({CODE: {}}),
    "guard": lambda program: program.update(guards_code=[CODE]),
    "range": lambda program: program["range_constraints"].update({CODE: {}}),
    "stack trace": lambda program: nodes(program)[0].update(metadata={"stack_trace": "a.py:1"}),
    "tree": lambda program: program["graph_module"]["module_call_graph"][0]["signature"].update(
        in_spec='[1, {"type": "os.system", "context": "null", "children_spec": []}]'
    ),
    "another step": lambda program: nodes(program)[0].update(target="torch.ops.aten.div.Tensor"),
}


@pytest.mark.parametrize("change", STRANGE.values(), ids=STRANGE)
def test_a_program_that_holds_more_than_steps_is_refused(refused, records, change):
    assert refused(changed(records, change)).startswith(REFUSAL)


@pytest.mark.parametrize(
    "record",
    [
        "data/aotinductor/model/a.so",
        "data/constants/opaque_obj_0",
        "data/constants/model.pt",
        "data/weights/weight_0",
        "extra/notes",
        "models/other.json",
    ],
)
def test_a_record_that_a_model_does_not_need_is_refused(refused, records, record):
    assert refused({**records, f"archive/{record}": b"content"}).startswith(REFUSAL)


def test_a_record_that_should_be_empty_or_is_lost_is_refused(refused, records):
    pickled = io.BytesIO()
    torch.save([1], pickled)
    for name in records:
        assert refused({**records, name: pickled.getvalue()}).startswith(REFUSAL)
        others = {other: data for other, data in records.items() if other != name}
        assert refused(others).startswith(REFUSAL)


def test_a_graph_that_torch_refuses_is_told_once(refused, records, caplog, capfd, monkeypatch):
    # As with a version of torch that reads another format than this one writes.
    def unknown_operand(program):
        nodes(program)[0]["inputs"][0]["arg"]["as_tensor"]["name"] = "nowhere"

    def another_version(program):
        program["schema_version"]["major"] = 99

    with caplog.at_level(logging.WARNING):
        for change in (unknown_operand, another_version):
            other = changed(records, change)
            monkeypatch.setattr(writer, "render", lambda card, o=other: packed(o))
            assert "cannot load it" in refused(other)
    assert not caplog.records
    assert capfd.readouterr() == ("", "")
    assert not logging.getLogger("torch.export").disabled


def test_many_threads_load_at_once():
    together = threading.Barrier(8)

    def load(_):
        together.wait()
        return [infer.load(name, runtime="torchexport")(0.5) for name in ("f2c", "line")]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(load, range(8)))
    assert answers == [[infer.load(name)(0.5) for name in ("f2c", "line")]] * 8


def test_lengths_0_and_1_are_as_good_as_others():
    evaluator = torchexport.load(find("sin_cubic"), "cpu")
    reference = infer.load("sin_cubic", runtime="python")
    for length in (0, 1, 2, 7, 1000):
        x = torch.linspace(-4, 4, length)
        assert torch.equal(evaluator.run(x), reference(x))


def optimizes():
    return torch._C._get_graph_executor_optimize()


@pytest.mark.skipif("torchscript" not in infer.list_runtimes(), reason="needs torch.jit")
def test_torchscript_is_never_optimized_here_and_may_be_elsewhere():
    model = infer.load("sin_cubic", runtime="torchscript")
    evaluator = model._evaluator
    script, seen, elsewhere = evaluator._function, set(), []

    def watched(x):
        seen.add((threading.get_ident(), optimizes()))
        # Somebody else's thread, at this moment.
        thread = threading.Thread(target=lambda: elsewhere.append(optimizes()))
        thread.start()
        thread.join()
        return script(x)

    evaluator._function = watched
    x = np.linspace(-4, 4, 300_000, dtype="float32")
    expected = infer.load("sin_cubic", runtime="python")(x)
    with ThreadPoolExecutor(4) as pool:
        for answers in pool.map(model, [x] * 8):
            assert np.array_equal(answers, expected)
    assert {flag for _, flag in seen} == {False}
    assert set(elsewhere) == {True}
    assert optimizes()
    # There is no optimized plan, which a later call could come upon.
    with pytest.raises(RuntimeError, match="optimized_plan_"):
        script.get_debug_state()

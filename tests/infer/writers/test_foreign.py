"""Artifacts from somebody else, whose cards vouch for what they hold: no runtime sees a byte of it.

Each attack is loaded and called in a process of its own, which must end at once, with the one
message, without having imported the runtime.
"""

import hashlib
import io
import json
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import onnx
import pytest
import torch
from onnx import TensorProto, helper

import infer
from infer._artifact.format import CARD_FILE, render
from infer._runtimes._registry import RUNTIMES

MODEL = "f2c"
SHIPPED = Path(infer.__file__).resolve().parents[1] / "artifacts" / MODEL
RUNTIME = {row.file: row.name for row in RUNTIMES if row.file}

CLIENT = """
import json, sys, time
import infer
begin = time.perf_counter()
try:
    found = repr(infer.load(sys.argv[1], runtime=sys.argv[2])(50.0))
except infer.ArtifactError as error:
    found = str(error)
seconds = time.perf_counter() - begin
heavy = [name for name in ("numpy", "onnxruntime", "torch") if name in sys.modules]
print(json.dumps([found, seconds, heavy]))
"""


# TorchScript.


class WritesWhenCalled(torch.nn.Module):
    def forward(self, t_u):
        return t_u + torch.from_file("trace", True, 4).fill_(1.0).sum()


class WritesWhenLoaded(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.count = 0

    @torch.jit.export
    def __getstate__(self):
        return (self.count, self.training)

    @torch.jit.export
    def __setstate__(self, state: tuple[int, bool]):
        self.count = state[0] + int(torch.from_file("trace", True, 4).fill_(1.0).sum())
        self.training = state[1]

    def forward(self, t_u):
        return t_u


class Endless(torch.nn.Module):
    def forward(self, t_u):
        while True:
            t_u = t_u + 1.0
        return t_u


class AnotherCurve(torch.nn.Module):
    def forward(self, t_u):
        return t_u * 2.0


class TwoInputs(torch.nn.Module):
    def forward(self, x, y):
        return x + y


def scripted(module):
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`torch\.jit\.\w+` is deprecated")
        torch.jit.save(torch.jit.script(module), buffer)
    return buffer.getvalue()


# ONNX.


def changed_onnx(change):
    model = onnx.load(SHIPPED / "model.onnx")
    change(model)
    return model.SerializeToString(deterministic=True)


def graph_of(nodes, initializers=(), opset=9, **imports):
    port = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "other",
        [port("t_u", TensorProto.FLOAT, ["n"])],
        [port("t_c", TensorProto.FLOAT, ["n"])],
        list(initializers),
    )
    opsets = [helper.make_opsetid("", opset)]
    opsets += [helper.make_opsetid(domain, version) for domain, version in imports.items()]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


def external_data():
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4])
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": "secret", "offset": "0", "length": "16"}.items():
        tensor.external_data.add(key=key, value=value)
    # t_u and what the file holds, one after the other.
    return graph_of([helper.make_node("Concat", ["t_u", "w"], ["t_c"], axis=0)], [tensor])


def endless_loop():
    port = helper.make_tensor_value_info
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["still"]), helper.make_node("Neg", ["v"], ["w"])],
        "body",
        [
            port("i", TensorProto.INT64, []),
            port("go", TensorProto.BOOL, []),
            port("v", TensorProto.FLOAT, ["n"]),
        ],
        [port("still", TensorProto.BOOL, []), port("w", TensorProto.FLOAT, ["n"])],
    )
    true = helper.make_tensor("true", TensorProto.BOOL, [], [True])
    return graph_of([helper.make_node("Loop", ["", "true", "t_u"], ["t_c"], body=body)], [true])


def custom_operator():
    node = helper.make_node("Gelu", ["t_u"], ["t_c"], domain="com.microsoft")
    return graph_of([node], **{"com.microsoft": 1})


def another_constant(model):
    (tensor,) = [t for t in model.graph.initializer if t.name == "b"]
    tensor.raw_data = (1.5).hex().encode()[:4]


def another_output(model):
    model.graph.output.add(name="s1").CopyFrom(
        helper.make_tensor_value_info("s1", TensorProto.FLOAT, ["n"])
    )


def a_function(model):
    node = helper.make_node("Neg", ["x"], ["y"])
    model.functions.append(
        helper.make_function("own", "f", ["x"], ["y"], [node], [helper.make_opsetid("", 9)])
    )


def more_metadata(model):
    model.metadata_props.add(key="note", value="harmless")


def an_unknown_field():
    return (SHIPPED / "model.onnx").read_bytes() + b"\xa2\x06\x04more"


# Archives, of TorchScript and of torch.export.


def records(file):
    with zipfile.ZipFile(SHIPPED / file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(entries, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", compression) as archive:
        warnings.filterwarnings("ignore", "Duplicate name")
        for name, data in entries:
            archive.writestr(name, data)
    return buffer.getvalue()


def inflating(file):
    return zipped(
        [*records(file).items(), ("archive/extra/0", bytes(1 << 28))], zipfile.ZIP_DEFLATED
    )


def with_a_record(file):
    return zipped([*records(file).items(), ("archive/extra/notes", b"harmless")])


def with_a_name_twice(file):
    entries = list(records(file).items())
    return zipped([*entries, entries[0]])


def with_two_ends(file):
    data = (SHIPPED / file).read_bytes()
    return data + data[data.rindex(b"PK\x05\x06") :]


def with_a_prefix(file):
    return b"#!/bin/sh\n" + (SHIPPED / file).read_bytes()


def written_otherwise(file):
    return zipped(records(file).items())  # the same records with another date


def another_number():
    entries = records("model.pt2")
    name = "archive/models/model.json"
    return zipped({**entries, name: entries[name].replace(b"5.36", b"5.37")}.items())


def pickled():
    buffer = io.BytesIO()
    torch.save([1], buffer)
    entries = records("model.pt2")
    return zipped({**entries, "archive/data/sample_inputs/model.pt": buffer.getvalue()}.items())


ARCHIVES = (
    inflating,
    with_a_record,
    with_a_name_twice,
    with_two_ends,
    with_a_prefix,
    written_otherwise,
)
ATTACKS = [
    *(
        ("model.pt", kind.__name__, lambda kind=kind: scripted(kind()))
        for kind in (WritesWhenCalled, WritesWhenLoaded, Endless, AnotherCurve, TwoInputs)
    ),
    ("model.pt", "no forward", lambda: scripted(torch.nn.Module())),
    *(
        ("model.onnx", make.__name__, make)
        for make in (external_data, endless_loop, custom_operator, an_unknown_field)
    ),
    *(
        ("model.onnx", change.__name__, lambda change=change: changed_onnx(change))
        for change in (another_constant, another_output, a_function, more_metadata)
    ),
    ("model.onnx", "no output", lambda: changed_onnx(lambda m: m.graph.ClearField("output"))),
    ("model.pt2", "another_number", another_number),
    ("model.pt2", "pickled", pickled),
    *(
        (file, make.__name__, lambda make=make, file=file: make(file))
        for file in ("model.pt", "model.pt2")
        for make in ARCHIVES
    ),
    *((file, "empty", lambda: b"") for file in RUNTIME),
    *((file, "no model", lambda: b"no model at all") for file in RUNTIME),
]


@pytest.mark.parametrize(
    ("file", "make"),
    [pytest.param(file, make, id=f"{file}-{name}") for file, name, make in ATTACKS],
)
def test_a_foreign_file_never_reaches_a_runtime(copied, tmp_path, file, make):
    if RUNTIME[file] not in infer.list_runtimes():
        pytest.skip(f"no runtime {RUNTIME[file]} here")
    folder, data = copied(MODEL), make()
    document = json.loads((folder / CARD_FILE).read_bytes())
    document["files"][file] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (folder / CARD_FILE).write_bytes(render(document))
    (folder / file).write_bytes(data)
    work = tmp_path / "work"
    work.mkdir()
    (work / "secret").write_bytes(b"not for everybody")
    result = subprocess.run(
        [sys.executable, "-c", CLIENT, str(folder), RUNTIME[file]],
        cwd=work,
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
        env={"PYTHONPATH": str(SHIPPED.parents[1])},
    )
    assert result.returncode == 0, f"ended with {result.returncode}: {result.stderr}"
    found, seconds, heavy = json.loads(result.stdout)
    assert found.startswith(
        f"{folder / file}: expected the file that samebits writes for this card"
    )
    assert "export" in found
    assert "runtime='python', which needs the card alone" in found
    assert not heavy
    assert seconds < 1
    assert [path.name for path in work.iterdir()] == ["secret"]

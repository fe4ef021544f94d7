"""``model.onnx``: valid, self-describing, step by step the program, right in any session."""

import getpass
import re
import socket
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

import export
import infer
from export._artifact import build
from infer._ieee.patterns import inputs
from train._learn.models import MODELS

ROOT = Path(__file__).resolve().parent.parent.parent
NAMES = [f"{m}.{v.name}".rstrip(".") for m, row in MODELS.items() for v in row.variants]
SYMBOLS = {"+": "Add", "-": "Sub", "*": "Mul"}


@pytest.fixture(scope="module")
def models(exported):
    return {name: onnx.load(exported / name / "model.onnx") for name in NAMES}


def session(path_or_bytes):
    """Return a session with the options that a stranger's code has: the default ones."""
    return onnxruntime.InferenceSession(path_or_bytes, providers=["CPUExecutionProvider"])


def answer(running, x):
    (y,) = running.run(None, {running.get_inputs()[0].name: x})
    return y


def modules(fitted, name):
    model, _, variant = name.partition(".")
    fit = fitted(model)
    (row,) = (row for row in fit.model.variants if row.name == variant)
    return fit.module(row)


@pytest.mark.parametrize("name", NAMES)
def test_the_model_is_valid_and_old_runtimes_read_it(models, name):
    model = models[name]
    onnx.checker.check_model(model, full_check=True)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 9)]
    assert model.ir_version == 4
    assert not model.functions


@pytest.mark.parametrize("name", NAMES)
def test_one_input_and_one_output_of_any_length(models, exported, name):
    card = infer.load(exported / name).card
    graph = models[name].graph
    (source,), (target,) = graph.input, graph.output
    assert (source.name, target.name) == (card.input.name, card.output.name)
    for value, more in ((source, [card.features] if card.features else []), (target, [])):
        axis, *others = value.type.tensor_type.shape.dim
        assert axis.dim_param == "n"
        assert [other.dim_value for other in others] == more
        assert value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    running = session(exported / name / "model.onnx")
    for length in (0, 1, 2, 3, 4, 1000):
        shape = (length, card.features) if card.features else (length,)
        assert answer(running, np.zeros(shape, np.float32)).shape == (length,)


@pytest.mark.parametrize("name", NAMES)
def test_the_metadata_say_what_it_is(models, exported, name):
    card = infer.load(exported / name).card
    model = models[name]
    assert {entry.key: entry.value for entry in model.metadata_props} == {
        "name": name,
        "title": card.title,
        "formula": card.formula,
        f"unit.{card.input.name}": card.input.unit,
        f"unit.{card.output.name}": card.output.unit,
    }
    assert model.doc_string == card.description
    assert model.graph.name == name
    assert card.input.unit in model.graph.input[0].doc_string


def commuted(operation, operands):
    """Return the operands in some fixed order, if theirs does not matter (to torch, neither)."""
    return sorted(operands) if operation in ("Add", "Mul") else list(operands)


@pytest.mark.parametrize("name", NAMES)
def test_the_nodes_are_the_steps_of_the_program(models, exported, name):
    card = infer.load(exported / name).card
    graph = models[name].graph
    values = {entry.name: onnx.numpy_helper.to_array(entry) for entry in graph.initializer}
    assert list(values) == sorted(values)
    nodes = [(n.op_type, commuted(n.op_type, n.input), list(n.output)) for n in graph.node]
    steps = []
    for line in card.program:
        target, expression = line.split(" = ")
        if picked := re.fullmatch(r"(\w+)\[(\d)\]", expression):
            steps.append(("Gather", [picked[1], f"_{picked[2]}"], [target]))
            assert values.pop(f"_{picked[2]}").item() == int(picked[2])
        else:
            left, symbol, right = expression.split()
            operands = commuted(SYMBOLS[symbol], [left, right])
            steps.append((SYMBOLS[symbol], operands, [target]))
    assert nodes == steps
    assert values == {**card.parameters, **card.constants}
    assert all(value.shape == () and value.dtype == np.float32 for value in values.values())


@pytest.mark.parametrize("name", NAMES)
def test_nothing_of_this_machine_is_in_the_file(models, exported, name):
    data = (exported / name / "model.onnx").read_bytes()
    for word in (ROOT, sys.prefix, Path.home(), Path.cwd(), exported, socket.gethostname()):
        assert str(word).encode() not in data
    for word in (b"/", b".py", b"Traceback", b"pkg.", b"torch"):
        assert word not in data.replace(models[name].doc_string.encode(), b"")
    if len(user := getpass.getuser()) > 4:  # a short one may stand in any word
        assert user.encode() not in data
    model = models[name]
    assert (model.producer_name, model.producer_version) == ("samebits", "")
    for node in model.graph.node:
        assert not node.doc_string
        assert not node.metadata_props


@pytest.mark.parametrize("name", NAMES)
def test_a_session_with_default_options_gives_the_right_bits(fitted, exported, name, same):
    features = infer.load(exported / name).card.features
    x = np.array(inputs(1 << 12, "float32", features, seed=3), np.float32)
    x = x if features else x[:, 0]
    expected = modules(fitted, name)(torch.from_numpy(x)).numpy()
    assert same(answer(session(exported / name / "model.onnx"), x), expected)


def test_adding_zero_is_kept(fitted, exported, models):
    # sin_cubic adds a = 0 at the end. Without that step, f(-0.0) would be -0.0.
    graph = models["sin_cubic"].graph
    assert (graph.node[-1].op_type, graph.node[-1].input[1]) == ("Add", "a")
    (zero,) = (entry for entry in graph.initializer if entry.name == "a")
    assert onnx.numpy_helper.to_array(zero).tobytes() == bytes(4)
    x = np.array([-0.0], np.float32)
    eager = modules(fitted, "sin_cubic")(torch.from_numpy(x)).numpy()
    assert eager.tobytes() == bytes(4)
    assert answer(session(exported / "sin_cubic" / "model.onnx"), x).tobytes() == bytes(4)


def test_the_same_module_gives_the_same_bytes(fitted, exported):
    for name in ("f2c", "dynamic_net.order5"):
        model, _, variant = name.partition(".")
        fit = fitted(model)
        (row,) = (row for row in fit.model.variants if row.name == variant)
        again = build(fit, row, fit.module(row))["model.onnx"]
        assert again == (exported / name / "model.onnx").read_bytes()


# Modules of a user.


class Scalars(nn.Module):
    def __init__(self):
        super().__init__()
        for name in "abc":
            setattr(self, name, nn.Parameter(torch.tensor(0.0, dtype=torch.float64)))


class TwoFeatures(Scalars):
    def forward(self, x):
        return self.a * x[..., 1] - self.b * x[..., 0] + self.c


class Literals(Scalars):
    def forward(self, x):
        return -(1 - (self.a * x + 0.5) * 3 + 2.5 * (self.b - x.neg()) * 3 + self.c)


class PlusZero(Scalars):
    def forward(self, x):
        return (self.a * x) * self.b * self.c + 0.0


class TimesMinusZero(Scalars):
    def forward(self, x):
        return ((self.a * x) * self.b * self.c + 1.0) * -0.0


class BothZeros(Scalars):
    def forward(self, x):
        return ((self.a * x + 0.0) * self.b + self.c) * -0.0


class Tenth(Scalars):
    def forward(self, x):
        return self.a * x + 0.1 * x * self.b + self.c


class Nested(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = Literals()

    def forward(self, x):
        return self.inner(x)


VALUES = {"a": 0.75, "b": -1.5, "c": 0.3000000119209290}


@pytest.mark.parametrize(
    ("module", "features"),
    [(TwoFeatures, 2), (Literals, None), (PlusZero, None), (TimesMinusZero, None), (Nested, None)],
)
def test_features_literals_and_submodules_work_in_all_formats(
    own_fit, tmp_path, module, features, same
):
    prefix = "inner." if module is Nested else ""
    parameters = {f"{prefix}{name}": value for name, value in VALUES.items()}
    fit = own_fit(module, parameters, features=features)
    (folder,) = export.save(fit, tmp_path)  # proves that all runtimes agree, or raises
    assert set(infer.load(folder).card.parameters) == {n.replace(".", "_") for n in parameters}
    x = np.array(inputs(1 << 12, "float32", features, seed=4), np.float32)
    x = x if features else x[:, 0]
    expected = fit.module(fit.model.variants[0])(torch.from_numpy(x)).numpy()
    raw = session(folder / "model.onnx")
    assert same(answer(raw, x), expected)
    for runtime in infer.list_runtimes():
        assert same(infer.load(folder, runtime=runtime)(x), expected)
    model = onnx.load(folder / "model.onnx")
    assert {node.op_type for node in model.graph.node} <= {"Add", "Sub", "Mul", "Neg", "Gather"}


def test_two_features_are_two_columns(own_fit, tmp_path):
    fit = own_fit(TwoFeatures, VALUES, features=2)
    (folder,) = export.save(fit, tmp_path)
    graph = onnx.load(folder / "model.onnx").graph
    rows, columns = graph.input[0].type.tensor_type.shape.dim
    assert (rows.dim_param, columns.dim_value) == ("n", 2)
    picks = [node for node in graph.node if node.op_type == "Gather"]
    indices = {entry.name: onnx.numpy_helper.to_array(entry) for entry in graph.initializer}
    assert [indices[node.input[1]].item() for node in picks] == [1, 0]
    assert [node.attribute[0].i for node in picks] == [1, 1]  # along the last axis


def test_literals_have_their_names_from_the_card(own_fit, tmp_path):
    (folder,) = export.save(own_fit(Literals, VALUES), tmp_path)
    card = infer.load(folder).card
    graph = onnx.load(folder / "model.onnx").graph
    values = {e.name: onnx.numpy_helper.to_array(e).item() for e in graph.initializer}
    assert card.constants == {"k1": 0.5, "k2": 3.0, "k3": 1.0, "k4": 2.5}
    assert values == {**card.parameters, **card.constants}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_numbers_in_a_forward_are_kept_to_the_bit(own_fit, dtype, same):
    # torch.onnx.export takes -0.0 for 0.0, and rounds 0.1 to float32 in a model in doubles.
    fit = own_fit(BothZeros if dtype == torch.float32 else Tenth, VALUES)
    (variant,) = fit.model.variants
    module = fit.module(variant).to(dtype)
    name = str(dtype).removeprefix("torch.")
    x = np.array(inputs(1 << 12, name, None, seed=4))[:, 0].astype(name)
    expected = module(torch.from_numpy(x)).numpy()
    assert same(answer(session(build(fit, variant, module)["model.onnx"]), x), expected)


def resolved(model):
    """Return the steps of a graph: operation and operands, which are names or numbers' bytes."""
    values = {e.name: onnx.numpy_helper.to_array(e) for e in model.graph.initializer}
    names, steps = {value.name: "input" for value in model.graph.input}, []

    def of(operand):
        return values[operand].tobytes() if operand in values else names[operand]

    for node in model.graph.node:
        if node.op_type == "Constant":
            values[node.output[0]] = onnx.numpy_helper.to_array(node.attribute[0].t)
        elif node.op_type == "Cast":
            dtype = onnx.helper.tensor_dtype_to_np_dtype(node.attribute[0].i)
            values[node.output[0]] = values[node.input[0]].astype(dtype)
        else:
            operands = [of(operand) for operand in node.input]
            if node.op_type in ("Add", "Mul"):  # the order of theirs does not matter
                operands.sort(key=str)
            names[node.output[0]] = len(steps)
            steps.append((node.op_type, operands, [entry.i for entry in node.attribute]))
    return steps


@pytest.mark.parametrize("name", ["sin_legendre", "plane"])
def test_torch_writes_the_same_steps(fitted, models, name):
    module = modules(fitted, name)
    example = torch.zeros((3, 2) if name == "plane" else 3)
    dynamic = ({0: torch.export.Dim("n")},)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch about torch
        program = torch.onnx.export(
            module, (example,), dynamo=True, optimize=False, dynamic_shapes=dynamic, verbose=False
        )
    assert resolved(program.model_proto) == resolved(models[name])


def test_float64_models_are_exported_too(own_fit, same):
    fit = own_fit(TwoFeatures, VALUES, features=2)
    (variant,) = fit.model.variants
    module = fit.module(variant).double()
    files = build(fit, variant, module)
    x = np.array(inputs(1 << 12, "float64", 2, seed=4))
    expected = module(torch.from_numpy(x)).numpy()
    assert same(answer(session(files["model.onnx"]), x), expected)

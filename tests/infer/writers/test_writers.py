"""The writers give what torch and onnx themselves give, byte for byte, for any program.

``model.pt`` alone has another code than ``torch.jit.save`` would write, see below.
"""

import importlib.util
import io
import json
import keyword
import re
import subprocess
import sys
import tracemalloc
import warnings
import zipfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import infer
from infer._artifact.format import SIBLING_FILES, read_card, render
from infer._artifact.sha256 import sha256
from infer._artifact.store import find
from infer._ieee.patterns import inputs
from infer._program.program import parse
from infer._writers.archive import pack
from infer._writers.input_name import input_name
from infer._writers.siblings import content, read

needs_torchscript = pytest.mark.skipif(
    "torchscript" not in infer.list_runtimes(), reason="needs torch.jit"
)
DTYPES = ["float32", "float64"]
# Corners of both dtypes, each a value of float32.
CORNERS = [0.0, -0.0, 1.0, -1.0, 2.0**-149, -(2.0**-126), 3.4028234663852886e38, 1e10, 16777216.0]


def _loaded_reference():
    path = Path(__file__).with_name("reference_writers.py")
    spec = importlib.util.spec_from_file_location("reference_writers", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reference = _loaded_reference()


@pytest.fixture
def card_of(line):
    """Return a function that makes the card of a program."""

    def make(program, **changes):
        lines = [str(step) for step in program.steps]
        document = line(
            dtype=program.dtype,
            constants=dict(program.constants),
            parameters={},
            program=lines,
            domain=[[0.0, 1.0]] * (program.features or 1),
            **changes,
        )
        (source,), (target,) = document["inputs"], document["outputs"]
        source |= {"name": program.input, "dtype": program.dtype}
        target |= {"name": program.output, "dtype": program.dtype}
        if program.features:
            source["shape"] = ["...", program.features]
        return read_card(render(document), "model.json")

    return make


@pytest.fixture
def corners(line, card_of):
    """Return a function that makes a card which adds, subtracts and multiplies all corners."""

    def make(dtype, features=None):
        x, lines, constants = "x", [], {}
        if features:
            lines, x = [f"x{k} = x[{k}]" for k in range(features)], "x0"
        for index, value in enumerate([*CORNERS, *(0.1, 1e-310) * (dtype == "float64")]):
            constants[f"c{index}"] = value
            lines += [
                f"a{index} = {x} + c{index}",
                f"b{index} = c{index} - a{index}",
                f"d{index} = c{index} * b{index}",
                f"e{index} = d{index} - c{index}",
                f"f{index} = -e{index}",
            ]
            x = f"f{index}"
        lines.append(f"y = {x} - {x}")
        document = line(dtype=dtype, constants=constants, parameters={}, program=lines)
        for port in (*document["inputs"], *document["outputs"]):
            port["dtype"] = dtype
        if features:
            document["inputs"][0]["shape"] = ["...", features]
            document["domain"] = [[0.0, 1.0]] * features
        return read_card(render(document), "model.json")

    return make


def records(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(entries):
    """Return what ``zipfile`` writes, with a fixed date."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in sorted(entries.items()):
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            info.create_system = 3
            info.external_attr = 0o644 << 16
            archive.writestr(info, data)
    return buffer.getvalue()


def torchscript_of(data):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`torch\.jit\.load` is deprecated")
        return torch.jit.load(io.BytesIO(data))


# Archives and pickles.


@pytest.mark.parametrize("count", [0, 1, 2, 300])
def test_an_archive_is_what_zipfile_writes(count):
    entries = {f"folder/{k:03}": bytes([k % 256]) * k for k in range(count)}
    pieces = [(name, (data[:5], b"", data[5:])) for name, data in entries.items()]
    assert pack(pieces) == zipped(entries)


@needs_torchscript
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 90, 300])
def test_constants_are_pickled_as_torch_does_it(card_of, dtype, count):
    lines = [f"s{k} = {'x' if k == 0 else f's{k - 1}'} + c{k:03}" for k in range(count)]
    lines.append(f"y = -s{count - 1}" if count else "y = -x")
    constants = {f"c{k:03}": k + 0.5 for k in range(count)}
    program = parse(lines, input="x", features=None, output="y", constants=constants, dtype=dtype)
    ours = records(content("model.pt", card_of(program)))
    theirs = reference.torchscript(reference.module_of(program))
    for name in ("byteorder", "constants.pkl", "version"):
        assert ours[f"archive/{name}"] == theirs[f"archive/{name}"], name
    for index in range(count):
        name = f"archive/constants/{index}"
        assert ours.pop(name) == theirs.pop(name)
    assert {name.partition("code/")[0] for name in ours} == {
        name.partition("code/")[0] for name in theirs
    }
    # An object without attributes, of a class with another name.
    pickle = re.compile(rb"(\x80\x02c)__torch__[\w.]+\n\w+(\nq\x00\)\x81}\(ubq\x01\.)")
    data = "archive/data.pkl"
    assert pickle.fullmatch(ours[data]).groups() == pickle.fullmatch(theirs[data]).groups()


# Whole files.


@pytest.mark.parametrize("features", [None, 1, 3])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_kind_of_step_and_number(corners, dtype, features):
    card = corners(dtype, features)
    assert content("model.onnx", card) == reference.onnx_model(card)
    module = reference.module_of(card.compiled)
    assert records(content("model.pt2", card)) == reference.torchexport(module, dtype, features)


@pytest.mark.parametrize("dtype", DTYPES)
def test_random_programs_become_the_same_onnx(dtype, programs, card_of):
    texts = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=300)

    @settings(
        max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(programs(dtype), texts, texts, texts)
    def check(program, title, formula, description):
        card = card_of(program, title=title, formula=formula, description=description)
        assert content("model.onnx", card) == reference.onnx_model(card)

    check()


@pytest.mark.parametrize("examples", [6, pytest.param(300, marks=pytest.mark.slow)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_random_programs_become_the_same_pt2(dtype, examples, programs, card_of):
    @settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(programs(dtype))
    def check(program):
        card = card_of(program)
        module = reference.module_of(program)
        theirs = reference.torchexport(module, dtype, program.features)
        assert content("model.pt2", card) == zipped(theirs)

    check()


class Interned:
    """Numbers expressions, so that equal ones have equal numbers."""

    def __init__(self):
        self._numbers = {}

    def __call__(self, *expression):
        return self._numbers.setdefault(expression, len(self._numbers))


def of_program(program, interned):
    """Return the number of a program's output."""
    dtype = getattr(torch, program.dtype)
    at = {name: bits_of(torch.tensor(c, dtype=dtype)) for name, c in program.constants.items()}
    at = {name: interned("constant", value) for name, value in at.items()}
    at[program.input] = interned("input")
    kinds = {"+": "add", "-": "sub", "*": "mul", "neg": "neg", "pick": "select"}
    for step in program.steps:
        operands = [at[name] for name in step.operands]
        if step.operator == "pick":
            operands += [-1, step.feature]
        at[step.target] = interned(kinds[step.operator], *operands)
    return at[program.output]


def of_graph(graph, interned):
    """Return the number of the output of a TorchScript graph."""
    _, source = graph.inputs()
    at = {source.debugName(): interned("input")}
    for node in graph.nodes():
        kind, target = node.kind().partition("::")[2], node.output().debugName()
        if kind == "Constant":
            value = node.output().toIValue()
            tensor = isinstance(value, torch.Tensor)
            at[target] = interned("constant", bits_of(value)) if tensor else value
            continue
        operands = [at[value.debugName()] for value in node.inputs()]
        if kind in ("add", "sub"):
            assert operands.pop() == 1  # a factor of the second operand
        at[target] = interned(kind, *operands)
    (result,) = graph.outputs()
    return at[result.debugName()]


def bits_of(tensor):
    assert tensor.shape == ()
    return tensor.dtype, tensor.numpy().tobytes()


@needs_torchscript
@pytest.mark.parametrize("dtype", DTYPES)
def test_random_programs_become_the_graph_that_torch_makes(dtype, programs, card_of):
    # The code cannot be that of torch.jit.save: it has the names of a class and of variables in
    # the source of a module, and nests expressions by their length.
    @settings(
        max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(programs(dtype))
    def check(program):
        # Both zeros: see test_both_zeros_stay_two_constants.
        assume(not {"0.0", "-0.0"} <= set(map(str, program.constants.values())))
        loaded = torchscript_of(content("model.pt", card_of(program)))
        interned = Interned()
        right = of_program(program, interned)
        assert of_graph(loaded.graph, interned) == right
        assert of_graph(reference.scripted(reference.module_of(program)).graph, interned) == right

    check()


def by_onnxruntime(card):
    data = bytes(content("model.onnx", card))
    onnx.checker.check_model(onnx.load_from_string(data), full_check=True)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {card.input.name: x})[0]


def by_torchscript(card):
    module = torchscript_of(content("model.pt", card))
    return lambda x: module(torch.from_numpy(x)).numpy()


def by_torchexport(card):
    module = torch.export.load(io.BytesIO(content("model.pt2", card))).module()
    return lambda x: module(torch.from_numpy(x)).numpy()


RUN = [by_onnxruntime, by_torchexport]
if "torchscript" in infer.list_runtimes():
    RUN.append(by_torchscript)


@pytest.mark.parametrize("run", RUN)
@pytest.mark.parametrize("dtype", DTYPES)
def test_libraries_as_they_come_compute_them(dtype, run, programs, by_numpy, card_of, patterns):
    rows = np.array(inputs(1 << 8, dtype, 3, seed=5), dtype)

    @settings(
        max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(programs(dtype))
    def check(program):
        width = program.features or 1
        x = np.ascontiguousarray(rows[:, :width] if program.features else rows[:, 0])
        right = by_numpy(program, rows[:, :width])
        for part in (slice(None), slice(0, 1), slice(0, 0)):
            found = run(card_of(program))(x[part])
            assert np.array_equal(patterns(found, dtype), patterns(right[part], dtype))

    check()


@pytest.mark.parametrize("step", ["x + n", "n + x", "x - n", "n - x", "x * n", "n * x"])
@pytest.mark.parametrize("run", RUN)
@pytest.mark.parametrize("dtype", DTYPES)
def test_both_zeros_stay_two_constants(dtype, run, step, by_numpy, card_of, patterns):
    for features, x in ((None, "x"), (2, "x1")):
        lines = ["x1 = x[1]"] * bool(features)
        lines += [f"s1 = {x} + p", f"s2 = {step.replace('x', x)}", "y = s1 * s2"]
        program = parse(
            lines,
            input="x",
            features=features,
            output="y",
            constants={"n": -0.0, "p": 0.0},
            dtype=dtype,
        )
        rows = np.array([[1, 0.0], [1, -0.0], [1, 2.0], [1, -2.0]], dtype)
        rows = rows if features else np.ascontiguousarray(rows[:, 1:])
        found = run(card_of(program))(rows if features else rows[:, 0])
        assert np.array_equal(patterns(found, dtype), patterns(by_numpy(program, rows), dtype))


@pytest.mark.parametrize("run", RUN)
def test_any_name_of_the_input_will_do(run, line, patterns):
    # What Python, torch.fx, TorchScript and the steps of a graph call their own.
    words = [*keyword.kwlist, *keyword.softkwlist, "self", "torch", "pytree", "fx_pytree", "device"]
    words += ["inf", "nan", "float", "range", "add", "mul_1", "rsub", "select", "n", "_".join("ab")]
    x = np.array([1.5, -0.0, 3e38], "float32")
    for word in [word for word in words if word.islower()]:
        document = line(program=[f"v1 = w + {word}", f"v2 = v1 * {word}", "y = v3 - v2"])
        document["parameters"] = {"w": 0.5, "v3": 1.0}
        document["inputs"][0]["name"] = word
        card = read_card(render(document), word)
        with np.errstate(all="ignore"):
            right = np.float32(1) - (np.float32(0.5) + x) * x
        assert np.array_equal(patterns(run(card)(x)), patterns(right)), word
    assert (input_name("mul_1"), input_name("in"), input_name("t_u")) == ("mul_1_", "in_", "t_u")


@needs_torchscript
def test_the_input_of_torchscript_can_be_given_by_name():
    module = torchscript_of(read(find("f2c"), "model.pt"))
    x = torch.tensor([98.6])
    assert torch.equal(module(t_u=x), module(x))


def test_the_standard_library_is_enough_to_write_and_to_check():
    root = str(Path(infer.__file__).resolve().parents[1])
    program = (
        f"import sys; sys.path.insert(0, {root!r})\n"
        "from infer._checks.integrity import check_integrity\n"
        "from infer._artifact.store import find, list_models\n"
        "print([check_integrity(find(name)) for name in list_models()], 'zipfile' in sys.modules)"
    )
    # -S: no site-packages.
    command = [sys.executable, "-I", "-S", "-c", program]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.stdout, result.stderr) == (f"{[[]] * len(infer.list_models())} False\n", "")


def test_a_file_of_the_longest_card_is_written_in_little_memory(line):
    lines = [f"s{k} = -{'x' if k == 0 else f's{k - 1}'}" for k in range(9_999)]
    card = read_card(json_without_blanks(line(program=[*lines, "y = -s9998"], parameters={})), "m")
    for file in SIBLING_FILES:
        tracemalloc.start()
        size = len(content(file, card))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 20e6, (file, size, peak)


def json_without_blanks(document):
    """Return the bytes of a card as small as they can be."""
    blank = json.dumps({**document, "digest": "0" * 64}, separators=(",", ":"))
    blank = blank.replace('"digest":', '"digest": ')
    return blank.replace("0" * 64, sha256(blank.encode())).encode()

"""The table of operations: each row through everything that depends on it, and what is not in it.

What an operation means is written down here a second time, in numpy's words.
"""

import base64
import io
import json
import math
import operator  # noqa: F401 - spellings in torch begin with it
import subprocess
import warnings
import zipfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

import infer
from export import ExportError
from export._artifact import build_from
from export._tracing import trace
from infer._artifact.format import SIBLING_FILES, read_card, render
from infer._curve.inverse import Inverse
from infer._errors import ArtifactError
from infer._ieee.patterns import inputs
from infer._program.bounds import fast_range, rounding
from infer._program.idle_zeros import without_idle_zeros
from infer._program.on_blocks import Instruction, Plan, compile_block, make_plan
from infer._program.on_floats import compile_call, compile_floats, compile_list
from infer._program.operations import OPERATIONS, Zeros
from infer._program.polynomial import ExpansionError, of_program, value_at
from infer._program.program import Program, Step, parse
from infer._runtimes import _pieces
from infer._runtimes.python import PythonEvaluator
from infer._writers.linearize import linearize
from infer._writers.siblings import content

PAGE = Path(infer.__file__).parent / "page" / "evaluate.js"
DTYPES = ["float32", "float64"]

# By name: the operation in numpy, and on exact numbers; a step picks from an array of columns.
MEANING = {
    "+": (np.add, lambda a, b: a + b),
    "-": (np.subtract, lambda a, b: a - b),
    "*": (np.multiply, lambda a, b: a * b),
    "neg": (np.negative, lambda a: -a),
    "pick": (lambda x, feature: x[feature], None),
}
NO_POLYNOMIAL = {"pick"}
CONSTANTS = [0.0, -0.0, 1.5, -(2.0**-149), -3.4028234663852886e38]

by_name = pytest.mark.parametrize("name", OPERATIONS)


def program_of(lines, dtype="float32", features=None, **constants):
    return parse(lines, input="x", features=features, output="y", constants=constants, dtype=dtype)


def programs_with(name, dtype):
    """Return programs whose last step, or last but one, is an operation."""
    row = OPERATIONS[name]
    if row.picks:
        return [program_of([f"y = {row.text.format('x', 1)}"], dtype, features=2)]
    found = [program_of([f"y = {row.text.format(*'xx')}"], dtype)]
    if row.operands == 2:
        lines = ["p = x[0]", "q = x[1]", f"y = {row.text.format(*'pq')}"]
        found.append(program_of(lines, dtype, features=2))
        for operands in ("xc", "cx"):
            line = row.text.format(*operands)
            found += [program_of([f"y = {line}"], dtype, c=value) for value in CONSTANTS]
            # Where a zero's sign is seen, and where it is not.
            found.append(program_of([f"s = {line}", "y = s * x"], dtype, c=0.0))
            found.append(program_of([f"s = {line}", "y = s + d"], dtype, c=-0.0, d=1.0))
    return found


def by_meaning(program, rows):
    """Compute a program with numpy, a step at a time."""
    at = {name: np.array(value, program.dtype) for name, value in program.constants.items()}
    at["x"] = rows.T if program.features else rows[:, 0]
    with np.errstate(all="ignore"):
        for step in program.steps:
            operands = [at[name] for name in step.operands]
            if OPERATIONS[step.operator].picks:
                operands.append(step.feature)
            at[step.target] = MEANING[step.operator][0](*operands)
    return at["y"]


@pytest.fixture
def card_of(line):
    """Return a function that makes the card of a program."""

    def make(program):
        document = line(
            dtype=program.dtype,
            constants=dict(program.constants),
            parameters={},
            program=list(map(str, program.steps)),
            domain=[[0.0, 1.0]] * (program.features or 1),
        )
        for port in (*document["inputs"], *document["outputs"]):
            port["dtype"] = program.dtype
        if program.features:
            document["inputs"][0]["shape"] = ["...", program.features]
        return read_card(render(document), "model.json")

    return make


def shaped(program, rows):
    return np.ascontiguousarray(rows[:, : program.features] if program.features else rows[:, 0])


def by_onnx(card, x):
    session = onnxruntime.InferenceSession(
        bytes(content("model.onnx", card)), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"x": x})[0]


def by_torchscript(card, x):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`torch\.jit\.load` is deprecated")
        module = torch.jit.load(io.BytesIO(content("model.pt", card)))
    return module(torch.from_numpy(x)).numpy()


def by_torchexport(card, x):
    module = torch.export.load(io.BytesIO(content("model.pt2", card))).module()
    return module(torch.from_numpy(x)).numpy()


RUNTIMES = [by_onnx, by_torchexport]
if "torchscript" in infer.list_runtimes():
    RUNTIMES.append(by_torchscript)

SCRIPT = """
const text = require("fs").readFileSync(process.argv[1], "utf8");
const samebits = new Function(text + "; return samebits;")();
const jobs = JSON.parse(require("fs").readFileSync(0, "utf8"));
const answers = jobs.map(({ card, width, data }) => {
  const bytes = Uint8Array.from(Buffer.from(data, "base64")).buffer;
  const kind = card.dtype === "float32" ? Float32Array : Float64Array;
  const rows = new kind(bytes);
  try {
    const compute = samebits.compile(card);
    const found = new kind(rows.length / width);
    for (let i = 0; i < found.length; i++) {
      found[i] = compute([...rows.slice(i * width, (i + 1) * width)]).answer;
    }
    return Buffer.from(found.buffer).toString("base64");
  } catch (error) {
    return String(error);
  }
});
console.log(JSON.stringify({ written: samebits.written, answers }));
"""


def in_node(*jobs):
    """Compute (card, rows) by evaluate.js; return its rows, and each answer or error as text."""
    encoded = [
        {
            "card": card,
            "width": x.shape[1] if x.ndim == 2 else 1,
            "data": base64.b64encode(x.tobytes()).decode(),
        }
        for card, x in jobs
    ]
    result = subprocess.run(
        ["node", "-e", SCRIPT, str(PAGE)],
        input=json.dumps(encoded).encode(),
        stdout=subprocess.PIPE,
        check=True,
    )
    found = json.loads(result.stdout)
    return found["written"], found["answers"]


def document_of(program, lines=None):
    """Return what evaluate.js reads of a card."""
    shape = ["...", program.features] if program.features else ["..."]
    return {
        "dtype": program.dtype,
        "inputs": [{"name": "x", "shape": shape}],
        "outputs": [{"name": "y"}],
        "parameters": {},
        "constants": program.constants,
        "program": lines or list(map(str, program.steps)),
    }


# Each row, everywhere.


def test_the_meaning_of_each_row_is_known_here():
    assert list(OPERATIONS) == list(MEANING)
    assert [row.name for row in OPERATIONS.values()] == list(OPERATIONS)


@by_name
def test_a_line_reads_back(name):
    row = OPERATIONS[name]
    assert row.text.count("{}") == row.operands + row.picks
    for program in programs_with(name, "float32"):
        assert name in [step.operator for step in program.steps]
        lines = [str(step) for step in program.steps]
        assert program_of(lines, features=program.features, **program.constants) == program


@by_name
@pytest.mark.parametrize("dtype", DTYPES)
def test_python_gives_the_bits_of_its_meaning(name, dtype, patterns):
    for program in programs_with(name, dtype):
        rows = np.array(inputs(300, dtype, 2, seed=7), dtype)
        expected = patterns(by_meaning(program, rows), dtype)
        x = shaped(program, rows)
        floats = compile_floats(program)
        evaluator = PythonEvaluator(program)
        found = [
            np.array([floats(*np.atleast_1d(row).tolist()) for row in x], dtype),
            np.array(evaluator.run(x.reshape(-1).tolist()), dtype),
            evaluator.run(x),
            evaluator.run(torch.from_numpy(x)).numpy(),
        ]
        if not program.features:
            found.append(np.array(compile_list(program)(x.tolist()), dtype))
            call = compile_call(program, lambda value, out, floats=floats: floats(value))
            if call is not None:
                found.append(np.array([call(value) for value in x.tolist()], dtype))
        for answers in found:
            assert np.array_equal(patterns(answers, dtype), expected), program


@by_name
@pytest.mark.parametrize("dtype", DTYPES)
def test_files_give_the_bits_of_its_meaning(name, dtype, card_of, patterns):
    for program in programs_with(name, dtype):
        rows = np.array(inputs(300, dtype, 2, seed=7), dtype)
        x, expected = shaped(program, rows), patterns(by_meaning(program, rows), dtype)
        for run in RUNTIMES:
            answers = run(card_of(program), x)
            assert np.array_equal(patterns(answers, dtype), expected), (run, program)


@pytest.mark.needs("node")
@pytest.mark.parametrize("dtype", DTYPES)
def test_javascript_gives_the_bits_of_their_meaning(dtype, patterns):
    rows = np.array(inputs(300, dtype, 2, seed=7), dtype)
    programs = [program for name in OPERATIONS for program in programs_with(name, dtype)]
    _, answers = in_node(*((document_of(program), shaped(program, rows)) for program in programs))
    for program, answer in zip(programs, answers, strict=True):
        found = np.frombuffer(base64.b64decode(answer, validate=True), dtype)
        expected = patterns(by_meaning(program, rows), dtype)
        assert np.array_equal(patterns(found, dtype), expected), program


@pytest.mark.needs("node")
def test_javascript_has_the_same_rows():
    written, _ = in_node()
    rows = OPERATIONS.values()
    assert written == [row.text.format("a", "k" if row.picks else "b") for row in rows]


@by_name
def test_every_spelling_in_torch_is_traced(name):
    row = OPERATIONS[name]
    assert row.traced
    for spelling in row.traced:
        owner, _, method = spelling.partition(".")
        operands = ["x", "m.w"][: row.operands]
        code = f"{spelling}({', '.join(operands)})"
        if owner == "Tensor":
            code = f"x.{method}({', '.join(operands[1:])})"
        if row.picks:
            code = "x[..., 1]"

        class Own(nn.Module):
            def __init__(self):
                super().__init__()
                self.w = nn.Parameter(torch.tensor(2.0))

            forward = eval(f"lambda m, x: {code}")  # noqa: S307

        expected = row.text.format("x", 1 if row.picks else "w")
        assert trace(Own(), "x", "y").lines == (f"y = {expected}",), spelling


@pytest.mark.parametrize("name", [name for name, row in OPERATIONS.items() if not row.picks])
def test_bounds_hold(name):
    for program in programs_with(name, "float32"):
        if program.features:
            continue
        served, bound = compile_floats(program), rounding(program, -0.5, 3.0)
        for x in np.linspace(-0.5, 3.0, 101).astype("float32").tolist():
            at = {key: Fraction(value) for key, value in program.constants.items()}
            at["x"] = Fraction(x)
            for step in program.steps:
                at[step.target] = MEANING[step.operator][1](*(at[key] for key in step.operands))
            if math.isfinite(answer := served(x)):
                assert abs(Fraction(answer) - at["y"]) <= bound, program
            if name not in NO_POLYNOMIAL:
                assert value_at(of_program(program), Fraction(x)) == at["y"]


@pytest.mark.parametrize("name", sorted(NO_POLYNOMIAL))
def test_what_is_no_polynomial_is_refused_by_name(name):
    for program in programs_with(name, "float32"):
        with pytest.raises(ExpansionError, match=f"a function with '{name}'"):
            of_program(program)


# What a row may say that no row says yet.


def test_nodes_come_after_those_that_they_need():
    shared = ("Neg", ("x",), {})
    root = ("Add", (shared, ("Mul", (shared, "c", 2), {"k": 1})), {})
    assert linearize(root, "_3") == [
        ("_3_0", ("Neg", ("x",), {})),
        ("_3_1", ("Mul", ("_3_0", "c", 2), {"k": 1})),
        ("_3", ("Add", ("_3_0", "_3_1"), {})),
    ]


def by_two_negations(multiply, negate):
    """Return an expansion of a product into three nodes."""
    return lambda step, _: (multiply, tuple((negate, (a,), {}) for a in step.operands), {})


def test_a_runtime_may_take_several_nodes_for_a_step(monkeypatch, card_of, patterns):
    row = OPERATIONS["*"]._replace(
        python="-({}) * -({})",
        block=lambda library: lambda a, b, out: library.multiply(-a, -b, out=out),
        torchscript="torch.mul(torch.neg({}), torch.neg({}))",
        torchexport=by_two_negations("mul.Tensor", "neg.default"),
        onnx=by_two_negations("Mul", "Neg"),
        opset=13,
    )
    monkeypatch.setitem(OPERATIONS, "*", row)
    lines = ["p = x[0]", "q = x[1]", "s1 = p * q", "s2 = c - s1", "y = s2 * s2"]
    program = program_of(lines, features=2, c=1.5)
    rows = np.array(inputs(300, "float32", 2, seed=7), "float32")
    card, expected = card_of(program), patterns(by_meaning(program, rows))
    model = onnx.load_from_string(content("model.onnx", card))
    onnx.checker.check_model(model, full_check=True)
    assert len(model.graph.node) == len(lines) + 4
    assert model.opset_import[0].version == 13
    evaluator = PythonEvaluator(program)
    for run in (*RUNTIMES, lambda _, x: evaluator.run(x)):
        assert np.array_equal(patterns(run(card, rows)), expected), run
    floats = [evaluator.floats(*row) for row in rows.tolist()]
    assert np.array_equal(patterns(floats), expected)


def test_nodes_of_a_pt2_are_named_as_torch_names_them(monkeypatch, card_of):
    monkeypatch.setitem(OPERATIONS, "neg", OPERATIONS["neg"]._replace(torchexport="abs.default"))
    card = card_of(program_of(["s1 = -x", "s2 = s1 * s1", "s3 = s2 * x", "y = -s3"]))
    with zipfile.ZipFile(io.BytesIO(content("model.pt2", card))) as archive:
        graph = json.loads(archive.read("archive/models/model.json"))["graph_module"]["graph"]
    # fx numbers a builtin of Python from the first node on.
    assert [node["name"] for node in graph["nodes"]] == ["abs_1", "mul", "mul_1", "abs_2"]
    assert graph["outputs"] == [{"as_tensor": {"name": "abs_2"}}]


def test_a_zero_stays_where_its_sign_shows_in_a_result_that_is_not_zero(monkeypatch):
    program = program_of(["s = x + z", "t = s * x", "y = t + c"], z=0.0, c=1.0)
    assert len(without_idle_zeros(program).steps) == 2
    row = OPERATIONS["*"]._replace(zeros=lambda *_: Zeros(sign="anywhere"))
    monkeypatch.setitem(OPERATIONS, "*", row)
    assert without_idle_zeros(program) == program


def test_a_format_that_does_not_support_an_operation_says_so(monkeypatch, card_of, line):
    card = card_of(program_of(["y = x * c"], c=4.0))
    row = OPERATIONS["*"]._replace(onnx=None)
    monkeypatch.setitem(OPERATIONS, "*", row)
    with pytest.raises(ArtifactError, match=r"onnx does not support the operation '\*'"):
        content("model.onnx", card)
    assert content("model.pt", card)
    with pytest.raises(ExportError, match=r"onnx does not support the operation '\*'"):
        build_from(line())


# What is not in the table.


def unknown(name="/", **changes):
    """Return a program that no parser would return."""
    steps = (Step("y", name, ("x", "c")),)
    return Program("x", None, "y", {"c": 4.0}, steps, "float32")._replace(**changes)


CONSUMERS = {
    "text": lambda program: str(program.steps[0]),
    "floats": compile_floats,
    "list": compile_list,
    "call": lambda program: compile_call(program, max),
    "range": fast_range,
    "zeros": without_idle_zeros,
    "plan": make_plan,
    "rows": _pieces.rows,
    "polynomial": of_program,
    "rounding": lambda program: rounding(program, 1.0, 2.0),
    "evaluator": PythonEvaluator,
}


@pytest.mark.parametrize("name", ["/", "sqrt"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("consume", CONSUMERS.values(), ids=CONSUMERS)
def test_an_unknown_operation_is_refused_by_name(name, dtype, consume):
    with pytest.raises((ArtifactError, ExpansionError), match=f"'{name}'"):
        consume(unknown(name, dtype=dtype))


def test_a_block_refuses_an_unknown_operation_by_name():
    plan = Plan((Instruction("/", (("feature", 0), ("feature", 0)), 0),), 0)
    with pytest.raises(ArtifactError, match="block does not support the operation '/'"):
        compile_block(plan, np, {})


@pytest.mark.parametrize("file", SIBLING_FILES)
@pytest.mark.parametrize("operands", [("x", "c"), ("c", "x")])
def test_writers_refuse_an_unknown_operation_by_name(file, operands, card_of):
    card = card_of(program_of(["y = x * c"], c=4.0))
    program = unknown(steps=(Step("y", "/", operands),))
    with pytest.raises(ArtifactError, match="'/'"):
        content(file, card._replace(compiled=program))


def test_an_inverse_refuses_what_is_no_polynomial_by_name(card_of, monkeypatch):
    card = card_of(program_of(["y = x * c"], c=4.0))
    with pytest.raises(ArtifactError, match="'/'"):
        Inverse(card._replace(compiled=unknown()))
    monkeypatch.setitem(OPERATIONS, "*", OPERATIONS["*"]._replace(polynomial=None))
    message = r"own_line is a function with '\*', which is not inverted"
    with pytest.raises(infer.InputError, match=message):
        Inverse(card)


@pytest.mark.needs("node")
def test_javascript_refuses_an_unknown_operation_by_name():
    cases = {
        "y = x / 4": "'a / 4'",
        "y = x / c": "'a / b'",
        "y = sqrt(x)": "'sqrt(a)'",
        "y = pow(x, c)": "'pow(a, b)'",
        "y = ~x": "'~a'",
        "y = __proto__": "'__proto__'",
    }
    x = np.array([1.0], "float32")
    _, answers = in_node(*((document_of(unknown(), [line]), x) for line in cases))
    for (line, shown), answer in zip(cases.items(), answers, strict=True):
        assert answer == f"Error: evaluate.js does not support {shown}, as in '{line}'"

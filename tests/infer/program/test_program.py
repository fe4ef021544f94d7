import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infer._ieee.floats import bits
from infer._ieee.patterns import inputs
from infer._program.on_floats import compile_floats
from infer._program.program import ProgramError, Step, parse


def read(lines, *, features=None, constants=None, dtype="float32"):
    return parse(
        lines, input="x", features=features, output="y", constants=constants or {}, dtype=dtype
    )


def test_steps_read_back_as_they_were_written():
    lines = ["p = x[0]", "q = x[12]", "s1 = p + q", "s2 = c - s1", "s3 = s2 * s2", "y = -s3"]
    program = read(lines, features=13, constants={"c": 0.5})
    assert list(map(str, program.steps)) == lines
    assert program.steps[1] == Step("q", "pick", ("x",), 12)
    assert program.steps[5] == Step("y", "neg", ("s3",))
    assert program.input == "x"
    assert program.output == "y"
    assert program.features == 13


@pytest.mark.parametrize(
    "line",
    [
        "",
        "y",
        "y = x",
        "y = x / x",
        "y = x ** x",
        "y = x + 1.0",
        "y = 2 * x",
        "y = x + x + x",
        "y = x+x",
        "y  = x + x",
        "y = x + x ",
        " y = x + x",
        "y = x + x\n",
        "y = x + x # why",
        "y = - x",
        "y = --x",
        "y = +x",
        "y = (x + x)",
        "Y = x + x",
        "1y = x + x",
        "_y = x + x",
        "y = x[0] + x",
        "y = x[01]",
        "y = x[-1]",
        "y = x[10000]",
        "y = x[ 0]",
        "y = x.real",
        "é = x + x",
        "y = x + x; import os",
    ],
)
@pytest.mark.parametrize("features", [None, 2])
def test_what_is_no_step_is_refused(line, features):
    with pytest.raises(ProgramError, match="a step such as 'y = a"):
        read([line], features=features)


@pytest.mark.parametrize(
    ("lines", "features", "constants", "line", "message"),
    [
        (["y = x + b"], None, {}, 0, "defined above, not 'b'"),
        (["y = x + s1", "s1 = x + x"], None, {}, 0, "defined above, not 's1'"),
        (["y = x + y"], None, {}, 0, "defined above, not 'y'"),
        (["s1 = x + x", "s1 = x * x"], None, {}, 1, "a new name, not 's1'"),
        (["x = x + x"], None, {}, 0, "a new name, not 'x'"),
        (["c = x + c"], None, {"c": 1.0}, 0, "a new name, not 'c'"),
        (["s1 = c + c", "y = s1 + x"], None, {"c": 1.0}, 0, "depends on the input"),
        (["s1 = -c", "y = s1 + x"], None, {"c": 1.0}, 0, "depends on the input"),
        (["z = x + x"], None, {}, 0, "the output 'y' in the last step"),
        (["y = x + x", "z = y + x"], None, {}, 1, "the output 'y' in the last step"),
        ([], None, {}, 0, "the output 'y' in the last step"),
        (["y = x + x"], None, {"c": 1.0, "b": 1.0}, 0, "a use of 'b'"),
        (["y = x[0]"], None, {}, 0, r"a feature that the input has \(no features\)"),
        (["y = x[2]"], 2, {}, 0, r"a feature that the input has \(x\[0\] to x\[1\]\)"),
        (["p = x[0]", "y = p[0]"], 2, {}, 1, "a feature that the input has"),
        (["y = x + x"], 2, {}, 0, "defined above, not 'x'"),
        (["y = -x"], 1, {}, 0, "defined above, not 'x'"),
    ],
)
def test_what_cannot_be_computed_is_refused(lines, features, constants, line, message):
    with pytest.raises(ProgramError, match=message) as caught:
        read(lines, features=features, constants=constants)
    assert caught.value.line == line


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_floats_give_the_bits_of_numpy(dtype, programs, by_numpy):
    @given(programs(dtype), st.integers(0, 2**32 - 1))
    @settings(deadline=None, max_examples=150)
    def check(program, seed):
        rows = np.array(inputs(300, dtype, program.features, seed)[-1000:], dtype)
        compute = compile_floats(program)
        expected = by_numpy(program, rows)
        for row, answer in zip(rows.tolist(), expected.tolist(), strict=True):
            assert bits(compute(*row), dtype) == bits(answer, dtype), (row, program)

    check()


def test_arguments_are_rounded_once_to_float32():
    compute = compile_floats(read(["s1 = -x", "y = -s1"]))
    assert compute(0.1) == 0.10000000149011612
    assert compute(1e39) == float("inf")
    assert compile_floats(read(["s1 = -x", "y = -s1"], dtype="float64"))(0.1) == 0.1


@pytest.mark.parametrize("constant", [-0.0, -2.5, 1e-45, -3.4028234663852886e38])
def test_negative_constants_keep_their_sign(constant, by_numpy):
    value = float(np.float32(constant))
    for line in ["y = x + c", "y = x - c", "y = c - x", "y = x * c"]:
        program = read([line], constants={"c": value})
        rows = np.array([[0.0], [-0.0], [1.5], [-1.5]], "float32")
        answers = [compile_floats(program)(x) for (x,) in rows.tolist()]
        assert list(map(str, answers)) == list(map(str, by_numpy(program, rows).tolist()))


def test_names_of_a_program_cannot_reach_those_of_the_function():
    # "cell", "blank" and "x0" are names that the generated function uses itself.
    lines = ["cell = x + blank", "v0 = cell * x0", "y = v0 - cell"]
    constants = {"blank": 0.5, "x0": 3.0}
    assert compile_floats(read(lines, constants=constants))(1.0) == 3.0


def test_a_call_is_not_disturbed_by_another_one_midway():
    # What a thread could do, without luck: between any two instructions, somebody else calls.
    compute = compile_floats(
        read(["s1 = x + c", "s2 = s1 * x", "y = s2 - c"], constants={"c": 0.5})
    )
    expected = compute(3.0)
    calls = 0

    def interrupt(frame, event, argument):
        nonlocal calls
        if frame.f_code is compute.__code__:
            frame.f_trace_opcodes = True
            compute(-1e30)
            calls += 1
        return interrupt

    before = sys.gettrace()
    sys.settrace(interrupt)
    try:
        answer = compute(3.0)
    finally:
        sys.settrace(before)
    assert calls > 20
    assert answer == expected

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import infer
from infer._ieee.patterns import inputs
from infer._program.on_blocks import Instruction, make_plan
from infer._program.program import parse
from infer._runtimes import _threads
from infer._runtimes.python import PythonEvaluator


def plan(lines, *, features=None, constants=()):
    values = dict.fromkeys(constants, 0.5)
    return make_plan(
        parse(lines, input="x", features=features, output="y", constants=values, dtype="float32")
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_arrays_and_tensors_give_the_bits_of_numpy(dtype, programs, by_numpy, patterns):
    @given(programs(dtype), st.integers(0, 2**32 - 1))
    @settings(deadline=None, max_examples=150)
    def check(program, seed):
        rows = np.array(inputs(300, dtype, program.features, seed)[-1000:], dtype)
        expected = patterns(by_numpy(program, rows), dtype)
        values = rows if program.features else rows[:, 0].copy()
        before = values.copy()
        evaluator = PythonEvaluator(program)
        found = [evaluator.run(values), evaluator.run(torch.from_numpy(values)).numpy()]
        found.append(evaluator.run(values, np.empty(len(values), dtype)))
        for answers in found:
            assert np.array_equal(patterns(answers, dtype), expected), program
        np.testing.assert_array_equal(values, before)

    check()


@pytest.mark.parametrize("name", infer.list_models())
def test_shipped_models_run_in_few_registers(name):
    program = infer.load(name).card.compiled
    assert make_plan(program).scratch <= 2


def test_horner_runs_in_the_output_alone():
    instructions, scratch = plan(["s1 = c * x", "s2 = s1 + b", "y = s2 * x"], constants="bc")
    assert scratch == 0
    x, register = ("feature", 0), ("register", 0)
    assert instructions == (
        Instruction("*", (("constant", "c"), x), 0),
        Instruction("+", (register, ("constant", "b")), 0),
        Instruction("*", (register, x), 0),
    )


def test_a_value_that_is_needed_later_keeps_its_register():
    instructions, scratch = plan(["s1 = x * x", "s2 = s1 * x", "y = s2 + s1"])
    assert scratch == 1
    assert [instruction.target for instruction in instructions][-1] == 0
    assert instructions[0].target != instructions[1].target


def test_picks_cost_nothing_but_the_last():
    instructions, scratch = plan(["p = x[1]", "q = x[0]", "y = p - q"], features=2)
    assert instructions == (Instruction("-", (("feature", 1), ("feature", 0)), 0),)
    assert scratch == 0
    assert plan(["y = x[1]"], features=2).instructions == (
        Instruction("pick", (("feature", 1),), 0),
    )


def compute(lines, rows, by_numpy, features=None):
    """Check a program on an array against numpy."""
    program = parse(lines, input="x", features=features, output="y", constants={}, dtype="float32")
    rows = np.array(rows, "float32")
    values = rows if features else rows[:, 0].copy()
    expected = by_numpy(program, rows)
    np.testing.assert_array_equal(PythonEvaluator(program).run(values), expected)
    tensor = PythonEvaluator(program).run(torch.from_numpy(values))
    np.testing.assert_array_equal(tensor.numpy(), expected)


def test_an_output_that_is_a_feature_is_copied(by_numpy):
    compute(["y = x[1]"], [[1.0, 2.0], [3.0, 4.0]], by_numpy, features=2)


def test_a_square_frees_its_register_once(by_numpy):
    # If it freed it for each operand, s3 would overwrite s2.
    lines = ["s1 = x + x", "s2 = s1 * s1", "s3 = x + x", "y = s2 - s3"]
    compute(lines, [[1.0], [2.0], [3.0]], by_numpy)


def test_a_step_that_nobody_needs_is_computed_beside_the_output(by_numpy):
    compute(["s1 = x + x", "s2 = x * x", "y = s2 - x"], [[1.0], [2.0], [3.0]], by_numpy)


def test_registers_of_steps_that_nobody_needs_are_used_again():
    assert plan([*(f"s{n} = x * x" for n in range(100)), "y = x + x"]).scratch <= 1


def test_many_registers_shrink_the_block_and_change_no_bit(by_numpy, patterns, monkeypatch):
    count = 60
    lines = [f"a{n} = x * c{n}" for n in range(count)]
    lines += ["t0 = a0 - a1", *(f"t{n} = t{n - 1} * a{n + 1}" for n in range(1, count - 1))]
    constants = {f"c{n}": float(n % 7) - 2.5 for n in range(count)}
    lines.append(f"y = t{count - 2} + x")
    program = parse(
        lines, input="x", features=None, output="y", constants=constants, dtype="float32"
    )
    assert make_plan(program).scratch >= count - 1
    rows = np.array(inputs(3000, "float32", None, 5), "float32")
    expected = patterns(by_numpy(program, rows))
    values = rows[:, 0].copy()
    for memory in (1, 1 << 14, 1 << 25):
        monkeypatch.setattr(_threads, "REGISTERS", memory)
        evaluator = PythonEvaluator(program)
        for answers in (evaluator.run(values), evaluator.run(torch.from_numpy(values)).numpy()):
            assert np.array_equal(patterns(answers), expected)


@pytest.mark.parametrize(
    ("registers", "itemsize", "length"),
    [(0, 4, 1 << 18), (1, 4, 1 << 18), (32, 4, 1 << 18), (33, 4, 254_200), (10_000, 8, 419)],
)
def test_the_registers_of_a_block_take_at_most_32_mib(registers, itemsize, length):
    assert _threads.block_within(1 << 18, registers, itemsize) == length
    assert registers * itemsize * length <= 1 << 25

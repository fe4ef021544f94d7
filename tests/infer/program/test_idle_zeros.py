import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import infer
from infer._program.idle_zeros import without_idle_zeros
from infer._program.program import parse


def steps(lines, **constants):
    program = parse(
        lines, input="x", features=None, output="y", constants=constants, dtype="float32"
    )
    return [str(step) for step in without_idle_zeros(program).steps]


def test_a_zero_before_a_number_is_left_out():
    kept = ["s2 = s1 * x", "y = s2 + b"]
    for line in ("s1 = x + z", "s1 = z + x", "s1 = x - z"):
        for z in (0.0, -0.0):
            assert steps([line, *kept], z=z, b=1.0) == ["s2 = x * x", "y = s2 + b"]
    assert steps(["s1 = x + z", "s2 = s1 + z", *kept[1:]], z=0.0, b=1.0) == ["y = x + b"]


@pytest.mark.parametrize(
    "lines",
    [
        ["y = x + z"],
        ["s1 = x + z", "y = s1 * x"],
        ["s1 = x + z", "y = -s1"],
        ["s1 = x * x", "s2 = x + z", "y = s2 + s1"],
        ["s1 = z - x", "y = s1 + b"],
    ],
)
def test_a_zero_that_can_be_seen_stays(lines):
    constants = {"z": 0.0, "b": 1.0}
    assert steps(lines, **{k: v for k, v in constants.items() if k in " ".join(lines)}) == lines


def test_a_sign_that_plus_zero_clears_afterwards_is_not_seen():
    assert steps(["s1 = x + z", "s2 = s1 * x", "y = s2 + z"], z=0.0) == ["s2 = x * x", "y = s2 + z"]
    assert len(steps(["s1 = x + z", "s2 = s1 * x", "y = s2 - z"], z=0.0)) == 3
    assert len(steps(["s1 = x + z", "s2 = s1 * x", "y = s2 + n"], z=0.0, n=-0.0)) == 3


def test_the_sine_is_served_in_five_steps():
    program = infer.load("sin_cubic").card.compiled
    assert len(program.steps) == 6
    assert len(without_idle_zeros(program).steps) == 5


def test_no_bit_changes(programs, by_numpy, patterns):
    values = [0.0, -0.0, 1.0, -1.0, 2.0**-149, np.inf, -np.inf, np.nan, 3.5, -1e30]

    @given(programs("float32"), st.data())
    @settings(deadline=None, max_examples=300)
    def check(program, data):
        zeros = st.sampled_from([0.0, -0.0, 1.0])
        constants = {name: data.draw(zeros) for name in program.constants}
        program = program._replace(constants=constants)
        features = program.features or 1
        rows = np.array(np.meshgrid(*[values] * min(features, 3))).reshape(min(features, 3), -1).T
        rows = np.tile(rows, (1, features))[:, :features].astype("float32")
        expected = patterns(by_numpy(program, rows), "float32")
        found = patterns(by_numpy(without_idle_zeros(program), rows), "float32")
        assert np.array_equal(found, expected), program

    check()

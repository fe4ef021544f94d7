import numpy as np
import pytest

from infer._program.kept_zeros import with_kept_sums, with_one_zero
from infer._program.program import parse

CLEARING = ["a + p", "p + a", "a - n"]
OTHERS = ["n - a", "p - a", "a - p", "a + n", "n + a", "a * n", "n * a"]


def program_of(expression):
    """Return a program in which the sign of each zero is seen."""
    lines = ["a = x * c", f"b = {expression}", "d = a * p", "e = d * n", "f = e * b", "y = f * b"]
    constants = {"c": 1.5, "n": -0.0, "p": 0.0}
    return parse(lines, input="x", features=None, output="y", constants=constants, dtype="float32")


@pytest.mark.parametrize("expression", CLEARING + OTHERS)
def test_the_bits_stay(expression, by_numpy, patterns):
    rows = np.array([[0.0], [-0.0], [3.0], [-3.0], [np.inf], [np.nan]], "float32")
    program = program_of(expression)
    for changed in (with_one_zero(program), with_kept_sums(program)):
        found, right = by_numpy(changed, rows), by_numpy(program, rows)
        assert np.array_equal(patterns(found), patterns(right))


@pytest.mark.parametrize("expression", CLEARING + OTHERS)
def test_one_zero_is_left(expression):
    constants = with_one_zero(program_of(expression)).constants
    assert sorted(map(str, constants.values())) == ["0.0", "1.5"]


@pytest.mark.parametrize("expression", CLEARING)
def test_no_sum_with_zero_is_left(expression):
    lines = [str(step) for step in with_kept_sums(program_of(expression)).steps]
    assert lines[1:3] == ["_b = -a", "b = p - _b"]


@pytest.mark.parametrize("expression", OTHERS)
def test_what_clears_no_sign_stays(expression):
    program = program_of(expression)
    assert with_kept_sums(program) == program

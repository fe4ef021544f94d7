"""What a program computes without rounding, and where that turns."""

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infer._program.polynomial import (
    MAX_DEGREE,
    ExpansionError,
    monotone_breaks,
    multiply,
    of_program,
    sign_changes,
    substitute,
    value_at,
)
from infer._program.program import parse

PLACES = 40


def by_steps(program, x):
    """Compute a program in fractions, a step at a time."""
    at = {name: Fraction(value) for name, value in program.constants.items()}
    at[program.input] = x
    for step in program.steps:
        a, b = at[step.operands[0]], at[step.operands[-1]]
        results = {"neg": -a, "*": a * b, "+": a + b, "-": a - b}
        at[step.target] = results[step.operator]
    return at[program.output]


def test_a_program_is_its_polynomial(programs):
    @given(programs("float32").filter(lambda p: p.features is None), st.integers(-5, 5))
    @settings(deadline=None, max_examples=100)
    def check(program, x):
        try:
            polynomial = of_program(program)
        except ExpansionError:
            return
        assert value_at(polynomial, Fraction(x, 3)) == by_steps(program, Fraction(x, 3))
        assert len(polynomial) == 1 or polynomial[-1] != 0

    check()


def test_the_degree_has_a_limit():
    lines = ["s1 = x * x", *(f"s{n} = s{n - 1} * s{n - 1}" for n in range(2, 6))]

    def program(*last):
        return parse(
            [*lines, *last],
            input="x",
            features=None,
            output="y",
            constants={},
            dtype="float32",
        )

    assert len(of_program(program("y = s5 * s5"))) == MAX_DEGREE + 1
    with pytest.raises(ExpansionError, match="degree 65"):
        of_program(program("s6 = s5 * s5", "y = s6 * x"))


def with_roots(roots):
    polynomial = [Fraction(3)]
    for root in roots:
        polynomial = multiply(polynomial, [-root, Fraction(1)])
    return polynomial


@given(st.lists(st.fractions(-1, 2, max_denominator=50), max_size=5))
@settings(deadline=None, max_examples=150)
def test_sign_changes_are_the_roots_of_odd_multiplicity(roots):
    found = sign_changes(with_roots(roots), PLACES)
    odd = sorted(root for root in set(roots) if roots.count(root) % 2 and 0 < root < 1)
    assert found == [math.floor(root * (1 << PLACES)) for root in odd]


def test_nothing_changes_sign_in_a_constant():
    assert sign_changes([Fraction(0)], PLACES) == sign_changes([Fraction(-2)], PLACES) == []


def test_a_curve_is_cut_where_it_turns_and_nowhere_else():
    # x³ only pauses at 0; x⁴ - 2x² turns at -1, 0 and 1.
    cube = [Fraction(c) for c in (0, 0, 0, 1)]
    assert monotone_breaks(cube, Fraction(-1), Fraction(1), PLACES) == [-1, 1]
    quartic = [Fraction(c) for c in (0, 0, -2, 0, 1)]
    assert monotone_breaks(quartic, Fraction(-2), Fraction(2), PLACES) == [-2, -1, 0, 1, 2]
    # A turn at an end of the domain cuts nothing.
    assert monotone_breaks(quartic, Fraction(0), Fraction(1), PLACES) == [0, 1]


def test_substitution_moves_and_scales():
    polynomial = [Fraction(c) for c in (1, 2, 3)]
    moved = substitute(polynomial, Fraction(5), Fraction(1, 2))
    assert value_at(moved, Fraction(4)) == value_at(polynomial, Fraction(7))

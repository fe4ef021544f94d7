"""Exact polynomials in one variable: from a program, and where they turn.

A program's constants are binary fractions, so what it would compute without rounding is a
polynomial with rational coefficients. Coefficients are listed from the lowest power up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import zip_longest

from infer._program import Program

Polynomial = list[Fraction]

# A program of a few squarings can have any degree; nobody calibrates with more than this.
MAX_DEGREE = 64


class DegreeError(ValueError):
    """A program's polynomial has a degree beyond ``MAX_DEGREE``."""


def of_program(program: Program) -> Polynomial:
    """Return what an elementwise program computes without any rounding.

    Raises:
        DegreeError: its degree is too high.
    """
    at = {name: [Fraction(value)] for name, value in program.constants.items()}
    at[program.input] = [Fraction(0), Fraction(1)]
    for step in program.steps:
        a = at[step.operands[0]]
        b = at[step.operands[-1]]
        if step.operator == "neg":
            result = [-value for value in a]
        elif step.operator == "*":
            result = multiply(a, b)
        elif step.operator == "+":
            result = add(a, b)
        else:
            result = add(a, [-value for value in b])
        if len(result) > MAX_DEGREE + 1:
            raise DegreeError(f"a polynomial of degree {len(result) - 1}")
        at[step.target] = result
    return at[program.output]


def add(a: Polynomial, b: Polynomial) -> Polynomial:
    """Return the sum, without leading zeros."""
    return _trimmed([p + q for p, q in zip_longest(a, b, fillvalue=Fraction(0))])


def multiply(a: Polynomial, b: Polynomial) -> Polynomial:
    """Return the product, without leading zeros."""
    product = [Fraction(0)] * (len(a) + len(b) - 1)
    for i, p in enumerate(a):
        for j, q in enumerate(b):
            product[i + j] += p * q
    return _trimmed(product)


def derivative(a: Sequence[Fraction]) -> Polynomial:
    """Return the derivative."""
    return [power * value for power, value in enumerate(a)][1:] or [Fraction(0)]


def substitute(a: Polynomial, start: Fraction, step: Fraction) -> Polynomial:
    """Return the polynomial in z that a is at ``start + step·z``."""
    result: Polynomial = [Fraction(0)]
    for value in reversed(a):
        result = add(multiply(result, [start, step]), [value])
    return result


def value_at(a: Sequence[Fraction], x: Fraction) -> Fraction:
    """Return the polynomial's value, exactly."""
    total = Fraction(0)
    for value in reversed(a):
        total = total * x + value
    return total


def _trimmed(a: Polynomial) -> Polynomial:
    while len(a) > 1 and not a[-1]:
        a = a[:-1]
    return a


def sign_changes(a: Polynomial, places: int) -> list[int]:
    """Return where in (0, 1) a polynomial in z changes its sign, in units of 2^-places, downwards.

    Between two sign changes of its derivative a polynomial is monotone and changes its own sign
    at most once; so the sign changes of each derivative, from the last one down, isolate those of
    the one before, and bisection on integers finds them exactly. Two that are nearer to each
    other than a unit are taken as none.
    """
    chain = [a]
    while len(chain[-1]) > 1:
        chain.append(derivative(chain[-1]))
    turns: list[int] = []
    for member in reversed(chain):
        turns = _between(_on_grid(member, places), [0, *turns, 1 << places])
    return turns


def _on_grid(a: Polynomial, places: int) -> list[int]:
    """Return a multiple of the polynomial as one of an integer variable, 2^places times the old."""
    common = math.lcm(*(value.denominator for value in a))
    top = len(a) - 1
    return [int(v * common) << places * (top - power) for power, v in enumerate(a)]


def _between(a: list[int], breaks: list[int]) -> list[int]:
    """Return the sign changes of a polynomial that is monotone between the breaks."""
    found: list[int] = []
    last_sign, last, zero = 0, 0, None
    for place in breaks:
        sign = _sign(a, place)
        if not sign:
            zero = place
            continue
        if last_sign and sign != last_sign:
            found.append(_bisect(a, last, place, last_sign) if zero is None else zero)
        last_sign, last, zero = sign, place, None
    return found


def _bisect(a: list[int], low: int, high: int, low_sign: int) -> int:
    while high - low > 1:
        middle = (low + high) // 2
        sign = _sign(a, middle)
        if not sign:
            return middle
        if sign == low_sign:
            low = middle
        else:
            high = middle
    return low


def _sign(a: list[int], x: int) -> int:
    total = 0
    for value in reversed(a):
        total = total * x + value
    return (total > 0) - (total < 0)


def monotone_breaks(a: Polynomial, low: Fraction, high: Fraction, places: int) -> list[Fraction]:
    """Return low, where the polynomial turns between, and high."""
    width = high - low
    turns = sign_changes(derivative(substitute(a, low, width)), places)
    return [low, *(low + width * Fraction(turn, 1 << places) for turn in turns), high]

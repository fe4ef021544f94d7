"""One step of the pure-float path, float32 out of doubles, where rounding twice could show.

Sums and products at ties, at the smallest and the largest numbers, with zeros, infinities and nans:
against exact arithmetic, and against numpy's float32.
"""

import itertools
import math
import os
import re
import subprocess
import sys
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from infer._ieee.floats import bits, from_bits
from infer._ieee.patterns import specials
from infer._program.on_floats import compile_floats
from infer._program.program import parse

RUNNER = Path(__file__).with_name("pairs_runner.py")
NUMPY = {"+": np.add, "-": np.subtract, "*": np.multiply}
OPERATORS = list(NUMPY)

INFINITY = 0x7F800000
MAX = from_bits(INFINITY - 1, "float32")
TINY = from_bits(1, "float32")
SMALLEST_NORMAL = from_bits(1 << 23, "float32")
PAIRS = 100_000_000


@cache
def compiled(operator):
    """Return the function of the program that does one operation on two features."""
    lines = ["p = x[0]", "q = x[1]", f"y = p {operator} q"]
    return compile_floats(
        parse(lines, input="x", features=2, output="y", constants={}, dtype="float32")
    )


def magnitude(pattern):
    # To rounding, infinity is the number that would come after the largest.
    return Fraction(2) ** 128 if pattern == INFINITY else Fraction(from_bits(pattern, "float32"))


def nearest(exact):
    """Round a Fraction other than 0 to float32, by looking for it among all of them.

    Patterns are in the order of the magnitudes, and the even of two neighbours has the even
    significand: that holds for subnormal numbers and for infinity, too.
    """
    low, high = 0, INFINITY
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if magnitude(middle) <= abs(exact) else (low, middle)
    above = 2 * abs(exact) - magnitude(low) - magnitude(high)
    found = high if above > 0 or (above == 0 and low % 2) else low
    return math.copysign(from_bits(found, "float32"), exact)


def by_definition(operator, a, b):
    """Return what IEEE-754 says about one operation on two float32 values."""
    if operator == "-":
        return by_definition("+", a, -b)
    signs = math.copysign(1, a), math.copysign(1, b)
    if math.isnan(a) or math.isnan(b):
        return math.nan
    if operator == "*":
        if math.isinf(a) or math.isinf(b):
            return math.nan if 0 in (a, b) else math.inf * signs[0] * signs[1]
        exact = Fraction(a) * Fraction(b)
        return nearest(exact) if exact else 0.0 * signs[0] * signs[1]
    if math.isinf(a) or math.isinf(b):
        infinities = {value for value in (a, b) if math.isinf(value)}
        return math.nan if len(infinities) == 2 else infinities.pop()
    exact = Fraction(a) + Fraction(b)
    return nearest(exact) if exact else (-0.0 if signs == (-1, -1) else 0.0)


def by_numpy(operator, a, b):
    with np.errstate(all="ignore"):
        return float(NUMPY[operator](np.float32(a), np.float32(b)))


def assert_right(operator, a, b):
    found = bits(compiled(operator)(a, b), "float32")
    shown = f"{a.hex()} {operator} {b.hex()}"
    assert found == bits(by_definition(operator, a, b), "float32"), shown
    assert found == bits(by_numpy(operator, a, b), "float32"), shown


HALF = 2.0**103  # half a unit in the last place of the largest number

# Each with the answer, so that nothing hangs on an oracle alone.
CASES = {
    # The largest number, plus half a unit or a little less: 2^128 - 2^103 is a tie with infinity.
    "sum at the tie with infinity": (MAX, "+", HALF, math.inf),
    "sum below that tie": (MAX, "+", HALF * (1 - 2.0**-24), MAX),
    "difference at that tie": (-MAX, "-", HALF, -math.inf),
    "sum far beyond": (MAX, "+", MAX, math.inf),
    "difference far beyond": (-MAX, "-", MAX, -math.inf),
    "sum that stays": (MAX, "+", HALF / 2, MAX),
    # 2^25 - 1 = 18,631 · 1,801
    "product at the tie with infinity": (18_631 * 2.0**50, "*", 1_801 * 2.0**53, math.inf),
    "negative product at the tie with infinity": (
        -18_631 * 2.0**50,
        "*",
        1_801 * 2.0**53,
        -math.inf,
    ),
    "product of the largest": (MAX, "*", MAX, math.inf),
    "product just beyond the largest": (2.0**64, "*", 2.0**64, math.inf),
    "product that is the largest": (MAX / 2, "*", 2.0, MAX),
    # Half the smallest subnormal number is a tie with zero.
    "product at the tie with zero": (2.0**-75, "*", 2.0**-75, 0.0),
    "negative product at that tie": (-(2.0**-75), "*", 2.0**-75, -0.0),
    "product above that tie": (2.0**-75 * (1 + 2.0**-23), "*", 2.0**-75, TINY),
    "product below that tie": (2.0**-75 * (1 - 2.0**-24), "*", 2.0**-75, 0.0),
    "product at the next tie": (3 * 2.0**-75, "*", 2.0**-75, 2 * TINY),
    "product of the smallest": (TINY, "*", TINY, 0.0),
    "negative product of the smallest": (-TINY, "*", TINY, -0.0),
    # The first is a tie between the largest subnormal and the smallest normal number.
    "product up to normal": (1 - 2.0**-24, "*", SMALLEST_NORMAL, SMALLEST_NORMAL),
    "largest subnormal": (1 - 2.0**-23, "*", SMALLEST_NORMAL, SMALLEST_NORMAL - TINY),
    "sum of subnormals": (TINY, "+", TINY, 2 * TINY),
    "difference of the smallest normal": (SMALLEST_NORMAL, "-", TINY, SMALLEST_NORMAL - TINY),
    "sum up to normal": (SMALLEST_NORMAL - TINY, "+", TINY, SMALLEST_NORMAL),
    "normals less than normal apart": (SMALLEST_NORMAL + TINY, "-", SMALLEST_NORMAL, TINY),
    # Ties to even, both ways, and what is next to them.
    "tie down": (1.0, "+", 2.0**-24, 1.0),
    "tie up": (1 + 2.0**-23, "+", 2.0**-24, 1 + 2.0**-22),
    "above a tie": (1.0, "+", 2.0**-24 * (1 + 2.0**-23), 1 + 2.0**-23),
    "below a tie": (1 + 2.0**-23, "+", 2.0**-24 * (1 - 2.0**-24), 1 + 2.0**-23),
    "tie below a power of two": (1.0, "-", 2.0**-25, 1.0),
    "beyond that tie": (1.0, "-", 2.0**-25 * (1 + 2.0**-23), 1 - 2.0**-24),
    # A double cannot hold these sums; it rounds them to a number that is no tie of float32.
    "sum that a double rounds": (1.0, "+", 2.0**-60, 1.0),
    "difference that a double rounds": (1.0, "-", 2.0**-60, 1.0),
    "sum over all exponents": (MAX, "+", TINY, MAX),
    # Zeros and infinities.
    "zero from opposites": (1.5, "-", 1.5, 0.0),
    "zero from negative opposites": (-1.5, "+", 1.5, 0.0),
    "sum of minus zeros": (-0.0, "+", -0.0, -0.0),
    "sum of unlike zeros": (-0.0, "+", 0.0, 0.0),
    "difference of like zeros": (-0.0, "-", -0.0, 0.0),
    "difference of unlike zeros": (-0.0, "-", 0.0, -0.0),
    "minus zero times": (-0.0, "*", 3.0, -0.0),
    "minus zero squared": (-0.0, "*", -0.0, 0.0),
    "opposite infinities": (math.inf, "+", -math.inf, math.nan),
    "like infinities subtracted": (math.inf, "-", math.inf, math.nan),
    "zero times infinity": (-0.0, "*", math.inf, math.nan),
    "infinity less the largest": (math.inf, "-", MAX, math.inf),
    "nan": (math.nan, "*", 0.0, math.nan),
}


@pytest.mark.parametrize(("a", "operator", "b", "answer"), CASES.values(), ids=CASES)
def test_the_cases_that_rounding_twice_could_break(a, operator, b, answer):
    assert {float(np.float32(value)) for value in (a, b)} == {a, b} or math.isnan(a)
    assert bits(compiled(operator)(a, b), "float32") == bits(answer, "float32")
    assert_right(operator, a, b)


halfway = st.integers(0, INFINITY - 1).map(
    lambda pattern: float((magnitude(pattern) + magnitude(pattern + 1)) / 2)
)


@given(st.floats(allow_infinity=False, allow_nan=False) | halfway, st.integers(-1, 1))
@settings(deadline=None, max_examples=500)
@example(MAX + HALF, 0)
@example(MAX + HALF, -1)
@example(-MAX - HALF, 0)
@example(2.0**-150, 0)
@example(-(2.0**-150), 1)
@example(-(2.0**-150), 0)
@example(-0.0, 0)
@example(sys.float_info.max, 1)
def test_an_argument_is_rounded_once(double, aside):
    """Between two float32 values, and the next double on either side."""
    value = math.nextafter(double, math.copysign(math.inf, aside)) if aside else double
    negated = parse(["y = -x"], input="x", features=None, output="y", constants={}, dtype="float32")
    expected = nearest(Fraction(-value)) if value and math.isfinite(value) else -value
    assert bits(compile_floats(negated)(value), "float32") == bits(expected, "float32")


@pytest.mark.parametrize("operator", OPERATORS)
def test_every_two_specials(operator):
    values = specials("float32")
    for a, b in itertools.product(values, values):
        assert_right(operator, a, b)


@pytest.mark.parametrize("operator", OPERATORS)
def test_every_special_as_a_constant(operator):
    """A program may say less where an operand is known, such as a zero."""
    values = specials("float32")
    rows = np.array(values, "float32")
    for constant in filter(math.isfinite, values):
        for line, swapped in ((f"y = x {operator} c", False), (f"y = c {operator} x", True)):
            program = parse(
                [line],
                input="x",
                features=None,
                output="y",
                constants={"c": constant},
                dtype="float32",
            )
            operands = [rows, np.full_like(rows, constant)]
            with np.errstate(all="ignore"):
                expected = NUMPY[operator](*(operands[::-1] if swapped else operands))
            found = np.array(list(map(compile_floats(program), values)), "float64")
            assert same(found, expected).all(), (line, constant)


def same(found, expected):
    """Compare doubles with float32 answers: they are the same numbers, not only when rounded."""
    wide = expected.astype("float64")
    equal = found.view("uint64") == wide.view("uint64")
    return equal | (np.isnan(found) & np.isnan(wide))


significands = st.integers(2**23, 2**24 - 1)
signs = st.sampled_from([1, -1])


@st.composite
def sums(draw):
    """Two numbers whose exponents are up to 80 apart, anywhere, the second often a power of two."""
    first, gap = draw(st.integers(-149, 104)), draw(st.integers(0, 80))
    few = st.sampled_from([2**23, 2**23 + 1, 2**24 - 1])
    values = [
        draw(signs) * math.ldexp(draw(significands | few), max(exponent, -149 - 23))
        for exponent in (first, first - gap)
    ]
    a, b = (float(np.float32(value)) for value in values)
    return draw(st.sampled_from([(a, b), (b, a)]))


@st.composite
def products(draw):
    """Two numbers whose product is next to a tie: 48 bits that end in 1000… give or take 3.

    Its exponent reaches from far below the smallest subnormal to infinity.
    """
    a = draw(significands) | 1
    b = pow(a, -1, 2**24) * (2**23 + draw(st.integers(-3, 3))) % 2**24
    # In the subnormal range ties lie further up: there the product alone decides.
    if draw(st.booleans()):
        a, b = a >> draw(st.integers(0, 23)), b >> draw(st.integers(0, 23))
    total = draw(st.integers(-149 - 60, 104 + 24))
    one = draw(st.integers(max(-149, total - 104), min(104, total + 149)))
    return draw(signs) * math.ldexp(a, one), math.ldexp(b, total - one)


@pytest.mark.parametrize("operator", OPERATORS)
@given(pair=sums() | products() | st.tuples(*[st.floats(width=32)] * 2))
@settings(deadline=None, max_examples=500)
@example(pair=(1.0, -(2.0**-149)))
def test_one_operation_rounds_once(operator, pair):
    assert_right(operator, *pair)


def test_the_products_lie_where_they_should():
    """Ties, subnormal and infinite results do come up in what the test above draws."""
    seen = set()

    @given(products())
    @settings(deadline=None, max_examples=500, derandomize=True, database=None)
    def look(pair):
        exact = abs(Fraction(pair[0]) * Fraction(pair[1]))
        answer = abs(by_definition("*", *pair))
        seen.add("infinite" if math.isinf(answer) else "")
        seen.add("zero" if answer == 0 < exact else "")
        seen.add("subnormal" if 0 < answer < SMALLEST_NORMAL else "")
        if SMALLEST_NORMAL <= answer < math.inf and exact != answer:
            unit = Fraction(math.ulp(answer)) * 2**29
            seen.add("tie" if 2 * abs(exact - Fraction(answer)) == unit else "no tie")

    look()
    assert seen >= {"infinite", "zero", "subnormal", "tie", "no tie"}


@pytest.mark.slow
@pytest.mark.parametrize("operator", OPERATORS)
def test_a_hundred_million_pairs_give_the_bits_of_numpy(operator):
    workers = os.cpu_count() or 1
    processes = [
        subprocess.Popen(
            [sys.executable, str(RUNNER), operator, str(seed), str(-(-PAIRS // workers))],
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in range(workers)
    ]
    compared = 0
    for process in processes:
        output, _ = process.communicate()
        assert process.returncode == 0
        counted, differing, shown = re.fullmatch(r"(\d+) (\d+) (.*)\n", output).groups()
        assert differing == "0", shown
        compared += int(counted)
    assert compared >= PAIRS

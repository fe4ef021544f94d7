import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import infer
from infer._ieee.floats import bits, float32
from infer._program.bounds import fast_range
from infer._program.on_floats import compile_call, compile_floats, compile_list
from infer._program.program import parse

BINARY = {"+": np.add, "-": np.subtract, "*": np.multiply}


def read(lines, *, features=None, constants=None, dtype="float32"):
    return parse(
        lines, input="x", features=features, output="y", constants=constants or {}, dtype=dtype
    )


def by_numpy(program, x):
    """Return the program's answers to float32 inputs, a step at a time."""
    known = {name: np.float32(value) for name, value in program.constants.items()}
    with np.errstate(all="ignore"):
        known["x"] = np.asarray(x, "float64").astype("float32")
        for step in program.steps:
            operands = [known[name] for name in step.operands]
            known[step.target] = (
                np.negative(*operands)
                if step.operator == "neg"
                else BINARY[step.operator](*operands)
            )
    return known["y"]


def assert_same_bits(program, values):
    expected = [bits(y, "float32") for y in by_numpy(program, values).tolist()]
    compute = compile_floats(program)
    assert [bits(compute(x), "float32") for x in values] == expected
    assert [bits(y, "float32") for y in compile_list(program)(values)] == expected
    call = compile_call(program, lambda x, out: compute(x))
    if call is not None:
        assert [bits(call(x), "float32") for x in values] == expected


def with_neighbours(values):
    """Return values and the doubles next to them, and the same below zero."""
    near = [math.nextafter(v, to) for v in values for to in (-math.inf, math.inf)]
    return [sign * v for v in (*values, *near) for sign in (1.0, -1.0)]


def halfway(count, seed):
    """Return doubles halfway between two float32 values, of many magnitudes."""
    numbers = np.random.default_rng(seed)
    odd = numbers.integers(1 << 23, 1 << 24, count) * 2.0 + 1
    return np.ldexp(odd, numbers.integers(-60, 10, count)).tolist()


# Programs of one rounding each, besides that of the input.
IDENTITY = read(["y = x + zero"], constants={"zero": 0.0})


def test_rounding_of_the_input_takes_ties_to_even():
    ties = halfway(2000, seed=0)
    assert fast_range(IDENTITY) == (2.0**-40, 2.0**40)
    assert_same_bits(IDENTITY, with_neighbours(ties))


def test_rounding_around_powers_of_two():
    # Where the difference in the splitting falls below a power of two, and where a tie carries.
    powers = [2.0**e * m for e in range(-45, 46) for m in (1.0, 1 + 2.0**-52, 1 + 2.0**-29)]
    powers += [2.0**e * (2 - 2.0**-k) for e in (-3, 0, 7) for k in range(20, 53)]
    powers += [2.0**e * (1 + 2.0**-k) for e in (-3, 0, 7) for k in range(20, 53)]
    assert_same_bits(IDENTITY, with_neighbours(powers))


def test_sums_take_ties_to_even():
    for constant in (1.0, -1.0, 3.0, 2.0**-20, 1 + 2.0**-23):
        program = read(["y = c + x"], constants={"c": constant})
        values = [float32(v) for v in halfway(500, seed=1)]
        values += [2.0**e * m for e in range(-30, 30) for m in (1.0, 1 + 2.0**-23, 2 - 2.0**-23)]
        values += [constant * (1 + k * 2.0**-23) for k in range(-8, 9)]
        assert_same_bits(program, with_neighbours(values))


@given(st.floats(), st.floats(width=32), st.sampled_from("+-*"))
@settings(max_examples=500, deadline=None)
def test_any_float_and_any_constant(x, c, operator):
    if not math.isfinite(c):
        return
    for line in (f"y = x {operator} c", f"y = c {operator} x"):
        assert_same_bits(read([line], constants={"c": c}), [x])


lines_of_three = st.lists(
    st.tuples(st.sampled_from("+-*"), st.integers(0, 5), st.integers(0, 5), st.booleans()),
    min_size=1,
    max_size=6,
)
usual = st.floats(-1e6, 1e6, width=32) | st.sampled_from([0.0, -0.0, 1.0, -1.0, 2.0**-20])


@given(lines_of_three, st.lists(usual, min_size=3, max_size=3), st.data())
@settings(max_examples=400, deadline=None)
def test_any_program_near_its_zeros(drafts, numbers, data):
    """Cancellation makes zeros and tiny values, which is where the quick rounding must not be."""
    constants = dict(zip("abc", numbers, strict=True))
    names = ["x", "a", "b", "c"]
    lines = []
    for index, (operator, left, right, negate) in enumerate(drafts):
        target = "y" if index == len(drafts) - 1 else f"s{index}"
        varying = [name for name in names if name not in constants]
        first, second = varying[left % len(varying)], names[right % len(names)]
        lines.append(
            f"{target} = -{first}" if negate else f"{target} = {first} {operator} {second}"
        )
        names.append(target)
    used = {name for line in lines for name in line.replace("-", " ").split()}
    program = read(lines, constants={k: v for k, v in constants.items() if k in used})
    xs = data.draw(st.lists(usual | st.floats(width=32), min_size=1, max_size=8))
    xs += [-numbers[0], numbers[1], numbers[2] / (numbers[0] or 1.0)]
    assert_same_bits(program, xs)


def test_what_the_quick_rounding_cannot_do_is_kept_out_of_its_range():
    # The sign of a zero: 0.0 times a negative number is -0.0, and it is the answer.
    assert fast_range(read(["s = x - c", "y = s * x"], constants={"c": 1.0})) is None
    # A sum with a constant that is not zero forgets that sign, and so does + 0.0.
    for line, c in (("y = t + c", 1.0), ("y = t + z", 1.0)):
        constants = {"c": c, "z": 0.0} if "z" in line else {"c": c}
        assert fast_range(read(["s = x - c", "t = s * x", line], constants=constants)) is not None
    assert (
        fast_range(read(["s = x - c", "t = s * x", "y = t - z"], constants={"c": 1.0, "z": 0.0}))
        is None
    )
    # Subnormal products and infinity.
    assert fast_range(read(["y = x * c"], constants={"c": 2.0**-140})) is None
    assert fast_range(read(["y = x * c"], constants={"c": 2.0**125})) is None
    cubed = fast_range(read(["s = x * x", "y = s * x"]))
    assert cubed == (2.0**-40, 2.0**40)
    assert fast_range(read(["s = x * x", "y = s * s"])) == (2.0**-24, 2.0**24)


@pytest.mark.parametrize("operator", "+-")
def test_what_cancellation_leaves_may_make_a_product_subnormal(operator):
    # "+ z" clears the sign of a zero, which alone would keep the range from being used.
    c, k = float32(1.1 * 2.0**-30), float32(1.3 * 2.0**-73)
    lines = [f"s = x {operator} c", "p = s * k", "y = p + z"]
    program = read(lines, constants={"c": c, "k": k, "z": 0.0})
    assert fast_range(program) is None
    assert_same_bits(program, with_neighbours([c + step * 2.0**-53 for step in range(-9, 10)]))
    # The same of two values that vary.
    one = 1 + 2.0**-23
    lines = ["t = x * one", f"s = x {operator} t", "p = s * k", "y = p + z"]
    program = read(lines, constants={"one": one, "k": float32(1.3 * 2.0**-90), "z": 0.0})
    low, _ = fast_range(program)
    assert low >= 2.0**-12
    assert_same_bits(program, with_neighbours([c, 2.0**-22, 2.0**-13, 2.0**-9, 3.0]))


def test_shipped_models_answer_the_domain_quickly():
    for name in infer.list_models():
        card = infer.load(name).card
        low, high = fast_range(card.compiled)
        assert low < 1e-6
        assert max(abs(end) for pair in card.domain for end in pair) < high


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_call_takes_what_the_signature_says(dtype):
    seen = []

    def otherwise(x, out):
        seen.append((x, out))
        return "called"

    call = compile_call(read(["y = x * x"], dtype=dtype), otherwise)
    assert call(3.0) == call(x=3.0) == 9.0
    assert seen == []
    assert [call(3), call(True), call(3.0, out=1), call([3.0])] == ["called"] * 4
    assert seen == [(3, None), (True, None), (3.0, 1), ([3.0], None)]


def test_features_have_no_quick_call():
    assert compile_call(read(["a = x[0]", "b = x[1]", "y = a * b"], features=2), max) is None


def test_double_precision_is_not_rounded():
    program = read(["s = x * c", "y = s + x"], constants={"c": 0.1}, dtype="float64")
    for x in (0.1, 1e300, 5e-324, -0.0):
        expected = x * 0.1 + x
        assert compile_floats(program)(x) == compile_list(program)([x])[0] == expected

"""``Model.inverse`` by its definition, tried out value by value; and ``Model.inverse_interval``."""

import math
import random
from fractions import Fraction
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

import infer
from infer import InputError, Interval
from infer._artifact.card import Uncertainty
from infer._artifact.format import read_card, render
from infer._artifact.store import Artifact, find
from infer._curve.inverse import NEIGHBOURS, from_ordinal, ordinal
from infer._ieee.floats import from_number
from infer._model import open_model
from infer._program.bounds import rounding
from infer._program.polynomial import of_program, value_at

INVERTIBLE = ["f2c", "line"]
TURNING = [name for name in infer.list_models() if name.startswith(("sin", "dynamic"))]

# Rising curves and a falling one: domain, coefficients from the constant up.
OWN = {
    "cubic": ((-2.0, 3.0), (1.5, 2.0, 0.25, 0.125)),
    "falling": ((10.0, 40.0), (50.0, -0.75, 0.0, -0.001)),
    "quintic": ((0.0, 1.0), (-0.3, 1.0, -0.2, 0.1, 0.05, 0.7)),
    "far": ((1000.0, 1001.0), (-3.0, 0.7, 0.01)),
    # (x - 10)² with its terms a hundred times its value: answers scatter by their rounding.
    "rough": ((10.5, 12.0), (1000.0, -200.0, 10.0)),
    "steep": ((-1.0, 1.0), (0.001, 5000.0, 0.0, 3.0)),
}


def horner(name, domain, coefficients, dtype, line):
    """Return the document of a polynomial in Horner form."""
    names = [f"c{power}" for power in range(len(coefficients))]
    lines, before = [], names[-1]
    for step, power in enumerate(reversed(names[:-1])):
        last = step == len(names) - 2
        lines += [f"p{step} = {before} * x", f"{'y' if last else f's{step}'} = p{step} + {power}"]
        before = f"s{step}"
    document = line(
        name=name,
        dtype=dtype,
        domain=[list(domain)],
        parameters={
            key: from_number(value, dtype) for key, value in zip(names, coefficients, strict=True)
        },
        program=lines,
    )
    document["inputs"][0]["dtype"] = document["outputs"][0]["dtype"] = dtype
    return document


def served(document):
    """Return the model of a document, without a folder."""
    card = read_card(render(document), document["name"])
    return open_model(Artifact("", card), "python", "cpu")


@pytest.fixture
def model(line):
    """Return a function that gives a shipped model, or one of ours in some dtype."""

    @cache
    def load(name, dtype="float32"):
        if name in OWN:
            return served(horner(name, *OWN[name], dtype, line))
        return infer.load(name)

    return load


EACH = [(name, "float32") for name in INVERTIBLE] + [
    (name, dtype) for name in OWN for dtype in ("float32", "float64")
]
each = pytest.mark.parametrize(("name", "dtype"), EACH)


def ends(model):
    """Return the domain's ends as values of the model's dtype."""
    return [from_number(value, model.card.dtype) for value in model.card.domain[0]]


def exact_root(curve, low, high, y):
    """Return the root of a curve that is monotone between two numbers, to 400 places."""
    a, b = Fraction(low), Fraction(high)
    if a <= 0 <= b and value_at(curve, Fraction(0)) == y:
        return Fraction(0)  # where doubles are dense without end
    rising = value_at(curve, b) > value_at(curve, a)
    for _ in range(400):
        middle = (a + b) / 2
        value = value_at(curve, middle)
        if value == y:
            return middle
        a, b = (middle, b) if (value < y) == rising else (a, middle)
    return (a + b) / 2


def by_definition(model, y):
    """Return the inverse as the docstring says, by trying out every neighbour."""
    dtype, (low, high) = model.card.dtype, ends(model)
    root = exact_root(of_program(model.card.compiled), low, high, Fraction(y))
    first, last = ordinal(low, dtype), ordinal(high, dtype)
    guess = ordinal(from_number(root, dtype), dtype)
    near = [n for n in range(guess - 2, guess + 3) if first <= n <= last]
    nearest = min(near, key=lambda n: (abs(Fraction(from_ordinal(n, dtype)) - root), n))
    numbers = range(max(nearest - NEIGHBOURS, first), min(nearest + NEIGHBOURS, last) + 1)

    def distance(n):
        x = from_ordinal(n, dtype)
        return abs(Fraction(model(x)) - Fraction(y)), abs(Fraction(x) - root), x

    return from_ordinal(min(numbers, key=distance), dtype)


@each
def test_the_inverse_is_what_its_definition_says(model, name, dtype):
    model = model(name, dtype)
    low, high = sorted(map(float, (model(end) for end in ends(model))))
    margin = (high - low) * 1e-3

    @given(st.floats(low + margin, high - margin))
    @settings(deadline=None, max_examples=15)
    def check(y):
        assert model.inverse(y) == by_definition(model, y)

    check()
    generator = random.Random(name + dtype)  # noqa: S311 - plain numbers have too few digits
    for _ in range(100 if name == "rough" else 10):
        y = model(generator.uniform(*model.card.domain[0]))
        assert model.inverse(y) == by_definition(model, y)


@each
def test_there_and_back_gives_the_same_bits(model, name, dtype):
    model = model(name, dtype)
    low, high = model.card.domain[0]

    @given(st.floats(low, high))
    @example(low)
    @example(high)
    @settings(deadline=None, max_examples=200)
    def check(x):
        # A step of the curve that none of 129 neighbours outweighs is flat.
        y = model(x)
        back = model.inverse(y)
        assert type(back) is float
        assert from_number(back, dtype) == back
        assert ends(model)[0] <= back <= ends(model)[1]
        assert model(back) == y

    check()


@each
def test_an_answer_beyond_the_range_by_its_rounding_belongs_to_the_end(model, name, dtype):
    model = model(name, dtype)
    slack = rounding(model.card.compiled, *ends(model))
    curve = of_program(model.card.compiled)
    values = {end: float(value_at(curve, Fraction(end))) for end in ends(model)}
    for end, value in values.items():
        sign = 1 if value == max(values.values()) else -1
        found = model.inverse(value + sign * slack / 2)
        step = abs(ordinal(found, dtype) - ordinal(end, dtype))
        assert step <= NEIGHBOURS
        with pytest.raises(InputError, match="is never reached"):
            model.inverse(value + 3 * sign * max(slack, math.ulp(value)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_rounding_of_an_answer_is_bounded(programs, dtype):
    @given(programs(dtype).filter(lambda p: p.features is None), st.data())
    @settings(deadline=None, max_examples=150)
    def check(program, data):
        from infer._program.on_floats import compile_floats
        from infer._program.polynomial import ExpansionError

        width = int(dtype[5:])
        x = data.draw(st.floats(-100, 100, width=width, allow_subnormal=False))
        bound = rounding(program, min(x, -1.0), max(x, 1.0))
        assume(math.isfinite(bound) and bound < 1e30)
        try:
            exact = value_at(of_program(program), Fraction(x))
        except ExpansionError:
            return
        assert abs(Fraction(compile_floats(program)(x)) - exact) <= bound

    check()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_bound_of_the_rounding_is_near_to_the_worst(dtype, line):
    """Each product doubles what its operands bring along, each sum adds it up."""
    generator = random.Random(4)  # noqa: S311
    lines = ["s1 = a * x", "s2 = s1 * s1", "s3 = s2 * s2", "s4 = s3 - x", "y = s4 - b"]
    a = from_number(0.7310585786300049, dtype)
    document = line(dtype=dtype, parameters={"a": a, "b": a}, program=lines)
    document["inputs"][0]["dtype"] = document["outputs"][0]["dtype"] = dtype
    model = served(document)
    curve = of_program(model.card.compiled)
    inputs = [from_number(generator.uniform(1.7, 1.8), dtype) for _ in range(3000)]
    bound = rounding(model.card.compiled, 1.7, 1.8)
    worst = max(abs(Fraction(model(x)) - value_at(curve, Fraction(x))) for x in inputs)
    assert bound / 3 < worst <= bound


# Reached twice, or never.


@pytest.mark.parametrize("name", TURNING)
def test_a_curve_that_turns_says_where_it_reaches_an_answer(name):
    model = infer.load(name)
    with pytest.raises(InputError) as caught:
        model.inverse(0.5)
    said = str(caught.value)
    assert said.startswith("y = 0.5 is reached at ")
    places = [float(text) for text in said.partition("x = ")[2].split(", ")]
    assert f"at {len(places)} places" in said
    coefficients = [float(c) for c in of_program(model.card.compiled)]
    coefficients[0] -= 0.5
    roots = np.roots(coefficients[::-1])
    low, high = model.card.domain[0]
    real = sorted(r.real for r in roots if abs(r.imag) < 1e-9 and low <= r.real <= high)
    assert len(places) > 1
    assert np.allclose(places, real, rtol=1e-5)


@pytest.mark.parametrize("name", TURNING)
def test_a_curve_that_turns_is_inverted_where_it_reaches_an_answer_once(name):
    model = infer.load(name)
    low, high = ends(model)
    grid = np.linspace(low, high, 1001, dtype="float32")
    answers = model(grid)

    @given(st.floats(-1.5, 1.5))
    @example(float(answers.min()))
    @example(float(answers.max()))
    @settings(deadline=None, max_examples=100)
    def check(y):
        # Places where the curve passes y between two points of the grid, or touches an end.
        crossed = np.count_nonzero(np.diff(answers > y))
        try:
            x = model.inverse(y)
        except InputError as error:
            said = str(error)
            assert ("reached at" in said) == (crossed > 1) or min(abs(answers - y)) < 1e-4
            return
        assert crossed <= 1
        assert abs(model(x) - y) < 1e-6

    check()


def parabola(line, low, high):
    return served(horner("parabola", (low, high), (0.0, 0.0, 1.0), "float32", line))


def test_a_turn_is_reached_once(line):
    model = parabola(line, -1.0, 1.5)
    assert model.inverse(0.0) == 0.0
    (third,) = (
        served(horner("turned", (-1.0, 1.0), (0.0, -2.0, 3.0), "float64", line))
        .ready_inverse()
        .turns
    )
    assert third == Fraction(1, 3)
    assert model.inverse(2.0) == np.float32(math.sqrt(2))
    with pytest.raises(InputError, match=r"at 2 places .* x = -0.5, 0.5$"):
        model.inverse(0.25)
    with pytest.raises(InputError, match=r"at 2 places .* x = -1, 1$"):
        model.inverse(1.0)
    with pytest.raises(InputError, match=r"never reached: .* -1 to 1.5 V, .* from 0 to 2.25$"):
        model.inverse(-1e-3)


def test_an_end_between_two_doubles_counts_as_what_it_is(line):
    """The curve reaches the end's rounded value before the end, or not at all."""
    reached = set()
    for step in range(20):
        end = 1.1 + step * 2**-52
        y = end * end
        model = served(horner("parabola", (-end, 2.0), (0.0, 0.0, 1.0), "float64", line))
        if Fraction(y) > Fraction(end) ** 2:
            assert model.inverse(y) == pytest.approx(end)
        else:
            with pytest.raises(InputError, match=r"at 2 places"):
                model.inverse(y)
        reached.add(Fraction(y) > Fraction(end) ** 2)
    assert reached == {True, False}


def test_a_pause_is_no_turn(line):
    model = served(horner("cube", (-1.0, 1.0), (0.0, 0.0, 0.0, 1.0), "float64", line))
    assert model.inverse(0.125) == 0.5
    assert model.inverse(-0.125) == -0.5
    assert model.inverse(0.0) == 0.0


@pytest.mark.parametrize("y", [math.inf, -math.inf, 1e308, 37.0, -40.0])
def test_never_tells_the_range(y):
    with pytest.raises(InputError) as caught:
        infer.load("f2c").inverse(y)
    assert str(caught.value) == (
        f"t_c = {y!r} °C is never reached: over the domain, 21.8 to 81.9 °F, the curve goes from "
        "-5.60315721 to 26.6568367 °C"
    )


def test_what_has_no_inverse(line):
    with pytest.raises(InputError, match=r"plane takes 2 feature\(s\) along an axis"):
        infer.load("plane").inverse(1.0)
    flat = served(line(parameters={"a": 0.0, "b": 1.0}))
    with pytest.raises(InputError, match="own_line is constant over its domain"):
        flat.inverse(1.0)
    with pytest.raises(InputError, match="is constant over its domain: 1 to 1 V"):
        served(line(domain=[[1, 1]])).inverse(1.0)
    squares = ["s0 = a * x", *(f"s{n} = s{n - 1} * s{n - 1}" for n in range(1, 8)), "y = s7 + b"]
    with pytest.raises(InputError, match="own_line is a polynomial of degree 128, which is not"):
        served(line(program=squares)).inverse(1.0)
    huge = {"a": 2.0**127, "b": 1.0}
    lines = ["s1 = a * x", "s2 = s1 * s1", "s3 = s2 * s2", "s4 = s3 * s3", "s5 = s4 * s4"]
    document = line(parameters=huge, program=[*lines, "y = s5 + b"])
    with pytest.raises(InputError, match="leaves the range of doubles"):
        served(document).inverse(1.0)


# Containers.


def test_whatever_comes_in_goes_out():
    model = infer.load("f2c")
    one = model.inverse(20.0)
    assert model.inverse(20) == one
    assert model.inverse([[20.0, 20], [np.float32(20), Fraction(20)]]) == [[one, one], [one, one]]
    assert model.inverse([]) == []
    array = model.inverse(np.full((2, 3), 20))
    assert (array.shape, array.dtype) == ((2, 3), np.float32)
    assert (array == np.float32(one)).all()
    assert model.inverse(np.float64(20)) == one
    tensor = model.inverse(torch.tensor([20.0], requires_grad=True))
    assert (tensor.dtype, tensor.tolist()) == (torch.float32, [one])


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ("20", "found text '20'"),
        (1j, "a complex number"),
        (None, "expected a real number"),
        ([1, [2]], r"ragged list: x\[1\]"),
        (math.nan, "^expected a number to find the input of, found nan"),
        ([[20.0, 20.0], [20.0, 99.0]], r"^at \[1\]\[1\]: t_c = 99.0 °C is never"),
        (np.array([20.0, -99.0]), r"^at \[1\]: t_c = -99.0 °C is never"),
        (np.array(["20"]), "an array of real numbers"),
    ],
)
def test_what_is_no_answer_is_refused(y, message):
    with pytest.raises(InputError, match=message):
        infer.load("f2c").inverse(y)


# Intervals by inversion.


@pytest.mark.parametrize("kind", ["prediction", "confidence"])
@pytest.mark.parametrize("name", INVERTIBLE)
def test_the_ends_of_an_interval_are_where_it_stops_to_contain_the_answer(name, kind):
    model = infer.load(name)
    low, high = model.card.domain[0]

    def contains(x, y):
        bottom, top = model.interval(x, 0.9, kind)
        return bottom <= y <= top

    @given(st.floats(0.02, 0.98))
    @settings(deadline=None, max_examples=40)
    def check(part):
        y = model(low + part * (high - low))
        below, above = model.inverse_interval(y, 0.9, kind)
        assert below < model.inverse(y) < above
        for end, limit, outwards in ((below, low, -math.inf), (above, high, math.inf)):
            assert contains(end, y)
            assert end == limit or not contains(math.nextafter(end, outwards), y)
            assert low <= end <= high

    check()


def test_the_interval_of_a_line_is_fiellers():
    model = infer.load("f2c")
    found = model.card.uncertainty
    (row0, row1), (a, b) = found.factor, found.curve
    t = 2.262157162798205 * found.residual_sd
    y = 10.0
    # (a + b·u - y)² = t²·(1 + row0² + (row1[0] + row1[1]·u)²), a quadratic in u.
    quadratic = [
        b * b - t * t * row1[1] ** 2,
        2 * b * (a - y) - 2 * t * t * row1[0] * row1[1],
        (a - y) ** 2 - t * t * (1 + row0[0] ** 2 + row1[0] ** 2),
    ]
    roots = sorted(found.center[0] + found.half_width[0] * np.roots(quadratic))
    assert np.allclose(model.inverse_interval(y), roots, rtol=1e-12)


def test_an_interval_ends_with_the_domain():
    model = infer.load("f2c")
    low, high = model.card.domain[0]
    assert model.inverse_interval(model(high)).high == high
    assert model.inverse_interval(model(low)).low == low
    wide = model.inverse_interval(10.0, 0.999999)
    assert wide == (low, high)
    assert model.inverse_interval(10.0, sigma=0.1) < model.inverse_interval(10.0, sigma=0.0)


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_an_interval_stops_at_the_first_exit(line, side):
    """The band of this curve widens so fast that it takes the answer in again further on."""
    found = Uncertainty(0.1, 30, ((0,), (1,), (2,)), (0.0,), (1.0,), (0.0, 1.0, 0.0), (), 1.0)
    factor = [[0.1, 0.0, 0.0], [0.0, 0.1, 0.0], [0.0, 0.0, 10.0]]
    document = {
        **horner("wide", sorted((0.0, side)), (0.0, 1.0), "float64", line),
        "uncertainty": {**found._asdict(), "factor": factor},
    }
    model = served(document)
    y = 0.1 * side
    near, far = sorted(model.inverse_interval(y, 0.9, "confidence"), key=abs)

    def contains(x):
        low, high = model.interval(x, 0.9, "confidence")
        return low <= y <= high

    assert abs(near) < 0.1 < abs(far) < 0.2
    assert contains(far)
    assert not contains(side * (abs(far) + 1e-9))
    assert contains(0.9 * side)


def test_an_interval_beside_the_input_is_left_alone(measured):
    """The fit is beside what is served by more than the width of its interval there."""
    factor = [[0.0, 0.0], [0.0, 10.0]]
    model = served(measured(curve=[-2.74, 1.0], factor=factor))
    low, high = model.interval(-1.5, kind="confidence")
    assert low < -2.75 < high
    assert model.inverse_interval(-2.75, kind="confidence") == (0.5, 0.5)


def test_a_fit_without_residuals_has_an_interval_of_a_point(measured):
    model = served(measured(residual_sd=0.0, curve=[-2.7500000001, 1.0]))
    x = model.inverse(-3.0)
    assert model.inverse_interval(-3.0) == (x, x)


def test_intervals_in_containers():
    model = infer.load("f2c")
    one = model.inverse_interval(10.0)
    assert isinstance(one, Interval)
    lists = model.inverse_interval([[10.0], [10]])
    assert lists == Interval([[one.low]] * 2, [[one.high]] * 2)
    arrays = model.inverse_interval(np.array([10.0]))
    assert arrays.low.dtype == np.float64
    assert (arrays.low[0], arrays.high[0]) == one


@pytest.mark.parametrize("name", ["plane", "sin_cubic"])
def test_no_interval_without_inverse_or_uncertainty(name):
    with pytest.raises(InputError, match=r"plane takes|sin_cubic has no uncertainty"):
        infer.load(name).inverse_interval(1.0)


def test_the_runtime_does_not_matter():
    for runtime in infer.list_runtimes():
        assert infer.load("f2c", runtime=runtime).inverse(20.0) == infer.load("f2c").inverse(20.0)


def test_the_exact_curve_is_that_of_the_program():
    artifact = find("f2c")
    intercept, slope = of_program(artifact.card.compiled)
    constants = artifact.card.compiled.constants
    assert slope == Fraction(constants["w"]) * Fraction(constants["scale"])
    assert intercept == Fraction(constants["b"])

"""A decimal in JSON is rounded once to the tensor's datatype, as ``infer run`` rounds it."""

import json
import math
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infer._artifact.format import render
from infer._ieee.floats import beside, from_bits, from_number, from_text
from infer._serve import _inference
from infer._serve._catalog import Catalog
from infer._serve._tensors import from_json, loads, loads_text

LIMITS = _inference.Limits(max_elements=16 << 20, max_json=8 << 20)
KINDS = {"FP16": np.float16, "FP32": np.float32, "FP64": np.float64}


@pytest.fixture
def identity(line, tmp_path):
    """Return the folder of a model that answers its input: an answer tells how it was read."""
    folder = tmp_path / "own_line"
    folder.mkdir()
    (folder / "model.json").write_bytes(render(line(parameters={"a": 1.0, "b": 0.0})))
    return folder


def nearest(text, datatype):
    """Return the value of a datatype that is nearest to a decimal, by rational arithmetic alone."""
    kind, exact = KINDS[datatype], Fraction(Decimal(text))
    with np.errstate(over="ignore"):
        start = kind(float(exact))
        around = [np.nextafter(start, kind(-np.inf)), start, np.nextafter(start, kind(np.inf))]
    # What would come after the largest finite value takes the place of infinity.
    top = np.finfo(kind).max
    beyond = 2 * Fraction(float(top)) - Fraction(float(np.nextafter(top, kind(0))))

    def rank(value):
        place = Fraction(float(value)) if np.isfinite(value) else (beyond if value > 0 else -beyond)
        odd = int(value.view(f"u{value.itemsize}")) & 1
        return abs(place - exact), odd

    return min(around, key=rank)


def read(texts, datatype):
    """Return the tensor of these numbers in a request."""
    raw = ("[" + ",".join(texts) + "]").encode()
    return from_json(loads(raw), datatype, [len(texts)], len(texts), lambda: loads_text(raw))


@st.composite
def near_halfway(draw, datatype):
    """Draw a decimal beside, or at, the middle between two neighbours of a datatype."""
    kind = KINDS[datatype]
    unsigned = f"u{kind().itemsize}"

    def value_of(pattern):
        return Fraction(float(np.array(pattern, unsigned).view(kind)))

    largest = int(np.finfo(kind).max.view(unsigned))
    low = draw(st.integers(0, largest) | st.sampled_from([0, 1, largest - 1, largest]))
    below = min(low, largest - 1)
    step = value_of(below + 1) - value_of(below)
    shift = draw(st.sampled_from([0, 0, 1, -1])) * step / 10 ** draw(st.integers(1, 40))
    exact = value_of(low) + step / 2 + shift
    # Binary fractions end as decimals, so this is exact.
    digits = 1200
    scaled = exact * 10**digits
    assert scaled.denominator == 1
    number = Decimal(f"{scaled.numerator}e-{digits}")
    sign = draw(st.sampled_from(["", "-"]))
    form = draw(st.sampled_from(["f", "e", "17"]))
    if form == "17":
        return f"{sign}{float(exact):.17g}".replace("e+", "e")
    return sign + format(number, form)


@pytest.mark.parametrize("datatype", ["FP16", "FP32"])
def test_a_decimal_near_a_halfway_point_is_rounded_once(datatype):
    texts = []

    @settings(max_examples=150, deadline=None)
    @given(near_halfway(datatype))
    def draw(text):
        texts.append(text)

    draw()
    found = read(texts, datatype)
    twice = np.array([float(text) for text in texts])
    with np.errstate(over="ignore"):
        twice = twice.astype(found.dtype)
    expected = np.array([nearest(text, datatype) for text in texts])
    unsigned = f"u{found.itemsize}"
    assert (found.view(unsigned) == expected.view(unsigned)).all()
    assert (twice != expected).any()  # else these decimals would prove nothing


@given(st.decimals(allow_nan=False, allow_infinity=False, places=None), st.sampled_from([*KINDS]))
@settings(max_examples=200, deadline=None)
def test_any_decimal_is_rounded_once(number, datatype):
    text = str(number).replace("E+", "E")
    (found,) = read([text], datatype)
    expected = float(text) if datatype == "FP64" else nearest_of(text, datatype)
    assert found.tobytes() == KINDS[datatype](expected).tobytes()


def nearest_of(text, datatype):
    # Far beyond the range a rational would have as many digits as the exponent says.
    double = float(text)
    if math.isinf(double) or double == 0 or datatype == "FP64":
        return double
    found = nearest(text, datatype)
    return math.copysign(float(found), double)


def halfway_decimals(count):
    """Return decimals at, just below and just above the middle of two float32 values, in turn."""
    patterns = np.random.default_rng(5).integers(0x3F000000, 0x4B000000, count)
    texts = []
    with localcontext() as context:
        context.prec = 100
        for index, pattern in enumerate(patterns.tolist()):
            middle = (from_bits(pattern, "float32") + from_bits(pattern + 1, "float32")) / 2
            # A double cannot see the difference.
            texts.append(format(Decimal(middle) + (index % 3 - 1) * Decimal("1e-40"), "f"))
    return texts


def test_the_server_answers_as_infer_run_does(identity, start, command):
    texts = halfway_decimals(40)
    lines = command("infer", "run", identity, "-", "--quiet", stdin="\n".join(texts))
    expected = [float(line) for line in lines.stdout.split()]
    server = start(identity)
    request = {"name": "x", "shape": [40], "datatype": "FP32", "data": []}
    body = json.dumps({"inputs": [request]})
    status, answer = server.infer("own_line", body.replace("[]", f"[{','.join(texts)}]"))
    assert (status, answer["outputs"][0]["shape"]) == (200, [40])
    found = answer["outputs"][0]["data"]
    assert np.array(found, "f4").tobytes() == np.array(expected, "f4").tobytes()
    one = body.replace("[40]", "[1]")
    for text, value in zip(texts[:20], found, strict=False):
        _, answer = server.infer("own_line", one.replace("[]", f"[{text}]"))
        assert answer["outputs"][0]["data"] == [value] == [from_text(text, "float32")]
    twice = np.array([float(text) for text in texts], "f4")
    assert 10 < (twice != np.array(found, "f4")).sum() < 30


def test_a_datatype_wider_than_the_model_is_rounded_as_its_binary_form_is(identity):
    # The double of this decimal is halfway between 1 and the next float32; the tensor is doubles.
    text = "1.00000005960464477539062500000001"
    served = Catalog((str(identity),)).get("own_line")
    answers = {}
    for datatype in ("FP32", "FP64"):
        tensor = {"name": "x", "shape": [1], "datatype": datatype, "data": []}
        body = json.dumps({"inputs": [tensor]}).replace("[]", f"[{text}]").encode()
        answers[datatype] = loads(_inference.infer(served, body, None, LIMITS).head)
    assert answers["FP32"]["outputs"][0]["data"] == [1 + 2**-23]
    assert (
        answers["FP64"]["outputs"][0]["data"] == [served.model(np.array([float(text)]))[0]] == [1]
    )


def test_only_what_is_in_doubt_is_read_again():
    def never():
        raise AssertionError("read again")

    exact = [0.5, 0.1, 2.0**-149, 2.0**-126, 1e-44, 1e-46, 3.4e38, 1e39, -0.0, math.nan, math.inf]
    exact += [*range(16777215, 16777220), 98.6]
    found = from_json(exact, "FP32", [len(exact)], len(exact), never)
    with np.errstate(over="ignore"):
        expected = np.array(exact).astype("f4")
    assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("nested", [False, True])
def test_a_nested_number_is_read_again_at_its_place(nested, identity):
    texts = ["16777217.0000000000001", "1", "16777217", "16777216.9999999999999", "2.5", "-7"]
    data = f"[[{','.join(texts[:3])}],[{','.join(texts[3:])}]]"
    if not nested:
        data = data.replace("],[", ",")[1:-1]
    body = f'{{"inputs": [{{"name": "x", "shape": [2, 3], "datatype": "FP32", "data": {data}}}]}}'
    served = Catalog((str(identity),)).get("own_line")
    output = loads(_inference.infer(served, body.encode(), None, LIMITS).head)["outputs"][0]
    assert output["data"] == [16777218, 1, 16777216, 16777216, 2.5, -7]


def test_a_decimal_of_a_million_digits_takes_no_time():
    # Halfway between 1 and the next float32, and a little more at the very end.
    text = "1.000000059604644775390625" + "0" * 1_000_000 + "1"
    assert from_text(text, "float32") == 1 + 2**-23
    assert read([text], "FP32").tolist() == [1 + 2**-23]
    assert beside([text], [1 + 2**-24]) == [math.nextafter(1 + 2**-24, 2)]


def test_a_text_is_rounded_as_the_rational_that_it_is():
    for text in halfway_decimals(300):
        assert from_text(text, "float32") == from_number(Fraction(Decimal(text)), "float32")

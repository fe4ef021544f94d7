import decimal
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import infer
from infer._ieee.floats import from_number
from infer._score._values import Scorer, is_numeric, round_once

NUMBERS = [
    *(pa.int8(), pa.int16(), pa.int32(), pa.int64()),
    *(pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()),
    *(pa.float16(), pa.float32(), pa.float64(), pa.null()),
    *(pa.decimal128(38, 4), pa.decimal256(76, 9)),
]
OTHERS = [pa.bool_(), pa.string(), pa.dictionary(pa.int8(), pa.float32()), pa.date32(), pa.binary()]


def patterns(values, dtype):
    return (
        np.asarray(values, dtype).view({"float32": "uint32", "float64": "uint64"}[dtype]).tolist()
    )


@pytest.fixture
def scorer(write, line):
    """Return a function that makes a scorer of a test's own model."""
    return lambda document: Scorer((write(document) / "model.json").read_bytes())


def test_numbers_are_taken_and_nothing_else():
    assert all(map(is_numeric, NUMBERS))
    assert not any(map(is_numeric, OTHERS))


@pytest.mark.parametrize("kind", NUMBERS[:-3], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_are_rounded_as_a_model_rounds_them(kind, dtype):
    name = str(kind).replace("halffloat", "float16").replace("double", "float64")
    numpy = np.dtype("float32" if name == "float" else name)
    raw = np.random.default_rng(7).integers(0, 256, 800 * numpy.itemsize, np.uint8).view(numpy)
    if numpy.kind == "f":
        raw = raw[~np.isnan(raw)]
    got = round_once(pa.array(raw, kind), dtype)
    assert patterns(got, dtype) == patterns([from_number(x, dtype) for x in raw.tolist()], dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_slices_and_gaps_are_not_in_the_way(dtype):
    for kind in NUMBERS:
        values = [None] * 5 if pa.types.is_null(kind) else [1, 2, None, 4, 5]
        values = [decimal.Decimal(v) if v and "decimal" in str(kind) else v for v in values]
        if kind == pa.float16():  # the one that old versions make of nothing else
            values = [v and np.float16(v) for v in values]
        expected = [0.0 if v is None else float(v) for v in values][1:4]
        assert round_once(pa.array(values, kind)[1:4], dtype).tolist() == expected


# Halfway between two float32 values, or nearly so: what a double loses decides.
_HALF = 1 + 2**-24


@given(
    st.integers(-(10**37), 10**37) | st.integers(-(2**60), 2**60) | st.integers(-9999, 9999),
    st.integers(0, 38),
)
@example(int(Fraction(_HALF) * 10**30) + 1, 30)
@example(int(Fraction(_HALF) * 10**24), 24)
@example(100000005960464477539062501, 26)
@example(1677721700000000001, 11)
@example(16777217, 0)
@example(2**53 + 1, 0)
@example(1, 38)
@example(-(2**53) - 1, 22)
def test_decimals_are_rounded_once(digits, scale):
    context = decimal.Context(prec=80)
    value = decimal.Decimal(digits).scaleb(-scale, context)
    kinds = [pa.decimal128(38, scale), pa.decimal256(76, scale)]
    if hasattr(pa, "decimal64"):  # from pyarrow 18 on
        if abs(digits) < 10**18:
            kinds.append(pa.decimal64(18, min(scale, 18)) if scale <= 18 else kinds[0])
        if abs(digits) < 10**9 and scale <= 9:
            kinds.append(pa.decimal32(9, scale))
    for kind in kinds:
        column = pa.array([None, value, value], kind)[1:]
        for dtype in ("float32", "float64"):
            expected = patterns([from_number(value, dtype)] * 2, dtype)
            assert patterns(round_once(column, dtype), dtype) == expected


@pytest.mark.parametrize("above", [-1, 0, 1])
def test_decimals_beside_a_halfway_point_are_rounded_once(above):
    # Sixteen digits are closer together than doubles here: many are halfway as doubles only.
    odd = np.random.default_rng(8).integers(2**22 + 1, 7 * 2**20, 300) * 4 + 1
    values = [
        decimal.Decimal(round(Fraction(n, 2**25) * 10**16) + above) / 10**16 for n in odd.tolist()
    ]
    twice = [float(np.float32(float(value))) for value in values]
    once = [from_number(value, "float32") for value in values]
    assert above or twice != once
    assert round_once(pa.array(values, pa.decimal128(16, 16)), "float32").tolist() == once


def test_a_negative_scale_is_rounded_once_too():
    column = pa.array([decimal.Decimal("1.6777217E+30")], pa.decimal128(10, -23))
    for dtype in ("float32", "float64"):
        expected = from_number(decimal.Decimal("1.6777217E+30"), dtype)
        assert round_once(column, dtype).tolist() == [expected]


def test_each_answer_has_the_bits_of_the_model(scorer, line, patterns):
    one = scorer(line())
    special = [0.0, -0.0, 1e-45, -1e-45, 3e38, 1e39, np.inf, -np.inf, np.nan, 0.1]
    column = pa.array(special, mask=np.arange(10) == 3)
    answers, counts = one.answer([column])
    expected = [one.model(value) for value in special]
    expected[3] = 0.0  # under the gap
    lying_there = np.frombuffer(answers.buffers()[1], np.float32)[:10]
    assert patterns(lying_there).tolist() == patterns(expected).tolist()
    assert answers.is_null().to_pylist() == [i == 3 for i in range(10)]
    assert counts == (10, 1, 5)


def test_a_row_with_any_gap_has_no_answer(scorer, plane):
    two = scorer(plane())
    first, second = pa.array([1, None, 3, 50], pa.int64()), pa.array([0.5, 0.5, None, 0.5])
    answers, counts = two.answer([first, second])
    assert answers.to_pylist() == [two.model([1, 0.5]), None, None, two.model([50, 0.5])]
    assert counts == (4, 2, 1)


def test_float64_models_answer_in_float64(scorer, line):
    document = line(
        dtype="float64",
        inputs=[{"name": "x", "dtype": "float64", "shape": ["..."], "unit": "V"}],
        outputs=[{"name": "y", "dtype": "float64", "shape": ["..."], "unit": "1"}],
    )
    one = scorer(document)
    answers, _ = one.answer([pa.array([0.1])])
    assert answers.type == pa.float64()
    assert answers.to_pylist() == [one.model(0.1)]


def test_a_card_alone_is_enough(shipped):
    card = (shipped / "f2c" / "model.json").read_bytes()
    assert Scorer(card).model(50.0) == infer.load("f2c")(50.0)

import array
import math
import warnings
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch

import infer
from infer._ieee.floats import bits, from_number
from infer._ieee.patterns import random_patterns

RUNTIMES = infer.list_runtimes()
SHAPES = [(), (0,), (1,), (7,), (3, 5), (2, 1, 4), (0, 3), (3, 0)]


@pytest.fixture(params=RUNTIMES)
def model(request):
    return infer.load("f2c", runtime=request.param)


@pytest.fixture
def plane_model(write, plane):
    return infer.load(write(plane()))


def answer(model, values):
    """Compute f2c with numpy's float32 on what was rounded to float32 beforehand."""
    constants = {name: np.float32(c) for name, c in model.card.compiled.constants.items()}
    with np.errstate(all="ignore"):
        scaled = constants["scale"] * np.asarray(values, "float32")
        return np.asarray(constants["w"] * scaled + constants["b"])


def plane_answer(rows):
    rows = np.asarray(rows, "float32")
    u, v = np.float32(2.0), np.float32(-3.4)
    return np.asarray(-(u * rows[..., 0] - v * rows[..., 1]))


def assert_same(found, expected):
    """Same shape, same dtype, same bits, any nan being any nan."""
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    np.testing.assert_array_equal(found, expected)
    numbers = ~np.isnan(found)
    np.testing.assert_array_equal(np.signbit(found)[numbers], np.signbit(expected)[numbers])


def ramp(shape):
    return np.linspace(-60, 60, math.prod(shape)).reshape(shape)


# Numbers


@pytest.mark.parametrize(
    "value",
    [
        98.6,
        0.0,
        -0.0,
        math.inf,
        -math.inf,
        math.nan,
        1e300,
        5e-324,
        -40,
        True,
        2**60 + 2**36 + 1,
        10**400,
        -(10**400),
        Fraction(1, 3),
        Fraction(2**80 + 1, 2**81),
        Decimal("98.6"),
        Decimal("1.000000059604644775390625000000000000001"),
        Decimal("NaN"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_a_number_gives_a_float(model, value):
    found = model(value)
    assert type(found) is float
    expected = float(answer(model, from_number(value, "float32")))
    assert bits(found, "float32") == bits(expected, "float32")
    assert bits(model([value])[0], "float32") == bits(expected, "float32")


def test_a_float_of_another_class_is_a_number(model):
    class Celsius(float):
        pass

    assert model(Celsius(98.6)) == model(98.6)
    assert type(model(Celsius(98.6))) is float


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "longdouble", "int64", "bool"])
def test_a_numpy_scalar_gives_one(model, dtype):
    value = np.array(50.25).astype(dtype)[()]
    found = model(value)
    assert isinstance(found, np.float32)
    assert_same(np.asarray(found), answer(model, value))


# Lists


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape and shape != (0, 3)])
def test_nested_lists_keep_their_shape(model, shape):
    values = ramp(shape)
    assert model(values.tolist()) == answer(model, values).tolist()


@pytest.mark.parametrize("count", [1, 31, 32, 33, 1000])
def test_auto_gives_the_bits_of_floats_for_lists_of_any_length(count, patterns):
    values = [*random_patterns(count, "float32", seed=count), 1 + 2.0**-24, 1e300, 2**60 + 1]
    for name in ("f2c", "dynamic_net"):
        model = infer.load(name)
        expected = [model(float(value)) for value in values]
        found = model(values)
        assert {type(y) for y in found} == {float}
        assert patterns(found).tolist() == patterns(expected).tolist()
        assert patterns(model([values, values])).tolist() == [patterns(expected).tolist()] * 2


def test_auto_takes_long_lists_of_features(plane_model):
    values = ramp((50, 3, 2))
    assert plane_model(values.tolist()) == plane_answer(values).tolist()


def test_tuples_and_mixed_numbers(model):
    found = model(((1, True), [Fraction(1, 2), np.float64(0.1)]))
    assert found == answer(model, [[1, 1], [0.5, 0.1]]).tolist()
    assert type(found) is list
    assert {type(y) for row in found for y in row} == {float}


def test_scalars_in_a_list_may_come_from_any_library(model):
    values = [np.int64(2**60 + 2**36 + 1), torch.tensor(0.25), np.array(0.5)]
    expected = answer(model, [2.0**60 + 2.0**37, 0.25, 0.5])
    assert model(values) == expected.tolist()


# Arrays


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_arrays_keep_their_shape(model, shape, dtype):
    values = ramp(shape).astype(dtype)
    before = values.copy()
    found = model(values)
    assert type(found) is np.ndarray
    assert_same(found, answer(model, values))
    np.testing.assert_array_equal(values, before)
    assert not np.shares_memory(found, values)
    assert found.flags.writeable


def test_arrays_in_any_layout(model):
    square = ramp((6, 6)).astype("float32")
    read_only = square.copy()
    read_only.flags.writeable = False
    for values in (
        square[::2, 1::3],
        square[::-1],
        square[0, ::-1],
        square[0, ::2],
        square.T,
        np.asfortranarray(square),
        read_only,
        np.broadcast_to(np.float32(50), (3, 2)),
        square[:1, :1][::-1],
        square.astype(">f4"),
        square.astype(">f8"),
        np.frombuffer(square.tobytes(), "float32"),
    ):
        assert_same(model(values), answer(model, values.astype("float32")))


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        ("float64", [98.6, 1 + 2.0**-24, 1e300, -1e-320, math.nan]),
        (
            "longdouble",
            [98.6, 1 + np.ldexp(np.longdouble(1), -24) + np.ldexp(np.longdouble(1), -60)],
        ),
        ("float16", [98.6, 65504, 6e-8, -math.inf]),
        ("int64", [2**60 + 2**36 + 1, -(2**60 + 2**36 + 1), 2**63 - 1, 0]),
        ("uint64", [2**63 + 2**39 + 1, 2**64 - 1]),
        ("int32", [2**24 + 1, 2**24 + 3, -(2**31)]),
        ("uint8", [0, 255]),
        ("int8", [-128, 127]),
        ("bool", [False, True]),
    ],
)
def test_any_real_dtype_is_rounded_once(model, dtype, values):
    values = np.array(values, dtype)
    rounded = [from_number(x, "float32") for x in values.tolist()]
    assert_same(model(values), answer(model, rounded))


def test_an_array_of_another_library(model):
    class Series:
        """What pandas' Series and its like are to us: convertible, and float() refuses."""

        def __array__(self, dtype=None, copy=None):
            return np.array([98.6, 50.0], dtype)

        def __float__(self):
            raise TypeError

    assert_same(model(Series()), answer(model, [98.6, 50.0]))


@pytest.mark.parametrize(
    "length", [65_535, 65_536, 65_537, 131_071, 131_072, 131_073, 262_145, 1_000_001]
)
def test_arrays_of_several_blocks(model, length):
    values = ramp((length,)).astype("float32")
    expected = answer(model, values)
    assert_same(model(values), expected)
    assert_same(model(torch.from_numpy(values)).numpy(), expected)


def test_a_matrix_is_an_array(model):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        values = np.matrix([[1.0, 2.0], [3.0, 4.0]])
    found = model(values)
    assert type(found) is np.ndarray
    assert_same(found, answer(model, [[1, 2], [3, 4]]))


# Answers into an array of the caller


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", ">f4"])
def test_out_takes_the_answers(model, shape, dtype):
    values = ramp(shape).astype(dtype)
    out = np.full(shape, 7, "float32")
    assert model(values, out=out) is out
    assert_same(out, answer(model, values))


def test_out_may_be_a_file_and_the_input_longer_than_a_piece(model, tmp_path):
    length = (1 << 22) + 70_001
    values = np.lib.format.open_memmap(tmp_path / "in.npy", "w+", "int16", (length,))
    values[:] = np.arange(length) % 1000
    out = np.lib.format.open_memmap(tmp_path / "out.npy", "w+", "float32", (length,))
    assert model(values, out=out) is out
    assert_same(np.asarray(out), answer(model, values))


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("length", [100, 300_000])
def test_out_may_be_the_input(runtime, length):
    # Horner's scheme needs the input in every step: it must not be overwritten by the first.
    model = infer.load("sin_cubic", runtime=runtime)
    values = ramp((length,)).astype("float32")
    expected = model(values)
    out = values.copy()
    model(out, out=out)
    assert_same(out, expected)
    buffer = np.concatenate([values, [0]]).astype("float32")
    model(buffer[:-1], out=buffer[1:])
    assert_same(buffer[1:], expected)
    backwards = values.copy()
    model(backwards[::-1], out=backwards)
    assert_same(backwards, expected[::-1])


def test_out_of_a_model_with_features(plane_model):
    values = ramp((3, 5, 2))
    out = np.empty((3, 5), "float32")
    assert plane_model(values, out=out) is out
    assert_same(out, plane_answer(values))
    with pytest.raises(infer.InputError, match=r"out: expected .* shape \(3, 5\), found"):
        plane_model(values, out=np.empty((3, 5, 2), "float32"))


def read_only(array):
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    ("out", "found"),
    [
        (np.empty((3, 2), "float32"), r"float32 \(3, 2\)"),
        (np.empty(6, "float32"), r"float32 \(6,\)"),
        (np.empty((2, 3)), r"float64 \(2, 3\)"),
        (np.empty((2, 3), ">f4"), r">f4 \(2, 3\)"),
        (np.empty((3, 2), "float32").T, "a read-only or strided array"),
        (read_only(np.empty((2, 3), "float32")), "a read-only or strided array"),
        ([0.0] * 6, r"\[0\.0, "),
        (torch.empty(2, 3), "tensor"),
    ],
    ids=range(8),
)
def test_out_that_does_not_fit_is_refused(model, out, found):
    with pytest.raises(infer.InputError, match=f"out: expected a writable .*found {found}"):
        model(np.zeros((2, 3)), out=out)


@pytest.mark.parametrize("value", [1.0, 1, [1.0], torch.zeros(1)], ids=repr)
def test_out_goes_with_an_array(model, value):
    with pytest.raises(infer.InputError, match=f"an ndarray, found {type(value).__name__}"):
        model(value, out=np.empty(1, "float32"))


# Tensors


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tensors_keep_their_shape(model, shape, dtype):
    values = torch.from_numpy(ramp(shape)).to(dtype)
    before = values.clone()
    found = model(values)
    assert type(found) is torch.Tensor
    assert found.device == values.device
    assert_same(found.numpy(), answer(model, values.numpy()))
    assert torch.equal(values, before)
    assert not values.numel() or found.data_ptr() != values.data_ptr()


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        (torch.float64, [98.6, 1 + 2.0**-24, 1e300, -1e-320, math.nan]),
        (torch.bfloat16, [98.5, 3e38, -0.0]),
        (torch.float16, [98.6, 65504.0, 6e-8]),
        (torch.int64, [2**60 + 2**36 + 1, -(2**60 + 2**36 + 1), 2**63 - 1]),
        (torch.int32, [2**24 + 1, 2**24 + 3, -(2**31)]),
        (torch.uint8, [0, 255]),
        (torch.bool, [False, True]),
    ],
)
def test_tensors_of_any_real_dtype_are_rounded_once(model, dtype, values):
    tensor = torch.tensor(values, dtype=dtype)
    rounded = [from_number(x, "float32") for x in tensor.tolist()]
    found = model(tensor)
    assert found.dtype == torch.float32
    assert_same(found.numpy(), answer(model, rounded))


def test_tensors_in_any_layout(model):
    square = torch.from_numpy(ramp((6, 6)).astype("float32"))
    for values in (
        square[::2, 1::3],
        square.T,
        torch.tensor(50.0).expand(3, 2),
        torch.complex(square, square).conj().imag,  # negated lazily
        torch.complex(square, square).real,
    ):
        assert_same(model(values).numpy(), answer(model, values.resolve_neg().numpy()))


def test_gradients_do_not_flow(model):
    values = torch.tensor([98.6, 50.0], requires_grad=True)
    for tensor in (values, torch.nn.Parameter(values), values * 1):
        found = model(tensor)
        assert not found.requires_grad
        assert_same(found.numpy(), answer(model, values.detach().numpy()))
    assert values.requires_grad
    with torch.inference_mode():
        assert model(values).shape == (2,)


# What is refused


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("98.6", r"type float\('98.6'\)"),
        (b"98.6", "found text"),
        (None, "found NoneType"),
        (1 + 0j, "a complex number"),
        ({}, "found dict"),
        (array.array("d", [98.6]), "found array"),
        (["98.6"], "found text"),
        ([[1.0, 2.0], [3.0]], r"ragged list: x\[1\] has length 1"),
        ([1.0, None], "found NoneType"),
        (np.array([1j]), "an array of real numbers, found dtype complex128"),
        (np.array(["1"]), "found dtype <U1"),
        (np.array([b"1"]), r"found dtype \|S1"),
        (np.array([1.0, None]), "found dtype object"),
        (np.array(["2020-01-01"], "datetime64[D]"), "found dtype datetime64"),
        (np.zeros(2, [("a", "f4")]), "found dtype"),
        (np.ma.masked_array([1.0, 2.0], [False, True]), r"type x\.filled\(nan\)"),
        (np.ma.masked, "masked"),
        (np.complex64(1), "found dtype complex64"),
        (np.str_("1"), "found dtype <U1"),
        (torch.tensor([1j]), "dense tensor of real numbers, found torch.complex64"),
        (torch.ones(2, 2).to_sparse(), "found torch.float32 torch.sparse_coo"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_is_no_number_is_refused(model, value, message):
    with pytest.raises(infer.InputError, match=message) as caught:
        model(value)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, infer.InferError)


# A model with features


@pytest.mark.parametrize("shape", [(), (0,), (1,), (7,), (3, 5), (2, 1, 4), (0, 3)])
def test_features_lie_on_the_last_axis(plane_model, shape):
    values = ramp((*shape, 2))
    expected = plane_answer(values)
    assert_same(plane_model(values), expected)
    assert_same(plane_model(values.astype("float32")), expected)
    assert_same(plane_model(np.asfortranarray(values)), expected)
    assert_same(plane_model(torch.from_numpy(values)).numpy(), expected)
    assert_same(plane_model(torch.from_numpy(values).float()).numpy(), expected)
    if 0 not in shape:
        assert plane_model(values.tolist()) == expected.tolist()


def test_a_list_of_features_is_one_row(plane_model):
    found = plane_model([1.5, 0.25])
    assert type(found) is float
    assert found == plane_answer([1.5, 0.25]).item()
    assert plane_model((1.5, 0.25)) == found


def test_features_of_any_dtype(plane_model):
    rows = [[2**60 + 2**36 + 1, 0], [-1, 7]]
    expected = plane_answer([[2.0**60 + 2.0**37, 0], [-1, 7]])
    assert_same(plane_model(np.array(rows)), expected)
    assert_same(plane_model(torch.tensor(rows)).numpy(), expected)
    assert plane_model(rows) == expected.tolist()


@pytest.mark.parametrize(
    "value",
    [
        1.0,
        1,
        Fraction(1, 2),
        [],
        [1.0],
        [1.0, 2.0, 3.0],
        [[1.0], [2.0]],
        [[]],
        np.float32(1),
        np.array(1.0),
        np.zeros((2, 3)),
        np.zeros((2, 0)),
        np.zeros(0),
        torch.tensor(1.0),
        torch.zeros(2, 3),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_a_wrong_number_of_features_is_refused(plane_model, value):
    with pytest.raises(
        infer.InputError, match="own_plane takes 2 features: expected a last axis of 2, found"
    ):
        plane_model(value)


@pytest.mark.parametrize("value", ["1,2", None, 1j])
def test_what_is_no_number_comes_before_features(plane_model, value):
    with pytest.raises(infer.InputError, match=r"expected a (real )?number"):
        plane_model(value)


def test_one_feature_still_wants_its_axis(write, plane):
    document = plane(
        name="one",
        domain=[[0, 1]],
        parameters={"u": 2.0},
        program=["p = x[0]", "y = u * p"],
        inputs=[{"name": "x", "dtype": "float32", "shape": ["...", 1], "unit": "1"}],
    )
    model = infer.load(write(document))
    assert model([[1.5], [2.5]]) == [3.0, 5.0]
    assert model([1.5]) == 3.0
    assert model(np.array([[1.5]])).shape == (1,)
    with pytest.raises(infer.InputError, match="takes 1 features"):
        model(1.5)


# A model in float64


def test_a_float64_model_computes_in_float64(write, line):
    document = line(dtype="float64", parameters={"a": 0.1, "b": -0.3})
    document["inputs"][0]["dtype"] = document["outputs"][0]["dtype"] = "float64"
    model = infer.load(write(document))
    assert model(0.7) == 0.1 * 0.7 + -0.3
    assert model(Fraction(7, 10)) == model(0.7)
    assert model([0.7]) == [model(0.7)]
    found = model(np.array([0.7], "float32"))
    assert_same(found, np.array([0.1 * float(np.float32(0.7)) + -0.3]))
    assert model(torch.tensor([0.7])).dtype == torch.float64
    assert model(torch.tensor([0.7])).item() == found.item()


# Loading


@pytest.mark.parametrize("runtime", ["auto", *RUNTIMES])
def test_a_model_says_what_it_is(runtime):
    model = infer.load("dynamic_net", runtime=runtime)
    assert model.name == "dynamic_net.order5"
    assert model.runtime == runtime
    assert model.card.name == model.name
    assert repr(model) == (f"<Model 'dynamic_net.order5' on '{runtime}': {model.card.formula}>")
    with pytest.raises(AttributeError):
        model.name = "other"


def test_auto_is_the_default():
    model = infer.load("f2c")
    assert model.runtime == "auto"
    for value in (98.6, [98.6]):
        assert model(value) == infer.load("f2c", runtime="python")(value)


@pytest.mark.parametrize("name", [None, 1, b"f2c"])
def test_what_names_no_model(name):
    with pytest.raises((TypeError, infer.ModelNotFoundError)):
        infer.load(name)

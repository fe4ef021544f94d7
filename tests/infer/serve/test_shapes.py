"""Whatever a request says, it is answered with the model's bits or with what is wrong with it."""

import json
import math
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import infer
from infer._errors import ArtifactError
from infer._serve import _inference
from infer._serve._catalog import Catalog
from infer._serve._errors import RequestError, show
from infer._serve._tensors import DATATYPES, loads
from infer._serve._validation import check_input

LIMITS = _inference.Limits(max_elements=16 << 20, max_json=8 << 20)
MODELS = {name: infer.load(name) for name in ("f2c", "plane")}
CATALOG = Catalog(tuple(MODELS))
# Numpy counts the bytes of these as more than an address can have.
TOO_LONG = [
    [16777216, 16777216, 16777216, 0],
    [0, 16777216, 16777216, 16777216],
    [16777216, 16777216, 0, 16777216, 2],
    [16777216] * 31 + [0],
]


def compute(name, body, json_size=None):
    return _inference.infer(CATALOG.get(name), body, json_size, LIMITS)


def body_of(name, shape, datatype="FP32", data=(), **changes):
    tensor = {"name": MODELS[name].card.input.name, "shape": shape, "datatype": datatype}
    return json.dumps({"inputs": [{**tensor, "data": data, **changes}]}).encode()


@pytest.mark.parametrize("shape", TOO_LONG)
def test_a_shape_that_no_array_can_have_is_refused(shape, server):
    status, answer = server.infer("f2c", body_of("f2c", shape))
    assert status == 400
    assert "has no values, but longer axes than an array can have" in answer["error"]
    tensor = {"name": "t_u", "shape": shape, "datatype": "FP32"}
    head = json.dumps({"inputs": [{**tensor, "parameters": {"binary_data_size": 0}}]})
    status, again = server.infer("f2c", head, Inference_Header_Content_Length=str(len(head)))
    assert (status, again) == (400, answer)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("datatype", DATATYPES)
def test_the_longest_empty_shape_is_answered(name, datatype):
    # The product of the axes without 0 is just below what is refused, for each datatype.
    extent = sys.maxsize // 16
    card = MODELS[name].card
    last = [] if card.features is None else [card.features]
    longest = (extent // (1 << 48)) // (card.features or 1)
    shape = [0, 1 << 24, 1 << 24, longest, *last]
    assert check_input(card, card.input.name, datatype, shape, 16 << 20) == 0
    answer = json.loads(compute(name, body_of(name, shape, datatype)).head)
    assert answer["outputs"][0]["shape"] == shape[: len(shape) - len(last)]
    shape[3] *= 4
    with pytest.raises(RequestError, match="longer axes"):
        compute(name, body_of(name, shape, datatype))


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(0, 9)
    | st.floats()
    | st.text(st.characters(codec=None), max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)
LENGTHS = st.integers(0, 3) | st.sampled_from([1 << 24, 1 << 31, 1 << 63, -1]) | JSON_VALUES
SHAPES = st.lists(LENGTHS, max_size=4) | st.lists(st.just(1), max_size=70) | JSON_VALUES
KINDS = st.sampled_from([*DATATYPES, "BYTES", "fp32"]) | JSON_VALUES
NUMBERS = st.integers(-3, 3) | st.floats(width=32) | st.sampled_from([1 << 63, 10**30, 1e39])
DATA = st.lists(NUMBERS, max_size=4) | st.lists(st.lists(NUMBERS, max_size=2)) | JSON_VALUES


@st.composite
def requests(draw, name):
    """Draw a request for a model that is right but for one or two places."""
    card = MODELS[name].card
    width = card.features or 1
    tensor = {"name": card.input.name, "shape": [1, width], "datatype": "FP32"}
    tensor["data"] = draw(st.lists(NUMBERS, min_size=width, max_size=width))
    request = {"inputs": [tensor]}
    places = {
        "nothing": (tensor, "data", st.just(tensor["data"])),
        "inputs": (request, "inputs", JSON_VALUES),
        "id": (request, "id", JSON_VALUES),
        "parameters": (request, "parameters", JSON_VALUES | PARAMETERS),
        "outputs": (request, "outputs", JSON_VALUES | outputs_of(card)),
        "name": (tensor, "name", JSON_VALUES),
        "shape": (tensor, "shape", SHAPES),
        "datatype": (tensor, "datatype", KINDS),
        "data": (tensor, "data", DATA),
        "tensor": (tensor, "parameters", JSON_VALUES | PARAMETERS),
    }
    for place in draw(st.lists(st.sampled_from(list(places)), min_size=1, max_size=2)):
        holder, key, values = places[place]
        holder[key] = draw(values)
    return request


PARAMETERS = st.fixed_dictionaries(
    {},
    optional={
        "binary_data_output": st.booleans() | JSON_VALUES,
        "binary_data_size": st.integers(-1, 9) | JSON_VALUES,
        "classification": JSON_VALUES,
    },
)


def outputs_of(card):
    output = st.fixed_dictionaries(
        {"name": st.just(card.output.name) | JSON_VALUES},
        optional={"parameters": st.fixed_dictionaries({"binary_data": st.booleans()})},
    )
    return st.lists(output, max_size=2)


def check(name, body, json_size=None):
    """Answer a request; return whether it was, with the bits that a call returns."""
    try:
        answer = compute(name, body, json_size)
    except RequestError as error:
        refusal = error
    else:
        refusal = None
    if refusal is not None:
        assert 400 <= refusal.status < 500
        assert len(str(refusal)) < 400
        return False
    model = MODELS[name]
    document = loads(answer.head)
    output = document["outputs"][0]
    tensor = loads(body if json_size is None else body[:json_size])["inputs"][0]
    expected = model(given_array(model, tensor, body, json_size))
    if answer.tail is None:
        found = np.array(output["data"], "f8").reshape(output["shape"])
    else:
        found = np.frombuffer(answer.tail, "<f4").reshape(output["shape"])
    assert found.shape == np.shape(expected)
    same = (found.astype("f4").view("u4") == np.asarray(expected).view("u4")) | np.isnan(expected)
    assert same.all()
    return True


def given_array(model, tensor, body, json_size):
    """Return what a request's tensor means, read by numpy alone."""
    dtype = DATATYPES[tensor["datatype"]]
    if "data" in tensor:
        with np.errstate(over="ignore"):
            return np.array(tensor["data"], dtype).reshape(tensor["shape"])
    raw = body[json_size:]
    if dtype == "?":
        return np.frombuffer(raw, "u1").astype(bool).reshape(tensor["shape"])
    return np.frombuffer(raw, dtype).reshape(tensor["shape"])


@pytest.mark.parametrize("name", MODELS)
def test_any_json_is_answered_or_refused(name):
    answered = 0

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(requests(name))
    def try_one(request):
        nonlocal answered
        answered += check(name, json.dumps(request).encode())

    try_one()
    assert answered > 20


def test_any_json_over_a_socket_is_never_a_failure_of_the_server(server):
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(requests("f2c"))
    def try_one(request):
        # The answer may be binary: not every one is JSON.
        status, *_ = server.ask("POST", "/v2/models/f2c/infer", json.dumps(request))
        assert status in (200, 400, 413)

    try_one()


DEEP = "[" * 1000 + "]" * 1000
TENSOR = '{"inputs": [{"name": "t_u", "datatype": "FP32", "shape": [1], "data": [1]}]}'
HOSTILE = {
    "deep datatype": TENSOR.replace('"FP32"', DEEP),
    "deep name": TENSOR.replace('"t_u"', DEEP),
    "deep object": TENSOR.replace('"t_u"', '{"a":' * 1000 + "1" + "}" * 1000),
    "deep shape": TENSOR.replace("[1]", DEEP, 1),
    "deep data": TENSOR.replace('"data": [1]', f'"data": {DEEP}'),
    "deeper than any stack": "[" * 200_000 + "]" * 200_000,
    "long name": TENSOR.replace("t_u", "n" * 1_000_000),
    "long list": TENSOR.replace('"t_u"', "[" + "1," * 1_000_000 + "1]"),
    "huge length": TENSOR.replace('"shape": [1]', f'"shape": [{"9" * 9999}]'),
    "nan in shape": TENSOR.replace('"shape": [1]', f'"shape": [NaN, {"9" * 5000}]'),
    "half a character": TENSOR.replace("t_u", "\\ud800"),
    "minus zero": TENSOR.replace('"shape": [1]', '"shape": [-0]'),
    "nan in integers": TENSOR.replace("FP32", "INT64").replace('"data": [1]', '"data": [NaN]'),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_document_is_a_short_message(case, server):
    status, answer = server.infer("f2c", HOSTILE[case])
    assert status in (400, 413)
    assert len(answer["error"]) < 400


@pytest.mark.parametrize("more", ["", ', "parameters": {"note": NaN}'])
def test_of_a_key_that_is_there_twice_the_last_counts(more):
    # The second document is read by another parser, for its NaN.
    body = (
        '{"inputs": 1, "inputs": [{"name": "x", "name": "t_u", "datatype": "FP32", "shape": [9],'
        f'"shape": [1], "data": [1.0], "data": [50.0]}}]{more}}}'
    )
    found = json.loads(compute("f2c", body.encode()).head)["outputs"][0]["data"]
    assert found == [MODELS["f2c"](50.0)]


@pytest.mark.parametrize("digits", ["9" * 20, "1" + "0" * 300, "9" * 400, "9" * 9999])
def test_an_integer_of_any_length_is_rounded_as_a_decimal_is(digits):
    body = body_of("f2c", [2]).replace(b"[]", f"[-{digits}, {digits}]".encode())
    expected = MODELS["f2c"]([-float(digits), float(digits)])
    assert loads(compute("f2c", body).head)["outputs"][0]["data"] == expected


def test_a_message_shows_a_bounded_part():
    deep = value = []
    for _ in range(5000):
        value.append([])
        value = value[0]
    for value in (deep, ["x" * 10**6] * 10**5, {"k" * 10**6: deep}, "\u202e" * 99, math.nan, None):
        assert len(show(value)) <= 60
        assert show(value).isprintable()


def test_a_model_that_fails_is_told_to_the_log_and_not_to_the_client():
    def fail(x):
        raise ArtifactError("/secret/model.onnx: the runtime failed")

    served = CATALOG.get("f2c")._replace(model=fail)
    for data in ([1.0], [1.0, 2.0]):
        with pytest.raises(RequestError) as caught:
            _inference.infer(served, body_of("f2c", [len(data)], data=data), None, LIMITS)
        assert caught.value.status == 500
        assert str(caught.value) == "f2c failed; see the server's log"
        assert caught.value.reason == "/secret/model.onnx: the runtime failed"


def test_too_little_memory_is_no_failure_of_the_request():
    def fail(x):
        raise MemoryError

    served = CATALOG.get("f2c")._replace(model=fail)
    with pytest.raises(RequestError) as caught:
        _inference.infer(served, body_of("f2c", [1], data=[1.0]), None, LIMITS)
    assert (caught.value.status, caught.value.headers) == (503, ((b"retry-after", b"1"),))

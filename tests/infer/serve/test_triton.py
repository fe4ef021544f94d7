"""The protocol as the real client speaks it: every call, JSON and binary, over every model."""

import numpy as np
import pytest
from tritonclient import http as triton
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

import infer

NAMES = [*infer.list_models(), "double_cubic"]


@pytest.fixture
def client(server):
    with triton.InferenceServerClient(server.address) as client:
        yield client


def ask(client, card, x, *, binary_in=True, binary_out=True, **options):
    source = triton.InferInput(card.input.name, list(x.shape), np_to_triton_dtype(x.dtype))
    source.set_data_from_numpy(x, binary_data=binary_in)
    target = triton.InferRequestedOutput(card.output.name, binary_data=binary_out)
    return client.infer(card.name, [source], outputs=[target], **options)


@pytest.mark.parametrize("binary_out", [False, True])
@pytest.mark.parametrize("binary_in", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_an_answer_has_the_bits_of_a_call(
    name, binary_in, binary_out, client, local, patterns, inputs_of
):
    model = local(name)
    x = inputs_of(model.card)
    result = ask(client, model.card, x, binary_in=binary_in, binary_out=binary_out)
    got = result.as_numpy(model.card.output.name)
    expected = model(x)
    assert got.dtype == expected.dtype == model.card.dtype
    assert got.shape == expected.shape
    assert (patterns(got, model.card.dtype) == patterns(expected, model.card.dtype)).all()


@pytest.mark.parametrize("binary", [False, True])
def test_one_value_has_the_bits_of_a_call(binary, client, patterns, inputs_of):
    model = infer.load("dynamic_net")
    for value in inputs_of(model.card)[::7]:
        x = value.reshape(1)
        result = ask(client, model.card, x, binary_in=binary, binary_out=binary)
        got = result.as_numpy(model.card.output.name)
        assert patterns(got) == patterns(model(x))


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("shape", [(0,), (1, 1), (3, 0, 2), (2, 3, 4)])
def test_any_shape(shape, binary, client, patterns):
    for name, last in (("sin_cubic", ()), ("plane", (2,))):
        model = infer.load(name)
        x = np.linspace(-3, 3, int(np.prod(shape + last)), dtype="float32").reshape(shape + last)
        result = ask(client, model.card, x, binary_in=binary, binary_out=binary)
        got = result.as_numpy(model.card.output.name)
        assert got.shape == shape
        assert (patterns(got) == patterns(model(x))).all()


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize(
    "dtype",
    ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"],
)
def test_any_numeric_datatype_is_rounded_once(dtype, binary, client, local, patterns):
    kind = np.dtype(dtype).kind
    if kind == "f":
        x = np.array([0.1, -0.0, 1 / 3, np.inf, 1.0000000596046448], dtype)
    elif kind == "b":
        x = np.array([True, False])
    else:
        limits = np.iinfo(dtype)
        x = np.array([0, 1, limits.min, limits.max, limits.max // 3], dtype)
    for name in ("sin_cubic", "double_cubic"):
        model = local(name)
        got = ask(client, model.card, x, binary_in=binary).as_numpy(model.card.output.name)
        assert (patterns(got, got.dtype.name) == patterns(model(x), got.dtype.name)).all()


def test_text_is_refused(client):
    x = np.array(["98.6"], dtype=object)
    for binary in (False, True):
        with pytest.raises(InferenceServerException, match="FP64 at 'datatype', found 'BYTES'"):
            ask(client, infer.load("f2c").card, x, binary_in=binary)


def test_health_and_metadata(client):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.get_server_metadata()["name"] == "samebits"
    for name in NAMES:
        assert client.is_model_ready(name)
    assert not client.is_model_ready("nonsense")
    found = client.get_model_metadata("plane")
    assert found["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}]
    assert found["outputs"][0]["shape"] == [-1]
    assert found["parameters"]["digest"] == infer.load("plane").card.digest
    config = client.get_model_config("plane")
    assert config["input"] == [{"name": "x", "data_type": "TYPE_FP32", "dims": [-1, 2]}]


def test_the_index_names_every_model(client):
    index = client.get_model_repository_index()
    assert sorted(NAMES) == [row["name"] for row in index]
    assert {row["state"] for row in index} == {"READY"}
    assert [row["version"] for row in index if row["name"] == "f2c"] == [
        infer.load("f2c").card.digest[:12]
    ]


def test_a_version_is_the_content(client, patterns):
    card = infer.load("f2c").card
    version = client.get_model_metadata("f2c")["versions"][0]
    assert client.is_model_ready("f2c", version)
    assert client.get_model_metadata("f2c", version)["name"] == "f2c"
    x = np.array([98.6], "float32")
    result = ask(client, card, x, model_version=version)
    assert result.get_response()["model_version"] == version == card.digest[:12]
    assert not client.is_model_ready("f2c", "1")
    with pytest.raises(InferenceServerException, match=f"has version '{version}', found '1'"):
        ask(client, card, x, model_version="1")


def test_a_bare_name_means_the_default_variant(client):
    assert client.get_model_metadata("dynamic_net")["name"] == "dynamic_net.order5"


def test_the_request_id_comes_back(client):
    card, x = infer.load("f2c").card, np.array([1.0], "float32")
    for binary in (False, True):
        result = ask(client, card, x, binary_out=binary, request_id='a "b" °')
        assert result.get_response()["id"] == 'a "b" °'


def test_without_outputs_all_come_back_in_binary(client, patterns):
    model = infer.load("f2c")
    x = np.array([98.6], "float32")
    source = triton.InferInput("t_u", [1], "FP32").set_data_from_numpy(x)
    result = client.infer("f2c", [source])
    assert result.get_response()["outputs"][0]["parameters"] == {"binary_data_size": 4}
    assert patterns(result.as_numpy("t_c")) == patterns(model(x))


def test_many_at_a_time(server, patterns):
    model = infer.load("sin_cubic")
    with triton.InferenceServerClient(server.address, concurrency=8) as client:
        xs = [np.full(3, value, "float32") for value in range(64)]
        waiting = []
        for x in xs:
            source = triton.InferInput("x", [3], "FP32").set_data_from_numpy(x)
            waiting.append(client.async_infer("sin_cubic", [source]))
        for x, answer in zip(xs, waiting, strict=True):
            assert (patterns(answer.get_result().as_numpy("y")) == patterns(model(x))).all()


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_compressed_request(coding, client, patterns):
    model = infer.load("sin_cubic")
    x = np.linspace(-3, 3, 100_000, dtype="float32")
    options = {"request_compression_algorithm": coding, "response_compression_algorithm": coding}
    got = ask(client, model.card, x, **options).as_numpy("y")
    assert (patterns(got) == patterns(model(x))).all()


def test_a_million_values(client, patterns):
    model = infer.load("sin_cubic")
    x = np.linspace(-3, 3, 1_000_000, dtype="float32")
    assert (patterns(ask(client, model.card, x).as_numpy("y")) == patterns(model(x))).all()


def test_what_the_client_can_make_without_a_connection(server, patterns):
    model = infer.load("f2c")
    x = np.array([[98.6]], "float32")
    source = triton.InferInput("t_u", [1, 1], "FP32").set_data_from_numpy(x)
    body, size = triton.InferenceServerClient.generate_request_body([source])
    status, headers, answer = server.ask(
        "POST", "/v2/models/f2c/infer", body, Inference_Header_Content_Length=str(size)
    )
    assert status == 200
    size = int(headers["inference-header-content-length"])
    result = triton.InferenceServerClient.parse_response_body(answer, header_length=size)
    assert patterns(result.as_numpy("t_c")) == patterns(model(x))


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.load_model("f2c"),
        lambda client: client.unload_model("f2c"),
        lambda client: client.get_inference_statistics("f2c"),
        lambda client: client.get_trace_settings(),
        lambda client: client.get_log_settings(),
        lambda client: client.get_system_shared_memory_status(),
        lambda client: client.register_system_shared_memory("r", "/etc/passwd", 4),
        lambda client: client.get_cuda_shared_memory_status(),
    ],
)
def test_what_is_not_offered_says_so(call, client):
    with pytest.raises(InferenceServerException, match="no such path"):
        call(client)


def test_shared_memory_is_refused(client):
    source = triton.InferInput("t_u", [1], "FP32")
    source.set_shared_memory("region", 4)
    with pytest.raises(InferenceServerException, match="'shared_memory_region' of inputs"):
        client.infer("f2c", [source])
    source = triton.InferInput("t_u", [1], "FP32")
    source.set_data_from_numpy(np.array([1.0], "float32"))
    target = triton.InferRequestedOutput("t_c", class_count=3)
    with pytest.raises(InferenceServerException, match="'classification' of outputs"):
        client.infer("f2c", [source], outputs=[target])

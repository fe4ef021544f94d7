"""gRPC as the real client speaks it: every call, raw and typed, over every model."""

import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import grpc
import numpy as np
import pytest
from tritonclient import grpc as triton
from tritonclient import http as triton_http
from tritonclient.grpc import service_pb2
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

import infer
from infer._artifact.format import render
from infer._files.folder import staged, write_files
from infer._serve._grpc.service import NAME

SHIPPED = Path(__file__).resolve().parents[3] / "artifacts"
NAMES = [*infer.list_models(), "double_cubic"]
INFER = f"/{NAME}/ModelInfer"
TYPED = {
    "?": "bool_contents",
    "i1": "int_contents",
    "i2": "int_contents",
    "i4": "int_contents",
    "i8": "int64_contents",
    "u1": "uint_contents",
    "u2": "uint_contents",
    "u4": "uint_contents",
    "u8": "uint64_contents",
    "f4": "fp32_contents",
    "f8": "fp64_contents",
}


@pytest.fixture
def client(both):
    with triton.InferenceServerClient(both.grpc_address) as client:
        yield client


@pytest.fixture
def channel(both):
    with open_channel(both) as channel:
        yield channel


def open_channel(server, **options):
    sizes = {"grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1}
    return grpc.insecure_channel(server.grpc_address, [*(sizes | options).items()])


def source(card, x):
    return triton.InferInput(
        card.input.name, list(x.shape), np_to_triton_dtype(x.dtype)
    ).set_data_from_numpy(x)


def ask(client, card, x, **options):
    result = client.infer(card.name, [source(card, x)], **options)
    return result.as_numpy(card.output.name)


def typed(card, x):
    """Return a request whose values are typed."""
    request = service_pb2.ModelInferRequest(model_name=card.name)
    datatype = np_to_triton_dtype(x.dtype)
    tensor = request.inputs.add(name=card.input.name, datatype=datatype, shape=x.shape)
    getattr(tensor.contents, TYPED[x.dtype.str.strip("<|").replace("b1", "?")]).extend(
        x.reshape(-1).tolist()
    )
    return request


def call(channel, request, path=INFER, answer=service_pb2.ModelInferResponse, **options):
    data = request if isinstance(request, bytes) else request.SerializeToString()
    return answer.FromString(channel.unary_unary(path)(data, timeout=20, **options))


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_has_the_bits_of_a_call(name, client, local, patterns, inputs_of):
    model = local(name)
    x = inputs_of(model.card)
    got, expected = ask(client, model.card, x), model(x)
    assert got.dtype == expected.dtype == model.card.dtype
    assert got.shape == expected.shape
    assert (patterns(got, model.card.dtype) == patterns(expected, model.card.dtype)).all()


@pytest.mark.parametrize("name", NAMES)
def test_typed_values_get_typed_answers_of_the_same_bits(name, channel, local, patterns, inputs_of):
    model = local(name)
    x = inputs_of(model.card)
    answer = call(channel, typed(model.card, x))
    (output,) = answer.outputs
    field = {"float32": "fp32_contents", "float64": "fp64_contents"}[model.card.dtype]
    assert [found.name for found, _ in output.contents.ListFields()] == [field]
    got = np.array(getattr(output.contents, field), model.card.dtype).reshape(output.shape)
    expected = model(x)
    assert not answer.raw_output_contents
    assert (patterns(got, model.card.dtype) == patterns(expected, model.card.dtype)).all()


@pytest.mark.parametrize("shape", [(), (0,), (1, 1), (3, 0, 2), (2, 3, 4)])
def test_any_shape(shape, client, channel, patterns):
    for name, last in (("sin_cubic", ()), ("plane", (2,))):
        model = infer.load(name)
        x = np.linspace(-3, 3, int(np.prod(shape + last)), dtype="float32").reshape(shape + last)
        for got in (
            ask(client, model.card, x),
            np.array(call(channel, typed(model.card, x)).outputs[0].contents.fp32_contents, "f4"),
        ):
            assert got.size == np.prod(shape)
            assert (patterns(got).reshape(shape) == patterns(model(x))).all()


@pytest.mark.parametrize("dtype", [*TYPED, "f2"])
def test_any_numeric_datatype_is_rounded_once(dtype, client, channel, local, patterns):
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
        expected = model(x)
        got = [ask(client, model.card, x)]
        if dtype != "f2":
            contents = call(channel, typed(model.card, x)).outputs[0].contents
            values = contents.fp32_contents or contents.fp64_contents
            got.append(np.array(values, expected.dtype))
        for one in got:
            assert (patterns(one, one.dtype.name) == patterns(expected, one.dtype.name)).all()


def test_health_and_metadata(client):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.get_server_metadata().name == "samebits"
    for name in NAMES:
        assert client.is_model_ready(name)
    assert not client.is_model_ready("nonsense")
    assert not client.is_model_ready("f2c", "1")


def test_documents_are_those_of_http(both, client):
    with triton_http.InferenceServerClient(both.address) as other:
        server = client.get_server_metadata(as_json=True)
        assert server == other.get_server_metadata()
        for name in NAMES:
            theirs = other.get_model_metadata(name)
            mine = client.get_model_metadata(name)
            assert (mine.name, [*mine.versions]) == (theirs["name"], theirs["versions"])
            assert mine.platform == theirs["platform"]
            for kind in ("inputs", "outputs"):
                found = [
                    {"name": one.name, "datatype": one.datatype, "shape": [*one.shape]}
                    for one in getattr(mine, kind)
                ]
                assert found == [
                    {key: one[key] for key in ("name", "datatype", "shape")} for one in theirs[kind]
                ]
            config = client.get_model_config(name).config
            theirs = other.get_model_config(name)
            assert (config.name, config.platform) == (theirs["name"], theirs["platform"])
            assert config.max_batch_size == theirs["max_batch_size"]
            for kind in ("input", "output"):
                (one,), (their,) = getattr(config, kind), theirs[kind]
                data_type = one.DESCRIPTOR.fields_by_name["data_type"].enum_type
                assert their["data_type"] == data_type.values_by_number[one.data_type].name
                assert (one.name, [*one.dims]) == (their["name"], their["dims"])
        mine = client.get_model_repository_index()
        found = [(one.name, one.version, one.state, one.reason) for one in mine.models]
        assert found == [tuple(row.values()) for row in other.get_model_repository_index()]


def test_a_version_is_the_content(client, patterns):
    model = infer.load("f2c")
    version = client.get_model_metadata("f2c").versions[0]
    assert version == model.card.digest[:12]
    x = np.array([98.6], "float32")
    result = client.infer("f2c", [source(model.card, x)], model_version=version)
    assert result.get_response().model_version == version
    assert patterns(result.as_numpy("t_c")) == patterns(model(x))
    for wrong in (
        lambda: client.infer("f2c", [source(model.card, x)], model_version="1"),
        lambda: client.get_model_metadata("f2c", "1"),
        lambda: client.get_model_config("f2c", "1"),
    ):
        with pytest.raises(InferenceServerException, match=f"has version '{version}', found '1'"):
            wrong()


def test_a_bare_name_means_the_default_variant(client):
    assert client.get_model_metadata("dynamic_net").name == "dynamic_net.order5"


def test_the_request_id_comes_back(client, channel):
    model = infer.load("f2c")
    x = np.array([1.0], "float32")
    for request_id in ('a "b" °', "", "x" * 5000):
        result = client.infer("f2c", [source(model.card, x)], request_id=request_id)
        assert result.get_response().id == request_id


def test_the_output_may_be_named(client, patterns):
    model = infer.load("f2c")
    x = np.array([98.6], "float32")
    outputs = [triton.InferRequestedOutput("t_c")]
    got = ask(client, model.card, x, outputs=outputs)
    assert patterns(got) == patterns(model(x))
    with pytest.raises(InferenceServerException, match="has one output, 't_c'; found 'y'"):
        ask(client, model.card, x, outputs=[triton.InferRequestedOutput("y")])


def test_what_triton_may_ignore_is_ignored(client, patterns):
    model = infer.load("f2c")
    x = np.array([98.6], "float32")
    options = {"sequence_id": 3, "sequence_start": True, "priority": 2, "timeout": 10**7}
    got = ask(client, model.card, x, **options, parameters={"own": 1.5, "other": "text"})
    assert patterns(got) == patterns(model(x))


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_compressed_request(coding, client, patterns):
    model = infer.load("sin_cubic")
    x = np.linspace(-3, 3, 100_000, dtype="float32")
    got = ask(client, model.card, x, compression_algorithm=coding)
    assert (patterns(got) == patterns(model(x))).all()


def test_a_million_values(client, channel, patterns):
    model = infer.load("sin_cubic")
    x = np.linspace(-3, 3, 1_000_000, dtype="float32")
    expected = patterns(model(x))
    assert (patterns(ask(client, model.card, x)) == expected).all()
    answer = call(channel, typed(model.card, x))
    got = np.fromiter(answer.outputs[0].contents.fp32_contents, "f4")
    assert (patterns(got) == expected).all()


def test_asynchronous_calls(client, patterns):
    model = infer.load("sin_cubic")
    found = queue.Queue()
    for index in range(50):
        x = np.full(3, index, "float32")
        client.async_infer(
            "sin_cubic",
            [source(model.card, x)],
            lambda result, error: found.put((result, error)),
            request_id=str(index),
        )
    for _ in range(50):
        result, error = found.get(timeout=20)
        assert error is None
        x = np.full(3, int(result.get_response().id), "float32")
        assert (patterns(result.as_numpy("y")) == patterns(model(x))).all()


def test_a_stream_answers_in_order_and_outlives_an_error(client, patterns):
    model = infer.load("sin_cubic")
    found = queue.Queue()
    client.start_stream(lambda result, error: found.put((result, error)))
    for index in range(30):
        x = np.full(3 if index != 7 else 30_000, index, "float32")
        one = source(model.card, x)
        if index == 5:
            one._input.name = "wrong"
        client.async_stream_infer(
            "sin_cubic", [one], request_id=str(index), enable_empty_final_response=index == 3
        )
    for index in range(30):
        result, error = found.get(timeout=20)
        if index == 5:
            assert "has one input, 'x'; found 'wrong'" in str(error)
            continue
        assert error is None
        response = result.get_response()
        assert response.id == str(index)
        assert ("triton_final_response" in response.parameters) == (index == 3)
        x = np.full(3 if index != 7 else 30_000, index, "float32")
        assert (patterns(result.as_numpy("y")) == patterns(model(x))).all()
    client.stop_stream()


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        (lambda client: client.load_model("f2c"), "chosen when the server starts"),
        (lambda client: client.unload_model("f2c"), "chosen when the server starts"),
        (lambda client: client.get_inference_statistics("f2c"), "/metrics"),
        (lambda client: client.get_trace_settings(), "access log"),
        (lambda client: client.update_trace_settings("f2c", {"trace_rate": "1"}), "access log"),
        (lambda client: client.get_log_settings(), "--access-log"),
        (lambda client: client.update_log_settings({"log_info": True}), "--access-log"),
        (lambda client: client.get_system_shared_memory_status(), "raw_input_contents"),
        (
            lambda client: client.register_system_shared_memory("r", "/etc/passwd", 4),
            "raw_input_contents",
        ),
        (lambda client: client.unregister_system_shared_memory("r"), "raw_input_contents"),
        (lambda client: client.get_cuda_shared_memory_status(), "raw_input_contents"),
        (
            lambda client: client.register_cuda_shared_memory("r", b"", 0, 4),
            "raw_input_contents",
        ),
        (lambda client: client.unregister_cuda_shared_memory("r"), "raw_input_contents"),
    ],
)
def test_what_is_not_offered_says_what_to_use(asked, hint, client):
    with pytest.raises(InferenceServerException, match=hint) as error:
        asked(client)
    assert error.value.status() == "StatusCode.UNIMPLEMENTED"


def test_every_published_call_is_known(channel):
    (service,) = service_pb2.DESCRIPTOR.services_by_name.values()
    assert service.full_name == NAME
    for method in service.methods:
        answers = channel.stream_stream(f"/{NAME}/{method.name}")(iter([b""]), timeout=20)
        with suppress(grpc.RpcError):
            next(answers)
        assert answers.details() != "Method not found!", method.name
    with pytest.raises(grpc.RpcError) as error:
        call(channel, b"", f"/{NAME}/Nonsense")
    assert error.value.code() == grpc.StatusCode.UNIMPLEMENTED


def one_value(**changes):
    """Return a request of one value."""
    request = service_pb2.ModelInferRequest(model_name="f2c")
    request.inputs.add(name="t_u", datatype="FP32", shape=[1])
    request.raw_input_contents.append(np.float32(98.6).tobytes())
    for path, value in changes.items():
        holder, *rest = path.split("__")
        if rest:
            setattr(request.inputs[0], rest[0], value)
        elif isinstance(value, list):
            request.ClearField(holder)
            getattr(request, holder).extend(value)
        else:
            setattr(request, holder, value)
    return request


def tensor(**contents):
    return service_pb2.ModelInferRequest.InferInputTensor(
        name="t_u",
        datatype=contents.pop("datatype", "FP32"),
        shape=contents.pop("shape", [1]),
        contents=service_pb2.InferTensorContents(**contents),
    )


@pytest.mark.parametrize(
    ("request_", "code", "message"),
    [
        (b"\xff", "INVALID_ARGUMENT", "the message cannot be read: it ends too early"),
        (b"", "NOT_FOUND", "no model named '' is served here; known: "),
        (one_value(model_name="nonsense"), "NOT_FOUND", "no model named 'nonsense'"),
        (one_value(inputs=[]), "INVALID_ARGUMENT", "expected one input, 't_u', found 0"),
        (
            one_value(inputs=[tensor()] * 3),
            "INVALID_ARGUMENT",
            "expected one input, 't_u', found 3",
        ),
        (one_value(inputs__name="x"), "INVALID_ARGUMENT", "has one input, 't_u'; found 'x'"),
        (one_value(inputs__datatype="BYTES"), "INVALID_ARGUMENT", "FP64 at 'datatype'"),
        (one_value(inputs=[tensor(shape=[-1])]), "INVALID_ARGUMENT", "found -1"),
        (one_value(inputs=[tensor(shape=[1] * 33)]), "INVALID_ARGUMENT", "at most 32 lengths"),
        (one_value(inputs=[tensor(shape=[1] * 999)]), "INVALID_ARGUMENT", "too many axes"),
        (one_value(inputs=[tensor(shape=[1 << 40])]), "RESOURCE_EXHAUSTED", "16,777,216 values"),
        (
            one_value(inputs=[tensor(shape=[1 << 24, 1 << 24, 1 << 24, 0])]),
            "INVALID_ARGUMENT",
            "longer axes than an array can have",
        ),
        (one_value(inputs=[tensor(shape=[2])]), "INVALID_ARGUMENT", "takes 8 bytes, found 4"),
        (one_value(raw_input_contents=[]), "INVALID_ARGUMENT", "takes 1 values, found 0"),
        (
            one_value(raw_input_contents=[b"1234", b"1234"]),
            "INVALID_ARGUMENT",
            "expected one of raw_input_contents, found 2",
        ),
        (
            one_value(inputs=[tensor(fp32_contents=[1])]),
            "INVALID_ARGUMENT",
            "contents or raw_input_contents, found both",
        ),
        (
            one_value(inputs=[tensor(fp64_contents=[1])], raw_input_contents=[]),
            "INVALID_ARGUMENT",
            "values of FP32 in 'fp32_contents', found some in 'fp64_contents'",
        ),
        (
            one_value(inputs=[tensor(bytes_contents=[b"1"])], raw_input_contents=[]),
            "INVALID_ARGUMENT",
            "found some in 'bytes_contents'",
        ),
        (
            one_value(inputs=[tensor(datatype="FP16")], raw_input_contents=[]),
            "INVALID_ARGUMENT",
            "FP16 has no typed contents; send raw_input_contents",
        ),
        (
            one_value(inputs=[tensor(datatype="INT8", int_contents=[-129])], raw_input_contents=[]),
            "INVALID_ARGUMENT",
            "-129 in 'int_contents' is not a valid INT8",
        ),
        (
            one_value(
                inputs=[tensor(datatype="UINT16", uint_contents=[1 << 16])], raw_input_contents=[]
            ),
            "INVALID_ARGUMENT",
            "65,536 in 'uint_contents' is not a valid UINT16",
        ),
    ],
)
def test_a_wrong_request_says_what_was_expected(request_, code, message, channel):
    with pytest.raises(grpc.RpcError) as error:
        call(channel, request_)
    assert error.value.code().name == code
    assert message in error.value.details()


def test_features_are_checked(client):
    card = infer.load("plane").card
    for shape in ([3], [2, 3], []):
        with pytest.raises(InferenceServerException, match="takes 2 features"):
            ask(client, card, np.zeros(shape, "f4"))


def test_shared_memory_and_classification_are_refused(client):
    one = triton.InferInput("t_u", [1], "FP32")
    one.set_shared_memory("region", 4)
    with pytest.raises(InferenceServerException, match="'shared_memory_region' of inputs"):
        client.infer("f2c", [one])
    card, x = infer.load("f2c").card, np.array([1.0], "float32")
    target = triton.InferRequestedOutput("t_c", class_count=3)
    with pytest.raises(InferenceServerException, match="'classification' of outputs"):
        ask(client, card, x, outputs=[target])


def test_calls_are_logged_and_counted(start):
    server = start("f2c", "--grpc-port=0")
    card, x = infer.load("f2c").card, np.array([1.0, 2.0], "float32")
    with triton.InferenceServerClient(server.grpc_address) as client:
        for _ in range(3):
            ask(client, card, x, request_id="my id")
        with pytest.raises(InferenceServerException):
            ask(client, card, x, outputs=[triton.InferRequestedOutput("wrong")])
        assert client.is_server_live()
    assert server.metric("samebits_requests_total", model="f2c") == 3
    assert server.metric("samebits_elements_total", model="f2c") == 6
    assert server.metric("samebits_errors_total", model="f2c", status="400") == 1
    assert server.stop() == 0
    lines = [line for line in server.log() if line.get("method") == "gRPC"]
    assert [line["status"] for line in lines] == ["OK", "OK", "OK", "INVALID_ARGUMENT", "OK"]
    first, wrong, live = lines[0], lines[3], lines[4]
    assert (first["client"], first["path"]) == ("127.0.0.1", INFER)
    assert (first["model"], first["elements"], first["id"]) == ("f2c", 2, "my id")
    assert first["bytes"] > 8
    assert 0 < first["seconds"] < 5
    assert "has one output" in wrong["error"]
    assert live["path"].endswith("/ServerLive")


def test_http_and_grpc_at_once(both, patterns):
    model = infer.load("sin_cubic")
    xs = [np.linspace(-3, 3, count, dtype="f4") for count in (1, 3, 1000, 40_000)]

    def over_grpc(seed):
        with triton.InferenceServerClient(both.grpc_address) as client:
            for index in range(25):
                x = xs[index % 4] + np.float32(seed)
                assert (patterns(ask(client, model.card, x)) == patterns(model(x))).all()

    def over_http(seed):
        with triton_http.InferenceServerClient(both.address) as client:
            for index in range(25):
                x = xs[index % 4] - np.float32(seed)
                one = triton_http.InferInput("x", x.shape, "FP32").set_data_from_numpy(x)
                got = client.infer("sin_cubic", [one]).as_numpy("y")
                assert (patterns(got) == patterns(model(x))).all()

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(run, seed) for seed in range(4) for run in (over_grpc, over_http)]:
            done.result(60)


def test_both_clients_can_be_used_beside_the_server_in_one_process(double):
    # Google's library keeps one table of all messages in a process; ours must not be in it.
    code = """
import asyncio, numpy as np
from concurrent.futures import ThreadPoolExecutor
from infer._serve._catalog import Catalog
from infer._serve._grpc.server import grpc_server, reserved
from infer._serve._log import Log
from infer._serve._memory import Budget
from infer._serve._metrics import Metrics
from infer._serve._settings import Settings
budget = Budget(1 << 20)
with reserved(Settings(("f2c",), grpc_port=0)) as settings, ThreadPoolExecutor(1) as pool:
    with grpc_server(settings, budget, Catalog(("f2c",)), Metrics(["f2c"]), Log(), pool):
        from tritonclient import grpc
        with grpc.InferenceServerClient(f"127.0.0.1:{settings.grpc_port}") as client:
            x = np.array([50.0], "f4")
            one = grpc.InferInput("t_u", [1], "FP32").set_data_from_numpy(x)
            print(client.infer("f2c", [one]).as_numpy("t_c")[0])
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert np.float32(result.stdout) == np.float32(infer.load("f2c")(50.0))


def test_a_replaced_folder_is_read_again(start, tmp_path, line, wait):
    def replace(slope):
        document = line(parameters={"a": slope, "b": -3.0})
        with staged(tmp_path / "own_line") as folder:
            write_files(folder, {"model.json": render(document)})
        return tmp_path / "own_line"

    server = start(replace(0.5), "--grpc-port=0")
    card = infer.load(tmp_path / "own_line").card
    x = np.array([1.0, 3.0], "f4")
    with triton.InferenceServerClient(server.grpc_address) as client:
        assert ask(client, card, x).tolist() == [-2.5, -1.5]
        replace(2.0)
        wait(10, lambda: ask(client, card, x).tolist() == [-1.0, 3.0])
        before = client.get_model_metadata("own_line").versions[0]
        (tmp_path / "own_line" / "model.json").write_bytes(b"{}")
        wait(10, lambda: client.get_model_repository_index().models[0].reason)
        assert client.get_model_metadata("own_line").versions[0] == before
        assert ask(client, card, x).tolist() == [-1.0, 3.0]


def test_several_workers(start, wait):
    server = start("f2c", "--workers=2", "--grpc-port=0")
    expected = infer.load("f2c")(np.array([98.6], "f4"))

    def ask_anew():
        # The library would share one connection among channels of the same options.
        with open_channel(server, **{"grpc.use_local_subchannel_pool": 1}) as channel:
            assert call(channel, one_value()).raw_output_contents[0] == expected.tobytes()

    for _ in range(40):
        ask_anew()
    assert {server.metric("samebits_requests_total", model="f2c") for _ in range(10)} == {40}
    workers = children(server)
    assert len(workers) == 2
    assert [pid for pid in workers if listening(pid, server.grpc_address)] == workers
    # What forks has none of gRPC's threads: it never loads the library.
    assert "cygrpc" not in Path(f"/proc/{server.process.pid}/maps").read_text()
    assert "cygrpc" in Path(f"/proc/{workers[0]}/maps").read_text()
    assert server.stop() == 0


def children(server):
    tasks = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
    return [int(pid) for pid in tasks.read_text().split()]


def listening(pid, address):
    """Return the addresses at which a process listens on a port, as the system writes them."""
    port = f":{int(address.rpartition(':')[2]):04X}"
    links, found = set(), []
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed by now
            links.add(str(path.readlink()))
    for table in ("tcp", "tcp6"):
        for row in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = row.split()[:10]
            if local.endswith(port) and state == "0A" and f"socket:[{inode}]" in links:
                found.append(local.removesuffix(port))
    return found


# 127.0.0.1 as a socket of IPv6 has it.
LOOPBACK = "0000000000000000FFFF00000100007F"


@pytest.mark.parametrize(
    ("host", "found"),
    [("127.0.0.1", LOOPBACK), ("::1", f"{'0' * 24}01000000"), ("0.0.0.0", "00000000")],  # noqa: S104
)
def test_it_listens_at_its_host_alone(host, found, start, command, wait):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    infer_ = Path(sys.executable).with_name("infer")
    options = ["--host", host, "--port=0", f"--grpc-port={port}"]
    with subprocess.Popen([infer_, "serve", "f2c", *options], stdout=subprocess.PIPE) as process:
        try:
            name = f"[{host}]" if ":" in host else host
            assert f"http://{name}:" in (greeting := process.stdout.readline().decode())
            assert greeting.endswith(f", gRPC at {name}:{port}\n")
            assert listening(process.pid, f":{port}") == [found]
        finally:
            process.terminate()


@pytest.mark.parametrize(("number", "workers"), [(signal.SIGTERM, 2), (signal.SIGINT, 1)])
def test_a_signal_finishes_what_is_in_flight_and_refuses_the_rest(number, workers, start, wait):
    server = start("f2c", "--grpc-port=0", f"--workers={workers}")
    go = threading.Event()

    def late():
        assert go.wait(20)
        yield one_value().SerializeToString()

    with open_channel(server) as channel:
        answer = channel.stream_unary(INFER).future(late(), timeout=20)
        time.sleep(0.3)
        server.process.send_signal(number)

        def refused():
            try:
                socket.create_connection(server.grpc_address.split(":"), 1).close()
            except OSError:
                return True
            return False

        wait(10, refused)
        assert server.process.poll() is None
        go.set()
        found = service_pb2.ModelInferResponse.FromString(answer.result(10))
    expected = infer.load("f2c")(np.array([98.6], "f4"))
    assert found.raw_output_contents[0] == expected.tobytes()
    assert server.process.wait(10) == 0
    log = server.log()
    assert [line["status"] for line in log if line["event"] == "request"] == ["OK"]
    assert not [line for line in log if line["event"] == "library"]


def test_what_does_not_finish_is_given_up_after_the_grace(start):
    server = start("f2c", "--grpc-port=0", "--grace=0.3")
    stop = threading.Event()
    with open_channel(server) as channel:
        answer = channel.stream_unary(INFER).future(iter(stop.wait, True), timeout=20)
        time.sleep(0.3)
        assert server.stop() == 0
        with pytest.raises(grpc.RpcError) as error:
            answer.result(10)
        stop.set()
    assert error.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_port_in_use_is_named(workers, both, command):
    port = both.grpc_address.rpartition(":")[2]
    options = ["--port=0", f"--grpc-port={port}", f"--workers={workers}"]
    result = command("infer", "serve", "f2c", *options)
    assert result.returncode == 1
    error = result.stderr.decode()
    assert f"cannot listen on 127.0.0.1 port {port}: " in error
    assert "try another --grpc-port" in error


def test_the_same_port_for_both_is_refused(command):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    result = command("infer", "serve", "f2c", f"--port={port}", f"--grpc-port={port}")
    assert result.returncode == 1
    assert "try another --grpc-port" in result.stderr.decode()


def test_without_the_extra_it_says_what_to_install(serve_without):
    result = serve_without(["grpc"], "--grpc-port", "0")
    assert result.returncode == 1
    assert "--grpc-port needs grpcio, not installed here" in result.stderr
    assert "pip install 'samebits[grpc]'" in result.stderr


def test_the_greeting_names_both_addresses(both):
    assert re.search(
        r"at http://127\.0\.0\.1:\d+, gRPC at 127\.0\.0\.1:\d+$", both.greeting.strip()
    )

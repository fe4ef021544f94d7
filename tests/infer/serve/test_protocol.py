"""The protocol on the wire: what the real client never sends, and what people and tools read."""

import json
import math
import re
import struct
import unicodedata
import urllib.parse

import jsonschema
import numpy as np
import pytest

import infer
from infer._serve._tensors import loads


def tensor(*data, **changes):
    return {"name": "t_u", "shape": [len(data)], "datatype": "FP32", "data": [*data], **changes}


def request(*data, **changes):
    return {"inputs": [tensor(*data, **changes)]}


def test_an_answer_is_the_double_that_a_call_returns(server):
    status, answer = server.infer("f2c", request(98.6))
    assert status == 200
    assert answer == {
        "model_name": "f2c",
        "model_version": infer.load("f2c").card.digest[:12],
        "outputs": [
            {"name": "t_c", "datatype": "FP32", "shape": [1], "data": [infer.load("f2c")(98.6)]}
        ],
    }


def test_what_is_not_finite_is_spelled_as_python_spells_it(server):
    body = json.dumps(request(float("nan"), float("inf"), float("-inf"), 1e39, -1e39))
    assert "NaN, Infinity, -Infinity" in body
    _, answer = server.infer("f2c", body)
    assert [str(value) for value in answer["outputs"][0]["data"]] == [
        "nan", "inf", "-inf", "inf", "-inf",
    ]  # fmt: skip


def test_minus_zero_keeps_its_sign_however_it_is_written():
    values = loads(b'{"a": [-0, -0.0, -0e5, 0, -0.5, -1, NaN]}')["a"]
    assert [math.copysign(1, value) for value in values[:-1]] == [-1, -1, -1, 1, -1, -1]
    assert values[3:6] == [0, -0.5, -1]


def test_an_integer_is_rounded_once(server):
    # 2**60 + 2**36 + 1 lies just above halfway between two float32 values; its double does not.
    value = 2**60 + 2**36 + 1
    model = infer.load("f2c")
    _, answer = server.infer("f2c", request(value))
    assert answer["outputs"][0]["data"] == [model(value)]
    assert model(value) != model(float(value))
    _, answer = server.infer("f2c", request(value, datatype="INT64"))
    assert answer["outputs"][0]["data"] == [model(value)]


def test_a_number_has_the_datatype_that_it_says(server, double):
    model = infer.load(double)
    for datatype, kind in (("FP16", "f2"), ("FP32", "f4"), ("FP64", "f8")):
        asked = request(0.1, name="x", datatype=datatype)
        _, answer = server.infer("double_cubic", asked)
        assert answer["outputs"][0]["data"] == [model(float(np.dtype(kind).type(0.1)))]


@pytest.mark.parametrize("data", [[1.0, 2.0, 3.0, 4.0], [[1.0, 2.0], [3.0, 4.0]]])
def test_data_may_be_nested(data, server):
    _, answer = server.infer("f2c", request(shape=[2, 2], data=data))
    output = answer["outputs"][0]
    assert (output["shape"], output["data"]) == ([2, 2], infer.load("f2c")([1.0, 2.0, 3.0, 4.0]))


def test_an_input_without_axes(server):
    _, answer = server.infer("f2c", request(50.0, shape=[]))
    assert answer["outputs"][0]["shape"] == []
    asked = {"inputs": [{"name": "x", "shape": [2], "datatype": "FP32", "data": [1, 2]}]}
    _, answer = server.infer("plane", asked)
    assert answer["outputs"][0]["shape"] == []
    assert answer["outputs"][0]["data"] == [infer.load("plane")([1.0, 2.0])]


WRONG = {
    "no JSON": ("{", 400, "expected a body in JSON"),
    "no Unicode": (b"\xff\xfe{}", 400, "expected a body in JSON"),
    "nothing": ("", 400, "expected a body in JSON"),
    "deep": ("[" * 60_000, 400, "expected a body in JSON"),
    "no object": ("[]", 400, "a JSON object with 'inputs'"),
    "no inputs": ({}, 400, "one input, 't_u', in the list at 'inputs'"),
    "two inputs": ({"inputs": [tensor(1.0)] * 2}, 400, "one input, 't_u'"),
    "another input": (request(1.0, name="x"), 400, "has one input, 't_u'; found 'x'"),
    "no datatype": (request(1.0, datatype=None), 400, "at 'datatype', found None"),
    "no shape": (request(1.0, shape=None), 400, "a list of at most 32 lengths at 'shape'"),
    "many axes": (request(1.0, shape=[1] * 33), 400, "a list of at most 32 lengths"),
    "negative": (request(1.0, shape=[-1]), 400, "whole numbers at 'shape', found -1"),
    "fraction": (request(1.0, shape=[1.0]), 400, "whole numbers at 'shape', found 1.0"),
    "true": (request(1.0, shape=[True]), 400, "whole numbers at 'shape', found True"),
    "too few": (request(1.0, shape=[2]), 400, "takes 2 values, found 1"),
    "too many": (request(1.0, 2.0, shape=[1]), 400, "takes 1 values, found 2"),
    "huge": (request(1.0, shape=[1 << 62, 1 << 62]), 413, "at most 16,777,216 values"),
    "huge and empty": (request(shape=[1 << 62, 0]), 413, "at most 16,777,216 values"),
    "ragged": (request(shape=[2, 2], data=[[1.0], [2.0, 3.0]]), 400, "not have the shape"),
    "flat in nested": (request(shape=[2, 1], data=[[1.0], 2.0]), 400, "not have the shape"),
    "nested too deep": (request(shape=[1], data=[[1.0]]), 400, "found [1.0]"),
    "no data": (request(data=None), 400, "expected a list at 'data', found null"),
    "text": (request("1.0"), 400, "expected values of FP32 in 'data', found \"1.0\""),
    "null": (request(None), 400, "expected values of FP32 in 'data', found null"),
    "boolean": (request(True), 400, "expected values of FP32 in 'data', found true"),
    "no integer": (request(1.5, datatype="INT8"), 400, "expected values of INT8"),
    "out of range": (request(200, datatype="INT8"), 400, "200 in 'data' is not a valid INT8"),
    "negative unsigned": (
        request(-1, datatype="UINT64"),
        400,
        "-1 in 'data' is not a valid UINT64",
    ),
    "id": ({**request(1.0), "id": 7}, 400, "expected text at 'id'"),
    "parameters": ({**request(1.0), "parameters": []}, 400, "an object at 'parameters'"),
    "binary flag": (
        {**request(1.0), "parameters": {"binary_data_output": 1}},
        400,
        "true or false at 'binary_data_output', found 1",
    ),
    "outputs": ({**request(1.0), "outputs": ["t_c"]}, 400, "one output, 't_c', in the list"),
    "another output": (
        {**request(1.0), "outputs": [{"name": "y"}]},
        400,
        "has one output, 't_c'; found 'y'",
    ),
    "both": (
        request(1.0, parameters={"binary_data_size": 4}),
        400,
        "either 'data' or 'binary_data_size'",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_request_is_told_what_is_wrong(case, server):
    body, status, message = WRONG[case]
    found, answer = server.infer("f2c", body)
    assert (found, [*answer]) == (status, ["error"])
    assert message in answer["error"]


def test_the_number_of_features_is_checked(server):
    asked = {"inputs": [{"name": "x", "shape": [3], "datatype": "FP32", "data": [1, 2, 3]}]}
    status, answer = server.infer("plane", asked)
    assert status == 400
    assert "expected a last axis of 2, found shape [3]" in answer["error"]


def binary(values, size=None, **changes):
    """Return the JSON and the bytes of a request for f2c."""
    changes = {"datatype": "FP32", "shape": [len(values)], **changes}
    raw = np.array(values, "<f4").tobytes()
    parameters = {"binary_data_size": len(raw) if size is None else size}
    head = json.dumps({"inputs": [{"name": "t_u", "parameters": parameters, **changes}]})
    return head.encode(), raw


@pytest.mark.parametrize("padding", range(5))
def test_binary_data_may_begin_anywhere(padding, server):
    head, raw = binary([98.6, 50.0])
    head += b" " * padding
    _, answer = server.infer("f2c", head + raw, Inference_Header_Content_Length=str(len(head)))
    single = [struct.unpack("<f", struct.pack("<f", value))[0] for value in (98.6, 50.0)]
    assert answer["outputs"][0]["data"] == infer.load("f2c")(single)


WRONG_BINARY = {
    "fewer bytes": (binary([1.0, 2.0], shape=[3]), None, "takes 12 bytes, found 8"),
    "more bytes": (binary([1.0, 2.0], shape=[1]), None, "takes 4 bytes, found 8"),
    "a lie": (binary([1.0], size=8), None, "'binary_data_size' is 8, but 4 bytes follow"),
    "no number": (binary([1.0], size="4"), None, "'binary_data_size' is '4', but 4"),
    "true": (binary([1.0], size=True), None, "'binary_data_size' is True"),
    "longer than the body": (binary([1.0]), "9999", "is 9,999, the body has"),
    "negative": (binary([1.0]), "-1", "a whole number at Inference-Header-Content-Length"),
    "words": (binary([1.0]), "many", "a whole number at Inference-Header-Content-Length"),
    "endless": (binary([1.0]), "9" * 5000, "a whole number at Inference-Header-Content-Length"),
    "zero": (binary([1.0]), "0", "expected a body in JSON"),
    "nothing announced": (
        (json.dumps(request(1.0)).encode(), b"1234"),
        None,
        "4 bytes after the JSON, but no 'binary_data_size'",
    ),
}


@pytest.mark.parametrize("case", WRONG_BINARY)
def test_wrong_binary_data_are_told_what_is_wrong(case, server):
    (head, raw), size, message = WRONG_BINARY[case]
    size = str(len(head)) if size is None else size
    status, answer = server.infer("f2c", head + raw, Inference_Header_Content_Length=size)
    assert status == 400
    assert message in answer["error"]


def test_a_forgotten_header_is_named(server):
    status, answer = server.infer("f2c", binary([1.0], size=4)[0])
    assert status == 400
    assert "is the header Inference-Header-Content-Length missing?" in answer["error"]


def test_a_boolean_is_true_for_any_byte_but_zero(server):
    head, _ = binary([], size=3, shape=[3], datatype="BOOL")
    _, answer = server.infer(
        "f2c", head + b"\0\1\xff", Inference_Header_Content_Length=str(len(head))
    )
    assert answer["outputs"][0]["data"] == infer.load("f2c")([0.0, 1.0, 1.0])


PATHS = {
    "/v2/models/f2d/infer": "no model named 'f2d' is served here; known:",
    "/v2/models/../../etc/passwd": "no model named '..'",
    "/v2/models/%2e%2e%2fetc": "no model named '..'",
    "/v2/models/./artifacts": "no model named '.'",
    "/v2/models/f2c/nonsense": "no such path",
    "/v2/models/f2c/versions": "no such path",
    "/etc/passwd": "no such path",
    "//etc/passwd": "no such path",
    "/v2/models": "no such path",
}


@pytest.mark.parametrize("path", PATHS)
def test_an_unknown_path_is_not_found(path, server):
    for method in ("GET", "POST"):
        status, _, body = server.ask(method, path)
        assert status == 404
        assert PATHS[path] in json.loads(body)["error"]


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v2", "GET, HEAD"),
        ("/v2/models/f2c/ready", "GET, HEAD"),
        ("/v2/models/f2c/infer", "POST"),
        ("/v2/repository/index", "POST"),
        ("/metrics", "GET, HEAD"),
    ],
)
def test_another_method_is_told_which_are_allowed(path, allowed, server):
    status, headers, body = server.ask("DELETE", path)
    assert (status, headers["allow"]) == (405, allowed)
    assert f"takes {allowed}, not DELETE" in json.loads(body)["error"]


def test_head_has_no_body(server):
    status, headers, body = server.ask("HEAD", "/v2/health/ready")
    assert (status, headers["content-length"], body) == (200, "26", b"")


def test_an_unknown_coding_is_refused(server):
    body = json.dumps(request(1.0))
    status, headers, answer = server.ask(
        "POST", "/v2/models/f2c/infer", body, Content_Encoding="br"
    )
    assert (status, headers["accept-encoding"]) == (415, "gzip, deflate")
    assert "expected gzip or deflate" in json.loads(answer)["error"]
    status, _, answer = server.ask("POST", "/v2/models/f2c/infer", body, Content_Encoding="gzip")
    assert (status, "cannot be decompressed" in json.loads(answer)["error"]) == (400, True)


def test_the_index_takes_a_filter_and_nothing_else(server):
    for body, status in ((b"", 200), (b"{}", 200), (b'{"ready": true}', 200), (b"[]", 400)):
        assert server.ask("POST", "/v2/repository/index", body)[0] == status


def test_metrics_count_by_model(server):
    def counts():
        return (
            server.metric("samebits_requests_total", model="line"),
            server.metric("samebits_elements_total", model="line"),
            server.metric("samebits_request_seconds_count", model="line"),
            server.metric("samebits_errors_total", model="line", status="400"),
            server.metric("samebits_errors_total", model="", status="404"),
        )

    before = counts()
    asked = {"inputs": [{"name": "x", "shape": [3], "datatype": "FP32", "data": [1, 2, 3]}]}
    server.infer("line", asked)
    server.infer("line", asked)
    server.infer("line", "{")
    server.infer("own_secret", asked)
    assert [b - a for a, b in zip(before, counts(), strict=True)] == [2, 6, 2, 1, 1]
    status, headers, body = server.ask("GET", "/metrics")
    assert (status, headers["content-type"].split(";")[0]) == (200, "text/plain")
    assert b"own_secret" not in body


def test_each_request_is_a_line_of_the_log(server, wait):
    path = "/v2/models/f2c/infer?mark=log"
    server.ask("POST", path, json.dumps({**request(1.0), "id": "one\n{"}))
    server.ask("GET", "/v2/marked%0A%22here" + "x" * 500)

    def lines():
        log = server.log()
        first = [line for line in log if line.get("id") == "one\n{"]
        second = [line for line in log if line.get("path", "").startswith("/v2/marked")]
        return (first[-1], second[-1]) if first and second else None

    first, second = wait(5, lines)
    assert {**first, "time": 0, "seconds": 0} == {
        "time": 0,
        "event": "request",
        "client": "127.0.0.1",
        "method": "POST",
        "path": "/v2/models/f2c/infer",
        "status": 200,
        "bytes": first["bytes"],
        "seconds": 0,
        "model": "f2c",
        "elements": 1,
        "id": "one\n{",
    }
    assert second["path"].startswith('/v2/marked\n"herexxx')
    assert (second["status"], len(second["path"])) == (404, 200)


def resolve(schema, document):
    """Return a schema with what its references refer to."""
    return {**schema, "components": document["components"]}


def test_the_openapi_document_describes_what_is_answered(server):
    status, headers, body = server.ask("GET", "/openapi.json")
    assert (status, headers["content-type"]) == (200, "application/json")
    document = json.loads(body)
    assert document["openapi"].startswith("3.1")
    operation = document["paths"]["/v2/models/{model}/infer"]["post"]
    content = operation["requestBody"]["content"]["application/json"]
    assert set(content["examples"]) == {*infer.list_models(), "double_cubic"}
    asked = resolve(content["schema"], document)
    answered = resolve(
        operation["responses"]["200"]["content"]["application/json"]["schema"], document
    )
    for name, example in content["examples"].items():
        jsonschema.validate(example["value"], asked)
        status, answer = server.infer(name, example["value"])
        assert status == 200
        jsonschema.validate(answer, answered)
    version = infer.load("f2c").card.digest[:12]
    for path, item in document["paths"].items():
        place = path.replace("{model}", "f2c").replace("{version}", version)
        for method in {"get", "post"} & set(item):
            # An inference request without a body is understood to be one, and refused.
            expected = 400 if path.endswith("/infer") else 200
            assert server.ask(method.upper(), place)[0] == expected


def test_the_page_for_people_loads_nothing(server):
    status, headers, body = server.ask("GET", "/docs")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    text = body.decode()
    assert "POST /v2/models/{model}/infer" in text
    assert not re.search(r"<script|<link|<img|@import|url\(", text)
    for target in re.findall(r'href="([^"]+)"', text):
        assert not urllib.parse.urlsplit(target).netloc
        assert server.ask("GET", target)[0] == 200


ODD = "\u202egnp\u2066\u2028\x7f\x9b\u200b\ud800\U000e0041°"


def test_the_log_holds_nothing_that_a_terminal_obeys(server, wait):
    server.infer("f2c", json.dumps({**request(1.0), "id": f"odd{ODD}"}))
    path = urllib.parse.quote(f"/v2/odd{ODD[:-3]}".encode("utf-8", "surrogatepass"))
    server.ask("GET", path)
    server.infer("f2c", json.dumps(request(1.0, name=f"odd{ODD}" * 1000)))

    def lines():
        rows = server.errors.read_bytes().splitlines()
        return found if len(found := [row for row in rows if b"odd" in row]) >= 3 else None

    rows = wait(5, lines)
    for row in rows:
        text = row.decode()
        obeyed = [c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")]
        assert obeyed == []
        assert len(text) < 1500
    assert any(json.loads(row).get("id") == f"odd{ODD}" for row in rows)

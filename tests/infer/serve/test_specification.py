"""The Open Inference Protocol 2, HTTP/REST, sentence by sentence.

Each docstring quotes the specification: github.com/kserve/open-inference-protocol,
specification/protocol/inference_rest.md, and, where that says "see", the predict protocol of KServe
that it was taken from.
"""

import json
import re

import jsonschema
import pytest

import infer

SCALAR = {"type": ["string", "number", "boolean"]}
PARAMETERS = {"type": "object", "additionalProperties": SCALAR}
TEXT = {"type": "string"}


def exactly(required, optional=None):
    """Return the schema of an object that has these keys and no other."""
    return {
        "type": "object",
        "required": [*required],
        "properties": {**required, **(optional or {})},
        "additionalProperties": False,
    }


def lists(item):
    return {"type": "array", "items": item}


METADATA_SERVER = exactly({"name": TEXT, "version": TEXT, "extensions": lists(TEXT)})
METADATA_TENSOR = exactly(
    {"name": TEXT, "datatype": TEXT, "shape": lists({"type": "integer", "minimum": -1})}
)
METADATA_MODEL = exactly(
    {
        "name": TEXT,
        "versions": lists(TEXT),
        "platform": TEXT,
        "inputs": lists(METADATA_TENSOR),
        "outputs": lists(METADATA_TENSOR),
    },
    {"parameters": PARAMETERS},
)
TENSOR_DATA = {"type": "array", "items": {"type": ["number", "string", "boolean", "array"]}}
RESPONSE_OUTPUT = exactly(
    {
        "name": TEXT,
        "shape": lists({"type": "integer", "minimum": 0}),
        "datatype": TEXT,
        "data": TENSOR_DATA,
    },
    {"parameters": PARAMETERS},
)
RESPONSE = exactly(
    {"model_name": TEXT, "outputs": lists(RESPONSE_OUTPUT)},
    {"model_version": TEXT, "id": TEXT, "parameters": PARAMETERS},
)
ERROR = exactly({"error": {"type": "string", "minLength": 1}})

SIZES = {
    "BOOL": 1,
    "UINT8": 1,
    "UINT16": 2,
    "UINT32": 4,
    "UINT64": 8,
    "INT8": 1,
    "INT16": 2,
    "INT32": 4,
    "INT64": 8,
    "FP16": 2,
    "FP32": 4,
    "FP64": 8,
}


def get(server, path, schema, status=200):
    found, headers, body = server.ask("GET", path)
    assert (found, headers["content-type"]) == (status, "application/json")
    document = json.loads(body)
    jsonschema.validate(document, schema)
    return document


def post(server, path, request, schema=RESPONSE, status=200):
    found, headers, body = server.ask("POST", path, json.dumps(request))
    assert (found, headers["content-type"]) == (status, "application/json")
    document = json.loads(body)
    jsonschema.validate(document, schema)
    return document


def tensor(name="t_u", shape=(2,), datatype="FP32", data=(50.0, 68.0), **more):
    return {"name": name, "shape": shape, "datatype": datatype, "data": data, **more}


@pytest.fixture
def version():
    return infer.load("f2c").card.digest[:12]


def test_server_live(server):
    """Server Live: GET v2/health/live; $live_server_response = {"live" : $bool}.

    "The “server live” health API indicates if the inference server is able to receive and respond
    to metadata and inference requests."
    """
    assert get(server, "/v2/health/live", exactly({"live": {"const": True}}))


def test_server_ready(server):
    """Server Ready: GET v2/health/ready; $ready_server_response = {"live" : $bool}.

    "The “server ready” health API indicates if all the models are ready for inferencing."
    """
    schema = exactly({"live": {"const": True}, "ready": {"const": True}})
    assert get(server, "/v2/health/ready", schema)


def test_model_ready(server, version):
    """Model Ready: GET v2/models/<model_name>[/versions/<model_version>]/ready.

    $ready_model_response = {"name" : $string, "ready": $bool}.
    "The “model ready” health API indicates if a specific model is ready for inferencing. The model
    name and (optionally) version must be available in the URL."
    """
    schema = exactly({"name": {"const": "f2c"}, "ready": {"const": True}})
    assert get(server, "/v2/models/f2c/ready", schema)
    assert get(server, f"/v2/models/f2c/versions/{version}/ready", schema)
    assert get(server, "/v2/models/unknown/ready", ERROR, 404)


@pytest.mark.parametrize("path", ["/v2", "/v2/"])
def test_server_metadata(path, server):
    """Server Metadata: GET v2 (and, in the specification's OpenAPI document, /v2/).

    "A successful server metadata request is indicated by a 200 HTTP status code. The server
    metadata response object, identified as $metadata_server_response, is returned in the HTTP
    body." — “extensions”: "Individual inference servers may define and document their own
    extensions."
    """
    found = get(server, path, METADATA_SERVER)
    assert found["name"] == "samebits"
    assert "binary_tensor_data" in found["extensions"]


@pytest.mark.parametrize("name", [*infer.list_models(), "double_cubic"])
def test_model_metadata(name, server, double):
    """Model Metadata: GET v2/models/<model_name>[/versions/<model_version>].

    "A successful model metadata request is indicated by a 200 HTTP status code." — "name" : "The
    name of the model." — "versions" : "The model versions that may be explicitly requested via the
    appropriate endpoint." — "datatype" : "The data-type of the tensor elements as defined in Tensor
    Data Types." — "shape" : "The shape of the tensor. Variable-size dimensions are specified as
    -1."
    """
    card = infer.load(double if name == "double_cubic" else name).card
    found = get(server, f"/v2/models/{name}", METADATA_MODEL)
    assert found["name"] == card.name
    assert found["versions"] == [card.digest[:12]]
    for one in found["versions"]:
        assert get(server, f"/v2/models/{name}/versions/{one}", METADATA_MODEL) == found
    (source,), (target,) = found["inputs"], found["outputs"]
    datatype = {"float32": "FP32", "float64": "FP64"}[card.dtype]
    shape = [-1] if card.features is None else [-1, card.features]
    assert source == {"name": card.input.name, "datatype": datatype, "shape": shape}
    assert target == {"name": card.output.name, "datatype": datatype, "shape": [-1]}


@pytest.mark.parametrize("name", [*infer.list_models(), "double_cubic"])
@pytest.mark.parametrize("rows", [0, 1, 3])
def test_what_the_metadata_say_is_what_is_taken_and_given(rows, name, server):
    """“inputs” : "The inputs required by the model." “outputs” : "The outputs produced [...]"."""
    found = get(server, f"/v2/models/{name}", METADATA_MODEL)
    (source,), (target,) = found["inputs"], found["outputs"]
    shape = [rows if length == -1 else length for length in source["shape"]]
    count = 1
    for length in shape:
        count *= length
    asked = tensor(source["name"], shape, source["datatype"], [0.5] * count)
    answer = post(server, f"/v2/models/{name}/infer", {"inputs": [asked]})
    (output,) = answer["outputs"]
    assert output["shape"] == [rows if length == -1 else length for length in target["shape"]]
    assert (output["name"], output["datatype"]) == (target["name"], target["datatype"])


def test_platform(server):
    """Platforms: 'Platform names use the format "<project>_<format>".'"""
    found = get(server, "/v2/models/f2c", METADATA_MODEL)
    assert re.fullmatch("[a-z]+_[a-z]+", found["platform"])


def test_metadata_parameters_are_scalars(server):
    """Parameters: "the “value” is a $string, $number, or $boolean."

    The published metadata have no parameters; these are more than it asks for, in its own form.
    """
    found = get(server, "/v2/models/plane", METADATA_MODEL)["parameters"]
    card = infer.load("plane").card
    assert json.loads(found["domain"]) == [list(pair) for pair in card.domain]
    assert found["digest"] == card.digest
    assert (found["input_shape"], found["output_shape"]) == ("..., 2", "...")
    config = get(server, "/v2/models/plane/config", {"type": "object"})
    assert config["parameters"] == {key: {"string_value": text} for key, text in found.items()}


def test_infer_with_and_without_a_version(server, version):
    """Inference: POST v2/models/<model_name>[/versions/<model_version>]/infer.

    "If a version is not provided the server may choose a version based on its own policies or
    return an error." — "A successful inference request is indicated by a 200 HTTP status code." —
    "model_version" : "The specific model version used for inference."
    """
    request = {"inputs": [tensor()]}
    first = post(server, "/v2/models/f2c/infer", request)
    assert post(server, f"/v2/models/f2c/versions/{version}/infer", request) == first
    assert (first["model_name"], first["model_version"]) == ("f2c", version)
    (output,) = first["outputs"]
    assert output["data"] == infer.load("f2c")([50.0, 68.0])
    assert post(server, "/v2/models/f2c/versions/1/infer", request, ERROR, 404)


@pytest.mark.parametrize("identifier", ["42", "", " ", "0", 'é \u2028 \\ " \n', "x" * 5000])
@pytest.mark.parametrize("count", [1, 2])
def test_id(count, identifier, server):
    """"id" : "An identifier for this request. Optional, but if specified this identifier must be
    returned in the response."
    """  # fmt: skip
    request = {"inputs": [tensor(shape=[count], data=[1.0] * count)]}
    assert "id" not in post(server, "/v2/models/f2c/infer", request)
    answer = post(server, "/v2/models/f2c/infer", {**request, "id": identifier})
    assert answer["id"] == identifier


def test_id_of_a_binary_answer(server):
    """ "id" : "The "id" identifier given in the request, if any.\""""
    asked = {"inputs": [tensor()], "parameters": {"binary_data_output": True}, "id": ""}
    _, headers, body = server.ask("POST", "/v2/models/f2c/infer", json.dumps(asked))
    size = int(headers["inference-header-content-length"])
    assert json.loads(body[:size])["id"] == ""


@pytest.mark.parametrize("value", ["text", 1, 1.5, True, False])
def test_parameters(value, server):
    """"parameters" : "An object containing zero or more parameters for this inference request
    expressed as key/value pairs."
    """  # fmt: skip
    plain = post(server, "/v2/models/f2c/infer", {"inputs": [tensor()]})
    named = {"own": value}
    request = {
        "parameters": named,
        "inputs": [tensor(parameters=named)],
        "outputs": [{"name": "t_c", "parameters": named}],
    }
    assert post(server, "/v2/models/f2c/infer", request) == plain
    request["parameters"] = {}
    assert post(server, "/v2/models/f2c/infer", request) == plain


def test_outputs_may_be_left_out(server):
    """"outputs" : "Optional, if not specified all outputs produced by the model will be returned
    using default $request_output settings."
    """  # fmt: skip
    plain = post(server, "/v2/models/f2c/infer", {"inputs": [tensor()]})
    for outputs in ([{"name": "t_c"}], []):
        request = {"inputs": [tensor()], "outputs": outputs}
        assert post(server, "/v2/models/f2c/infer", request) == plain
    assert [output["name"] for output in plain["outputs"]] == ["t_c"]
    request = {"inputs": [tensor()], "outputs": [{"name": "other"}]}
    assert post(server, "/v2/models/f2c/infer", request, ERROR, 400)


@pytest.mark.parametrize("key", ["name", "shape", "datatype", "data"])
def test_what_a_request_input_must_have(key, server):
    """$inference_request_input = {"name", "shape", "datatype", "parameters" #optional, "data"}."""
    without = tensor()
    del without[key]
    assert post(server, "/v2/models/f2c/infer", {"inputs": [without]}, ERROR, 400)


def test_inputs_are_required(server):
    """$inference_request = {"id" #optional, "parameters" #optional, "inputs", "outputs" ...}."""
    for request in ({}, {"id": "1"}, {"inputs": []}, {"inputs": {}}, {"inputs": [1]}):
        assert post(server, "/v2/models/f2c/infer", request, ERROR, 400)


@pytest.mark.parametrize("length", [-1, 1.0, 1.5, "2", True, None, 1 << 64])
def test_a_dimension_is_an_unsigned_integer_of_64_bits(length, server):
    """"shape" : "Each dimension must be an integer representable as an unsigned 64-bit integer
    value."
    """  # fmt: skip
    request = {"inputs": [tensor(shape=[length])]}
    status = 413 if length == 1 << 64 else 400
    found, _, body = server.ask("POST", "/v2/models/f2c/infer", json.dumps(request))
    jsonschema.validate(json.loads(body), ERROR)
    assert found in (status, 400)


def test_the_shape_is_that_of_the_whole_batch(server):
    """Request Input: "If the input is batched, the shape and data must represent the full shape and
    contents of the entire batch."
    """  # fmt: skip
    request = {"inputs": [tensor("x", [3, 2], data=[0, 1, 2, 3, 4, 5])]}
    answer = post(server, "/v2/models/plane/infer", request)
    assert answer["outputs"][0]["data"] == infer.load("plane")([[0, 1], [2, 3], [4, 5]])
    request = {"inputs": [tensor("x", [3, 2], data=[0, 1])]}
    assert post(server, "/v2/models/plane/infer", request, ERROR, 400)


def test_tensor_data_nested_or_flat(server):
    """Tensor Data: "Tensor data must be presented in row-major order of the tensor elements." —
    "Tensor elements may be presented in their nature multi-dimensional representation, or as a
    flattened one-dimensional representation."
    """  # fmt: skip
    natural = tensor(shape=[2, 2], data=[[1, 2], [4, 5]])
    flattened = tensor(shape=[2, 2], data=[1, 2, 4, 5])
    first = post(server, "/v2/models/f2c/infer", {"inputs": [natural]})
    assert post(server, "/v2/models/f2c/infer", {"inputs": [flattened]}) == first
    assert first["outputs"][0]["data"] == infer.load("f2c")([1.0, 2.0, 4.0, 5.0])


@pytest.mark.parametrize("datatype", SIZES)
def test_tensor_data_types(datatype, server):
    """Tensor Data Types: BOOL to FP64 "along with the size of each type, in bytes".

    Tensor Data: "The server can decide to coerce each element to the required type or return an
    error if an unexpected value is received."
    """
    good = [True, False] if datatype == "BOOL" else [1, 0]
    answer = post(
        server, "/v2/models/f2c/infer", {"inputs": [tensor(datatype=datatype, data=good)]}
    )
    assert answer["outputs"][0]["data"] == infer.load("f2c")([1.0, 0.0])
    for wrong in ("1", None, {}):
        request = {"inputs": [tensor(datatype=datatype, data=[wrong, wrong])]}
        assert post(server, "/v2/models/f2c/infer", request, ERROR, 400)
    head = {"name": "t_u", "shape": [3], "datatype": datatype}
    head["parameters"] = {"binary_data_size": 3 * SIZES[datatype]}
    text = json.dumps({"inputs": [head]})
    body = text.encode() + bytes(3 * SIZES[datatype])
    length = {"Inference_Header_Content_Length": str(len(text))}
    status, answer = server.infer("f2c", body, **length)
    assert (status, answer["outputs"][0]["data"]) == (200, infer.load("f2c")([0.0] * 3))


def test_text_is_a_datatype_that_no_model_takes(server):
    """Tensor Data Types: "BYTES", which is variable in size."""
    request = {"inputs": [tensor(datatype="BYTES", data=["a", "b"])]}
    assert post(server, "/v2/models/f2c/infer", request, ERROR, 400)


ERRORS = {
    "/v2/models/unknown": ("GET", None),
    "/v2/models/f2c/versions/0": ("GET", None),
    "/v2/models/f2c/versions/0/ready": ("GET", None),
    "/v2/models/unknown/infer": ("POST", "{}"),
    "/v2/models/f2c/infer": ("POST", "{"),
    "/v2/unknown": ("GET", None),
    "/v2/health/live": ("POST", "{}"),
}


@pytest.mark.parametrize("path", ERRORS)
def test_an_error(path, server):
    """"A failed [...] request must be indicated by an HTTP error status (typically 400). The HTTP
    body must contain the [...]_error_response object": {"error": $string}, “error” : "The
    descriptive message for the error."
    """  # fmt: skip
    method, body = ERRORS[path]
    status, headers, answer = server.ask(method, path, body)
    assert 400 <= status < 500
    assert headers["content-type"] == "application/json"
    jsonschema.validate(json.loads(answer), ERROR)


def test_the_example_of_the_specification(server):
    """Inference Request Examples: an "id", a shape of two axes, flat data, and a named output.

    "For the above request the inference server must return the “output0” output tensor."
    """
    request = {
        "id": "42",
        "inputs": [tensor("t_u", [2, 2], "UINT32", [1, 2, 3, 4])],
        "outputs": [{"name": "t_c"}],
    }
    answer = post(server, "/v2/models/f2c/infer", request)
    assert answer["id"] == "42"
    (output,) = answer["outputs"]
    assert (output["name"], output["shape"], output["datatype"]) == ("t_c", [2, 2], "FP32")

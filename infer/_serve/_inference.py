"""From an inference request to its answer: plain functions, no sockets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from infer._errors import InferError, InputError
from infer._ieee.floats import float32, may_be_halfway
from infer._serve._catalog import ServedModel
from infer._serve._errors import RETRY, RequestError, show
from infer._serve._tensors import (
    OF_DTYPE,
    dumps,
    from_binary,
    from_json,
    loads,
    loads_text,
    to_binary,
)
from infer._serve._validation import check_input, check_output

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Estimated characters of a number in JSON.
_JSON_WIDTH = 24
# Parameters that would change the source, the destination or the meaning of data; all others may be
# ignored.
_REFUSED = ("shared_memory_region", "classification")


class Limits(NamedTuple):
    """Size limits of a request; see ``Settings``."""

    max_elements: int
    max_json: int


class Answer(NamedTuple):
    """The body of an answer.

    Attributes:
        head: JSON.
        tail: the binary data after the JSON, or None.
        elements: how many numbers were in the input.
        request_id: as in the request; may be empty.
    """

    head: bytes
    tail: memoryview | None
    elements: int
    request_id: str = ""


def infer(
    served: ServedModel, body: bytes | memoryview, json_size: int | None, limits: Limits
) -> Answer:
    """Answer a request.

    Args:
        served: the model.
        body: of the request.
        json_size: how many bytes of JSON precede the binary data; None if all is JSON.
        limits: size limits.

    Raises:
        RequestError: the request is not valid for the protocol or the model, or the model failed.
    """
    try:
        return _infer(served, body, json_size, limits)
    except MemoryError:
        raise RequestError(503, "not enough memory for this request; try again", RETRY) from None


def compute(served: ServedModel, x: Any) -> Any:
    """Call the model.

    Raises:
        RequestError: 400 if x is not a valid input, 500 if the model failed.
    """
    try:
        return served.model(x)
    except InputError as error:
        raise RequestError(400, str(error)) from None
    except InferError as error:
        raise RequestError(
            500, f"{served.card.name} failed; see the server's log", reason=str(error)
        ) from None


def _infer(
    served: ServedModel, body: bytes | memoryview, json_size: int | None, limits: Limits
) -> Answer:
    size = len(body) if json_size is None else json_size
    if size > limits.max_json:
        raise RequestError(
            413,
            f"expected at most {limits.max_json:,} bytes of JSON, found {size:,}; send the "
            "tensor as binary data",
        )
    if size > len(body):
        raise RequestError(
            400, f"Inference-Header-Content-Length is {size:,}, the body has {len(body):,} bytes"
        )
    head = body if json_size is None else body[:size]
    request = loads(head)
    if type(request) is not dict:
        raise RequestError(400, "expected a JSON object with 'inputs'")
    request_id = request.get("id")
    if type(request_id) is not str and "id" in request:
        raise RequestError(400, "expected text at 'id'")
    binary = _wants_binary(request, served)
    tensor, datatype, shape, count = _read_input(request, served, limits.max_elements)
    if not binary and count * _JSON_WIDTH > limits.max_json:
        most = limits.max_json // _JSON_WIDTH
        raise RequestError(
            413, f"an answer in JSON has at most {most:,} values; ask for 'binary_data_output'"
        )
    data = tensor.get("data")
    own = OF_DTYPE[served.card.dtype]
    parameters = parameters_of(tensor, "inputs[0]")
    if "binary_data_size" not in parameters:
        if json_size is not None and size != len(body):
            raise RequestError(
                400, f"{len(body) - size:,} bytes after the JSON, but no 'binary_data_size'"
            )
        if (
            count == 1
            and type(data) is list
            and len(data) == 1
            and type(x := data[0]) is float
            and (datatype == "FP64" or (datatype == own and _is_double_enough(x)))
            and served.card.features is None
            and not binary
        ):
            answer = compute(served, x)
            return Answer(
                _json_head(served, request_id, shape, [answer]), None, 1, request_id or ""
            )
        x = from_json(data, datatype, shape, count, lambda: loads_text(head)["inputs"][0]["data"])
    else:
        x = _binary_input(tensor, parameters, body, json_size, datatype, shape, count)
    answers = compute(served, x)
    if binary:
        return _binary_answer(served, request_id, answers, count)
    found = answers.reshape(-1).tolist()
    return Answer(
        _json_head(served, request_id, [*answers.shape], found), None, count, request_id or ""
    )


def _is_double_enough(x: float) -> bool:
    """Return whether rounding the decimal via this double gives the right float32."""
    return not may_be_halfway(x) or float32(x) == x


def _read_input(
    request: dict[str, Any], served: ServedModel, most: int
) -> tuple[dict[str, Any], str, list[int], int]:
    """Return the input, its datatype, its shape, and the number of values."""
    inputs = request.get("inputs")
    name = served.card.input.name
    if type(inputs) is not list or len(inputs) != 1 or type(inputs[0]) is not dict:
        raise RequestError(400, f"expected one input, {name!r}, in the list at 'inputs'")
    tensor: dict[str, Any] = inputs[0]
    datatype: Any
    shape: Any
    datatype, shape = tensor.get("datatype"), tensor.get("shape")
    count = check_input(served.card, tensor.get("name"), datatype, shape, most)
    return tensor, datatype, shape, count


def _wants_binary(request: dict[str, Any], served: ServedModel) -> bool:
    """Return whether the answer should be binary."""
    binary = _flag(parameters_of(request, "the request"), "binary_data_output", default=False)
    outputs = request.get("outputs")
    if not outputs:
        return binary
    name = served.card.output.name
    if type(outputs) is not list or len(outputs) != 1 or type(outputs[0]) is not dict:
        raise RequestError(400, f"expected one output, {name!r}, in the list at 'outputs'")
    check_output(served.card, outputs[0].get("name"))
    return _flag(parameters_of(outputs[0], "outputs[0]"), "binary_data", default=binary)


def parameters_of(holder: dict[str, Any], where: str) -> dict[str, Any]:
    """Return the parameters of a request or of one of its tensors, by name.

    Raises:
        RequestError: they are not an object, or contain an unsupported parameter that would change
            the source, the destination or the meaning of data.
    """
    parameters = holder.get("parameters")
    if parameters is None:
        return {}
    if type(parameters) is not dict:
        raise RequestError(400, f"expected an object at 'parameters' of {where}")
    for key in _REFUSED:
        if key in parameters:
            raise RequestError(400, f"parameter {key!r} of {where} is not supported here")
    return parameters


def _flag(parameters: dict[str, Any], key: str, *, default: bool) -> bool:
    value = parameters.get(key, default)
    if type(value) is not bool:
        raise RequestError(400, f"expected true or false at {key!r}, found {show(value)}")
    return value


def _binary_input(
    tensor: dict[str, Any],
    parameters: dict[str, Any],
    body: bytes | memoryview,
    json_size: int | None,
    datatype: str,
    shape: list[int],
    count: int,
) -> NDArray[Any]:
    if "data" in tensor:
        raise RequestError(400, "expected either 'data' or 'binary_data_size', found both")
    size = parameters["binary_data_size"]
    rest = 0 if json_size is None else len(body) - json_size
    if type(size) is not int or size != rest:
        hint = "; is the header Inference-Header-Content-Length missing?" if not rest else ""
        raise RequestError(
            400,
            f"'binary_data_size' is {show(size)}, but {rest:,} bytes follow the JSON{hint}",
        )
    return from_binary(memoryview(body)[json_size or len(body) :], datatype, shape, count)


def _document(
    served: ServedModel, request_id: str | None, output: dict[str, Any]
) -> dict[str, Any]:
    document: dict[str, Any] = {"model_name": served.card.name, "model_version": served.version}
    if request_id is not None:
        document["id"] = request_id
    document["outputs"] = [output]
    return document


def _output(served: ServedModel, shape: list[int]) -> dict[str, Any]:
    card = served.card
    return {"name": card.output.name, "datatype": OF_DTYPE[card.dtype], "shape": shape}


def _json_head(
    served: ServedModel, request_id: str | None, shape: list[int], answers: list[float]
) -> bytes:
    output = _output(served, shape)
    output["data"] = answers
    return dumps(_document(served, request_id, output))


def _binary_answer(
    served: ServedModel, request_id: str | None, answers: NDArray[Any], count: int
) -> Answer:
    tail = to_binary(answers)
    output = _output(served, [*answers.shape])
    output["parameters"] = {"binary_data_size": len(tail)}
    return Answer(dumps(_document(served, request_id, output)), tail, count, request_id or "")

"""From a ModelInferRequest to its ModelInferResponse: plain functions, no sockets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from infer._serve._errors import RETRY, RequestError
from infer._serve._grpc import wire
from infer._serve._grpc.numbers import FIELDS, aligned, from_contents
from infer._serve._inference import compute, parameters_of
from infer._serve._tensors import OF_DTYPE, from_binary, to_binary
from infer._serve._validation import check_input, check_output

if TYPE_CHECKING:
    from infer._serve._catalog import ServedModel

# Limit of a shape in bytes on the wire; every valid shape is shorter.
_MOST_SHAPE = 320


class Inference(NamedTuple):
    """An answer.

    Attributes:
        served: the model that computed it.
        message: the bytes of a ModelInferResponse.
        elements: how many numbers were in the input.
    """

    served: ServedModel
    message: bytes
    elements: int


def infer(
    served: ServedModel, fields: dict[str, Any], max_elements: int, *, final: bool = False
) -> Inference:
    """Answer a request: with raw contents if its contents are raw, with typed ones otherwise.

    Args:
        served: the model.
        fields: of the ModelInferRequest.
        max_elements: how many numbers the request may have.
        final: whether to mark the answer as the last one to the request.

    Raises:
        RequestError: the request is not valid for the protocol or the model, or the model failed.
    """
    try:
        return _infer(served, fields, max_elements, final=final)
    except MemoryError:
        raise RequestError(503, "not enough memory for this request; try again", RETRY) from None


def _infer(
    served: ServedModel, fields: dict[str, Any], max_elements: int, *, final: bool
) -> Inference:
    card = served.card
    parameters_of(fields, "the request")
    inputs, outputs = fields.get("inputs", []), fields.get("outputs", [])
    if len(inputs) != 1:
        raise RequestError(400, f"expected one input, {card.input.name!r}, found {len(inputs):,}")
    if len(outputs) > 1:
        raise RequestError(
            400, f"expected at most one output, {card.output.name!r}, found {len(outputs):,}"
        )
    for output in outputs:
        check_output(card, output.get("name", ""))
        parameters_of(output, "outputs[0]")
    (tensor,) = inputs
    parameters_of(tensor, "inputs[0]")
    datatype = tensor.get("datatype", "")
    lengths = tensor.get("shape", [])
    if sum(map(len, lengths)) > _MOST_SHAPE:
        raise RequestError(400, "the shape has too many axes")
    shape = wire.integers(lengths)
    count = check_input(card, tensor.get("name", ""), datatype, shape, max_elements)
    raw = fields.get("raw_input_contents", [])
    contents = tensor.get("contents", {})
    if raw:
        if len(raw) != 1:
            raise RequestError(400, f"expected one of raw_input_contents, found {len(raw):,}")
        if any(len(part) for parts in contents.values() for part in parts):
            raise RequestError(400, "expected contents or raw_input_contents, found both")
        x = aligned(from_binary(raw[0], datatype, shape, count))
    else:
        x = from_contents(contents, datatype, shape, count)
    answers = compute(served, x)
    data = to_binary(answers)
    found = OF_DTYPE[card.dtype]
    output = {"name": card.output.name, "datatype": found, "shape": [*answers.shape]}
    document = {
        "model_name": card.name,
        "model_version": served.version,
        "id": fields.get("id", ""),
        "parameters": {"triton_final_response": {"bool_param": True}} if final else {},
        "outputs": [output],
    }
    if raw:
        document["raw_output_contents"] = [data]
    else:
        output["contents"] = {FIELDS[found]: data}
    return Inference(served, wire.encode(document, "ModelInferResponse"), count)

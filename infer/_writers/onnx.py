"""``model.onnx``: the program of a card as an ONNX graph, with one or more nodes per step.

The file consists of protocol buffers, with fields in the order of their numbers: the same bytes as
the package onnx writes. The numbers are those in onnx.proto of https://github.com/onnx/onnx.
"""

from __future__ import annotations

import struct

from infer._artifact.card import ModelCard, Port
from infer._files.varint import varint
from infer._program.kept_zeros import with_kept_sums
from infer._program.operations import Node
from infer._program.program import Program
from infer._writers.linearize import linearize

# Opset 9 (2018), unless an operation needs a later one, so that old runtimes load the file too. It
# belongs to IR version 4.
OPSET = 9
IR_VERSION = 4
_ELEMENT_TYPES = {"float32": 1, "float64": 11}
_INT64 = 7
_FORMATS = {"float32": "<f", "float64": "<d"}
_ATTRIBUTE_INT = 2


def render(card: ModelCard) -> bytes:
    """Return the bytes of an ONNX model with one input and one output of dynamic length.

    Args:
        card: its program becomes the nodes; its names, units and formula become documentation.
    """
    source, target = card.input, card.output
    program = with_kept_sums(card.compiled)
    opsets = [step.operation.opset for step in program.steps]
    opset = _text(1, "") + _number(2, max(OPSET, *opsets))
    metadata = {
        "name": card.name,
        "title": card.title,
        "formula": card.formula,
        f"unit.{source.name}": source.unit,
        f"unit.{target.name}": target.unit,
    }
    return b"".join(
        (
            _number(1, IR_VERSION),
            _text(2, "samebits"),
            _text(6, card.description),
            _field(7, _graph(card, program)),
            _field(8, opset),
            *(_field(14, _text(1, key) + _text(2, value)) for key, value in metadata.items()),
        )
    )


def _graph(card: ModelCard, program: Program) -> bytes:
    element_type, dtype = _ELEMENT_TYPES[card.dtype], _FORMATS[card.dtype]
    tensors = {
        name: _number(2, element_type) + _text(8, name) + _field(9, struct.pack(dtype, value))
        for name, value in program.constants.items()
    }
    nodes: list[bytes] = []
    for number, step in enumerate(program.steps, 1):
        found, last = step.rule("onnx"), f"_{number}"
        root = (found, step.operands, {}) if isinstance(found, str) else found(step, program)
        for name, node in linearize(root, last):
            nodes.append(_node(node, f"step{name[1:]}", step.target if name == last else name))
            for value in node[1]:
                if isinstance(value, int):
                    index, data = _index(value), _field(9, struct.pack("<q", value))
                    tensors[index] = _number(2, _INT64) + _text(8, index) + data
    rows = _field(1, _text(2, "n"))
    columns = _field(1, _number(1, card.features)) if card.features else b""
    return b"".join(
        (
            *nodes,
            _text(2, card.name),
            *(_field(5, tensor) for _, tensor in sorted(tensors.items())),
            _text(10, f"{card.title}: {card.formula}"),
            _field(11, _value(card.input, element_type, rows + columns)),
            _field(12, _value(card.output, element_type, rows)),
        )
    )


def _node(node: Node, name: str, target: str) -> bytes:
    operator, inputs, attributes = node
    fields = [_text(1, _index(value) if isinstance(value, int) else value) for value in inputs]
    fields += [_text(2, target), _text(3, name), _text(4, operator)]
    fields += [
        _field(5, _text(1, key) + _number(3, value) + _number(20, _ATTRIBUTE_INT))
        for key, value in attributes.items()
    ]
    return _field(1, b"".join(fields))


def _index(value: int) -> str:
    """Return the name of an integer constant; no name in a card starts with an underscore."""
    return f"_{value}"


def _value(port: Port, element_type: int, shape: bytes) -> bytes:
    tensor = _number(1, element_type) + _field(2, shape)
    return (
        _text(1, port.name)
        + _field(2, _field(1, tensor))
        + _text(3, f"{port.name}, unit {port.unit}")
    )


# Protocol buffers: a field is its number and wire type, then a number, or a length and that many
# bytes.


def _number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def _field(field: int, data: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(data)) + data


def _text(field: int, text: str) -> bytes:
    return _field(field, text.encode())

"""``model.onnx``: the program of a card, a node for each step.

It is not made by ``torch.onnx.export``, which takes seconds to load, holds a number in a forward by
its value (so -0.0 becomes 0.0, and a double is rounded to float32), and writes the machine's paths.
tests/export/test_onnx.py compares its nodes with these.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx.helper import make_node, make_tensor_value_info, np_dtype_to_tensor_dtype
from onnx.numpy_helper import from_array

from infer._card import ModelCard, Port
from infer._program import Step

# Opset 9 (2018) has every operation that the contract permits with today's meaning, so runtimes
# from then on load the file. IR 4 is the version that belongs to it.
OPSET = 9
IR_VERSION = 4
_OPERATIONS = {"+": "Add", "-": "Sub", "*": "Mul", "neg": "Neg", "pick": "Gather"}


def to_onnx(card: ModelCard) -> bytes:
    """Return the bytes of an ONNX model with one input and one output of dynamic length.

    Args:
        card: its program becomes the nodes; its names, units and formula the documentation.

    Raises:
        onnx.checker.ValidationError: the model is not valid.
    """
    program = card.compiled
    numbers = {name: np.array(value, card.dtype) for name, value in program.constants.items()}
    # The index of a feature; no name in a card begins like this.
    numbers |= {
        _index(step): np.array(step.feature) for step in program.steps if step.operator == "pick"
    }
    element_type = np_dtype_to_tensor_dtype(np.dtype(card.dtype))
    shape: list[str | int | None] = ["n", card.features] if card.features else ["n"]
    source, target = card.input, card.output
    graph = onnx.helper.make_graph(
        [_node(number, step) for number, step in enumerate(program.steps, 1)],
        card.name,
        [make_tensor_value_info(source.name, element_type, shape, _described(source))],
        [make_tensor_value_info(target.name, element_type, ["n"], _described(target))],
        [from_array(value, name) for name, value in sorted(numbers.items())],
        doc_string=f"{card.title}: {card.formula}",
    )
    model = onnx.helper.make_model(
        graph,
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="samebits",
        doc_string=card.description,
    )
    onnx.helper.set_model_props(
        model,
        {
            "name": card.name,
            "title": card.title,
            "formula": card.formula,
            f"unit.{source.name}": source.unit,
            f"unit.{target.name}": target.unit,
        },
    )
    onnx.checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _node(number: int, step: Step) -> onnx.NodeProto:
    name, operation = f"step{number}", _OPERATIONS[step.operator]
    if step.operator == "pick":  # the features are the last axis of (n, features)
        operands = [*step.operands, _index(step)]
        return make_node(operation, operands, [step.target], name=name, axis=1)
    return make_node(operation, step.operands, [step.target], name=name)


def _index(step: Step) -> str:
    return f"_{step.feature}"


def _described(port: Port) -> str:
    return f"{port.name}, unit {port.unit}"

"""``model.onnx``: the module through torch's exporter, with nothing of this machine in it."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import onnx
import torch
from numpy.typing import NDArray
from onnx.numpy_helper import from_array, to_array
from torch import nn

from export._errors import ExportError
from export._program import plain_name
from infer._card import ModelCard
from infer._floats import bits, from_bits

# Opset 9 (2018) has every operation that the contract permits with today's meaning, so runtimes
# from then on load the file. IR 4 is the version that belongs to it.
OPSET = 9
IR_VERSION = 4
# What the exporter writes; the operations permitted here did not change in between.
_EXPORTED_OPSET = 18
_OPERATIONS = frozenset({"Add", "Sub", "Mul", "Neg", "Gather"})
_ELEMENT_TYPES = {"float32": onnx.TensorProto.FLOAT, "float64": onnx.TensorProto.DOUBLE}


def to_onnx(module: nn.Module, card: ModelCard) -> bytes:
    """Return the bytes of an ONNX model with one input and one output of dynamic length.

    Args:
        module: in the model's dtype.
        card: what the model is; goes into the metadata.

    Raises:
        ExportError: the exporter used an operation that the numerical contract does not permit.
        onnx.checker.ValidationError: the exporter wrote something that is not valid.
    """
    shape = (3, card.features) if card.features else (3,)
    example = torch.zeros(shape, dtype=getattr(torch, card.dtype))
    with _quiet_exporter():
        program = torch.onnx.export(
            module,
            (example,),
            dynamo=True,
            opset_version=_EXPORTED_OPSET,
            # The optimizer drops "+ 0.0", which turns -0.0 into 0.0.
            optimize=False,
            dynamic_shapes=({0: torch.export.Dim("n")},),
            input_names=[card.input.name],
            output_names=[card.output.name],
            verbose=False,
        )
    if program is None:
        raise ExportError("torch.onnx.export gave no program")
    model = _canonical(program.model_proto, card)
    onnx.checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


@contextlib.contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Keep the exporter from telling about torchvision and about its own use of torch."""
    logger = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)`")
            yield
    finally:
        logger.setLevel(level)


class _Constants:
    """The numbers of a graph: parameters and buffers, and those that stand in the forward itself.

    The exporter writes the latter as nodes, Constant and Cast, and knows them by value. Here they
    become initializers with the names that they have in the card.
    """

    def __init__(self, graph: onnx.GraphProto, card: ModelCard) -> None:
        self._dtype = card.dtype
        self._used = {plain_name(value.name): to_array(value) for value in graph.initializer}
        self._literals = {
            bits(value, card.dtype): name
            for name, value in card.constants.items()
            if name not in self._used
        }
        self._held: dict[str, NDArray[Any]] = {}

    def hold(self, node: onnx.NodeProto) -> bool:
        """Keep the value of a node that stands for a number; False for any other node."""
        if node.op_type == "Constant":
            self._held[node.output[0]] = to_array(node.attribute[0].t)
        elif node.op_type == "Cast" and node.input[0] in self._held:
            dtype = onnx.helper.tensor_dtype_to_np_dtype(node.attribute[0].i)
            self._held[node.output[0]] = self._held[node.input[0]].astype(dtype)
        else:
            return False
        return True

    def name(self, operand: str) -> str | None:
        """Return the initializer for the operand of a step, None if it is none of these."""
        if operand not in self._held:
            return None
        number = self._held[operand]
        if number.dtype.kind == "i":
            name = f"_{number}"  # the index of a feature; no name in a card begins like this
        else:
            name = self._literals.get(bits(float(number), self._dtype), "")
            if not name:
                raise ExportError(_altered(float(number)))
        self._used[name] = number
        return name

    def initializers(self) -> list[onnx.TensorProto]:
        """Return the constants that the steps use, sorted by name.

        Raises:
            ExportError: the exporter lost one. It takes -0.0 for 0.0, and rounds to float32.
        """
        for pattern, name in self._literals.items():
            if name not in self._used:
                raise ExportError(_altered(from_bits(pattern, self._dtype)))
        return [from_array(value, name) for name, value in sorted(self._used.items())]


def _altered(number: float) -> str:
    return (
        f"torch.onnx.export does not keep the number {number!r} as it stands in forward. Make it a "
        "buffer: register_buffer(name, torch.tensor(value, dtype=torch.float64))."
    )


def _canonical(source: onnx.ModelProto, card: ModelCard) -> onnx.ModelProto:
    """Rebuild the model with only what defines it: steps, constants, names, documentation.

    The exporter's metadata holds stack traces with paths, and its names depend on its version.
    """
    graph = source.graph
    names = {"": ""}
    for value in (*graph.input, *graph.output, *graph.initializer):
        names[value.name] = plain_name(value.name)
    constants = _Constants(graph, card)
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        if constants.hold(node):
            continue
        if node.op_type not in _OPERATIONS:
            raise ExportError(f"torch.onnx.export used {node.op_type}, which is not permitted")
        for output in node.output:
            names.setdefault(output, f"s{len(nodes) + 1}")
        nodes.append(
            onnx.helper.make_node(
                node.op_type,
                [constants.name(name) or names[name] for name in node.input],
                [names[name] for name in node.output],
                name=f"step{len(nodes) + 1}",
            )
        )
        nodes[-1].attribute.extend(node.attribute)
    element_type = _ELEMENT_TYPES[card.dtype]
    shape: list[str | int | None] = ["n", card.features] if card.features else ["n"]
    new_graph = onnx.helper.make_graph(
        nodes,
        card.name,
        [
            onnx.helper.make_tensor_value_info(
                card.input.name, element_type, shape, f"{card.input.name}, unit {card.input.unit}"
            )
        ],
        [
            onnx.helper.make_tensor_value_info(
                card.output.name,
                element_type,
                ["n"],
                f"{card.output.name}, unit {card.output.unit}",
            )
        ],
        constants.initializers(),
        doc_string=f"{card.title}: {card.formula}",
    )
    model = onnx.helper.make_model(
        new_graph,
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
            f"unit.{card.input.name}": card.input.unit,
            f"unit.{card.output.name}": card.output.unit,
        },
    )
    return model

"""From a torch module to the plain-text program, by tracing its forward."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from types import EllipsisType
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.proxy import TraceError

from export._errors import ExportError
from infer._program.operations import OPERATIONS, Operation

_PERMITTED = ", ".join(row.text.format("a", "b") for row in OPERATIONS.values() if not row.picks)
_PERMITTED += ", and x[..., k] to pick a feature"


def _traced() -> Mapping[Any, Operation]:
    """Return the operations by their functions and method names in a graph."""
    modules = {"operator": operator, "torch": torch}
    found: dict[Any, Operation] = {}
    for row in OPERATIONS.values():
        for spelling in row.traced:
            owner, _, name = spelling.partition(".")
            found[operator.attrgetter(name)(modules[owner]) if owner in modules else name] = row
    return found


_TRACED = _traced()


@dataclass(frozen=True)
class TracedProgram:
    """The steps of a forward, as lines, and the constants that they use, by name."""

    lines: tuple[str, ...]
    constants: dict[str, float]


def trace(module: nn.Module, input_name: str, output_name: str) -> TracedProgram:
    """Trace a module's forward into a program.

    Args:
        module: in the model's dtype; its parameters and buffers are 0-d tensors.
        input_name: name of the input in the program.
        output_name: name of the last step.

    Raises:
        ExportError: the forward uses something that the numerical contract does not permit.
    """
    try:
        graph = fx.symbolic_trace(module).graph
    except TraceError as error:  # an if or a loop over the input's values
        raise ExportError(f"forward: {error}; permitted: {_PERMITTED}") from error
    lines: list[str] = []
    constants: dict[str, float] = {}
    names: dict[fx.Node, str] = {}
    output = next(node for node in graph.nodes if node.op == "output").args[0]

    def operand(value: Any) -> str:
        if isinstance(value, fx.Node):
            return names[value]
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return _literal(float(value), module, constants)
        raise ExportError(f"forward uses {value!r}; permitted: {_PERMITTED}")

    for node in graph.nodes:
        if node.op == "placeholder":
            if input_name in names.values():
                raise ExportError("forward takes more than one input; give it one with features")
            names[node] = input_name
        elif node.op == "get_attr":
            names[node] = plain_name(str(node.target))
            constants[names[node]] = _scalar(module, str(node.target))
        elif node.op in ("call_function", "call_method"):
            name = output_name if node is output else f"s{len(lines) + 1}"
            lines.append(f"{name} = {_expression(node, operand)}")
            names[node] = name
        elif node.op != "output":
            raise ExportError(f"forward calls {node.target!r}; permitted: {_PERMITTED}")
    return TracedProgram(tuple(lines), constants)


def plain_name(name: str) -> str:
    """Return the name of a parameter or buffer in the artifact: a submodule's dots become _."""
    return name.replace(".", "_")


def _expression(node: fx.Node, operand: Any) -> str:
    if node.kwargs:
        raise ExportError(
            f"forward calls {_shown(node)} with {', '.join(node.kwargs)}=; permitted: {_PERMITTED}"
        )
    row = _TRACED.get(node.target)
    if row is not None and row.picks:
        picked, index = node.args
        if isinstance(index, tuple) and len(index) == 2 and isinstance(index[0], EllipsisType):
            return row.text.format(operand(picked), index[1])
    elif row is not None and row.operands == len(node.args):
        return row.text.format(*map(operand, node.args))
    raise ExportError(f"forward uses {_shown(node)}; permitted: {_PERMITTED}")


def _shown(node: fx.Node) -> str:
    return str(getattr(node.target, "__name__", node.target))


def _scalar(module: nn.Module, name: str) -> float:
    value: Any = module
    for part in name.split("."):
        value = getattr(value, part)
    if not isinstance(value, Tensor) or value.dim() != 0:
        raise ExportError(f"{name} is not a 0-d tensor; give each parameter a tensor of its own")
    return float(value.item())


def _literal(value: float, module: nn.Module, constants: dict[str, float]) -> str:
    """Return the name of a literal number in the forward; it must be exact in the dtype."""
    dtype = next(module.parameters()).dtype
    if torch.tensor(value, dtype=dtype).item() != value:
        raise ExportError(
            f"forward uses the number {value!r}, which is not exactly a {dtype}; runtimes would "
            "round it differently. Make it a buffer: register_buffer(name, torch.tensor(value, "
            "dtype=torch.float64))."
        )
    own = {plain_name(key) for key, _ in (*module.named_parameters(), *module.named_buffers())}
    free = (name for number in itertools.count(1) if (name := f"k{number}") not in own)
    # Compared as text, because 0.0 == -0.0.
    name = next(name for name in free if str(constants.get(name, value)) == str(value))
    constants[name] = value
    return name

"""Compute ``model.pt2`` as the graph in it says, one operator of torch after the other.

``torch.export.load`` gives the same function, but first imports torch's compiler, which takes
longer than everything else that ``calibrate`` does. The tests hold both to the same bits, and
``infer check`` and ``infer.load(runtime="torchexport")`` load the file with torch.export.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any
from zipfile import ZipFile

import torch

_GRAPH = "archive/models/model.json"
_OPERATORS = "torch.ops.aten."


def function_of(data: bytes) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return the function that an archive of torch.export holds.

    Args:
        data: the file's content; one tensor in, one out, and no weights.
    """
    with ZipFile(io.BytesIO(data)) as archive:
        graph = json.loads(archive.read(_GRAPH))["graph_module"]["graph"]
    (source,), (target,) = map(_tensors, (graph["inputs"], graph["outputs"]))
    steps: list[tuple[Callable[..., torch.Tensor], list[Any], str]] = []
    for node in graph["nodes"]:
        (name,) = _tensors(node["outputs"])
        arguments = [argument["arg"] for argument in node["inputs"]]
        steps.append((_operator(node["target"]), arguments, name))

    def compute(x: torch.Tensor) -> torch.Tensor:
        values = {source: x}
        for operator, arguments, name in steps:
            values[name] = operator(*[_value(argument, values) for argument in arguments])
        return values[target]

    return compute


def _tensors(arguments: list[Any]) -> list[str]:
    return [argument["as_tensor"]["name"] for argument in arguments]


def _operator(target: str) -> Callable[..., torch.Tensor]:
    """Return an operator by its full name, such as torch.ops.aten.add.Tensor."""
    name, overload = target.removeprefix(_OPERATORS).split(".")
    operator: Callable[..., torch.Tensor] = getattr(getattr(torch.ops.aten, name), overload)
    return operator


def _value(argument: dict[str, Any], values: dict[str, torch.Tensor]) -> Any:
    """Return a tensor by its name, or the number that an argument is."""
    ((kind, value),) = argument.items()
    return values[value["name"]] if kind == "as_tensor" else value

"""``model.pt2``: the module through torch.export, with nothing of this machine in it."""

from __future__ import annotations

import io
import json
import operator
from typing import Any

import torch
from torch import Tensor, fx, nn

from export._archive import pack, unpack

_PROGRAM = "archive/models/model.json"
# Drawn anew for each archive.
_DROPPED = "archive/.data/serialization_id"


class _Freezer(fx.Transformer):
    """Puts parameters and buffers into the forward as the numbers that they are."""

    def get_attr(self, target: Any, args: Any, kwargs: Any) -> Any:  # noqa: ARG002 - fx's face
        value = self.fetch_attr(target)
        return value.item() if isinstance(value, Tensor) else value

    # A number has no method mul, and torch.sub wants a tensor first.
    def call_method(self, target: Any, args: Any, kwargs: Any) -> Any:
        return super().call_function(getattr(operator, target), args, kwargs)

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        return super().call_function(getattr(operator, target.__name__), args, kwargs)


def to_torchexport(module: nn.Module, features: int | None = None) -> bytes:
    """Return the bytes of an archive that plain ``torch.export.load`` reads.

    The same module gives the same bytes, in any process and any folder.

    Args:
        module: in the model's dtype, with a forward that the format can hold, see
            ``export._program.trace``; its parameters and buffers become part of the code.
        features: how many the module picks from the last axis of an input of shape (n, features);
            None for a module that is elementwise on shape (n,). n may be any number, 0 and 1
            included.
    """
    frozen = _Freezer(fx.symbolic_trace(module)).transform()
    example = torch.zeros((3, features) if features else 3, dtype=next(module.parameters()).dtype)
    # Dim.DYNAMIC and Dim.AUTO would take it that there are at least two.
    length = torch.export.Dim("n", min=0)
    program = torch.export.export(frozen, (example,), dynamic_shapes=({0: length},))
    program.example_inputs = None
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    records = unpack(buffer.getvalue())
    del records[_DROPPED]
    records[_PROGRAM] = _canonical(records[_PROGRAM])
    return pack(records)


def _canonical(program: bytes) -> bytes:
    """Rewrite a graph: no stack traces, no paths, no build; sorted, no white space."""
    document = json.loads(program)
    for node in document["graph_module"]["graph"]["nodes"]:
        node["metadata"] = {}
    # Without the build's tag: it names an index, not a version.
    document["torch_version"] = document["torch_version"].partition("+")[0]
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()

"""``model.pt``: the module, scripted and frozen, with nothing of this machine in it."""

from __future__ import annotations

import io
import re
import warnings

import torch
from torch import nn

from export._archive import pack, unpack

# What torch.jit records about where a module came from: source positions, and a hash over them.
_DROPPED = (".debug_pkl", ".data/serialization_id")
# The class name carries a counter of everything scripted in this process before it.
_COUNTER = re.compile(rb"___torch_mangle_[0-9]+")


def to_torchscript(module: nn.Module) -> bytes:
    """Return the bytes of a TorchScript archive that plain ``torch.jit.load`` reads.

    The same module gives the same bytes, in any process and any folder.
    """
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # TorchScript is deprecated since torch 2.9; this file is where we accept that.
        warnings.filterwarnings("ignore", r"`torch\.jit\.\w+` is deprecated")
        scripted = torch.jit.freeze(torch.jit.script(module))
        torch.jit.save(scripted, buffer)
    return _canonical(buffer.getvalue())


def _canonical(archive: bytes) -> bytes:
    """Rewrite an archive: no origin, no counters."""
    records = {}
    for name, data in unpack(archive).items():
        if not name.endswith(_DROPPED):
            code = name.endswith((".py", ".pkl"))
            records[_without_counter(name.encode()).decode()] = (
                _without_counter(data) if code else data
            )
    return pack(records)


def _without_counter(data: bytes) -> bytes:
    return _COUNTER.sub(b"___torch_mangle_0", data)

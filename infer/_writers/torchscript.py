"""``model.pt``: the program of a card as TorchScript, with one statement per step.

The archive has the records of ``torch.jit.save``: a class as source code, and its constants as
tensors, pickled as by torch. The exact output of torch.jit.save cannot be derived from a card: it
contains the class and the local variables of the module.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator

from infer._artifact.card import ModelCard
from infer._program.kept_zeros import with_one_zero
from infer._program.program import Program
from infer._writers.archive import pack
from infer._writers.input_name import input_name

_CLASS = "__torch__.samebits.Model"
_STORAGES = {"float32": ("<f", b"FloatStorage"), "float64": ("<d", b"DoubleStorage")}


def render(card: ModelCard) -> bytes | bytearray:
    """Return the bytes of an archive that ``torch.jit.load`` reads.

    The module takes a tensor of any shape; with features, of shape (..., features).
    """
    layout, storage = _STORAGES[card.dtype]
    program = with_one_zero(card.compiled)
    numbers = [struct.pack(layout, value) for _, value in sorted(program.constants.items())]
    module, _, name = _CLASS.rpartition(".")
    records = {
        "byteorder": b"little",
        "code/__torch__/samebits.py": _code(program).encode(),
        "constants.pkl": _pickled(len(numbers), storage),
        **{f"constants/{index}": number for index, number in enumerate(numbers)},
        "data.pkl": b"\x80\2c%b\n%b\nq\0)\x81}(ubq\1." % (module.encode(), name.encode()),
        "version": b"3\n",
    }
    return pack((f"archive/{name}", (data,)) for name, data in sorted(records.items()))


def _code(program: Program) -> str:
    x = input_name(program.input)
    # No name in a card starts with an underscore, as the names of steps do.
    names = {name: f"CONSTANTS.c{index}" for index, name in enumerate(sorted(program.constants))}
    names[program.input] = x
    lines = [
        "class Model(Module):",
        "  __parameters__ = []",
        "  __buffers__ = []",
        f"  def forward(self: {_CLASS},",
        f"    {x}: Tensor) -> Tensor:",
    ]
    for number, step in enumerate(program.steps, 1):
        operands = [names[name] for name in step.operands]
        names[step.target] = f"_{number}"
        expression = step.rule("torchscript").format(*operands, step.feature)
        lines.append(f"    _{number} = {expression}")
    return "\n".join([*lines, f"    return {names[program.output]}", ""])


def _pickled(count: int, storage: bytes) -> bytes:
    """Return the pickle of a tuple of 0-d tensors whose storages are named 0, 1, 2, ..."""
    tensors = list(_tensors(count, storage))
    if count <= 3:
        return b"\x80\2" + b"".join(tensors) + (b")", b"\x85", b"\x86", b"\x87")[count] + b"."
    return b"\x80\2(" + b"".join(tensors) + b"t."


def _tensors(count: int, storage: bytes) -> Iterator[bytes]:
    """Yield the pickle of each tensor.

    Like torch's, the pickle stores every object in its memo, and reuses strings and globals from
    there.
    """
    memo, known = itertools.count(), dict[bytes, int]()

    def once(item: bytes) -> bytes:
        if item in known:
            return _memo(b"h", b"j", known[item])
        known[item] = next(memo)
        return item + _memo(b"q", b"r", known[item])

    for index in range(count):
        rebuild = once(b"ctorch._utils\n_rebuild_tensor_v2\n")
        kind = once(_string(b"storage")) + once(b"ctorch\n%b\n" % storage)
        place = once(_string(b"%d" % index)) + once(_string(b"cpu"))
        # A storage with one element; each storage is a separate record.
        yield (
            rebuild
            + b"(("
            + kind
            + place
            + b"K\1tQ"
            + _memo(b"q", b"r", next(memo))
            # The tensor: offset 0, shape (), strides (), no gradient, no hooks.
            + b"K\0(t(t\x89"
            + once(b"ccollections\nOrderedDict\n")
            + b")RtR"
            + _memo(b"q", b"r", next(memo))
        )


def _string(text: bytes) -> bytes:
    return b"X" + struct.pack("<L", len(text)) + text


def _memo(short: bytes, long: bytes, number: int) -> bytes:
    """Return the opcode that puts or gets an entry of the memo."""
    return short + bytes((number,)) if number < 256 else long + struct.pack("<L", number)

"""What torch and onnx themselves write: the reference for the writers of ``infer._writers``.

They are given a module, as torch wants one, and take out what is not the model: stack traces,
counters, identifiers drawn anew for each file.
"""

import io
import json
import linecache
import operator
import re
import warnings
import zipfile

import numpy as np
import onnx
import torch
from onnx.helper import make_node, make_tensor_value_info, np_dtype_to_tensor_dtype
from onnx.numpy_helper import from_array
from torch import Tensor, fx, nn

from infer._program.kept_zeros import with_kept_sums

_ONNX = {"+": "Add", "-": "Sub", "*": "Mul", "neg": "Neg", "pick": "Gather"}


def module_of(program):
    """Return a torch module that computes a program, a statement a step.

    Its input has the program's name, and each constant is a buffer of its own.
    """
    lines = []
    for step in program.steps:
        operands = [f"self.{name}" if name in program.constants else name for name in step.operands]
        if step.operator == "pick":
            lines.append(f"{step.target} = {operands[0]}[..., {step.feature}]")
        elif step.operator == "neg":
            lines.append(f"{step.target} = -{operands[0]}")
        else:
            lines.append(f"{step.target} = {operands[0]} {step.operator} {operands[1]}")
    body = "\n    ".join([*lines, f"return {program.output}"])
    source, file = f"def forward(self, {program.input}):\n    {body}", f"<model {id(lines)}>"
    # torch.jit.script reads a function's source from there.
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    names = {}
    exec(compile(source, file, "exec"), names)  # noqa: S102 - our own text
    module = type("Model", (nn.Module,), {"forward": names["forward"]})()
    for name, value in program.constants.items():
        module.register_buffer(name, torch.tensor(value, dtype=getattr(torch, program.dtype)))
    return module


class _Freezer(fx.Transformer):
    """Puts parameters and buffers into the forward as the numbers that they are."""

    def get_attr(self, target, args, kwargs):
        value = self.fetch_attr(target)
        return value.item() if isinstance(value, Tensor) else value

    # A number has no method mul, and torch.sub wants a tensor first.
    def call_method(self, target, args, kwargs):
        return super().call_function(getattr(operator, target), args, kwargs)

    def call_function(self, target, args, kwargs):
        return super().call_function(getattr(operator, target.__name__), args, kwargs)


def torchexport(module, dtype, features=None):
    """Return the records of an archive as ``torch.export.save`` writes it."""
    frozen = _Freezer(fx.symbolic_trace(module)).transform()
    example = torch.zeros((3, features) if features else 3, dtype=getattr(torch, dtype))
    length = torch.export.Dim("n", min=0)
    program = torch.export.export(frozen, (example,), dynamic_shapes=({0: length},))
    program.example_inputs = None
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    records = _records(buffer.getvalue())
    del records["archive/.data/serialization_id"]
    document = json.loads(records["archive/models/model.json"])
    for node in document["graph_module"]["graph"]["nodes"]:
        node["metadata"] = {}
    document["torch_version"] = document["torch_version"].partition("+")[0]
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    records["archive/models/model.json"] = text.encode()
    return records


def scripted(module):
    """Return a module as TorchScript, its constants part of the code."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`torch\.jit\.\w+` is deprecated")
        return torch.jit.freeze(torch.jit.script(module.eval()))


def torchscript(module):
    """Return the records of an archive as ``torch.jit.save`` writes it."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`torch\.jit\.\w+` is deprecated")
        torch.jit.save(scripted(module), buffer)
    counter = re.compile(rb"___torch_mangle_[0-9]+")
    return {
        counter.sub(b"___torch_mangle_0", name.encode()).decode(): (
            counter.sub(b"___torch_mangle_0", data) if name.endswith((".py", ".pkl")) else data
        )
        for name, data in _records(buffer.getvalue()).items()
        if not name.endswith((".debug_pkl", ".data/serialization_id"))
    }


def onnx_model(card):
    """Return the bytes of ``model.onnx`` as the package onnx writes it."""
    program = with_kept_sums(card.compiled)
    numbers = {name: np.array(value, card.dtype) for name, value in program.constants.items()}
    numbers |= {
        f"_{step.feature}": np.array(step.feature)
        for step in program.steps
        if step.operator == "pick"
    }
    element_type = np_dtype_to_tensor_dtype(np.dtype(card.dtype))
    shape = ["n", card.features] if card.features else ["n"]
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
        opset_imports=[onnx.helper.make_opsetid("", 9)],
        ir_version=4,
        producer_name="samebits",
        doc_string=card.description,
    )
    metadata = {
        "name": card.name,
        "title": card.title,
        "formula": card.formula,
        f"unit.{source.name}": source.unit,
        f"unit.{target.name}": target.unit,
    }
    onnx.helper.set_model_props(model, metadata)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def _node(number, step):
    name, operation = f"step{number}", _ONNX[step.operator]
    if step.operator == "pick":
        operands = [*step.operands, f"_{step.feature}"]
        return make_node(operation, operands, [step.target], name=name, axis=1)
    return make_node(operation, step.operands, [step.target], name=name)


def _described(port):
    return f"{port.name}, unit {port.unit}"


def _records(archive):
    with zipfile.ZipFile(io.BytesIO(archive)) as source:
        return {name: source.read(name) for name in source.namelist()}

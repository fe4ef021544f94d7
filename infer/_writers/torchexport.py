"""``model.pt2``: the program of a card as a torch.export graph, with one or more nodes per step.

The result is what ``torch.export.save`` of torch 2.13.0 writes for a module with these steps, in
version 8.20 of its schema. Constants are arguments of the nodes, so there are no weights.
"""

from __future__ import annotations

import builtins
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from infer._artifact.card import ModelCard
from infer._artifact.sha256 import sha256
from infer._program.operations import Node
from infer._program.program import Program
from infer._writers.archive import pack
from infer._writers.input_name import input_name
from infer._writers.linearize import linearize

_DTYPES = {"float32": 7, "float64": 8}
# The description of a single tensor in torch.utils._pytree.
_LEAF: dict[str, Any] = {"type": None, "context": None, "children_spec": []}
_BY_NAME = {"type": "builtins.dict", "context": "[]", "children_spec": []}


def render(card: ModelCard) -> bytearray:
    """Return the bytes of an archive that ``torch.export.load`` reads.

    The module takes a tensor of shape (n,), or (n, features), for any n.
    """
    no_weights = (b'{"config": {}}',)
    records: dict[str, Iterable[bytes]] = {
        ".data/version": (b"6\n",),
        "archive_format": (b"pt2",),
        "archive_version": (b"0",),
        "byteorder": (b"little",),
        "data/constants/model_constants_config.json": no_weights,
        "data/sample_inputs/model.pt": (),
        "data/weights/model_weights_config.json": no_weights,
        "models/model.json": _graph(card),
    }
    return pack((f"archive/{name}", pieces) for name, pieces in records.items())


def _graph(card: ModelCard) -> Iterator[bytes]:
    """Yield the graph as JSON in parts, to avoid a second copy in memory."""
    program = card.compiled
    names = {program.input: input_name(program.input)}
    nodes = _nodes(program, names)
    # torch.export derives the symbol for the length from the expression that it is read from.
    place = f"L['{names[program.input]}'].size()[0]"
    length = f"s{int(sha256(place.encode()), 16) % 100}"
    before, between, after = _frame(names[program.input], names[program.output], length)
    yield before.encode()
    comma = ""
    for name, node in nodes:
        yield f"{comma}{_node(name, node, names, program.constants)}".encode()
        comma = ","
    yield between.encode()
    comma = ""
    for name, tensor in sorted(_layouts(program, nodes, names, length).items()):
        yield f'{comma}"{name}":{tensor}'.encode()
        comma = ","
    yield after.encode()


def _nodes(program: Program, names: dict[str, str]) -> list[tuple[str, Node]]:
    """Return the nodes of a graph with their names, and add the name of each step's value."""
    found: list[tuple[str, Node]] = []
    counts: dict[str, int] = {}
    for number, step in enumerate(program.steps, 1):
        name, overload, inputs = f"_{number}", step.rule("torchexport"), step.operands
        if isinstance(overload, str):
            if inputs[0] in program.constants:  # torch expects the tensor first
                overload, inputs = step.rule("torchexport_reversed"), inputs[::-1]
            # Named after the overload; repeated names are numbered, and builtins of Python always.
            name = overload.partition(".")[0]
            count = counts[name] = counts.get(name, hasattr(builtins, name) - 1) + 1
            name += f"_{count}" if count else ""
            attributes = {"dim": 1, "index": step.feature} if step.operation.picks else {}
            root: Node = overload, inputs, attributes
        else:
            root = overload(step, program)
        names[step.target] = name
        found += linearize(root, name)
    return found


def _node(name: str, node: Node, names: Mapping[str, str], constants: Mapping[str, float]) -> str:
    operator, values, attributes = node
    places = [
        f'{{"as_float":{constants[value]!r}}}'
        if value in constants
        else _tensor(names.get(value, value))
        for value in values
    ]
    arguments = dict(zip(("self", "other"), places, strict=False))
    arguments |= {label: f'{{"as_int":{value}}}' for label, value in attributes.items()}
    inputs = ",".join(
        f'{{"arg":{place},"kind":1,"name":"{label}"}}' for label, place in arguments.items()
    )
    return (
        f'{{"inputs":[{inputs}],"is_hop_single_tensor_return":null,"metadata":{{}},'
        f'"name":"{name}","outputs":[{_tensor(name)}],"target":"torch.ops.aten.{operator}"}}'
    )


def _tensor(name: str) -> str:
    return f'{{"as_tensor":{{"name":"{name}"}}}}'


def _layouts(
    program: Program, nodes: list[tuple[str, Node]], names: Mapping[str, str], length: str
) -> dict[str, str]:
    """Return shape, strides and dtype of each tensor as JSON, by its name in the graph."""
    rows: dict[str, Any] = {
        "as_expr": {
            "expr_str": f"Symbol({length!r}, positive=True, integer=True)",
            "hint": {"as_int": 3},
        }
    }
    features = program.features
    columns = [features] if features else []

    def layout(columns: list[int], stride: int, offset: int = 0) -> str:
        return _dumped(
            {
                "device": {"index": None, "type": "cpu"},
                "dtype": _DTYPES[program.dtype],
                "layout": 7,
                "requires_grad": False,
                "sizes": [rows, *({"as_int": size} for size in columns)],
                "storage_offset": {"as_int": offset},
                "strides": [{"as_int": size} for size in (stride, *(1 for _ in columns))],
            }
        )

    plain = layout([], 1)
    layouts = {name: plain for name, _ in nodes}
    layouts |= {
        names[step.target]: layout([], features or 1, step.feature)
        for step in program.steps
        if step.operation.picks
    }
    layouts[names[program.input]] = layout(columns, features or 1)
    return layouts


def _frame(source: str, target: str, length: str) -> list[str]:
    """Return the JSON before the nodes, between nodes and layouts, and after the layouts."""
    by_position = {"type": "builtins.tuple", "context": "null", "children_spec": [_LEAF]}
    call = {
        "type": "builtins.tuple",
        "context": "null",
        "children_spec": [by_position, _BY_NAME],
    }
    document = {
        "graph_module": {
            "graph": {
                "custom_obj_values": {},
                "inputs": [{"as_tensor": {"name": source}}],
                "is_single_tensor_return": False,
                "nodes": ["@"],
                "outputs": [{"as_tensor": {"name": target}}],
                "sym_bool_values": {},
                "sym_float_values": {},
                "sym_int_values": {},
                "tensor_values": "@",
            },
            "metadata": {},
            "module_call_graph": [
                {
                    "fqn": "",
                    "signature": {
                        "forward_arg_names": [source],
                        "in_spec": json.dumps([1, call]),
                        "inputs": [],
                        "out_spec": json.dumps([1, _LEAF]),
                        "outputs": [],
                    },
                }
            ],
            "signature": {
                "input_specs": [{"user_input": {"arg": {"as_tensor": {"name": source}}}}],
                "output_specs": [{"user_output": {"arg": {"as_tensor": {"name": target}}}}],
            },
            "treespec_namedtuple_fields": {},
        },
        "guards_code": [],
        "opset_version": {"aten": 10},
        "range_constraints": {length: {"max_val": None, "min_val": 0}},
        "schema_version": {"major": 8, "minor": 20},
        "torch_version": "2.13.0",
        "verifiers": ["TRAINING"],
    }
    before, between, after = _dumped(document).split('"@"')
    return [before, f"{between}{{", f"}}{after}"]


def _dumped(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))

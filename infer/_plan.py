"""A program as in-place operations on few registers, for arrays and tensors in blocks.

A register is an array as long as a block. A step writes over an operand that nobody needs any
more, so Horner's scheme runs in a single register: the output itself.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from infer._program import Program

# Where an operand comes from: ("feature", index), ("constant", name), or ("register", index).
Place = tuple[str, Any]

OUTPUT = 0


class Instruction(NamedTuple):
    """One operation: ``registers[target] = operator(operands)``.

    Attributes:
        operator: ``+``, ``-``, ``*``, ``neg``, or ``copy``.
        operands: where they come from.
        target: index of the register that takes the result; 0 is the output.
    """

    operator: str
    operands: tuple[Place, ...]
    target: int


class Plan(NamedTuple):
    """Instructions in order, and how many registers they need besides the output."""

    instructions: tuple[Instruction, ...]
    scratch: int


def make_plan(program: Program) -> Plan:
    """Assign registers to the steps of a program."""
    last_use = {name: i for i, step in enumerate(program.steps) for name in step.operands}
    places: dict[str, Place] = {name: ("constant", name) for name in program.constants}
    if program.features is None:
        places[program.input] = ("feature", 0)
    free: list[int] = []
    count = 0
    drafts: list[tuple[str, tuple[Place, ...], int]] = []
    for index, step in enumerate(program.steps):
        if step.operator == "pick" and step.target != program.output:
            places[step.target] = ("feature", step.feature)
            continue
        if step.operator == "pick":
            operands: tuple[Place, ...] = (("feature", step.feature),)
        else:
            operands = tuple(places[name] for name in step.operands)
            for name in dict.fromkeys(step.operands):
                kind, which = places[name]
                if kind == "register" and last_use[name] == index:
                    free.append(which)
        if free:
            register = free.pop()
        else:
            register, count = count, count + 1
        places[step.target] = ("register", register)
        operator = "copy" if step.operator == "pick" else step.operator
        drafts.append((operator, operands, register))
    # The register that ends up with the output becomes number 0.
    final = drafts[-1][2]
    swap = {final: OUTPUT, OUTPUT: final}
    return Plan(
        tuple(
            Instruction(
                operator,
                tuple(
                    (kind, swap.get(which, which) if kind == "register" else which)
                    for kind, which in operands
                ),
                swap.get(register, register),
            )
            for operator, operands, register in drafts
        ),
        count - 1,
    )

"""A program as in-place operations on few registers, for arrays and tensors in blocks.

A register is an array as long as a block. A step writes over an operand that nobody needs any
more, so Horner's scheme runs in a single register: the output itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from infer._program.operations import rule
from infer._program.program import Program

# Where an operand comes from: ("feature", index), ("constant", name), or ("register", index).
Place = tuple[str, Any]

OUTPUT = 0


class Instruction(NamedTuple):
    """One operation: ``registers[target] = operator(operands)``.

    Attributes:
        operator: the name of an operation; ``pick`` copies a feature.
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
        picks = step.operation.picks
        if picks and step.target != program.output:
            places[step.target] = ("feature", step.feature)
            continue
        if picks:
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
        if step.target not in last_use and step.target != program.output:
            free.append(register)  # nobody asks for it
        drafts.append((step.operator, operands, register))
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


def compile_block(plan: Plan, library: Any, constants: Mapping[str, Any]) -> Callable[..., None]:
    """Turn a plan into a function ``block(x, r0, r1, ...)`` that computes one block.

    A plan could be interpreted, but the other thread waits while Python does that.

    Args:
        plan: what to compute.
        library: numpy or torch.
        constants: the program's, as 0-d arrays or tensors.
    """

    def place(operand: Place) -> str:
        kind, which = operand
        return f"{kind[0]}{which}" if kind == "register" else f"{kind}_{which}"

    lines = [f"def block(x, {', '.join(f'r{i}' for i in range(plan.scratch + 1))}):"]
    used = {
        which for step in plan.instructions for kind, which in step.operands if kind == "feature"
    }
    lines += [f"feature_{which} = x if x.ndim == 1 else x[:, {which}]" for which in sorted(used)]
    functions: dict[str, str] = {}
    names: dict[str, Any] = {f"constant_{name}": value for name, value in constants.items()}
    for operator, operands, target in plan.instructions:
        if operator not in functions:
            name = functions[operator] = f"f{len(functions)}"
            found = rule(operator, "block")
            names[name] = getattr(library, found) if isinstance(found, str) else found(library)
        arguments = [place(operand) for operand in operands]
        lines.append(f"{functions[operator]}({', '.join(arguments)}, out=r{target})")
    exec(compile("\n    ".join(lines), "<samebits plan>", "exec"), names)  # noqa: S102 - ours
    function: Callable[..., None] = names["block"]
    return function

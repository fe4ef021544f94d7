"""The plain-text program of a model: a straight line of IEEE-754 steps.

A step is one line of text, such as ``name = a + b``, ``name = -a`` or ``name = x[2]``, which picks
a feature along the last axis; infer/_program/operations.py lists the operations. Every step is
rounded to the model's dtype before the next one begins. The last step names the output.
"""

from __future__ import annotations

import re

from infer._program.operations import OPERATIONS, Operation, operation, rule
from infer._record import Record

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from infer._ieee.floats import DType

# A name that is neither called nor an index, or the index of a feature.
_NAME = re.compile(r"\b([a-z][a-z0-9_]{0,199}\b(?![(\]])|(?:0|[1-9][0-9]{0,3})(?=\]))")
# By the text around its names: the operation of a step.
_OPERATIONS = {tuple(f"{{}} = {row.text}".split("{}")): row for row in OPERATIONS.values()}


class ProgramError(ValueError):
    """A line of a program cannot be computed; ``line`` counts from 0."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


class Step(Record):
    """One operation. ``operator`` is its name in the table of operations."""

    target: str
    operator: str
    operands: tuple[str, ...]
    feature: int = 0

    def __str__(self) -> str:
        """Return the line of text that this step was read from."""
        return f"{self.target} = {self.operation.text.format(*self.operands, self.feature)}"

    @property
    def operation(self) -> Operation:
        """The row of the table. Raises OperationError if there is none."""
        return operation(self.operator)

    def rule(self, consumer: str) -> Any:
        """Return how a consumer carries it out; see ``infer._program.operations.rule``."""
        return rule(self.operator, consumer)


class Program(Record):
    """A checked program.

    Attributes:
        input: name of the input.
        features: length of the input's last axis, or None for an elementwise model.
        output: name of the output, which the last step computes.
        constants: value by name, parameters included, each exactly representable in ``dtype``.
        steps: the operations, in order; each involves the input, directly or through a step.
        dtype: the dtype that every step is rounded to.
    """

    input: str
    features: int | None
    output: str
    constants: Mapping[str, float]
    steps: tuple[Step, ...]
    dtype: DType


def parse(
    lines: Sequence[str],
    *,
    input: str,  # noqa: A002 - the field's name for it
    features: int | None,
    output: str,
    constants: Mapping[str, float],
    dtype: DType,
) -> Program:
    """Read and check the lines of a program.

    Raises:
        ProgramError: a line is not a step, uses a name that is not there yet, assigns a name
            twice, does not depend on the input, or the last one does not compute the output;
            or a constant is never used.
    """
    steps: list[Step] = []
    varying = set() if features else {input}
    used: set[str] = set()
    for number, line in enumerate(lines):
        step = _read_step(number, line)
        if step.target == input or step.target in constants or step.target in varying:
            raise ProgramError(number, f"a new name, not {step.target!r}, which is taken")
        if step.operation.picks:
            if features is None or step.operands[0] != input or step.feature >= features:
                have = f"{input}[0] to {input}[{features - 1}]" if features else "no features"
                raise ProgramError(number, f"a feature that the input has ({have})")
        else:
            for operand in step.operands:
                if operand not in varying and operand not in constants:
                    raise ProgramError(number, f"names that are defined above, not {operand!r}")
            if not varying.intersection(step.operands):
                raise ProgramError(number, "an operation that depends on the input")
        used.update(step.operands)
        varying.add(step.target)
        steps.append(step)
    if not steps or steps[-1].target != output:
        raise ProgramError(max(len(lines) - 1, 0), f"the output {output!r} in the last step")
    if unused := sorted(set(constants) - used):
        raise ProgramError(len(lines) - 1, f"a use of {unused[0]!r}, which no step mentions")
    return Program(input, features, output, dict(constants), tuple(steps), dtype)


def _read_step(number: int, line: str) -> Step:
    # What lies around the names, and the names.
    parts = _NAME.split(line)
    row, names = _OPERATIONS.get(tuple(parts[::2])), parts[1::2]
    if row is None:
        *most, last = (
            f"'y = {known.text.format(*('x0' if known.picks else 'ab'))}'"
            for known in OPERATIONS.values()
        )
        raise ProgramError(number, f"a step such as {', '.join(most)} or {last}")
    operands = tuple(names[1 : row.operands + 1])
    return Step(names[0], row.name, operands, int(names[2]) if row.picks else 0)

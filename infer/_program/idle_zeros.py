"""Adding zero: which such steps of a program nobody can see.

``a + 0.0`` keeps every value but one: it makes 0.0 of -0.0. (A sine's even terms are zero, so its
cubic has two such steps.) Where the sign of that zero cannot reach the output, an evaluator may
leave the step out and return the same bits. ``python benchmarks/serve.py`` shows what this saves:
"one float" and "array of 10 million", on ``sin_cubic``.
"""

from __future__ import annotations

TYPE_CHECKING = False

if TYPE_CHECKING:
    from infer._program.operations import Zeros
    from infer._program.program import Program, Step


def zeros(step: Step, program: Program) -> Zeros:
    """Return what a step does with zeros."""
    return step.operation.zeros(*map(program.constants.get, step.operands))


def idle_targets(program: Program) -> set[str]:
    """Return the targets of additions of zero that nobody can see."""
    visible = {program.output}
    idle = set()
    for step in reversed(program.steps):
        seen = step.target in visible
        _, is_idle, _, sign = zeros(step, program)
        if is_idle and not seen:
            idle.add(step.target)
        elif sign == "anywhere" or (seen and sign == "zero"):
            visible.update(step.operands)
    return idle


def without_idle_zeros(program: Program) -> Program:
    """Return a program with the same bits that leaves out additions of zero that nobody can see."""
    idle = idle_targets(program)
    same: dict[str, str] = {}
    steps = []
    for step in program.steps:
        operands = tuple(same.get(name, name) for name in step.operands)
        if step.target in idle:
            (same[step.target],) = (name for name in operands if name not in program.constants)
        else:
            steps.append(step._replace(operands=operands))
    return program._replace(steps=tuple(steps))

"""Adding zero: which such steps of a program nobody can see.

``a + 0.0`` keeps every value but one: it makes 0.0 of -0.0. (A sine's even terms are zero, so its
cubic has two such steps.) Where the sign of that zero cannot reach the output, an evaluator may
leave the step out and return the same bits.
"""

from __future__ import annotations

from infer._program import Program, Step


def beside_zero(step: Step, program: Program) -> str | None:
    """Return the other operand of a sum with a constant zero, None for any other step."""
    if step.operator not in ("+", "-"):
        return None
    first, second = step.operands
    if program.constants.get(second) == 0:
        return first
    return second if program.constants.get(first) == 0 else None


def clears_sign(step: Step, program: Program) -> bool:
    """Tell whether a sum makes the same zero of both zeros, as ``a + 0.0`` does."""
    return step.operator == "+" and any(
        str(program.constants.get(name)) == "0.0" for name in step.operands
    )


def without_idle_zeros(program: Program) -> Program:
    """Return a program with the same bits that leaves out additions of zero that nobody can see."""
    visible = {program.output}
    idle = set()
    for step in reversed(program.steps):
        seen = step.target in visible
        other = beside_zero(step, program)
        # Zero minus a is -a, which is more than a.
        if (
            other is not None
            and not seen
            and not (step.operator == "-" and step.operands[1] == other)
        ):
            idle.add(step.target)
        elif seen and not _hides_sign(step, program):
            visible.update(step.operands)
    same: dict[str, str] = {}
    steps = []
    for step in program.steps:
        operands = tuple(same.get(name, name) for name in step.operands)
        if step.target in idle:
            (same[step.target],) = (name for name in operands if name not in program.constants)
        else:
            steps.append(step._replace(operands=operands))
    return program._replace(steps=tuple(steps))


def _hides_sign(step: Step, program: Program) -> bool:
    """Tell whether a step's result is the same for both zeros of its operand that varies."""
    if step.operator not in ("+", "-"):
        return False
    # c + 0.0 is c, as c + -0.0 is.
    return clears_sign(step, program) or any(map(program.constants.get, step.operands))

"""Programs with the same bits for runtimes that take 0.0 and -0.0 for the same number.

TorchScript merges constants that compare equal, 0.0 and -0.0 among them. onnxruntime takes
``a + 0.0`` for ``a``, but -0.0 + 0.0 is 0.0. Seen in torch 2.13 and onnxruntime 1.31.
"""

from __future__ import annotations

from infer._program.idle_zeros import idle_targets, zeros
from infer._program.program import Program, Step


def with_one_zero(program: Program) -> Program:
    """Return a program in which 0.0 and -0.0 are not both constants.

    Raises:
        OperationError: an operation with -0.0 has no equivalent with 0.0 in the table.
    """
    texts = {name: str(value) for name, value in program.constants.items()}
    if not {"0.0", "-0.0"} <= set(texts.values()):
        return program
    zero = next(name for name, text in texts.items() if text == "0.0")
    steps: list[Step] = []
    for step in program.steps:
        index = next((i for i, name in enumerate(step.operands) if texts.get(name) == "-0.0"), None)
        if index is None:
            steps.append(step)
            continue
        operator, negated = step.rule("minus_zero")[index]
        other = step.operands[1 - index]
        if negated:
            steps.append(_negative(step, other))
            other = steps[-1].target
        steps.append(Step(step.target, operator, (other, zero)))
    constants = {name: value for name, value in program.constants.items() if texts[name] != "-0.0"}
    return program._replace(constants=constants, steps=tuple(steps))


def with_kept_sums(program: Program) -> Program:
    """Return a program that computes ``0.0 - (-a)`` instead of ``a + 0.0``.

    Sums that nobody can see stay, and the last step, since onnxruntime leaves outputs alone.
    """
    kept = idle_targets(program) | {program.output}
    constants = dict(program.constants)
    steps: list[Step] = []
    for step in program.steps:
        found = zeros(step, program)
        if found.keeps is None or not found.clears or step.target in kept:
            steps.append(step)
            continue
        # No name in a card begins like the new ones.
        zero = next((name for name, value in constants.items() if str(value) == "0.0"), "_zero")
        constants[zero] = 0.0
        steps.append(_negative(step, step.operands[found.keeps]))
        steps.append(Step(step.target, "-", (zero, steps[-1].target)))
    used = {name for step in steps for name in step.operands}
    constants = {name: value for name, value in constants.items() if name in used}
    return program._replace(constants=constants, steps=tuple(steps))


def _negative(step: Step, operand: str) -> Step:
    return Step(f"_{step.target}", "neg", (operand,))

"""A program as a Python function of floats, each step rounded to the dtype.

For float32 a step computes in double and is then rounded. Rounding twice is innocuous here: a
product of two 24-bit significands is exact in 53 bits, and a sum rounded to 53 bits and then to 24
equals the sum rounded once, because 53 >= 2 * 24 + 2 (S. A. Figueroa, "When is double rounding
innocuous?", ACM SIGNUM Newsletter 30(3), 1995). The ends of the range change nothing: a product is
exact in double however small, a sum is a multiple of 2**-149 and needs no rounding where it is
subnormal, and infinite is what 24 bits round to 2**128 or more, the same number either way.

There are two ways to round a double p to float32. Storing it in an ``array('f')`` works for all of
them. Where p is neither tiny nor huge, three operations do it in half the time: with
B = 2**29 * p, which is exact, (p - B) + B is p rounded to 24 bits, ties to even. For, with p in
[2**e, 2**(e+1)), p - B is rounded to a multiple of 2**(e-23), and that is one of B's last places,
so adding B again is exact and leaves p rounded to such a multiple; half way between two, B is an
even multiple, so the even one of p - B is the even one of the sum. (Just above 2**e, p - B falls
below a power of two and its last place is half as large, which changes nothing: there the nearest
multiple of either is 2**e.) It is T. J. Dekker's splitting, "A floating-point technique for
extending the available precision", Numerische Mathematik 18, 1971, with a factor that keeps ties
right. Three things it cannot do: round to float32's subnormals, overflow to infinity, and tell
-0.0 from 0.0. ``fast_range`` finds the inputs for which no step of a program needs these.
"""

from __future__ import annotations

from array import array

from infer._program.bounds import fast_range
from infer._program.idle_zeros import zeros

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from infer._program.program import Program


def compile_floats(program: Program) -> Callable[..., float]:
    """Turn a program into a Python function of floats, one argument per feature.

    The arguments are rounded to the dtype first. The function is safe to call from many threads.
    """
    return _define(program, f"def compute({', '.join(_arguments(program))}):", _all_floats(program))


def compile_list(program: Program) -> Callable[[Iterable[float]], list[float]]:
    """Turn an elementwise program into a function of a list: no function call per value."""
    condition, fast = _fast_floats(program)
    floats = compile_floats(program)
    if fast is None:
        return lambda values: list(map(floats, values))
    *steps, answer = fast
    inner = [*steps, answer.replace("return ", "append((") + "))"]
    if condition:
        inner = [f"if {condition}:", *_indented(inner), "else:", "    append(floats(x))"]
    lines = ["found = []; append = found.append", "for x in values:", *_indented(inner)]
    return _define(program, "def compute(values):", [*lines, "return found"], floats=floats)


def compile_call(program: Program, otherwise: Callable[..., Any]) -> Callable[..., Any] | None:
    """Turn an elementwise program into a function ``call(x, *, out=None)``.

    It answers a float by itself: calling another function for it would take a fifth longer.
    Everything else goes to ``otherwise(x, out=out)``. Returns None for a program with features.
    """
    if program.features is not None:
        return None
    lines = [
        "if type(x) is float and out is None:",
        *_indented(_all_floats(program)),
        "return otherwise(x, out=out)",
    ]
    return _define(program, "def compute(x, *, out=None):", lines, otherwise=otherwise)


def _arguments(program: Program) -> list[str]:
    return [f"x{index}" for index in range(program.features)] if program.features else ["x"]


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def _define(program: Program, head: str, body: list[str], **names: Any) -> Callable[..., Any]:
    source = "\n".join((head, *_indented(body)))
    namespace: dict[str, Any] = {"blank": array("f", (0.0,)) if _single(program) else None, **names}
    exec(compile(source, "<samebits program>", "exec"), namespace)  # noqa: S102 - names are ours
    function: Callable[..., Any] = namespace["compute"]
    return function


def _single(program: Program) -> bool:
    return program.dtype == "float32"


def _fast_floats(program: Program) -> tuple[str, list[str] | None]:
    """Return the condition on the arguments and the lines that answer them, None if there are none.

    The last line returns the answer. In double precision nothing has to be rounded, and the
    condition is empty.
    """
    if not _single(program):
        return "", _lines(program, "{0} = {1}")
    limits = fast_range(program)
    if limits is None:
        return "", None
    low, high = limits
    condition = " and ".join(
        f"({low!r} < {name} < {high!r} or {-high!r} < {name} < {-low!r})"
        for name in _arguments(program)
    )
    return condition, _lines(program, "p = {1}\nb = p * 536870912.0\n{0} = (p - b) + b")


def _all_floats(program: Program) -> list[str]:
    """Return the lines of a function that answers any floats."""
    condition, fast = _fast_floats(program)
    if not _single(program):
        return fast or []
    # The cell is local to the call, so threads do not share it.
    slow = ["cell = blank[:]", *_lines(program, "cell[0] = {1}\n{0} = cell[0]")]
    if fast is None:
        return slow
    return [f"if {condition}:", *_indented(fast), *slow]


def _lines(program: Program, rounded: str) -> list[str]:
    """Return the statements of a program.

    Args:
        program: what to compute.
        rounded: the statement that puts expression {1}, rounded, into the variable {0}.
    """
    place = {name: repr(value) for name, value in program.constants.items()}
    if program.features is None:
        place[program.input] = "x"
    lines = [rounded.format(name, name) for name in _arguments(program) if _single(program)]
    for index, step in enumerate(program.steps):
        if step.operation.picks:
            place[step.target] = f"x{step.feature}"
            continue
        result = place[step.target] = f"v{index}"
        expression = step.rule("python").format(*[place[name] for name in step.operands])
        # A sum with a zero is exact, too: it keeps its other operand, or turns -0.0 into 0.0.
        exact = step.operation.exact or zeros(step, program).keeps is not None
        lines.append(("{0} = {1}" if exact else rounded).format(result, expression))
    answer = place[program.output]
    statements = "\n".join(lines).split("\n")
    # Returned at once, not by way of a variable.
    head, equals, expression = statements[-1].partition(" = ")
    if head == answer and equals:
        return [*statements[:-1], f"return {expression}"]
    return [*statements, f"return {answer}"]

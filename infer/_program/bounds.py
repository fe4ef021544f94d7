"""How large a program's values and rounding errors can be."""

from __future__ import annotations

import math

from infer._program.operations import LARGEST, Range

TYPE_CHECKING = False

if TYPE_CHECKING:
    from infer._program.program import Program

# Magnitudes of inputs that are tried as the ends of the fast range, as powers of two: the widest
# first. Every product of such inputs with usual parameters stays a normal float32.
_EXPONENTS = (40, 32, 24, 20, 16, 12, 8, 4)


def rounding(program: Program, low: float, high: float) -> float:
    """Return a bound on how far a served answer is from the exact curve, over a range of inputs.

    Each step adds half a unit in the last place of the largest result that it can have, to
    what its operands bring along (J. H. Wilkinson, "Rounding Errors in Algebraic Processes", 1963).
    """
    single = program.dtype == "float32"
    half_ulp = 2.0 ** (-24 if single else -53)
    smallest = 2.0 ** (-150 if single else -1074)
    at = {name: (value, value, 0.0) for name, value in program.constants.items()}
    at[program.input] = (low, high, 0.0)
    for step in program.steps:
        first, last, error = step.rule("interval")(*[at[name] for name in step.operands])
        if not step.operation.exact:
            error += half_ulp * (max(abs(first), abs(last)) + error) + smallest
            error *= 1 + 1e-9
        at[step.target] = (first, last, error)
    return at[program.output][2]


def fast_range(program: Program) -> tuple[float, float] | None:
    """Return the magnitudes between which no step needs subnormals, infinity or a zero's sign.

    Returns:
        The smallest and the largest magnitude, both excluded; None if there is no such range.
    """
    # How small an input may be does not depend on how large another may be, or the reverse.
    low = next((low for low in _EXPONENTS if _fits(program, -low, _EXPONENTS[-1])), None)
    if low is None:
        return None
    high = next(high for high in _EXPONENTS if _fits(program, -low, high))
    return 2.0**-low, 2.0**high


def _fits(program: Program, low: int, high: int) -> bool:
    """Return whether inputs of magnitudes from 2**low to 2**high keep every step in range."""
    known = {name: _constant(value) for name, value in program.constants.items()}
    known[program.input] = Range(low, high)
    for step in program.steps:
        found = step.rule("magnitude")(*[known[name] for name in step.operands])
        if found is None or found.high > LARGEST:
            return False
        known[step.target] = found
    return not known[program.output].unsigned


def _constant(value: float) -> Range:
    exponent = math.frexp(value)[1]
    return Range(exponent - 1 if value else 0, exponent, zero=not value, constant=value)

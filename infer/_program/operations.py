"""The operations that a step of a program may use: one table, a row for each.

Everything that depends on an operation asks this table: the parser, the evaluators, the writers of
files, the tracer, the bounds, the inverse. What has no rule for an operation refuses it by name.
The page's JavaScript has a table of its own with the same rows, in page/evaluate.js.

To add an operation, add a row here and a row there.
"""

from __future__ import annotations

from infer._errors import ArtifactError
from infer._record import Record

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeAlias

# Exponents of float32's smallest normal number, of its smallest number, and of its largest power
# of two.
SMALLEST_NORMAL, SMALLEST, LARGEST = -126, -149, 127

# The least value, the greatest value, and how far a computed value may be from the exact one.
Interval: TypeAlias = "tuple[float, float, float]"

# A node of a graph: its operator, its inputs, its attributes. An input is the name of a value, a
# whole number, or another node; a node that is the input of several others is computed once.
Node: TypeAlias = "tuple[str, tuple[Any, ...], Mapping[str, int]]"
# From a step and its program to the node that computes it.
Expansion: TypeAlias = "Callable[[Any, Any], Node]"


class OperationError(ArtifactError):
    """A program has an operation that is not in the table, or that a consumer does not support."""


class Range(Record):
    """The magnitudes of a value: 2**low <= abs(value) <= 2**high, or it is zero.

    Attributes:
        low: see above.
        high: see above.
        zero: whether it can be zero.
        unsigned: whether that zero can have lost its sign.
        constant: the value itself, if it is a constant.
    """

    low: int
    high: int
    zero: bool = False
    unsigned: bool = False
    constant: float | None = None


class Zeros(Record):
    """What a step does with zeros, given those of its operands that are constants.

    Attributes:
        keeps: index of the operand whose magnitude the result has, because the other one is zero.
        idle: whether the result is that operand, except that -0.0 may become 0.0.
        clears: whether 0.0 and -0.0 in that operand both give 0.0.
        sign: where the sign of a zero operand can be seen: "nowhere" in the result, in the sign
            of a "zero" result, or "anywhere", as in 1 / -0.0.
    """

    keeps: int | None = None
    idle: bool = False
    clears: bool = False
    sign: str = "zero"


class Operation(Record):
    """One operation. Whatever is None is not supported, and refused by name.

    Attributes:
        name: what ``Step.operator`` calls it.
        text: how a program writes it; each {} is an operand, or the index of a feature.
        operands: how many operands it takes.
        exact: whether the result never needs rounding.
        python: the expression in Python floats. In double precision, rounding it to float32 must
            give the exact result rounded once; see infer/_program/on_floats.py.
        block: the function for numpy arrays and torch tensors, which takes ``out=``: what both
            libraries call it, or a function from either library to it.
        torchscript: the expression in TorchScript.
        torchexport: the overload of aten, as in "add.Tensor", or an expansion.
        torchexport_reversed: the overload for a number and a tensor; it takes the tensor first.
        onnx: the operator, or an expansion.
        opset: the first version of ONNX's operators that has what ``onnx`` needs.
        traced: the functions and methods of torch that the tracer reads as this operation.
        magnitude: from the range of each operand to that of the result; returns None if the result
            may need rounding to a subnormal number. See infer/_program/on_floats.py.
        interval: from the interval of each operand to that of the result before rounding.
        polynomial: the method of ``infer._program.polynomial.Expander`` that carries it out.
        zeros: from each operand, None if it is not a constant, to what the step does with zeros.
        picks: whether it picks a feature of the input, and computes nothing.
        minus_zero: for each operand, how to compute the step without -0.0 if that operand is -0.0:
            the operation on the other operand and 0.0, and whether the other one is negated first.
    """

    name: str
    text: str
    operands: int
    exact: bool
    python: str | None
    block: str | Callable[[Any], Callable[..., Any]] | None
    torchscript: str | None
    torchexport: str | Expansion | None
    onnx: str | Expansion | None
    opset: int
    traced: tuple[str, ...]
    magnitude: Callable[..., Range | None] | None
    interval: Callable[..., Interval] | None
    polynomial: str | None = None
    torchexport_reversed: str | None = None
    zeros: Callable[..., Zeros] = lambda *_: Zeros()
    picks: bool = False
    minus_zero: tuple[tuple[str, bool], ...] | None = None


def operation(operator: str) -> Operation:
    """Return an operation's row.

    Raises:
        OperationError: it has none.
    """
    if operator not in OPERATIONS:
        raise OperationError(f"samebits does not support the operation {operator!r}")
    return OPERATIONS[operator]


def rule(operator: str, consumer: str) -> Any:
    """Return how a consumer, a field of the table, carries out an operation.

    Raises:
        OperationError: the consumer does not support it.
    """
    found = getattr(OPERATIONS.get(operator), consumer, None)
    if found is None:
        raise OperationError(f"{consumer} does not support the operation {operator!r}")
    return found


# Rules that take more than an expression.


def _sum_zeros(a: float | None, b: float | None) -> Zeros:
    keeps = _beside_zero(a, b)
    clears = "0.0" in (str(a), str(b))
    # c + 0.0 is c, as c + -0.0 is.
    return Zeros(keeps, keeps is not None, clears, "nowhere" if clears or a or b else "zero")


def _difference_zeros(a: float | None, b: float | None) -> Zeros:
    keeps = _beside_zero(a, b)
    clears = str(b) == "-0.0"
    # Zero minus b is -b, not b.
    return Zeros(keeps, keeps == 0, clears, "nowhere" if clears or a or b else "zero")


def _beside_zero(a: float | None, b: float | None) -> int | None:
    return 0 if b == 0 else 1 if a == 0 else None


def _sum_magnitude(a: Range, b: Range, zeros: Callable[..., Zeros] = _sum_zeros) -> Range:
    """Return the range of a sum or difference.

    If it is not zero, it is a multiple of the last place of its operands. With a constant c it is
    at least c's last place but one, because only an operand near -c cancels it.
    """
    keeps, _, clears, _ = zeros(a.constant, b.constant)
    if keeps is not None:
        other = (a, b)[keeps]
        return other._replace(unsigned=other.unsigned and not clears)
    fixed = [max(c.low - 24, SMALLEST) for c in (a, b) if c.constant is not None]
    low = min(fixed or [max(c.low - 23, SMALLEST) for c in (a, b)])
    return Range(low, max(a.high, b.high) + 1, zero=True, unsigned=a.zero and b.zero)


def _difference_magnitude(a: Range, b: Range) -> Range:
    return _sum_magnitude(a, b, _difference_zeros)


def _product_magnitude(a: Range, b: Range) -> Range | None:
    low, zero = a.low + b.low, a.zero or b.zero
    return Range(low, a.high + b.high, zero, zero) if low >= SMALLEST_NORMAL else None


def _sum_interval(a: Interval, b: Interval) -> Interval:
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]


def _negative_interval(a: Interval) -> Interval:
    return -a[1], -a[0], a[2]


def _product_interval(a: Interval, b: Interval) -> Interval:
    corners = [p * q for p in a[:2] for q in b[:2]]
    sizes = [max(abs(low), abs(high)) for low, high, _ in (a, b)]
    return min(corners), max(corners), a[2] * sizes[1] + b[2] * sizes[0] + a[2] * b[2]


def _copy(_library: Any) -> Callable[..., None]:
    def copy(a: Any, out: Any) -> None:
        out[...] = a

    return copy


OPERATIONS = {
    row.name: row
    for row in (
        Operation(
            name="+",
            text="{} + {}",
            operands=2,
            exact=False,
            python="{} + {}",
            block="add",
            torchscript="torch.add({}, {})",
            torchexport="add.Tensor",
            torchexport_reversed="add.Tensor",
            onnx="Add",
            opset=7,
            traced=("operator.add", "torch.add", "Tensor.add"),
            magnitude=_sum_magnitude,
            interval=_sum_interval,
            polynomial="add",
            zeros=_sum_zeros,
            minus_zero=(("-", False), ("-", False)),
        ),
        Operation(
            name="-",
            text="{} - {}",
            operands=2,
            exact=False,
            python="{} - {}",
            block="subtract",
            torchscript="torch.sub({}, {})",
            torchexport="sub.Tensor",
            torchexport_reversed="rsub.Scalar",
            onnx="Sub",
            opset=7,
            traced=("operator.sub", "torch.sub", "Tensor.sub"),
            magnitude=_difference_magnitude,
            interval=lambda a, b: _sum_interval(a, _negative_interval(b)),
            polynomial="subtract",
            zeros=_difference_zeros,
            minus_zero=(("-", True), ("+", False)),
        ),
        Operation(
            name="*",
            text="{} * {}",
            operands=2,
            exact=False,
            python="{} * {}",
            block="multiply",
            torchscript="torch.mul({}, {})",
            torchexport="mul.Tensor",
            torchexport_reversed="mul.Tensor",
            onnx="Mul",
            opset=7,
            traced=("operator.mul", "torch.mul", "Tensor.mul"),
            magnitude=_product_magnitude,
            interval=_product_interval,
            polynomial="multiply",
            minus_zero=(("*", True), ("*", True)),
        ),
        Operation(
            name="neg",
            text="-{}",
            operands=1,
            exact=True,
            python="-({})",
            block="negative",
            torchscript="torch.neg({})",
            torchexport="neg.default",
            onnx="Neg",
            opset=6,
            traced=("operator.neg", "torch.neg", "Tensor.neg"),
            magnitude=lambda a: a,
            interval=_negative_interval,
            polynomial="negate",
        ),
        Operation(
            name="pick",
            text="{}[{}]",
            operands=1,
            exact=True,
            python=None,  # a feature is an argument of the function
            block=_copy,
            torchscript="torch.select({}, -1, {})",
            torchexport="select.int",
            # The features are the last axis of (n, features).
            onnx=lambda step, _: ("Gather", (step.operands[0], step.feature), {"axis": 1}),
            opset=1,
            traced=("operator.getitem",),
            magnitude=lambda a: a,
            interval=lambda a: a,
            picks=True,
        ),
    )
}

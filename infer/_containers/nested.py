"""Nested lists in, nested lists out, with the same shape."""

from __future__ import annotations

from operator import countOf

from infer._errors import InputError
from infer._ieee.floats import from_number
from infer._text import shortened

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any

    from infer._ieee.floats import DType

Sequence = (list, tuple)

# numpy's limit too; a list that holds itself has no end.
_DEEPEST = 64


def to_float(value: Any, dtype: DType) -> float:
    """Return one number as a float; anything but a float is rounded to the dtype.

    Raises:
        InputError: it is not a real number.
    """
    if type(value) is float:
        return value
    if isinstance(value, (str, bytes, bytearray)):
        raise InputError(
            f"expected a number, found text {_show(value)}; for the number in it, type "
            f"float({_show(value)})"
        )
    value = _unpacked(value)
    if not hasattr(type(value), "__float__") or isinstance(value, complex):
        kind = "a complex number" if isinstance(value, complex) else type(value).__name__
        raise InputError(f"expected a real number, found {kind} {_show(value)}")
    try:
        return from_number(value, dtype)
    except (TypeError, ValueError) as error:
        raise InputError(f"expected a real number, found {_show(value)}: {error}") from None


def _unpacked(value: Any) -> Any:
    """Return the Python number in a numpy scalar, a 0-d array or a 0-d tensor."""
    if not hasattr(value, "dtype"):
        return value
    if value.ndim:
        kind = f"{type(value).__name__} of shape {tuple(value.shape)}"
        raise InputError(f"expected a number in a list, found {kind}; stack rows in one array")
    kind = getattr(value.dtype, "kind", "f")  # torch's dtypes have none
    if kind not in "biuf" or hasattr(value, "mask"):
        raise InputError(f"expected a real number, found {value.dtype} {_show(value)}")
    return value.item()


def flatten(values: Any, dtype: DType) -> tuple[list[float], tuple[int, ...]]:
    """Return the numbers in a nested list, row by row, and its shape.

    Raises:
        InputError: rows have different lengths, something in it is not a real number, or it is
            nested too deep.
    """
    shape: list[int] = []
    level: Any = values
    while isinstance(level, Sequence):
        shape.append(len(level))
        if not level:
            break
        if len(shape) > _DEEPEST:
            raise InputError(f"expected a list nested at most {_DEEPEST} deep")
        level = level[0]
    flat: list[float] = []
    _collect(values, tuple(shape), dtype, flat, "x")
    return flat, tuple(shape)


def _collect(
    values: Any, shape: tuple[int, ...], dtype: DType, flat: list[float], where: str
) -> None:
    if not isinstance(values, Sequence):
        raise InputError(
            f"ragged list: {where} is {_show(values)}, expected a list of {shape[0]} there"
        )
    if len(values) != shape[0]:
        raise InputError(
            f"ragged list: {where} has length {len(values)}, expected {shape[0]} as in the first"
        )
    if len(shape) > 1:
        for index, row in enumerate(values):
            _collect(row, shape[1:], dtype, flat, f"{where}[{index}]")
        return
    if countOf(map(type, values), float) == len(values):  # without a loop in Python
        flat.extend(values)
        return
    for index, value in enumerate(values):
        if isinstance(value, Sequence):
            raise InputError(
                f"ragged list: {where}[{index}] is a list, expected a number as in the first"
            )
        flat.append(value if type(value) is float else to_float(value, dtype))


def unflatten(flat: list[float], shape: tuple[int, ...]) -> Any:
    """Return nested lists of that shape; a float for the shape ()."""
    if not shape:
        return flat[0]
    if len(shape) == 1:
        return flat
    size = len(flat) // shape[0] if shape[0] else 0
    return [unflatten(flat[row * size : (row + 1) * size], shape[1:]) for row in range(shape[0])]


def _show(value: Any) -> str:
    return shortened(repr(value), 40)

"""Double-double numbers with their derivatives.

A module's forward runs on them unchanged, because it uses only + - * and negation.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

# Splits a double into two halves, whose products are exact.
_SPLITTER = 2.0**27 + 1.0

Doubles = NDArray[np.float64]


class Wide(NamedTuple):
    """An array of double-double numbers, each the unevaluated sum of two float64.

    ``high`` is the number rounded to float64. About 104 bits are right after each operation (T. J.
    Dekker, "A floating-point technique for extending the available precision", Numerische
    Mathematik 18, 1971).
    """

    high: Doubles
    low: Doubles

    def plus(self, other: Wide) -> Wide:
        """Return the sum."""
        high, rest = _two_sum(self.high, other.high)
        low, lost = _two_sum(self.low, other.low)
        high, rest = _fast_two_sum(high, rest + low)
        return Wide(*_fast_two_sum(high, rest + lost))

    def times(self, other: Wide) -> Wide:
        """Return the product."""
        high, rest = _two_product(self.high, other.high)
        return Wide(*_fast_two_sum(high, rest + (self.high * other.low + self.low * other.high)))

    def negative(self) -> Wide:
        """Return the number with the other sign."""
        return Wide(-self.high, -self.low)

    def total(self, rows: int) -> Wide:
        """Return the sum over the rows; a scalar counts once per row."""
        size = 1 << (rows - 1).bit_length()
        parts = np.zeros((2, size))
        parts[0, :rows], parts[1, :rows] = self
        result = Wide(*parts)
        while size > 1:
            size //= 2
            left, right = (Wide(result.high[half], result.low[half]) for half in _halves(size))
            result = left.plus(right)
        return Wide(result.high[0], result.low[0])


def wide(value: Any) -> Wide:
    """Return doubles as they are."""
    high = np.asarray(value, np.float64)
    return Wide(high, np.zeros_like(high))


class Jet:
    """A number with its derivatives by some parameters; missing ones are zero.

    It takes the place of a tensor in a forward.
    """

    def __init__(self, value: Wide, slopes: Mapping[str, Wide] | None = None) -> None:
        """Keep a number and its derivatives by name."""
        self.value = value
        self.slopes = slopes or {}

    def __add__(self, other: Any) -> Jet:
        """Return the sum."""
        other = _jet(other)
        return Jet(self.value.plus(other.value), _sum(self.slopes, other.slopes))

    def __mul__(self, other: Any) -> Jet:
        """Return the product."""
        other = _jet(other)
        left = {name: slope.times(other.value) for name, slope in self.slopes.items()}
        right = {name: slope.times(self.value) for name, slope in other.slopes.items()}
        return Jet(self.value.times(other.value), _sum(left, right))

    def __neg__(self) -> Jet:
        """Return the number with the other sign."""
        slopes = {name: slope.negative() for name, slope in self.slopes.items()}
        return Jet(self.value.negative(), slopes)

    def __sub__(self, other: Any) -> Jet:
        """Return the difference."""
        return self + -_jet(other)

    def __rsub__(self, other: Any) -> Jet:
        """Return the difference."""
        return _jet(other) - self

    def __getitem__(self, index: Any) -> Jet:
        """Return a feature of the input, which depends on no parameter."""
        return Jet(Wide(self.value.high[index], self.value.low[index]))

    __radd__ = add = __add__
    __rmul__ = mul = __mul__
    sub = __sub__
    neg = __neg__

    @classmethod
    def __torch_function__(
        cls, function: Any, _types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Compute torch functions of jets."""
        if function not in _FUNCTIONS or kwargs:
            return NotImplemented
        return _FUNCTIONS[function](*map(_jet, args))


_FUNCTIONS: Mapping[Any, Callable[..., Any]] = {
    getattr(owner, name): getattr(operator, name)
    for owner in (torch, torch.Tensor)  # the latter with a plain tensor on the left
    for name in ("add", "sub", "mul", "neg")
}


def _jet(value: Any) -> Jet:
    return value if isinstance(value, Jet) else Jet(wide(float(value)))


def _sum(left: Mapping[str, Wide], right: Mapping[str, Wide]) -> dict[str, Wide]:
    result = {**left, **right}
    for name in left.keys() & right.keys():
        result[name] = left[name].plus(right[name])
    return result


def _halves(size: int) -> tuple[slice, slice]:
    return slice(size), slice(size, None)


# Each of these returns a result rounded to float64, and the exact rounding error.


def _two_sum(a: Doubles, b: Doubles) -> tuple[Doubles, Doubles]:
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def _fast_two_sum(a: Doubles, b: Doubles) -> tuple[Doubles, Doubles]:
    """Take two numbers of which the first is the larger, or zero."""
    total = a + b
    return total, b - (total - a)


def _two_product(a: Doubles, b: Doubles) -> tuple[Doubles, Doubles]:
    product = a * b
    (a1, a2), (b1, b2) = _split(a), _split(b)
    return product, ((a1 * b1 - product) + a1 * b2 + a2 * b1) + a2 * b2


def _split(a: Doubles) -> tuple[Doubles, Doubles]:
    shifted = _SPLITTER * a
    upper = shifted - (shifted - a)
    return upper, a - upper

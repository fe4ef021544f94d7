"""Readings as exact numbers: a column is whole numbers times one rational factor.

Doubles, float32 and decimals are taken as exactly the numbers they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from numbers import Integral, Rational, Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from train._errors import CalibrationError
from train._exact.rational import power_of_two

Doubles = NDArray[np.float64]

# Up to this exponent, scaling a double by a power of two is exact.
_REACH = 960
# Rows per block: few enough to stay in the cache.
_BLOCK = 1 << 14


class Decimals(NamedTuple):
    """A column of decimals: integers[i] / 10**places.

    Attributes:
        integers: n whole numbers, as an integer array or a sequence of int.
        places: digits after the decimal point; may be negative.
    """

    integers: Sequence[int] | NDArray[Any]
    places: int


class ExactColumn(NamedTuple):
    """A column of n exact numbers: values[i] · factor.

    Attributes:
        values: doubles, or whole numbers of any size.
        factor: a positive number.
    """

    values: Doubles | list[int]
    factor: Fraction

    def whole(self) -> tuple[list[int], Fraction]:
        """Return whole numbers and the unit that they count."""
        if isinstance(self.values, list):
            return self.values, self.factor
        low = lowest_bit(self.values)
        if extent(self.values) is not None:
            scaled = self.values * 2.0**-low
            return list(map(int, scaled.tolist())), self.factor * power_of_two(low)
        unit = power_of_two(low)
        return [int(Fraction(v) / unit) for v in self.values.tolist()], self.factor * unit

    def doubles(self) -> Doubles:
        """Return the nearest doubles."""
        if isinstance(self.values, list):
            ratio = self.factor
            try:
                return np.array([n * ratio.numerator / ratio.denominator for n in self.values])
            except OverflowError as error:
                raise CalibrationError("a number is too large for a double") from error
        if self.factor == 1:
            return self.values
        if self.factor.numerator == 1 and float(self.factor.denominator) == self.factor.denominator:
            return self.values / float(self.factor.denominator)  # rounded once
        return ExactColumn(*self.whole()).doubles()

    def take(self, rows: NDArray[np.int64] | slice) -> ExactColumn:
        """Return some of the rows."""
        if not isinstance(self.values, list):
            return ExactColumn(self.values[rows], self.factor)
        if isinstance(rows, slice):
            return ExactColumn(self.values[rows], self.factor)
        return ExactColumn([self.values[row] for row in rows.tolist()], self.factor)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.values)


def lowest_bit(values: Doubles) -> int:
    """Return the largest e for which all values are whole multiples of 2**e; 0 if all are zero."""
    blocks = (values[start : start + _BLOCK] for start in range(0, len(values), _BLOCK))
    return min((low for block in blocks if (low := _lowest_bit(block)) is not None), default=0)


def _lowest_bit(values: Doubles) -> int | None:
    """Return the same for a block; None if all are zero."""
    sizes = np.abs(values)
    if not sizes.all():
        values, sizes = values[sizes > 0], sizes[sizes > 0]
    if not len(values):
        return None
    # No double is longer than 53 bits, so this one divides all.
    floor = max(math.frexp(float(sizes.min()))[1] - 53, -1074)
    if floor > -_REACH and math.frexp(float(sizes.max()))[1] - floor < _REACH:
        whole = values * 2.0**-floor
        # The last 60 bits of each fit in an integer.
        rest = whole - np.rint(whole * 2.0**-60) * 2.0**60
        bits = int(np.bitwise_or.reduce(rest.astype(np.int64)))
        if bits:
            return floor + (bits & -bits).bit_length() - 1
    mantissas, exponents = np.frexp(values)
    integers = np.ldexp(mantissas, 53).astype(np.int64)
    zeros = np.frexp((integers & -integers).astype(np.float64))[1] - 1
    return int((exponents + zeros).min()) - 53


def column(values: Any, name: str, first_row: int = 1) -> ExactColumn:
    """Read a column of numbers.

    Args:
        values: an array, a series, or a sequence of int, float, Decimal, Fraction or numpy
            numbers; or Decimals.
        name: its name in errors.
        first_row: number of its first row in errors.

    Raises:
        CalibrationError: it is not a column of finite real numbers.
    """
    if isinstance(values, Decimals):
        unit = Fraction(10) ** -values.places
        return _small(values.integers, unit)
    if hasattr(values, "to_numpy"):  # pandas, polars, pyarrow
        _check_arrow(values, name)
        values = values.to_numpy()
    elif hasattr(values, "detach"):
        values = from_torch(values)
    if isinstance(values, np.ma.MaskedArray):
        if np.ma.is_masked(values):
            masked = np.ma.getmaskarray(values).ravel()
            raise CalibrationError(f"{name} is missing", first_row + int(np.argmax(masked)))
        values = np.asarray(values)
    if not isinstance(values, np.ndarray):
        values = _array(values, name)
    if values.ndim != 1:
        raise CalibrationError(f"{name} has shape {values.shape}; give one number per row")
    if values.dtype.kind == "f" and values.dtype.itemsize <= 8:
        return ExactColumn(
            _checked(values.astype(np.float64, copy=False), name, first_row), Fraction(1)
        )
    if values.dtype.kind in "iu":
        return _small(values, Fraction(1))
    if values.dtype.kind == "O":
        return _objects(values.tolist(), name, first_row)
    if values.dtype.kind == "f":  # long double
        return _objects(list(values), name, first_row)
    raise CalibrationError(f"{name} holds {values.dtype.name}; give real numbers")


def _check_arrow(values: Any, name: str) -> None:
    """Refuse an Arrow array that claims more rows than it holds, as a damaged file may."""
    if type(values).__module__.partition(".")[0] != "pyarrow":
        return
    try:
        values.validate(full=True)
    except (ValueError, LookupError) as error:
        raise CalibrationError(f"{name} is not a valid Arrow array: {error}") from None


def from_torch(values: Any) -> NDArray[Any]:
    """Return a tensor as an array, exactly."""
    values = values.detach().cpu()
    # numpy has no bfloat16.
    return np.asarray((values.double() if values.is_floating_point() else values).numpy())


def _array(values: Any, name: str) -> NDArray[Any]:
    try:
        entries = list(values)
    except TypeError:
        raise CalibrationError(
            f"{name} is {type(values).__name__}; give a sequence of numbers"
        ) from None
    if all(type(entry) is float for entry in entries):
        return np.array(entries, dtype=np.float64)
    result = np.empty(len(entries), dtype=object)
    for index, entry in enumerate(entries):
        result[index] = entry
    return result


def _checked(values: Doubles, name: str, first_row: int) -> Doubles:
    finite = np.isfinite(values)
    if not finite.all():
        index = int(np.argmin(finite))
        value = float(values[index])
        raise CalibrationError(f"{name} is {value}, not a finite number", first_row + index)
    return values


def _small(integers: Sequence[int] | NDArray[Any], unit: Fraction) -> ExactColumn:
    """Return whole numbers, as doubles if they fit."""
    if isinstance(integers, np.ndarray) and integers.dtype.kind in "iu":
        if not len(integers) or max(abs(int(integers.min())), abs(int(integers.max()))) <= 1 << 53:
            return ExactColumn(integers.astype(np.float64), unit)
        return ExactColumn(integers.tolist(), unit)
    listed = [int(n) for n in integers]
    if max(map(abs, listed), default=0) <= 1 << 53:
        return ExactColumn(np.array(listed, dtype=np.float64), unit)
    return ExactColumn(listed, unit)


def _objects(entries: list[Any], name: str, first_row: int) -> ExactColumn:
    """Read a column of mixed number types."""
    ratios = [_ratio(entry, name, first_row + index) for index, entry in enumerate(entries)]
    denominator = math.lcm(*{below for _, below in ratios})
    return _small(
        [above * (denominator // below) for above, below in ratios], Fraction(1, denominator)
    )


def _ratio(entry: Any, name: str, row: int) -> tuple[int, int]:
    if isinstance(entry, (bool, np.bool_)) or not isinstance(entry, (Real, Decimal)):
        shown = "missing" if entry is None else repr(entry)
        raise CalibrationError(f"{name} is {shown}, not a number", row)
    if isinstance(entry, Rational):
        return int(entry.numerator), int(entry.denominator)
    if isinstance(entry, Integral):
        return int(entry), 1
    exact: Any = entry if hasattr(entry, "as_integer_ratio") else float(entry)
    try:
        above, below = exact.as_integer_ratio()
    except (OverflowError, ValueError):
        raise CalibrationError(f"{name} is {entry}, not a finite number", row) from None
    return int(above), int(below)


def extent(values: Doubles) -> tuple[int, int] | None:
    """Return e and b for which the values are whole multiples of 2**e under 2**(e + b).

    Returns:
        None if the values reach so far that scaling them could lose bits.
    """
    low = lowest_bit(values)
    high = max(math.frexp(float(np.abs(values).max(initial=0.0)))[1], low)
    if min(low, -high) < -_REACH or high - low > _REACH:
        return None
    return low, high - low


def exact_sum(values: Doubles) -> Fraction:
    """Return the exact sum of doubles: their halves are summed by exponent, without rounding."""
    total = Fraction(0)
    for start in range(0, len(values), 1 << 20):
        mantissas, exponents = np.frexp(values[start : start + (1 << 20)])
        whole = np.ldexp(mantissas, 53)
        high = np.rint(whole * 2.0**-27)
        low = whole - high * 2.0**27
        least = int(exponents.min())
        places = exponents - least
        number = 0
        for part, shift in ((high, 27), (low, 0)):
            sums = np.bincount(places, weights=part)
            number += sum(
                int(value) << (place + shift) for place, value in enumerate(sums.tolist())
            )
        total += number * power_of_two(least - 53)
    return total

"""The arguments of ``calibrate``, checked before anything is computed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from train._errors import CalibrationError
from train._exact.columns import Decimals, from_torch
from train._exact.sums import Sums

_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)?")
_VARIABLE = re.compile(r"[a-z][a-z0-9_]*")
# Names that the served program uses for its own values.
RESERVED = re.compile(r"c\d+|s\d+|k\d+|shift\d*|scale")


def kept(values: Any) -> Any:
    """Return a column that can be read repeatedly."""
    return list(values) if isinstance(values, Iterator) else values


def columns_of(x: Any, features: Sequence[str] | None) -> tuple[list[Any], tuple[str, ...]]:
    """Return the columns of x, and the names of several."""
    if isinstance(x, Decimals):
        return [x], ()
    if hasattr(x, "columns"):
        known = [str(c) for c in x.columns]
        chosen = list(features or known)
        for feature in chosen:
            if feature not in known:
                raise CalibrationError(f"no column {feature!r}; there are {', '.join(known)}")
        columns = [x[x.columns[known.index(feature)]] for feature in chosen]
        if not columns:
            raise CalibrationError("x is a data frame without columns; give one or more")
    else:
        if hasattr(x, "detach"):
            x = from_torch(x)
        if getattr(x, "ndim", 1) == 2:
            columns = [x[:, index] for index in range(x.shape[1])]
        elif getattr(x, "ndim", 1) != 1:
            raise CalibrationError(f"x has shape {tuple(x.shape)}; give (n,) or (n, k)")
        else:
            columns = _rows_to_columns(x)
        chosen = list(features or (f"x{index + 1}" for index in range(len(columns))))
        if len(chosen) != len(columns):
            raise CalibrationError(f"{len(chosen)} features are named, x has {len(columns)}")
    return columns, tuple(chosen) if len(columns) > 1 else ()


def _rows_to_columns(x: Any) -> list[Any]:
    if hasattr(x, "to_numpy") or isinstance(x, np.ndarray):
        return [x]
    try:
        rows = list(x)
    except TypeError:
        raise CalibrationError(f"x is {type(x).__name__}; give a sequence of numbers") from None
    if not rows or not isinstance(rows[0], (list, tuple, np.ndarray)):
        return [rows]
    for number, row in enumerate(rows, 1):
        if not isinstance(row, (list, tuple, np.ndarray)) or len(row) != len(rows[0]):
            raise CalibrationError(
                f"x is {row!r}, expected {len(rows[0])} numbers as in row 1", number
            )
    return [list(column) for column in zip(*rows, strict=True)]


def check_names(
    count: int,
    name: str,
    features: Sequence[str] | None,
    x_name: str,
    y_name: str,
    unit_x: str,
    unit_y: str,
    dtype: str,
) -> tuple[str, ...]:
    """Return the names of several features."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise CalibrationError(
            f"name is {name!r}; give lowercase letters, digits and _, beginning with a letter, "
            "possibly a dot and a variant, such as probe7 or probe7.spring"
        )
    for what, variable in (("x_name", x_name), ("y_name", y_name)):
        if (
            not isinstance(variable, str)
            or not _VARIABLE.fullmatch(variable)
            or RESERVED.fullmatch(variable)
        ):
            raise CalibrationError(
                f"{what} is {variable!r}; give lowercase letters, digits and _, beginning with a "
                "letter, and not c0, s1, k1, shift or scale, which the program uses"
            )
    if x_name == y_name:
        raise CalibrationError(f"x_name and y_name are both {x_name!r}; give two names")
    for what, unit in (("unit_x", unit_x), ("unit_y", unit_y)):
        if not isinstance(unit, str) or not unit or not unit.isprintable():
            raise CalibrationError(f'{what} is {unit!r}; give a unit as text, "1" for none')
    if dtype not in ("float32", "float64"):
        raise CalibrationError(f"dtype is {dtype!r}; give float32 or float64")
    if count == 1:
        return ()
    names = tuple(features) if features else tuple(f"x{index + 1}" for index in range(count))
    if len(names) != count or len(set(names)) != count:
        raise CalibrationError(f"features are {', '.join(names)}; give {count} different names")
    return names


def check_enough(sums: Sums, coefficients: int) -> None:
    """Check that there are enough different readings for a number of coefficients."""
    if sums.rows <= coefficients:
        readings = "reading" if sums.rows == 1 else "readings"
        raise CalibrationError(
            f"{sums.rows} {readings} cannot determine {coefficients} coefficients and their "
            f"uncertainty; give {coefficients + 1} readings or more, or a lower degree"
        )
    if all(low == high for low, high in sums.domain) and (
        coefficients > 1 or not any(sums.domain[0])
    ):
        raise CalibrationError(
            f"x is {float(sums.domain[0][0]):g} in every reading; give readings at different x"
        )

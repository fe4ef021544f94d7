"""The data, as rows in a table. Which bits define an optimum is written down here.

All data are float64. Measured data are the doubles nearest to the printed decimals. Sampled
functions are correctly rounded, so that they have the same bits on every machine; a library's
``sin`` may differ in the last place between processors.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Dataset:
    """Inputs and targets of a fit.

    Attributes:
        name: its name in the table.
        x: float64 of shape (n,), or (n, k) for k features; read-only.
        y: float64 of shape (n,); read-only.
    """

    name: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]

    @property
    def rows(self) -> int:
        """Number of observations."""
        return len(self.y)

    @property
    def sha256(self) -> str:
        """SHA-256 over the little-endian bytes of x, row by row, then y."""
        digest = hashlib.sha256()
        for values in (self.x, self.y):
            digest.update(values.astype("<f8").tobytes())
        return digest.hexdigest()

    @property
    def domain(self) -> tuple[tuple[float, float], ...]:
        """Smallest and largest value of each feature."""
        columns = self.x.reshape(len(self.x), -1).T
        return tuple((float(column.min()), float(column.max())) for column in columns)


def _thermometer() -> tuple[list[float], list[float]]:
    """Eleven readings of an unknown thermometer (°F) beside a Celsius one (SEEDS, 1)."""
    t_u = [35.7, 55.9, 58.2, 81.9, 56.3, 48.9, 33.9, 21.8, 48.4, 60.4, 68.4]
    t_c = [0.5, 14.0, 15.0, 28.0, 11.0, 8.0, 3.0, -4.0, 6.0, 13.0, 21.0]
    return t_u, t_c


def _sine() -> tuple[list[float], list[float]]:
    """2,000 points of linspace(-π, π), where π is ``math.pi``, and their sines (SEEDS, 4).

    Both are correctly rounded: x from the exact rational, y from 128 bits.
    """
    import mpmath

    pi, last = Fraction(math.pi), 1999
    x = [float(pi * Fraction(2 * i - last, last)) for i in range(last + 1)]
    with mpmath.workprec(128):
        # The sine is odd and so are the points; half of them are enough.
        half = [float(mpmath.sin(mpmath.mpf(value))) for value in x[1000:]]
    return x, [-value for value in reversed(half)] + half


DATASETS: Mapping[str, Callable[[], tuple[list[float], list[float]]]] = MappingProxyType(
    {"thermometer": _thermometer, "sine": _sine}
)


@cache
def load_dataset(name: str) -> Dataset:
    """Return a dataset of the table."""
    arrays = [np.array(values, dtype=np.float64) for values in DATASETS[name]()]
    for values in arrays:
        values.flags.writeable = False
    return Dataset(name, *arrays)

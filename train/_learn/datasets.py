"""Built-in datasets; their bits define the optimum.

All data are float64. Measured data are the doubles nearest to the printed decimals. Sampled
functions are correctly rounded, so that they have the same bits on every machine; a library's
``sin`` may differ in the last place between processors. Noisy data are a fixed sample, rounded to
four decimals like readings, and can be redrawn with a seed.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from statistics import NormalDist
from types import MappingProxyType

import numpy as np
import torch
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
            digest.update(np.ascontiguousarray(values, dtype="<f8").data)
        return digest.hexdigest()

    @property
    def domain(self) -> tuple[tuple[float, float], ...]:
        """Smallest and largest value of each feature."""
        columns = self.x.reshape(len(self.x), -1).T
        return tuple((float(column.min()), float(column.max())) for column in columns)


# Rows of x (one number, or one per feature), and y.
Rows = tuple[list[float] | list[list[float]], list[float]]


def _thermometer() -> Rows:
    """Eleven readings of an unknown thermometer (°F), and the true temperatures (°C)."""
    t_u = [35.7, 55.9, 58.2, 81.9, 56.3, 48.9, 33.9, 21.8, 48.4, 60.4, 68.4]
    t_c = [0.5, 14.0, 15.0, 28.0, 11.0, 8.0, 3.0, -4.0, 6.0, 13.0, 21.0]
    return t_u, t_c


def _sine() -> Rows:
    """2,000 points of linspace(-π, π), where π is ``math.pi``, and their sines.

    Both are correctly rounded: x from the exact rational, y from 128 bits.
    """
    import mpmath

    pi, last = Fraction(math.pi), 1999
    x = [float(pi * Fraction(2 * i - last, last)) for i in range(last + 1)]
    with mpmath.workprec(128):
        # The sine and the points are odd, so half of them are enough.
        half = [float(mpmath.sin(mpmath.mpf(value))) for value in x[1000:]]
    return x, [-value for value in reversed(half)] + half


def _noisy_line() -> Rows:
    """1,000 points of y = 2x + 1 + 3n, x uniform on [0, 20), n standard normal."""
    generator, normal = random.Random(1000), NormalDist()  # noqa: S311 - a sample, not a secret
    x = [round(20 * generator.random(), 4) for _ in range(1000)]
    noise = [normal.inv_cdf(generator.random()) for _ in x]
    return x, [round(2 * value + 1 + 3 * n, 4) for value, n in zip(x, noise, strict=True)]


def _noisy_plane() -> Rows:
    """1,000 rows of y = 2·x0 - 3.4·x1 + 4.2 + 0.01n, all standard normal."""
    generator, normal = random.Random(1000), NormalDist()  # noqa: S311
    x = [[round(normal.inv_cdf(generator.random()), 4) for _ in range(2)] for _ in range(1000)]
    noise = [normal.inv_cdf(generator.random()) for _ in x]
    y = [2 * a - 3.4 * b + 4.2 + 0.01 * n for (a, b), n in zip(x, noise, strict=True)]
    return x, [round(value, 4) for value in y]


def _draw_line(rows: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw points of the noisy line with torch's generator: x first, then n."""
    x = torch.rand(rows, 1) * 20
    y = x * 2 + 1 + 3 * torch.randn(rows, 1)
    return x[:, 0], y[:, 0]


def _draw_plane(rows: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw rows of the noisy plane with torch's generator: X first, then n."""
    x = torch.randn(rows, 2)
    y = x @ torch.tensor([2.0, -3.4]) + 4.2 + 0.01 * torch.randn(rows)
    return x, y


@dataclass(frozen=True)
class DatasetSource:
    """How a dataset is made.

    Attributes:
        fixed: makes the fixed sample: rows of x, and y.
        draw: draws a number of new rows with torch's global generator, for noisy data.
    """

    fixed: Callable[[], Rows]
    draw: Callable[[int], tuple[torch.Tensor, torch.Tensor]] | None = None


DATASETS: Mapping[str, DatasetSource] = MappingProxyType(
    {
        "thermometer": DatasetSource(_thermometer),
        "sine": DatasetSource(_sine),
        "noisy_line": DatasetSource(_noisy_line, _draw_line),
        "noisy_plane": DatasetSource(_noisy_plane, _draw_plane),
    }
)


@cache
def load_dataset(name: str) -> Dataset:
    """Return the fixed sample of a dataset of the table."""
    x, y = (np.array(values, dtype=np.float64) for values in DATASETS[name].fixed())
    for values in (x, y):
        values.flags.writeable = False
    return Dataset(name, x, y)

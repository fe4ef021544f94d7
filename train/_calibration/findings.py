"""Residuals, leverages and leave-one-out errors: what the second pass finds."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from train._exact.columns import Doubles
from train._exact.hashes import both

MOST_LARGEST = 5
MOST_DISTINCT = 64


class ReadingsBlock(NamedTuple):
    """Some of the readings, see ``Sums.add``.

    Attributes:
        x: a column, or with several features a sequence of columns.
        y: a column.
        sigma: a column, if the fit is weighted.
        rows: number of each row, or of the first; None continues from the block before.
        file: name of the file, if there are several.
    """

    x: Any
    y: Any
    sigma: Any = None
    rows: int | Sequence[int] | None = None
    file: str = ""


class Residual(NamedTuple):
    """A reading compared with the curve.

    Attributes:
        row: number of the reading, from 1.
        x: one input per feature.
        y: the reference value.
        residual: y minus the curve.
        standardized: the residual over its own standard deviation; 0 if that is 0.
        file: name of the file, if there are several.
    """

    row: int
    x: tuple[float, ...]
    y: float
    residual: float
    standardized: float
    file: str = ""


@dataclass(frozen=True)
class Review:
    """Findings over all readings.

    Attributes:
        loo: mean squared leave-one-out error, by number of terms; inf if a single reading
            determines a coefficient.
        loo_differences: standard error of the difference of two of these means, by their numbers
            of terms.
        largest: the readings with the largest standardized residuals, by number of terms.
        leverages: file, row and value of the largest high leverages, by number of terms.
        high_leverages: number of high leverages, by number of terms.
        distinct: number of different x; None if there are many.
        x: inputs of a sample of the readings, shape (n,) or (n, k).
        y: reference values of the sample.
        sigma: standard uncertainties of the sample, if weighted.
    """

    loo: dict[int, float]
    loo_differences: dict[tuple[int, int], float]
    largest: dict[int, tuple[Residual, ...]]
    leverages: dict[int, tuple[tuple[str, int, float], ...]]
    high_leverages: dict[int, int]
    distinct: int | None
    x: Doubles
    y: Doubles
    sigma: Doubles | None


@dataclass
class Findings:
    """Findings over some of the readings.

    Those of other readings are merged in any order. Findings are small, and can be pickled.

    Attributes:
        rows: number of readings.
        fingerprint: of these readings, see ``Sums``.
        means: sums of the squared leave-one-out errors, by number of terms.
        products: sums of the products of two of these squares, by two numbers of terms.
        alone: numbers of terms for which a single reading determines a coefficient.
        largest: see ``Review``.
        leverages: see ``Review``.
        high: number of high leverages, by number of terms.
        distinct: the different x, or some of them if they are many.
        sample: x, y and sigma of readings for plots, by index of the first among all readings.
    """

    rows: int = 0
    fingerprint: int = 0
    means: dict[int, Fraction] = field(default_factory=dict)
    products: dict[tuple[int, int], Fraction] = field(default_factory=dict)
    alone: set[int] = field(default_factory=set)
    largest: dict[int, list[Residual]] = field(default_factory=dict)
    leverages: dict[int, list[tuple[str, int, float]]] = field(default_factory=dict)
    high: dict[int, int] = field(default_factory=dict)
    distinct: set[float] = field(default_factory=set)
    sample: dict[int, tuple[Doubles, Doubles, Doubles | None]] = field(default_factory=dict)

    def merge(self, other: Findings) -> None:
        """Add the findings over other readings."""
        self.rows += other.rows
        self.fingerprint = both(self.fingerprint, other.fingerprint)
        self.alone |= other.alone
        self.sample |= other.sample
        self.add_distinct(other.distinct)
        for key, total in other.means.items():
            self.means[key] = self.means.get(key, Fraction(0)) + total
        for pair, product in other.products.items():
            self.products[pair] = self.products.get(pair, Fraction(0)) + product
        for key, count in other.high.items():
            self.high[key] = self.high.get(key, 0) + count
        for key, residuals in other.largest.items():
            self.add_largest(key, residuals)
        for key, leverages in other.leverages.items():
            self.add_leverages(key, leverages)

    def add_largest(self, size: int, found: Iterable[Residual]) -> None:
        """Keep the largest residuals; among equal ones the first, whatever the split."""
        self.largest[size] = heapq.nsmallest(
            MOST_LARGEST,
            [*self.largest.get(size, []), *found],
            key=lambda entry: (-abs(entry.standardized), entry.file, entry.row),
        )

    def add_leverages(self, size: int, found: Iterable[tuple[str, int, float]]) -> None:
        """Keep the largest leverages; among equal ones the first, whatever the split."""
        self.leverages[size] = heapq.nsmallest(
            MOST_LARGEST,
            [*self.leverages.get(size, []), *found],
            key=lambda entry: (-entry[2], *entry[:2]),
        )

    def add_distinct(self, values: Iterable[float]) -> None:
        """Collect different x, until there are many."""
        if len(self.distinct) <= MOST_DISTINCT:
            self.distinct |= set(islice(values, 2 * MOST_DISTINCT))

    def review(self) -> Review:
        """Return the findings over all readings."""
        means = {k: float(total / self.rows) for k, total in self.means.items()}
        spread = {}
        for a, b in self.products:
            mean = (self.means[a] - self.means[b]) / self.rows
            square = (
                self.products[a, a] + self.products[b, b] - 2 * self.products[a, b]
            ) / self.rows - mean**2
            spread[a, b] = spread[b, a] = math.sqrt(max(square, Fraction(0)) / self.rows)
        x, y, sigma = zip(*(self.sample[place] for place in sorted(self.sample)), strict=True)
        return Review(
            loo={k: math.inf if k in self.alone else mean for k, mean in means.items()},
            loo_differences=spread,
            largest={k: tuple(found) for k, found in self.largest.items()},
            leverages={k: tuple(found) for k, found in self.leverages.items()},
            high_leverages=self.high,
            distinct=len(self.distinct) if 0 < len(self.distinct) <= MOST_DISTINCT else None,
            x=np.concatenate(x),
            y=np.concatenate(y),
            sigma=None if sigma[0] is None else np.concatenate(sigma),
        )

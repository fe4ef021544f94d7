"""A small sample of the readings: which rows it holds depends on the readings alone.

A row is in the sample if a hash of its numbers is among the smallest. So neither the order of the
rows matters nor how they are split, and the samples of several machines can be merged (A. Z.
Broder, "On the resemblance and containment of documents", Compression and Complexity of Sequences,
1997).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from train._exact.columns import Doubles
from train._exact.hashes import Hashes, row_hashes

# Enough for a chart, and few enough to keep model.json readable.
MOST_ROWS = 200
MOST_NUMBERS = 2_000
# Rows per block: few enough to stay in the cache.
_BLOCK = 1 << 14

_LAST = np.uint64(2**64 - 1)


class Rows(NamedTuple):
    """Some readings, ascending by x.

    Attributes:
        x: one number per reading, or one list of features per reading.
        y: one number per reading.
    """

    x: list[float] | list[list[float]]
    y: list[float]


class Sample:
    """Draws a sample of readings.

    Up to ``most`` readings are all kept. Beyond that, equal readings count once, and those with the
    smallest and the largest x of each feature are always kept.

    Attributes:
        most: the largest number of rows: fewer with many features, 0 if two rows would be too many
            numbers.
        seen: number of readings so far.
    """

    def __init__(self, features: int) -> None:
        """Start with no readings."""
        most = min(MOST_ROWS, MOST_NUMBERS // (features + 1))
        self.most = most if most > 1 else 0
        self.seen = 0
        # With many features, their extremes would leave no room for other rows.
        self._features = range(features if 4 * features <= self.most else 0)
        self._few: Doubles = np.empty((0, features + 1))
        # Distinct rows: those with the smallest hashes, then those at the extremes.
        self._table: Doubles = self._few
        self._hashes: Hashes = np.empty(0, dtype=np.uint64)

    def add(self, x: Sequence[Doubles], y: Doubles) -> None:
        """Add readings: one column per feature, and y; all finite."""
        self.seen += len(y)
        if self.seen <= self.most:
            self._few = np.concatenate([self._few, np.stack([*x, y], axis=1)])
        for start in range(0, len(y) if self.most else 0, _BLOCK):
            block = [column[start : start + _BLOCK] + 0.0 for column in (*x, y)]  # -0 is 0
            hashes = row_hashes(block)
            full = len(self._hashes) >= self.most
            wanted = np.flatnonzero(hashes <= (self._hashes[self.most - 1] if full else _LAST))
            for feature in self._features:
                wanted = np.concatenate([wanted, *self._new_ends(feature, block[feature], hashes)])
            if len(wanted):
                self._keep(np.stack([column[wanted] for column in block], axis=1), hashes[wanted])

    def merge(self, other: Sample) -> None:
        """Add the readings of another sample, of as many features."""
        self.seen += other.seen
        if self.seen <= self.most:
            self._few = np.concatenate([self._few, other._few])
        self._keep(other._table, other._hashes)

    def rows(self) -> Rows | None:
        """Return the sample; None if there are too many features for one."""
        if not self.most:
            return None
        table = self._few
        if self.seen > self.most:
            table = self._table[[*dict.fromkeys([*self._ends(), *range(len(self._table))])]]
        table = table[: self.most] + 0.0
        table = table[np.lexsort(table.T[::-1])]
        x = table[:, :-1] if table.shape[1] > 2 else table[:, 0]
        return Rows(x.tolist(), table[:, -1].tolist())

    def _new_ends(self, feature: int, x: Doubles, hashes: Hashes) -> list[NDArray[np.intp]]:
        """Return the rows of the smallest and of the largest x that no known one is beyond."""
        known = self._table[:, feature]
        least, largest = x.min(), x.max()
        ends = [least] if least <= known.min(initial=np.inf) else []
        ends += [largest] if largest >= known.max(initial=-np.inf) else []
        rows = [np.flatnonzero(x == end) for end in ends]
        return [some[[hashes[some].argmin()]] for some in rows]

    def _keep(self, table: Doubles, hashes: Hashes) -> None:
        table = np.concatenate([self._table, table])
        hashes = np.concatenate([self._hashes, hashes])
        order = np.lexsort((*table.T, hashes))
        table, hashes = table[order], hashes[order]
        different = np.ones(len(table), dtype=bool)
        different[1:] = (table[1:] != table[:-1]).any(axis=1)
        self._table, self._hashes = table[different], hashes[different]
        kept = np.arange(len(self._table)) < self.most
        kept[self._ends()] = True
        self._table, self._hashes = self._table[kept], self._hashes[kept]

    def _ends(self) -> list[int]:
        """Return the first row with the smallest and with the largest x of each feature."""
        columns = [self._table[:, feature] for feature in self._features if len(self._table)]
        return [int(end) for column in columns for end in (column.argmin(), column.argmax())]

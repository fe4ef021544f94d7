"""Hashes of rows of numbers: fast, the same on all machines, not cryptographic."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from train._exact.columns import Doubles

Hashes = NDArray[np.uint64]

_FACTOR = np.uint64(0xBF58476D1CE4E5B9)
# Rows per block: few enough to stay in the cache.
_BLOCK = 1 << 14


def row_hashes(columns: Sequence[Doubles]) -> Hashes:
    """Return a hash of each row, over the bits of its doubles.

    The bits are folded, because those of whole numbers are all at the top, and multiplied by an
    odd number, which loses none: M. Dietzfelbinger and others, "A reliable randomized algorithm for
    the closest-pair problem" (Journal of Algorithms 25, 1997). The factor is SplitMix64's.
    """
    state = np.zeros(len(columns[0]), dtype=np.uint64)
    for column in columns:
        bits = column.view(np.uint64)
        state += bits
        state ^= bits >> np.uint64(32)
        state *= _FACTOR
        state ^= state >> np.uint64(29)
    state *= _FACTOR
    return state


def fingerprint(columns: Sequence[Doubles]) -> int:
    """Return the sum of the hashes of all rows, modulo 2^64: their order does not matter."""
    total = 0
    for start in range(0, len(columns[0]), _BLOCK):
        block = [column[start : start + _BLOCK] for column in columns]
        total += int(row_hashes(block).sum(dtype=np.uint64))
    return total % 2**64


def both(one: int, other: int) -> int:
    """Return the fingerprint of all rows of both."""
    return (one + other) % 2**64

"""Exact least squares by fraction-free elimination of a Gram matrix."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple


class Orthogonal(NamedTuple):
    """The elimination of a Gram matrix G of p columns: L⁻¹·G·L⁻ᵀ is diagonal.

    Attributes:
        rows: p rows of p integers; row k is row k of L⁻¹ (unit lower triangular) times minors[k].
        minors: the leading principal minors of G of the orders 0 to p; the squared length of the
            k-th orthogonalized column is minors[k + 1] / minors[k].
        products: p rows; the product of the k-th orthogonalized column with the column j, times
            minors[k], for j >= k.
    """

    rows: list[list[int]]
    minors: list[int]
    products: list[list[int]]

    @property
    def coefficients(self) -> list[Fraction]:
        """The combination of the other columns that is closest to the last one."""
        return [Fraction(-entry, self.minors[-2]) for entry in self.rows[-1][:-1]]


def orthogonalize(gram: Sequence[Sequence[int]], free: int = 0) -> Orthogonal:
    """Orthogonalize columns one after the other, given only their inner products.

    This is fraction-free elimination; a Gram matrix needs no pivoting. Each step divides by the
    pivot before it, which leaves no remainder (E. H. Bareiss, "Sylvester's identity and multistep
    integer-preserving Gaussian elimination", Mathematics of Computation 22, 1968).

    Args:
        gram: p rows of p integers, symmetric.
        free: number of last columns that may depend on those before them.

    Returns:
        The orthogonalized columns, as combinations of the columns up to each.

    Raises:
        DependentError: a column is a combination of those before it.
    """
    size = len(gram)
    work = [[*row, *(int(i == k) for i in range(size))] for k, row in enumerate(gram)]
    minors = [1]
    for k in range(size):
        head, before = work[k][k], minors[-1]
        if not head and k < size - free:
            raise DependentError(k)
        minors.append(head)
        width = size + k + 1  # columns further right are unchanged
        if not head:
            break
        for i in range(k + 1, size):
            row, top, factor = work[i], work[k], work[i][k]
            row[k + 1 : size] = [
                (head * a - factor * b) // before
                for a, b in zip(row[k + 1 : size], top[k + 1 : size], strict=True)
            ]
            row[size:width] = [
                (head * a - factor * b) // before
                for a, b in zip(row[size:width], top[size:width], strict=True)
            ]
            row[size + i] = head
            row[k] = 0
    minors += [0] * (size + 1 - len(minors))
    return Orthogonal([row[size:] for row in work], minors, [row[:size] for row in work])


class DependentError(ValueError):
    """A column depends on those before it.

    Attributes:
        column: its index.
    """

    def __init__(self, column: int) -> None:
        super().__init__(f"column {column} depends on those before it")
        self.column = column

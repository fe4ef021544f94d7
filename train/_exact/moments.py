"""Sums of products of powers: which ones the normal equations need, and how to add rows."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations_with_replacement
from operator import mul

Exponents = tuple[int, ...]
# Exponents of the features, and the power of y.
Moment = tuple[Exponents, int]


def plus(left: Exponents, right: Exponents) -> Exponents:
    """Return the exponents of a product."""
    return tuple(map(sum, zip(left, right, strict=True)))


def moments(monomials: Sequence[Exponents]) -> list[tuple[Exponents, int]]:
    """Return the sums that the normal equations of these monomials need: (e, power of Y)."""
    squares = {plus(e, f) for e, f in combinations_with_replacement(monomials, 2)}
    none = (0,) * len(monomials[0])
    return [*((e, 0) for e in sorted(squares)), *((e, 1) for e in monomials), (none, 2)]


def add_products(
    sums: dict[tuple[Exponents, int], int],
    monomials: Sequence[Exponents],
    columns: Sequence[Sequence[int]],
    targets: Sequence[int],
    weights: Sequence[int] | None = None,
) -> None:
    """Add rows of whole numbers, possibly times weights, to the sums."""
    values = powers(monomials, columns, len(targets))
    none = (0,) * len(columns)
    weighted = values
    if weights is not None:
        weighted = {e: list(map(mul, column, weights)) for e, column in values.items()}
    # Each product of monomials is formed from one pair of them; any pair will do.
    pairs = {plus(e, f): (e, f) for e, f in combinations_with_replacement(monomials, 2)}
    for e, (left, right) in pairs.items():
        one = right if left == none else left if right == none else None
        sums[e, 0] += sum(weighted[one] if one else map(mul, values[left], weighted[right]))
    for e in monomials:
        sums[e, 1] += sum(map(mul, weighted[e], targets))
    squares = map(mul, targets, targets)
    sums[none, 2] += sum(squares if weights is None else map(mul, squares, weights))


def powers(
    monomials: Sequence[Exponents], columns: Sequence[Sequence[int]], rows: int
) -> dict[Exponents, Sequence[int]]:
    """Return the values of each monomial, each from the one below it."""
    known: dict[Exponents, Sequence[int]] = {(0,) * len(columns): [1] * rows}

    def values(exponents: Exponents) -> Sequence[int]:
        if exponents not in known:
            feature = next(index for index, power in enumerate(exponents) if power)
            below = tuple(p - (i == feature) for i, p in enumerate(exponents))
            column = columns[feature]
            known[exponents] = list(map(mul, values(below), column)) if any(below) else column
        return known[exponents]

    return {exponents: values(exponents) for exponents in monomials}


def polynomial(degree: int) -> tuple[Exponents, ...]:
    """Return the terms 1, x, ..., x^degree."""
    return tuple((power,) for power in range(degree + 1))


def plane(features: int) -> tuple[Exponents, ...]:
    """Return the terms 1, x1, ..., xk."""
    none = (0,) * features
    return (none, *(tuple(int(i == k) for i in range(features)) for k in range(features)))

"""What the readings behind a fit tell about its curve, computed exactly and rounded once.

Fractions all the way: with n readings, p terms and G = XᵀX their Gram matrix, the curve is
G⁻¹Xᵀy and its variance at terms t is s²·tᵀG⁻¹t. G = L·D·Lᵀ (Cholesky's decomposition without roots)
makes that a sum of squares, Σ_r ((L⁻¹t)_r / √D_r)²: no digit is lost where the terms are
nearly collinear.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from train import Fit

Matrix = list[list[Fraction]]
Exponents = tuple[int, ...]


def uncertainty(fit: Fit) -> dict[str, Any] | None:
    """Return ``uncertainty`` of a fit's card, None where the data are no readings.

    Also None for as many terms as readings: then no residual tells how these scatter.
    """
    if not fit.model.measured:
        return None
    powers = sorted({e for basis in fit.model.variants[-1].terms.values() for e in basis})
    x = fit.dataset.x.reshape(fit.dataset.rows, -1).tolist()
    return uncertainty_of(x, fit.dataset.y.tolist(), powers)


def uncertainty_of(
    x: Sequence[Sequence[float]], y: Sequence[float], powers: Sequence[Exponents]
) -> dict[str, Any] | None:
    """Fit a polynomial to readings by least squares and tell how certain it is.

    Args:
        x: a row of features a reading.
        y: the readings.
        powers: exponents of each term, one a feature.

    Returns:
        The object ``uncertainty`` of docs/artifact-format.md; None without degrees of freedom.
    """
    if len(y) <= len(powers):
        return None
    center, half_width = _scale(x, powers)
    rows = [
        [
            (Fraction(value) - Fraction(c)) / Fraction(w)
            for value, c, w in zip(row, center, half_width, strict=True)
        ]
        for row in x
    ]
    terms = [[math.prod(map(pow, row, exponents)) for exponents in powers] for row in rows]
    targets = [Fraction(value) for value in y]
    columns = list(zip(*terms, strict=True))
    gram = [[_dot(a, b) for b in columns] for a in columns]
    lower, diagonal = _decompose(gram)
    inverse = _invert(lower)
    # In the orthogonal functions L⁻¹t the problem falls apart into one a function.
    right = [_dot(column, targets) for column in columns]
    shares = [_dot(row, right) for row in inverse]
    weights = [share / d for share, d in zip(shares, diagonal, strict=True)]
    curve = [_dot(column, weights) for column in zip(*inverse, strict=True)]
    squares = _dot(targets, targets) - _dot(shares, weights)
    degrees_of_freedom = len(y) - len(powers)
    return {
        "residual_sd": _root(squares / degrees_of_freedom),
        "degrees_of_freedom": degrees_of_freedom,
        "powers": [list(exponents) for exponents in powers],
        "center": center,
        "half_width": half_width,
        "curve": [float(value) for value in curve],
        "factor": [
            [math.copysign(_root(value * value / d), value) for value in row]
            for row, d in zip(inverse, diagonal, strict=True)
        ],
        "typical_sigma": 1.0,
    }


def _scale(
    x: Sequence[Sequence[float]], powers: Sequence[Exponents]
) -> tuple[list[float], list[float]]:
    """Return center and half width of each feature, so that the readings lie in [-1, 1].

    The center is 0 where a shift would need terms that are not there: a line through the
    origin has no constant.
    """
    columns = list(zip(*x, strict=True))
    known = set(powers)
    shiftable = all(
        (*e[:index], e[index] - 1, *e[index + 1 :]) in known
        for e in powers
        for index in range(len(e))
        if e[index]
    )
    center = [(min(c) + max(c)) / 2 if shiftable else 0.0 for c in columns]
    widths = [max(abs(v - m) for v in c) for c, m in zip(columns, center, strict=True)]
    return center, [width or 1.0 for width in widths]


def _dot(a: Sequence[Fraction], b: Sequence[Fraction]) -> Fraction:
    return sum((p * q for p, q in zip(a, b, strict=True)), Fraction())


def _decompose(gram: Matrix) -> tuple[Matrix, list[Fraction]]:
    """Return L, with ones on its diagonal, and D of gram = L·D·Lᵀ."""
    lower: Matrix = []
    diagonal: list[Fraction] = []
    for i, row in enumerate(gram):
        entries: list[Fraction] = []
        for j in range(i):
            known = sum((entries[k] * diagonal[k] * lower[j][k] for k in range(j)), Fraction())
            entries.append((row[j] - known) / diagonal[j])
        diagonal.append(
            row[i] - sum((e * e * d for e, d in zip(entries, diagonal, strict=True)), Fraction())
        )
        lower.append([*entries, Fraction(1), *[Fraction()] * (len(gram) - i - 1)])
    return lower, diagonal


def _invert(lower: Matrix) -> Matrix:
    """Return the inverse of a lower triangular matrix with ones on its diagonal."""
    inverse: Matrix = []
    for i, row in enumerate(lower):
        unit = [Fraction(int(i == j)) for j in range(len(lower))]
        for k in range(i):
            unit = [u - row[k] * v for u, v in zip(unit, inverse[k], strict=True)]
        inverse.append(unit)
    return inverse


def _root(square: Fraction) -> float:
    """Return the square root of a rational number, rounded once to the nearest double."""
    if not square:
        return 0.0
    # An integer root of 64 digits or more; where it is not exact, a digit below tells which side
    # of a halfway point it lies on.
    shift = max(0, 64 - (square.numerator.bit_length() - square.denominator.bit_length()) // 2)
    scaled = (square.numerator << 2 * shift) // square.denominator
    root = math.isqrt(scaled)
    exact = root * root * square.denominator == square.numerator << 2 * shift
    return float(Fraction(2 * root + (not exact), 2 << shift))

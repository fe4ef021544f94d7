"""How far the true curve, or a new reading, may be from the fit.

Everything is computed in doubles, by the same operations in the same order on floats and on
arrays: additions, multiplications, divisions and square roots, for which IEEE-754 leaves no choice.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from infer._artifact.card import ModelCard, Uncertainty
from infer._containers.apply import Computation, apply
from infer._curve.student_t import quantile
from infer._errors import InputError
from infer._text import suggest

Kind = Literal["prediction", "confidence"]
KINDS = ("prediction", "confidence")


class Interval(NamedTuple):
    """Two ends, each a double, or a container of doubles shaped like what was asked about."""

    low: Any
    high: Any


class Band(NamedTuple):
    """The interval as a function of the input.

    Attributes:
        uncertainty: of the model.
        reach: t·s, what √(noise + h) is multiplied by.
        noise: variance of a new reading in units of s²; 0 for the curve itself.
    """

    uncertainty: Uncertainty
    reach: float
    noise: float

    def ends(self, *features: float) -> tuple[float, float]:
        """Return low and high at one input."""
        center, half = self._at(features, 1.0, math.sqrt)
        return center - half, center + half

    def array_ends(self, *features: Any) -> tuple[Any, Any]:
        """Return low and high at an array of inputs, given one array per feature."""
        center, half = self.curve_and_half(*features)
        return center - half, center + half

    def curve_and_half(self, *features: Any) -> tuple[Any, Any]:
        """Return the exact fit, and half the interval's width, at an array of inputs."""
        import numpy as np  # already there: the caller has an array

        return self._at(features, np.ones(len(features[0])), np.sqrt)

    def _at(
        self, features: tuple[Any, ...], one: Any, root: Callable[[Any], Any]
    ) -> tuple[Any, Any]:
        found = self.uncertainty
        terms = _terms(found, features, one)
        center = _dot(found.curve, terms)
        variance = one * self.noise
        for row in found.factor:
            share = _dot(row, terms)
            variance = variance + share * share
        return center, self.reach * root(variance)


def interval(
    card: ModelCard,
    x: Any,
    level: float,
    kind: str,
    sigma: float | None,
) -> Interval:
    """Return the interval at x; see ``Model.interval``."""
    chosen = band(card, level, kind, sigma)
    held = sum(map(max, zip(*chosen.uncertainty.powers, strict=True)))
    held += len(chosen.uncertainty.curve) + (card.features or 1)
    computation = Computation(
        card.name, card.features, 2, chosen.ends, chosen.array_ends, "float64", held
    )
    return Interval(*apply(computation, x))


def band(card: ModelCard, level: float, kind: str, sigma: float | None) -> Band:
    """Return the interval of a model as a function.

    Raises:
        InputError: the model has no uncertainty, or an argument is out of range.
    """
    found = card.uncertainty
    if found is None:
        raise InputError(
            f"{card.name} has no uncertainty: it was not fitted to measurements, or has as many "
            "coefficients as readings. To get a model that has one, fit your readings with: "
            "calibrate readings.csv"
        )
    if isinstance(level, bool) or not isinstance(level, (int, float)) or not 0 < level < 1:
        hint = f"; for {level:g} percent, type {level / 100:g}" if _is_percent(level) else ""
        raise InputError(f"level: expected a number between 0 and 1, found {level!r}{hint}")
    if kind not in KINDS:
        raise InputError(
            f"kind: expected {' or '.join(map(repr, KINDS))}, found {kind!r}."
            f"{suggest(str(kind), list(KINDS))}"
        )
    if sigma is not None and kind == "confidence":
        raise InputError("sigma is of a new reading and goes with kind='prediction'")
    if sigma is not None and not (_is_real(sigma) and 0 <= sigma < math.inf):
        raise InputError(f"sigma: expected a finite number of at least 0, found {sigma!r}")
    noise = 0.0
    if kind == "prediction":
        noise = found.typical_sigma if sigma is None else float(sigma)
    reach = quantile(level, found.degrees_of_freedom) * found.residual_sd
    return Band(found, reach, noise * noise)


def _is_real(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_percent(level: Any) -> bool:
    return _is_real(level) and 1 < level < 100


def _terms(found: Uncertainty, features: tuple[Any, ...], one: Any) -> list[Any]:
    """Return Π u_j ** power by multiplications: ``**`` would raise where these overflow."""
    tables = []
    for index, value in enumerate(features):
        u = (value - found.center[index]) / found.half_width[index]
        table = [one]
        for _ in range(max(row[index] for row in found.powers)):
            table.append(table[-1] * u)
        tables.append(table)
    terms = []
    for row in found.powers:
        term = tables[0][row[0]]
        for table, power in zip(tables[1:], row[1:], strict=True):
            if power:  # a product with 1 is what it was
                term = term * table[power]
        terms.append(term)
    return terms


def _dot(coefficients: tuple[float, ...], terms: list[Any]) -> Any:
    # Not sum(): newer versions of Python compensate for rounding there, numpy does not.
    total = coefficients[0] * terms[0]
    for coefficient, term in zip(coefficients[1:], terms[1:], strict=True):
        total = total + coefficient * term
    return total

"""The result of a calibration."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from infer._artifact.card import Uncertainty
from train._calibration.families.family import Family, RoundedCurve
from train._calibration.findings import Residual
from train._errors import CalibrationError
from train._exact.moments import Exponents
from train._exact.sample import Rows

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Coefficient:
    """A coefficient of the exact curve in plain powers.

    Attributes:
        term: "1", "x", "x^2", ..., or a feature's name.
        value: correctly rounded.
        standard_error: correctly rounded.
    """

    term: str
    value: float
    standard_error: float


@dataclass(frozen=True)
class Candidate:
    """A degree that ``degree="auto"`` compared.

    Attributes:
        degree: of the polynomial.
        residual_sd: correctly rounded residual standard deviation.
        loo: root mean square of the errors of each reading against a curve fitted to all others;
            nan if the readings were not read a second time.
        aicc: Akaike's information criterion with its correction for few readings,
            n·ln(SSE / n) + 2k + 2k·(k + 1) / (n - k - 1), where k counts the coefficients and the
            variance; -inf if no residual is left.
        chosen: whether this degree was chosen.
        why: the reason, in words.
    """

    degree: int
    residual_sd: float
    loo: float
    aicc: float
    chosen: bool
    why: str


@dataclass(frozen=True)
class Calibration:
    """A curve through readings, with its uncertainty. All numbers are doubles.

    Attributes:
        name: of the artifact.
        family: the kind of curve.
        features: names of the features; empty if x is one number.
        x_name: name of the input.
        y_name: name of the output.
        unit_x: unit of the input.
        unit_y: unit of the output.
        n: number of readings.
        domain: smallest and largest value of each feature, rounded to doubles.
        coefficients: in plain powers, lowest first.
        residual_sd: residual standard deviation, correctly rounded. In a weighted fit it has no
            unit, and is near 1 if the standard uncertainties are right.
        r2: share of the variation that the curve explains, correctly rounded; about the mean with
            an intercept, about zero without.
        degrees_of_freedom: readings less coefficients.
        dtype: "float32" or "float64", what the artifact computes in.
        data_sha256: a digest of the readings that depends neither on their order nor on how they
            were split; see ``Sums.sha256``.
        weighted: whether each reading had its own standard uncertainty.
        sigma_name: name of the column of standard uncertainties, or None.
        typical_sigma: root mean square of the standard uncertainties; 1 without.
        selection: the degrees that "auto" compared; empty if the degree was given.
        warnings: sentences on weaknesses of the fit.
        largest_residuals: the readings that are furthest from the curve, in standard deviations.
        served: the curve as it is served.
        loss: its (weighted) sum of squared residuals, each step taken as exact.
        best_loss: the smallest possible one.
        uncertainty: what intervals are computed from.
        x: inputs of at most 10,000 readings, evenly spaced, for plots, shape (n,) or (n, k); None
            if the readings were not read a second time.
        y: their reference values.
        sigma: their standard uncertainties, if weighted.
        sample: at most 200 of the readings, however they are ordered or split; None if there are
            too many features for one.
        exact: the exact coefficients.
        powers: the exponents of each coefficient.
    """

    name: str
    family: Family
    features: tuple[str, ...]
    x_name: str
    y_name: str
    unit_x: str
    unit_y: str
    n: int
    domain: tuple[tuple[float, float], ...]
    coefficients: tuple[Coefficient, ...]
    residual_sd: float
    r2: float
    degrees_of_freedom: int
    dtype: str
    data_sha256: str
    weighted: bool
    sigma_name: str | None
    typical_sigma: float
    selection: tuple[Candidate, ...]
    warnings: tuple[str, ...]
    largest_residuals: tuple[Residual, ...]
    served: RoundedCurve
    loss: float
    best_loss: float
    uncertainty: Uncertainty
    x: NDArray[np.float64] | None = field(repr=False, compare=False)
    y: NDArray[np.float64] | None = field(repr=False, compare=False)
    sigma: NDArray[np.float64] | None = field(repr=False, compare=False)
    sample: Rows | None = field(repr=False)
    exact: tuple[Fraction, ...] = field(repr=False)
    powers: tuple[Exponents, ...] = field(repr=False)

    @property
    def degree(self) -> int:
        """Degree of the polynomial; 1 with several features."""
        return self.family.degree

    @property
    def intercept(self) -> bool:
        """Whether the curve has a constant."""
        return self.family.intercept

    @property
    def evaluation_error(self) -> float:
        """Largest deviation of the served curve from the exact one over the domain, in y's unit."""
        return self.served.error

    @property
    def evaluation_error_ulp(self) -> float:
        """The same in units in the last place of the largest |y| of the curve."""
        return self.served.error_in_ulp

    def predict(self, x: Any) -> float:
        """Return the exact curve at a number (with several features, at a sequence of them).

        Raises:
            CalibrationError: x is not a finite number, or not one per feature.
        """
        try:
            inputs = [Fraction(v) for v in (x if len(self.domain) > 1 else [x])]
        except (TypeError, ValueError, OverflowError):
            raise CalibrationError(f"x is {x!r}, not a finite number") from None
        if len(inputs) != len(self.domain):
            raise CalibrationError(f"x has {len(inputs)} numbers, expected {len(self.domain)}")
        terms = (
            c * math.prod(v**e for v, e in zip(inputs, powers, strict=True))
            for c, powers in zip(self.exact, self.powers, strict=True)
        )
        return float(sum(terms, Fraction(0)))

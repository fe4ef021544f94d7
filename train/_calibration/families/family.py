"""What each kind of curve must know, and a curve of any kind as it is served."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from train._calibration.families.error_bounds import PRECISION, SLACK
from train._errors import CalibrationError
from train._exact.moments import Exponents

if TYPE_CHECKING:
    from torch import nn

_RAISED = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")

Domain = Sequence[tuple[Fraction, Fraction]]


@dataclass(frozen=True)
class Family(ABC):
    """A kind of curve, with its number of features and its degree.

    Attributes:
        features: number of inputs.
        degree: largest total exponent of a term.
        intercept: whether the curve has a constant.
    """

    features: int
    degree: int
    intercept: bool = True

    @staticmethod
    @abstractmethod
    def suits(features: int) -> bool:
        """Return whether curves of this kind take so many features."""

    @staticmethod
    @abstractmethod
    def check_degree(degree: int | str, features: int) -> int | str:
        """Return a valid degree, or "auto" if several can be compared.

        Raises:
            CalibrationError: there is no such degree.
        """

    @staticmethod
    @abstractmethod
    def undetermined(
        terms: Sequence[Exponents], column: int, rows: int, names: Sequence[str] | None = None
    ) -> CalibrationError:
        """Return the error for readings that do not determine a coefficient.

        Args:
            terms: exponents of each term.
            column: index of the first term that depends on those before it.
            rows: number of readings.
            names: of the features.
        """

    @property
    @abstractmethod
    def terms(self) -> tuple[Exponents, ...]:
        """The exponents of each term, lowest first."""

    @property
    @abstractmethod
    def noun(self) -> str:
        """Its name in text, such as "a parabola"."""

    @abstractmethod
    def rounded(
        self, exact: Mapping[Exponents, Fraction], domain: Domain, dtype: str, *, centered: bool
    ) -> RoundedCurve:
        """Round a curve to the form that is served, and bound its error.

        Args:
            exact: coefficients in plain powers of the features, by exponents.
            domain: smallest and largest value of each feature.
            dtype: "float32" or "float64".
            centered: whether each feature is shifted to the middle of its domain.

        Raises:
            OverflowError: a number is too large for the dtype.
        """

    @abstractmethod
    def plain_powers(self, curve: RoundedCurve) -> dict[Exponents, Fraction]:
        """Return the coefficients of a rounded curve in plain powers of the features."""

    @abstractmethod
    def evaluate(self, constants: Any, x: Any) -> Any:
        """Evaluate the served form, one rounded step after the other.

        Args:
            constants: has the constants as attributes: c0, c1, ..., shift (with several features
                shift0, shift1, ...) and scale; those without a step are missing.
            x: anything with operators; with several features, indexed by them on its last axis.
        """

    @abstractmethod
    def served_formula(self, x: str, constants: Collection[str]) -> str:
        """Return the right side of the served form's formula, such as ``c0 + c1·x``.

        Args:
            x: name of the input.
            constants: names of those that there are.
        """

    def _rounded(
        self,
        dtype: str,
        shift: tuple[float, ...] | None,
        scale: float | None,
        coefficients: Sequence[float],
        error: float,
        peak: float,
    ) -> RoundedCurve:
        """Return the curve with its error, given the bound on its magnitude."""
        error = error * SLACK
        exponent = max(math.frexp(peak)[1], -125 if dtype == "float32" else -1021)
        ulp = math.ldexp(1.0, exponent - PRECISION[dtype])
        return RoundedCurve(self, dtype, shift, scale, tuple(coefficients), error, error / ulp)


@dataclass(frozen=True)
class RoundedCurve:
    """A curve as it is served: every number is a value of the dtype, every step rounded to it.

    Attributes:
        family: the kind of the curve, which knows the steps.
        dtype: "float32" or "float64".
        shift: subtracted from each feature; None if x itself is used.
        scale: a power of two that x - shift is multiplied by; None if there is no such step.
        coefficients: the constant first, which is 0 without an intercept.
        error: no served value in the domain is further than this from the exact curve, for any x
            that is a value of the dtype.
        error_in_ulp: the same in units in the last place of the largest |y| of the curve.
    """

    family: Family
    dtype: str
    shift: tuple[float, ...] | None
    scale: float | None
    coefficients: tuple[float, ...]
    error: float
    error_in_ulp: float

    def module(self) -> nn.Module:
        """Return the curve as a torch module in its dtype."""
        from train._calibration.curve_module import curve_module

        return curve_module(
            self.family.evaluate, self.coefficients, self.shift, self.scale, dtype=self.dtype
        )


def raised(power: int) -> str:
    """Return an exponent in raised digits; empty for 1."""
    return "" if power == 1 else str(power).translate(_RAISED)


def sum_of_products(factors: Sequence[str], constants: Collection[str]) -> str:
    """Return ``c0 + c1·x + ...`` of the coefficients that there are.

    Args:
        factors: what each coefficient is multiplied by; empty for nothing.
        constants: names of the coefficients that there are, and of others.
    """
    terms = [
        f"c{index}·{factor}" if factor else f"c{index}"
        for index, factor in enumerate(factors)
        if f"c{index}" in constants
    ]
    return " + ".join(terms)

"""Planes over several features: y = c0 + c1·x0 + c2·x1 + ..."""

from __future__ import annotations

import operator
from collections.abc import Collection, Mapping, Sequence
from fractions import Fraction
from functools import reduce
from typing import Any

import numpy as np

from train._calibration.families.error_bounds import PRECISION, half_ulp, middle
from train._calibration.families.family import Domain, Family, RoundedCurve, sum_of_products
from train._errors import CalibrationError
from train._exact.least_squares import term_name
from train._exact.moments import Exponents, plane
from train._exact.rational import round_fraction


class Hyperplane(Family):
    """A plane, served as c1·(x0 - shift0) + c2·(x1 - shift1) + ... + c0, or without the shifts."""

    @staticmethod
    def suits(features: int) -> bool:
        return features > 1

    @staticmethod
    def check_degree(degree: int | str, features: int) -> int | str:
        if degree not in (1, "auto"):
            raise CalibrationError(
                f"degree is {degree} with {features} features; several features make a plane, "
                "degree 1"
            )
        return 1

    @staticmethod
    def undetermined(
        terms: Sequence[Exponents], column: int, _rows: int, names: Sequence[str] | None = None
    ) -> CalibrationError:
        return CalibrationError(
            f"the readings do not determine the coefficient of {term_name(terms[column], names)} "
            "separately from those before it: that feature is constant, or a combination of the "
            "others; leave it out"
        )

    @property
    def terms(self) -> tuple[Exponents, ...]:
        return plane(self.features)[0 if self.intercept else 1 :]

    @property
    def noun(self) -> str:
        return f"a plane over {self.features} features"

    def rounded(
        self, exact: Mapping[Exponents, Fraction], domain: Domain, dtype: str, *, centered: bool
    ) -> RoundedCurve:
        none, *ones = plane(self.features)
        slopes = [exact[one] for one in ones]
        shift = [middle(low, high, dtype) if centered else 0.0 for low, high in domain]
        constant = exact.get(none, Fraction(0))
        constant += sum((w * Fraction(s) for w, s in zip(slopes, shift, strict=True)), Fraction(0))
        rounded = [round_fraction(c, dtype) for c in (constant, *slopes)]
        half = Fraction(1, 1 << PRECISION[dtype])
        off = abs(Fraction(rounded[0]) - constant)
        error = Fraction(0)
        below = above = Fraction(0)
        for index, (w, slope, s, (low, high)) in enumerate(
            zip(rounded[1:], slopes, shift, domain, strict=True)
        ):
            reach = max(abs(low - Fraction(s)), abs(high - Fraction(s)))
            off += abs(Fraction(w) - slope) * reach
            moved = abs(Fraction(w)) * reach * half if centered else Fraction(0)
            error += moved + _half_ulp(abs(Fraction(w)) * reach + moved, dtype)
            ends = sorted((Fraction(w) * (low - Fraction(s)), Fraction(w) * (high - Fraction(s))))
            below, above = below + ends[0], above + ends[1]
            if index:
                error += _half_ulp(max(abs(below), abs(above)) + error, dtype)
        below, above = below + Fraction(rounded[0]), above + Fraction(rounded[0])
        peak = max(abs(below), abs(above))
        if rounded[0]:
            error += _half_ulp(peak + error, dtype)
        return self._rounded(
            dtype,
            tuple(shift) if centered else None,
            None,
            rounded,
            float(error + off),
            float(peak),
        )

    def plain_powers(self, curve: RoundedCurve) -> dict[Exponents, Fraction]:
        none, *ones = plane(self.features)
        constant, *slopes = map(Fraction, curve.coefficients)
        moved = (slope * Fraction(s) for slope, s in zip(slopes, curve.shift or (), strict=False))
        return {none: constant - sum(moved, Fraction(0)), **dict(zip(ones, slopes, strict=True))}

    def evaluate(self, constants: Any, x: Any) -> Any:
        terms = []
        for index in range(self.features):
            u = x[..., index]
            if hasattr(constants, f"shift{index}"):
                u = u - getattr(constants, f"shift{index}")
            terms.append(getattr(constants, f"c{index + 1}") * u)
        y = reduce(operator.add, terms)
        return y + constants.c0 if hasattr(constants, "c0") else y

    def served_formula(self, x: str, constants: Collection[str]) -> str:
        inputs = [f"{x}{index}" for index in range(self.features)]
        if "shift0" in constants:
            inputs = [f"({name} - shift{index})" for index, name in enumerate(inputs)]
        return sum_of_products(["", *inputs], constants)


def _half_ulp(bound: Fraction, dtype: str) -> Fraction:
    return Fraction(float(half_ulp(np.array(float(bound)), dtype)))

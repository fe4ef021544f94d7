"""From readings to a calibration: the exact fit, its rounded form, its quality."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from infer._artifact.card import Uncertainty
from train._calibration.advice import find_warnings
from train._calibration.families.family import Family
from train._calibration.families.table import find_family, highest_degree
from train._calibration.findings import Findings, ReadingsBlock, Review
from train._calibration.inputs import check_enough, check_names, columns_of, kept
from train._calibration.residuals import SecondPass
from train._calibration.result import Calibration, Candidate, Coefficient
from train._calibration.rounded_curve import serve, served_loss
from train._calibration.selection import choose
from train._errors import CalibrationError
from train._exact.elimination import DependentError
from train._exact.least_squares import Solution, solve, term_name
from train._exact.moments import Exponents
from train._exact.sums import Sums

_TOO_FAR = "the numbers are too large or too small to be squared in doubles; use other units"


def calibrate(
    x: Any,
    y: Any,
    *,
    degree: int | str = 1,
    intercept: bool = True,
    sigma: Any = None,
    name: str = "calibration",
    features: Sequence[str] | None = None,
    x_name: str = "x",
    y_name: str = "y",
    unit_x: str = "1",
    unit_y: str = "1",
    sigma_name: str | None = None,
    dtype: str = "float32",
) -> Calibration:
    """Fit a curve to readings, exactly.

    The least-squares problem is solved in rational numbers, for exactly the decimals or doubles
    that are given. Every coefficient and standard error, the residual standard deviation and R² are
    the true values, correctly rounded.

    Args:
        x: n numbers: a list, an array, a series; int, float, Decimal, Fraction or numpy's. For a
            plane through several features: n rows of k numbers, an array of shape (n, k), or a data
            frame.
        y: n numbers.
        degree: of the polynomial; or "auto", see ``calibrate_from``.
        intercept: whether the curve has a constant.
        sigma: the standard uncertainty of each y, n positive numbers. Each reading then counts
            with the weight 1/sigma². As in statsmodels' WLS the weights are relative: standard
            errors are scaled by the residual variance.
        name: of the artifact, ``<model>`` or ``<model>.<variant>``.
        features: names of several features; of a data frame, the columns to use.
        x_name: name of the input in formulas.
        y_name: name of the output in formulas.
        unit_x: unit of the input; "1" for none.
        unit_y: unit of the output.
        sigma_name: name of the column of sigma, for the record.
        dtype: "float32" or "float64", what the artifact computes in.

    Raises:
        CalibrationError: the readings or the arguments do not allow a calibration.
    """
    columns, names = columns_of(x, features)
    y, sigma = kept(y), kept(sigma)
    kinds = len(columns) if names else 1
    sums = Sums(highest_degree(degree, kinds), features=kinds, weighted=sigma is not None)
    block = ReadingsBlock(columns if kinds > 1 else columns[0], y, sigma)
    sums.add(block.x, block.y, block.sigma)
    return calibrate_from(
        sums,
        degree=degree,
        intercept=intercept,
        rows=[block],
        name=name,
        features=names,
        x_name=x_name,
        y_name=y_name,
        unit_x=unit_x,
        unit_y=unit_y,
        sigma_name=sigma_name or ("sigma" if sigma is not None else None),
        dtype=dtype,
    )


def calibrate_from(
    sums: Sums,
    *,
    degree: int | str | None = None,
    intercept: bool = True,
    rows: Iterable[ReadingsBlock] | Callable[[SecondPass], Findings] | None = None,
    name: str = "calibration",
    features: Sequence[str] | None = None,
    x_name: str = "x",
    y_name: str = "y",
    unit_x: str = "1",
    unit_y: str = "1",
    sigma_name: str | None = None,
    dtype: str = "float32",
    row_word: str = "row",
) -> Calibration:
    """Fit a curve to readings that are given as exact sums.

    "auto" compares the degrees from 1 to 10, at most the number of different x less 2, as far as
    the sums reach. It chooses the lowest degree that is as good as any. A degree is worse if both
    criteria say so: its mean squared leave-one-out error exceeds the smallest by more than one
    standard error of the difference (over the readings), and its AICc exceeds the smallest by more
    than 2. The first measures how well unseen readings are predicted, the second the evidence for a
    further term; requiring both keeps chance and single outliers from adding terms. Degrees for
    which a single reading determines a coefficient are left out.

    Args:
        sums: over the readings; of this degree or a higher one.
        degree: of the polynomial, or "auto"; by default the sums' own.
        intercept: whether the curve has a constant.
        rows: the same readings again, in blocks, for residuals, leverages and leave-one-out
            errors; or a function that makes the second pass wherever the readings are. Without
            them "auto" compares AICc alone.
        name: this and all others: see ``calibrate``.
        features: names of several features.
        x_name: name of the input.
        y_name: name of the output.
        unit_x: unit of the input.
        unit_y: unit of the output.
        sigma_name: name of the column of sigma.
        dtype: what the artifact computes in.
        row_word: what row numbers count, "row" or "line", for warnings.

    Raises:
        CalibrationError: the readings or the arguments do not allow a calibration.
    """
    names = check_names(sums.features, name, features, x_name, y_name, unit_x, unit_y, dtype)
    most = max(map(sum, sums.terms))
    kind = find_family(sums.features)
    degree = kind.check_degree(most if degree is None else degree, sums.features)
    auto = degree == "auto"
    if not auto and int(degree) > most:
        raise CalibrationError(f"the sums reach degree {most}, not {degree}")
    family = kind(sums.features, most if auto else int(degree), intercept)
    if not sums.rows:
        raise CalibrationError("there are no readings; give some")
    try:
        domain = tuple((float(low), float(high)) for low, high in sums.domain)
    except OverflowError:
        raise CalibrationError("x is too large for doubles; use other units") from None
    solution, sizes = _solve(sums, family, names, auto=auto)
    seen = None
    if rows is not None:
        seen = _review(rows, SecondPass(solution, sizes, weighted=sums.weighted))
    selection: tuple[Candidate, ...] = ()
    chosen = sizes[0]
    if len(sizes) > 1:
        chosen, selection = choose(solution, sizes, seen)
    if chosen < len(solution.powers):
        solution = solve(sums, solution.powers[:chosen])
    family = replace(family, degree=max(map(sum, solution.powers)))
    served = serve(family, solution.coefficients, sums.domain, dtype)
    try:
        values, errors = [float(c) for c in solution.coefficients], solution.standard_errors
        uncertainty = solution.uncertainty()
        loss, best_loss = float(served_loss(sums, served)), float(solution.squares)
    except OverflowError:
        raise CalibrationError(_TOO_FAR) from None
    label = None if sums.features == 1 else names
    return Calibration(
        name=name,
        family=family,
        features=names,
        x_name=x_name,
        y_name=y_name,
        unit_x=unit_x,
        unit_y=unit_y,
        n=sums.rows,
        domain=domain,
        coefficients=tuple(
            Coefficient(term_name(powers, label), value, error)
            for powers, value, error in zip(solution.powers, values, errors, strict=True)
        ),
        residual_sd=uncertainty.residual_sd,
        r2=solution.r2,
        degrees_of_freedom=solution.degrees_of_freedom,
        dtype=dtype,
        data_sha256=sums.sha256,
        weighted=sums.weighted,
        sigma_name=sigma_name,
        typical_sigma=uncertainty.typical_sigma,
        selection=selection,
        warnings=tuple(
            find_warnings(solution, served, seen, selection, row_word, weighted=sums.weighted)
        ),
        largest_residuals=seen.largest[chosen] if seen else (),
        served=served,
        loss=loss,
        best_loss=best_loss,
        uncertainty=uncertainty,
        x=seen.x if seen else None,
        y=seen.y if seen else None,
        sigma=seen.sigma if seen else None,
        sample=sums.sample.rows(),
        exact=solution.coefficients,
        powers=solution.powers,
    )


def uncertainty_of(x: Any, y: Any, powers: Sequence[Sequence[int]]) -> Uncertainty:
    """Return what intervals are computed from, for a fit that is linear in its parameters.

    Args:
        x: n numbers, or n rows of k numbers.
        y: n numbers.
        powers: exponents of each term, one per feature: [[0], [1]] for a line.

    Raises:
        CalibrationError: the readings do not determine the terms and their uncertainty.
    """
    terms = tuple(tuple(exponents) for exponents in powers)
    columns, _ = columns_of(x, None)
    sums = Sums(terms)
    sums.add(columns if len(terms[0]) > 1 else columns[0], y)
    check_enough(sums, len(terms))
    try:
        return solve(sums, terms).uncertainty()
    except DependentError as error:
        raise find_family(sums.features).undetermined(terms, error.column, sums.rows) from None


def _review(
    rows: Iterable[ReadingsBlock] | Callable[[SecondPass], Findings], second: SecondPass
) -> Review:
    try:
        return (rows(second) if callable(rows) else second.over(rows)).review()
    except OverflowError:
        raise CalibrationError(_TOO_FAR) from None


def _solve(
    sums: Sums, family: Family, names: Sequence[str], *, auto: bool
) -> tuple[Solution, list[int]]:
    """Return the solution with the most terms, and the numbers of terms to compare."""
    terms, least = family.terms, 1 + family.intercept
    if not auto:
        check_enough(sums, len(terms))
        try:
            return solve(sums, terms), [len(terms)]
        except DependentError as error:
            raise family.undetermined(terms, error.column, sums.rows, names) from None
    # AICc needs two readings more than coefficients and variance; a curve through nearly all
    # different x cannot be told from noise.
    check_enough(sums, least)
    terms = terms[: max(sums.rows - 3, least)]
    distinct = _rank(sums, terms)
    if distinct < least:
        raise family.undetermined(terms[:least], distinct, sums.rows)
    if distinct < len(terms):
        terms = terms[: max(distinct - 2 + family.intercept, least)]
    return solve(sums, terms), list(range(least, len(terms) + 1))


def _rank(sums: Sums, powers: Sequence[Exponents]) -> int:
    try:
        solve(sums, powers)
    except DependentError as error:
        return error.column
    return len(powers)

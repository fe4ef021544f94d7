"""From readings to a calibration: the exact fit, what is served of it, and how good it is."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from train._columns import Decimals, from_torch
from train._errors import CalibrationError
from train._exact import DependentError, root
from train._judge import Exponents
from train._least_squares import Solution, Uncertainty, solve, term_name, too_few
from train._loss import served_loss
from train._review import Block, Findings, Look, Residual, Review
from train._sample import Rows
from train._served import Served, serve
from train._sums import Sums, plane, polynomial

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_AUTO = 10
_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)?")
_VARIABLE = re.compile(r"[a-z][a-z0-9_]*")
# What the served program calls its own values.
_TAKEN = re.compile(r"c\d+|s\d+|k\d+|shift\d*|scale")
# How much worse a lower degree may be: the difference in AICc that counts as none (K. P. Burnham,
# D. R. Anderson, "Model Selection and Multimodel Inference", 2nd edition, section 2.6).
_AICC_TIE = 2.0
_TOO_FAR = "the numbers are too large or too small to be squared in doubles; use other units"
# The served curve's own error should be small against the readings' scatter.
_SMALL_ERROR = 0.1


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
    """A degree that ``degree="auto"`` looked at.

    Attributes:
        degree: of the polynomial.
        residual_sd: correctly rounded residual standard deviation.
        loo: root mean square of the errors of each reading against a curve fitted to all others;
            nan if the readings were not read a second time.
        aicc: Akaike's information criterion with its correction for few readings,
            n·ln(SSE / n) + 2k + 2k·(k + 1) / (n - k - 1), where k counts the coefficients and the
            variance; -inf if no residual is left.
        chosen: whether this degree was chosen.
        why: in words.
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
        degree: of the polynomial; 1 with several features.
        intercept: whether the curve has a constant.
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
        dtype: what is served.
        data_sha256: a digest of the readings that does not depend on their order, nor on how they
            were split; see ``Sums.sha256``.
        weighted: whether each reading had its own standard uncertainty.
        sigma_name: what that was called, or None.
        typical_sigma: root mean square of the standard uncertainties; 1 without.
        selection: the degrees that "auto" looked at; empty if the degree was given.
        warnings: what a careful user should know.
        largest_residuals: the readings that are furthest from the curve, in standard deviations.
        served: the form that is served.
        loss: its (weighted) sum of squared residuals, each step taken as exact.
        best_loss: the smallest that any coefficients reach.
        uncertainty: what intervals follow from.
        x: the readings' inputs for plots, shape (n,) or (n, k); at most 10,000 of them, evenly
            spaced; None if they were not read a second time.
        y: likewise.
        sigma: likewise, if weighted.
        sample: at most 200 of the readings, the same however these are ordered or split; None
            if there are too many features for one.
        exact: the exact coefficients.
        powers: the exponents of each coefficient.
    """

    name: str
    degree: int
    intercept: bool
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
    served: Served
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
    def evaluation_error(self) -> float:
        """How far the served curve is from the exact one at worst over the domain, in y's unit."""
        return self.served.error

    @property
    def evaluation_error_ulp(self) -> float:
        """The same in units in the last place of the largest |y| of the curve."""
        return self.served.error_in_ulp

    def predict(self, x: Any) -> float:
        """Return the exact curve at a number (with several features, at a sequence of them).

        Raises:
            CalibrationError: it is no finite number, or not one a feature.
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

    The least-squares problem is solved in rational numbers for the numbers that are given: a
    decimal is that decimal, a double that double. Every coefficient, standard error, the residual
    standard deviation and R² is the true value, correctly rounded.

    Args:
        x: n numbers: a list, an array, a series; int, float, Decimal, Fraction or numpy's. For a
            plane through several features: n rows of k numbers, an array of shape (n, k), or a data
            frame.
        y: n numbers.
        degree: of the polynomial; or "auto", see ``calibrate_from``.
        intercept: whether the curve has a constant.
        sigma: the standard uncertainty of each y, n positive numbers. Each reading then counts
            with the weight 1/sigma²; as in statsmodels' WLS the weights are relative, standard
            errors are scaled by the residual variance.
        name: of the artifact, ``<model>`` or ``<model>.<variant>``.
        features: names of several features; a data frame's columns of these names are taken.
        x_name: what the input is called in formulas.
        y_name: what the output is called.
        unit_x: unit of the input; "1" for none.
        unit_y: unit of the output.
        sigma_name: what sigma was called, for the record.
        dtype: "float32" or "float64", what the artifact computes in.

    Raises:
        CalibrationError: the readings, or what is asked of them, do not make a calibration.
    """
    columns, names = _columns(x, features)
    y, sigma = _kept(y), _kept(sigma)
    kinds = len(columns) if names else 1
    wanted = MOST_AUTO if degree == "auto" and kinds == 1 else _degree(degree, kinds)
    sums = Sums(wanted, features=kinds, weighted=sigma is not None)
    block = Block(columns if kinds > 1 else columns[0], y, sigma)
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
    rows: Iterable[Block] | Callable[[Look], Findings] | None = None,
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
    """Fit a curve to readings of which only exact sums are known.

    "auto" looks at the degrees from 1 to 10, at most the number of different x less 2, as far as
    the sums reach. It chooses the lowest degree that is as good as any. A degree is not as good if
    both say so: its mean squared leave-one-out error exceeds the smallest by more than one standard
    error of the difference (over the readings), and its AICc exceeds the smallest by more than 2.
    The first asks how well unseen readings are met, the second whether there is evidence for a
    further term; asking both keeps chance, and single outliers, from adding terms. Degrees for
    which some reading determines a coefficient alone are left out.

    Args:
        sums: over the readings; of this degree or a higher one.
        degree: of the polynomial, or "auto"; by default the sums' own.
        intercept: whether the curve has a constant.
        rows: the same readings once more, in blocks, for residuals, leverages and leave-one-out
            errors; or what looks at them wherever they are. Without them "auto" goes by AICc
            alone.
        name: see ``calibrate``; so are all others.
        features: see there.
        x_name: see there.
        y_name: see there.
        unit_x: see there.
        unit_y: see there.
        sigma_name: see there.
        dtype: see there.
        row_word: what a reading's number counts, for warnings.

    Raises:
        CalibrationError: the readings, or what is asked of them, do not make a calibration.
    """
    names = _check_names(sums.features, name, features, x_name, y_name, unit_x, unit_y, dtype)
    most = max(map(sum, sums.terms))
    degree = most if degree is None else degree
    degree = degree if degree == "auto" else _degree(degree, sums.features)
    if degree != "auto" and int(degree) > most:
        raise CalibrationError(f"the sums reach degree {most}, {degree} was asked for")
    if not sums.rows:
        raise CalibrationError("there are no readings; give some")
    try:
        domain = tuple((float(low), float(high)) for low, high in sums.domain)
    except OverflowError:
        raise CalibrationError("x is too large for doubles; use other units") from None
    solution, sizes = _solve(sums, degree, names, intercept=intercept)
    seen = None
    if rows is not None:
        seen = _review(rows, Look(solution, sizes, weighted=sums.weighted))
    selection: tuple[Candidate, ...] = ()
    chosen = sizes[0]
    if len(sizes) > 1:
        chosen, selection = _choose(solution, sizes, seen)
    if chosen < len(solution.powers):
        solution = solve(sums, solution.powers[:chosen])
    served = serve(solution.coefficients, solution.powers, sums.domain, dtype)
    try:
        values, errors = [float(c) for c in solution.coefficients], solution.standard_errors
        uncertainty = solution.uncertainty()
        loss, best_loss = float(served_loss(sums, served)), float(solution.squares)
    except OverflowError:
        raise CalibrationError(_TOO_FAR) from None
    label = None if sums.features == 1 else names
    return Calibration(
        name=name,
        degree=max(map(sum, solution.powers)),
        intercept=intercept,
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
            _warnings(solution, served, seen, selection, row_word, weighted=sums.weighted)
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
    """Return what intervals follow from, for a fit that is linear in its parameters.

    Args:
        x: n numbers, or n rows of k numbers.
        y: n numbers.
        powers: the exponents of each term, one a feature, as [[0], [1]] for a line.

    Raises:
        CalibrationError: the readings do not determine the terms and their uncertainty.
    """
    terms = tuple(tuple(exponents) for exponents in powers)
    columns, _ = _columns(x, None)
    sums = Sums(terms)
    sums.add(columns if len(terms[0]) > 1 else columns[0], y)
    _enough(sums, len(terms))
    try:
        return solve(sums, terms).uncertainty()
    except DependentError as error:
        raise too_few(error, terms, sums.rows) from None


def _review(rows: Iterable[Block] | Callable[[Look], Findings], look: Look) -> Review:
    try:
        return (rows(look) if callable(rows) else look.at(rows)).review()
    except OverflowError:
        raise CalibrationError(_TOO_FAR) from None


def _kept(values: Any) -> Any:
    """Return a column that can be read twice."""
    return list(values) if isinstance(values, Iterator) else values


def _degree(degree: int | str, features: int) -> int:
    if features > 1 and degree in (1, "auto"):
        return 1
    if isinstance(degree, np.integer):
        degree = int(degree)
    if isinstance(degree, bool) or not isinstance(degree, int) or degree < 1:
        raise CalibrationError(f'degree is {degree!r}; give a whole number from 1, or "auto"')
    if features > 1:
        raise CalibrationError(
            f"degree is {degree} with {features} features; several features make a plane, degree 1"
        )
    return degree


def _columns(x: Any, features: Sequence[str] | None) -> tuple[list[Any], tuple[str, ...]]:
    """Return the columns of x, and their names if there are several."""
    if isinstance(x, Decimals):
        return [x], ()
    if hasattr(x, "columns"):
        known = [str(c) for c in x.columns]
        chosen = list(features or known)
        for feature in chosen:
            if feature not in known:
                raise CalibrationError(f"no column {feature!r}; there are {', '.join(known)}")
        columns = [x[x.columns[known.index(feature)]] for feature in chosen]
        if not columns:
            raise CalibrationError("x is a data frame without columns; give one or more")
    else:
        if hasattr(x, "detach"):
            x = from_torch(x)
        if getattr(x, "ndim", 1) == 2:
            columns = [x[:, index] for index in range(x.shape[1])]
        elif getattr(x, "ndim", 1) != 1:
            raise CalibrationError(f"x has shape {tuple(x.shape)}; give (n,) or (n, k)")
        else:
            columns = _rows_to_columns(x)
        chosen = list(features or (f"x{index + 1}" for index in range(len(columns))))
        if len(chosen) != len(columns):
            raise CalibrationError(f"{len(chosen)} features are named, x has {len(columns)}")
    return columns, tuple(chosen) if len(columns) > 1 else ()


def _rows_to_columns(x: Any) -> list[Any]:
    if hasattr(x, "to_numpy") or isinstance(x, np.ndarray):
        return [x]
    try:
        rows = list(x)
    except TypeError:
        raise CalibrationError(f"x is {type(x).__name__}; give a sequence of numbers") from None
    if not rows or not isinstance(rows[0], (list, tuple, np.ndarray)):
        return [rows]
    for number, row in enumerate(rows, 1):
        if not isinstance(row, (list, tuple, np.ndarray)) or len(row) != len(rows[0]):
            raise CalibrationError(
                f"x is {row!r}, expected {len(rows[0])} numbers as in row 1", number
            )
    return [list(column) for column in zip(*rows, strict=True)]


def _check_names(
    count: int,
    name: str,
    features: Sequence[str] | None,
    x_name: str,
    y_name: str,
    unit_x: str,
    unit_y: str,
    dtype: str,
) -> tuple[str, ...]:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise CalibrationError(
            f"name is {name!r}; give lowercase letters, digits and _, beginning with a letter, "
            "possibly a dot and a variant, as probe7 or probe7.spring"
        )
    for what, variable in (("x_name", x_name), ("y_name", y_name)):
        if (
            not isinstance(variable, str)
            or not _VARIABLE.fullmatch(variable)
            or _TAKEN.fullmatch(variable)
        ):
            raise CalibrationError(
                f"{what} is {variable!r}; give lowercase letters, digits and _, beginning with a "
                "letter, and not c0, s1, k1, shift or scale, which the program uses"
            )
    if x_name == y_name:
        raise CalibrationError(f"x_name and y_name are both {x_name!r}; give two names")
    for what, unit in (("unit_x", unit_x), ("unit_y", unit_y)):
        if not isinstance(unit, str) or not unit or not unit.isprintable():
            raise CalibrationError(f'{what} is {unit!r}; give a unit as text, "1" for none')
    if dtype not in ("float32", "float64"):
        raise CalibrationError(f"dtype is {dtype!r}; give float32 or float64")
    if count == 1:
        return ()
    names = tuple(features) if features else tuple(f"x{index + 1}" for index in range(count))
    if len(names) != count or len(set(names)) != count:
        raise CalibrationError(f"features are {', '.join(names)}; give {count} different names")
    return names


def _solve(
    sums: Sums, degree: int | str, names: Sequence[str], *, intercept: bool
) -> tuple[Solution, list[int]]:
    """Return the solution of the most terms, and the numbers of terms to look at."""
    auto = degree == "auto" and sums.features == 1
    most = max(map(sum, sums.terms))
    terms = plane(sums.features)
    if sums.features == 1:
        terms = polynomial(most if auto else int(degree))
    powers = terms if intercept else terms[1:]
    if not auto:
        _enough(sums, len(powers))
        try:
            return solve(sums, powers), [len(powers)]
        except DependentError as error:
            raise too_few(error, powers, sums.rows, names) from None
    # AICc needs two readings more than coefficients and variance; a curve through nearly all
    # different x cannot be told from noise.
    _enough(sums, 1 + intercept)
    powers = powers[: max(sums.rows - 3, 1 + intercept)]
    distinct = _rank(sums, powers)
    if distinct < 1 + intercept:
        raise too_few(DependentError(distinct), powers[: 1 + intercept], sums.rows)
    most_terms = len(powers)
    if distinct < len(powers):
        most_terms = max(distinct - 2 + intercept, 1 + intercept)
    powers = powers[:most_terms]
    return solve(sums, powers), list(range(1 + intercept, len(powers) + 1))


def _rank(sums: Sums, powers: Sequence[Exponents]) -> int:
    try:
        solve(sums, powers)
    except DependentError as error:
        return error.column
    return len(powers)


def _enough(sums: Sums, coefficients: int) -> None:
    if sums.rows <= coefficients:
        readings = "reading" if sums.rows == 1 else "readings"
        raise CalibrationError(
            f"{sums.rows} {readings} cannot determine {coefficients} coefficients and their "
            f"uncertainty; give {coefficients + 1} readings or more, or a lower degree"
        )
    if all(low == high for low, high in sums.domain) and (
        coefficients > 1 or not any(sums.domain[0])
    ):
        raise CalibrationError(
            f"x is {float(sums.domain[0][0]):g} in every reading; give readings at different x"
        )


def _choose(
    solution: Solution, sizes: Sequence[int], seen: Review | None
) -> tuple[int, tuple[Candidate, ...]]:
    """Return the number of terms that "auto" chooses, and the table."""
    aicc = {k: _aicc(solution, k) for k in sizes}
    offset = len(solution.powers) - sum(solution.powers[-1])  # terms less degree
    usable = [k for k in sizes if seen is None or seen.loo[k] < math.inf] or [sizes[0]]
    best_aicc = min(aicc[k] for k in usable)
    behind = {
        k: [f"AICc {aicc[k] - best_aicc:.3g} above the smallest"]
        for k in usable
        if aicc[k] > best_aicc + _AICC_TIE
    }
    if seen:
        for k, text in _behind(seen, usable, offset).items():
            behind[k] = [text, *behind[k]] if k in behind else []
        behind = {k: texts for k, texts in behind.items() if len(texts) > 1}
    chosen = next(k for k in usable if k not in behind)
    why = dict.fromkeys(sizes, f"not better than degree {chosen - offset} by both")
    why |= {k: "; ".join(texts) for k, texts in behind.items()}
    why |= dict.fromkeys(set(sizes) - set(usable), "some reading determines a coefficient alone")
    why[chosen] = "the lowest degree that is as good as any"
    table = tuple(
        Candidate(
            degree=k - offset,
            residual_sd=float(root(solution.squares_of(k) / (solution.rows - k))),
            loo=math.sqrt(seen.loo[k]) if seen else math.nan,
            aicc=aicc[k],
            chosen=k == chosen,
            why=why[k],
        )
        for k in sizes
    )
    return chosen, table


def _behind(seen: Review, sizes: Sequence[int], offset: int) -> dict[int, str]:
    """Return the numbers of terms whose leave-one-out error is worse than the best, and how."""
    best, found = min(sizes, key=lambda k: (seen.loo[k], k)), {}
    for k in sizes:
        if seen.loo[k] - seen.loo[best] > seen.loo_differences[k, best]:
            ratio = math.sqrt(seen.loo[k] / seen.loo[best]) if seen.loo[best] else math.inf
            more = f"{ratio:.3g} times" if ratio > 2 else f"{100 * (ratio - 1):.2g} % above"
            found[k] = f"leave-one-out error {more} that of degree {best - offset}, beyond chance"
    return found


def _aicc(solution: Solution, size: int) -> float:
    """Return the corrected information criterion of the first so many terms."""
    squares, n, k = solution.squares_of(size), solution.rows, size + 1
    if not squares:
        return -math.inf
    logarithm = math.log(squares.numerator) - math.log(squares.denominator) - math.log(n)
    return n * logarithm + 2 * k + 2 * k * (k + 1) / (n - k - 1)


def _warnings(
    solution: Solution,
    served: Served,
    seen: Review | None,
    selection: Sequence[Candidate],
    row_word: str,
    *,
    weighted: bool,
) -> list[str]:
    found = []
    sd = solution.residual_sd
    if selection and seen is None:
        found.append('the readings were read once, so "auto" goes by AICc alone')
    if selection and selection[-1].chosen and selection[-1].degree > 1:
        found.append(
            f"degree {selection[-1].degree} is the highest that was compared; a higher one, or a "
            "curve of another kind, may be better"
        )
    if not solution.total_squares:
        found.append("y is the same in every reading: R² says nothing, 1 is shown")
    if weighted and not 0.5 <= sd <= 2.0:
        found.append(
            f"the residual standard deviation is {sd:.3g}, in units of sigma, and should be "
            f"near 1: the standard uncertainties are too {'small' if sd > 1 else 'large'}, or the "
            "curve has the wrong form"
        )
    # In a weighted fit a reading scatters by residual_sd times its sigma.
    scatter = sd * float(root(solution.sigma_square))
    if sd and served.error > _SMALL_ERROR * scatter:
        advice = (
            'dtype="float64" is nearer'
            if served.dtype == "float32"
            else "the served digits end there"
        )
        found.append(
            f"the served curve is up to {served.error:.2g} from the exact one, which is not small "
            f"against the scatter of {scatter:.2g}: {advice}"
        )
    if seen is not None:
        found += _about_rows(solution, seen, row_word)
    return found


def _about_rows(solution: Solution, seen: Review, row_word: str) -> list[str]:
    found, size = [], len(solution.powers)
    if seen.high_leverages[size]:
        named = ", ".join(
            f"{f'{file}, ' * bool(file)}{row_word} {row} ({leverage:.2f})"
            for file, row, leverage in seen.leverages[size][:3]
        )
        more = seen.high_leverages[size] - min(seen.high_leverages[size], 3)
        found.append(
            f"the curve hangs on single readings, of leverage over 0.5 of 1: {named}"
            + (f" and {more} more" if more else "")
            + "; repeat these readings"
        )
    if seen.distinct is not None and seen.distinct == len(solution.powers):
        found.append(
            f"{seen.distinct} different x carry {len(solution.powers)} coefficients: the curve "
            "meets the mean at each of them, whatever its form; nothing shows whether it is right "
            "between them"
        )
    return found

"""Warnings about a calibration: weak fits, influential readings, lost digits."""

from __future__ import annotations

from collections.abc import Sequence

from train._calibration.families.family import RoundedCurve
from train._calibration.findings import Review
from train._calibration.result import Candidate
from train._exact.least_squares import Solution
from train._exact.rational import root

# The served curve's error should be at most this share of the readings' scatter.
_SMALL_ERROR = 0.1


def find_warnings(
    solution: Solution,
    served: RoundedCurve,
    seen: Review | None,
    selection: Sequence[Candidate],
    row_word: str,
    *,
    weighted: bool,
) -> list[str]:
    """Return the warnings, as sentences."""
    found = []
    sd = solution.residual_sd
    if selection and seen is None:
        found.append('the readings were read only once, so "auto" compares AICc alone')
    if selection and selection[-1].chosen and selection[-1].degree > 1:
        found.append(
            f"degree {selection[-1].degree} is the highest that was compared; a higher one, or a "
            "curve of another kind, may be better"
        )
    if not solution.total_squares:
        found.append("y is the same in every reading: R² is meaningless and shown as 1")
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
            'dtype="float64" is more accurate'
            if served.dtype == "float32"
            else "float64 has no more digits"
        )
        found.append(
            f"the served curve is off by up to {served.error:.2g}, which is not small compared "
            f"with the scatter of {scatter:.2g}: {advice}"
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
            f"single readings dominate the curve (leverage above 0.5): {named}"
            + (f" and {more} more" if more else "")
            + "; repeat these readings"
        )
    if seen.distinct is not None and seen.distinct == len(solution.powers):
        found.append(
            f"{len(solution.powers)} coefficients from {seen.distinct} different x: the curve "
            "passes through the mean at each of them, whatever its form; nothing shows whether it "
            "is right between them"
        )
    return found

"""The choice of a degree: leave-one-out errors and AICc."""

from __future__ import annotations

import math
from collections.abc import Sequence

from train._calibration.findings import Review
from train._calibration.result import Candidate
from train._exact.least_squares import Solution
from train._exact.rational import root

# By how much AICc may exceed the smallest and still count as equal (K. P. Burnham,
# D. R. Anderson, "Model Selection and Multimodel Inference", 2nd edition, section 2.6).
_AICC_TIE = 2.0


def choose(
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
    """Return why the leave-one-out error is worse than the best, by number of terms."""
    best, found = min(sizes, key=lambda k: (seen.loo[k], k)), {}
    for k in sizes:
        if seen.loo[k] - seen.loo[best] > seen.loo_differences[k, best]:
            ratio = math.sqrt(seen.loo[k] / seen.loo[best]) if seen.loo[best] else math.inf
            more = f"{ratio:.3g} times" if ratio > 2 else f"{100 * (ratio - 1):.2g} % above"
            found[k] = f"leave-one-out error {more} that of degree {best - offset}, beyond chance"
    return found


def _aicc(solution: Solution, size: int) -> float:
    """Return the corrected information criterion of the first ``size`` terms."""
    squares, n, k = solution.squares_of(size), solution.rows, size + 1
    if not squares:
        return -math.inf
    logarithm = math.log(squares.numerator) - math.log(squares.denominator) - math.log(n)
    return n * logarithm + 2 * k + 2 * k * (k + 1) / (n - k - 1)

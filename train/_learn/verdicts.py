"""Verdicts on a fit: at the optimum, underfit, overfit.

A training loss far above the best possible means underfitting; a validation loss far above the
training loss, overfitting. The thresholds are conventions, defined here.
"""

from __future__ import annotations

import math

from train._learn.fit import Fit
from train._learn.recipes import REDUCTIONS

# A loss up to this fraction above the best possible counts as the optimum; up to the next, as near.
AT_OPTIMUM = 1e-6
NEAR_OPTIMUM = 0.1
# A validation loss per row above this multiple of the training loss per row means overfitting.
OVERFIT = 2.0


def excess(fit: Fit) -> float:
    """Return the excess of the loss over the best possible one, as a fraction of it."""
    if fit.loss <= fit.best_loss:
        return 0.0
    return fit.loss / fit.best_loss - 1.0 if fit.best_loss else math.inf


def verdict(fit: Fit) -> str:
    """Return a few words that compare the fit with the best possible one."""
    if fit.diverged_at is not None:
        return f"diverged at epoch {fit.diverged_at:,}"
    share = excess(fit)
    if share <= AT_OPTIMUM:
        return "at the optimum"
    if share <= NEAR_OPTIMUM:
        return (
            f"near the optimum, +{share:.2g}" if share < 1e-3 else f"near the optimum, +{share:.1%}"
        )
    return f"underfit, {share + 1:,.3g} times the best"


def advice(fit: Fit) -> list[str]:
    """Return sentences on under- and overfitting, with their numbers."""
    if fit.diverged_at is not None or not math.isfinite(fit.loss):
        return []
    share = excess(fit)
    sentences = []
    if share > NEAR_OPTIMUM:
        sentences.append(
            f"Underfit: the training loss {fit.loss:.6g} is {share + 1:.3g} times the best "
            f"possible {fit.best_loss:.6g}. More epochs or a higher rate would help; inputs of one "
            "scale let one rate serve every parameter."
        )
    elif fit.validation is not None:
        sentences.append(
            f"Not underfit: the training loss {fit.loss:.6g} is within {NEAR_OPTIMUM:.0%} of the "
            f"best possible {fit.best_loss:.6g}."
        )
    if fit.validation is not None and fit.validation_loss is not None:
        streams = fit.recipe.batches == "stream"  # the last loss is that of one batch
        rows = fit.recipe.batch_size if streams else fit.dataset.rows
        training = _per_row(fit, fit.losses[-1], rows)
        validation = _per_row(fit, fit.validation_loss, fit.validation.rows)
        ratio = validation / training if training else math.inf
        word = "Overfit" if ratio > OVERFIT else "Not overfit"
        sentences.append(
            f"{word}: the validation loss per row {validation:.6g} ({fit.validation.rows:,} rows) "
            f"is {ratio:.3g} times the training loss per row {training:.6g}; overfitting is above "
            f"{OVERFIT:g}."
        )
    return sentences


def _per_row(fit: Fit, loss: float, rows: int) -> float:
    _, is_mean = REDUCTIONS[fit.recipe.loss]
    return loss if is_mean else loss / rows

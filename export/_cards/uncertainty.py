"""The uncertainty of a fitted curve, from its readings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from train import uncertainty_of

if TYPE_CHECKING:
    from train import Fit


def uncertainty(fit: Fit) -> dict[str, Any] | None:
    """Return ``uncertainty`` of a fit's card; None if the data are not readings."""
    if not fit.model.measured:
        return None
    powers = sorted({e for basis in fit.model.variants[-1].terms.values() for e in basis})
    return uncertainty_of(fit.dataset.x, fit.dataset.y, powers)._asdict()

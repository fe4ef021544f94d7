"""The card of a fit."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from torch import nn

from export._cards.uncertainty import uncertainty
from export._tracing import plain_name, trace
from infer._artifact.format import FORMAT_VERSION
from train import Fit, Variant

_LIBRARIES = ("mpmath", "numpy", "torch")


def artifact_name(fit: Fit, variant: Variant) -> str:
    """Return ``<model>`` or ``<model>.<variant>``."""
    return f"{fit.name}.{variant.name}" if variant.name else fit.name


def document_of(fit: Fit, variant: Variant, module: nn.Module) -> dict[str, Any]:
    """Return a fit's card, without the other files."""
    model = fit.model
    dtype = str(next(module.parameters()).dtype).removeprefix("torch.")
    traced = trace(module, model.input.name, model.output.name)
    features = fit.dataset.x.shape[1:]
    own = {plain_name(name) for name in fit.parameters}
    return {
        "format_version": FORMAT_VERSION,
        "name": artifact_name(fit, variant),
        "default_variant": variant is model.variants[-1],
        "title": variant.title,
        "description": model.description,
        "formula": variant.formula,
        "dtype": dtype,
        "inputs": [
            {
                "name": model.input.name,
                "dtype": dtype,
                "shape": ["...", *features],
                "unit": model.input.unit,
            }
        ],
        "outputs": [
            {"name": model.output.name, "dtype": dtype, "shape": ["..."], "unit": model.output.unit}
        ],
        "domain": fit.dataset.domain,
        "parameters": _only(traced.constants, own, inside=True),
        "constants": _only(traced.constants, own, inside=False),
        "program": traced.lines,
        "training": {
            "recipe": fit.recipe.name,
            "settings": fit.recipe.settings(),
            "dataset": {
                "name": fit.dataset.name,
                "rows": fit.dataset.rows,
                "sha256": fit.dataset.sha256,
            },
            "loss": fit.loss,
            "best_loss": fit.best_loss,
            "versions": versions(),
        },
        "files": {},
        "uncertainty": uncertainty(fit),
        "evaluation_error": None,
    }


def versions() -> dict[str, str]:
    """Return the versions of the libraries that fit."""
    # Without the build's tag: it names an index, not a version.
    return {name: version(name).partition("+")[0] for name in _LIBRARIES}


def _only(constants: Mapping[str, float], own: set[str], *, inside: bool) -> dict[str, float]:
    return {name: value for name, value in constants.items() if (name in own) == inside}

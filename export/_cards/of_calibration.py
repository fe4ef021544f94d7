"""The card of a calibration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from export._cards.description import kind, names
from export._cards.words import plain, with_unit
from export._tracing import trace
from infer._artifact.format import FORMAT_VERSION
from train._calibration.result import Calibration

RECIPE = "exact least squares"


def document(
    calibration: Calibration, name: str, module: nn.Module, versions: Mapping[str, str]
) -> dict[str, Any]:
    """Return the card, without the entries on the other files.

    Args:
        calibration: the calibration.
        name: of the artifact.
        module: the served form.
        versions: of libraries, by name.
    """
    traced = trace(module, calibration.x_name, calibration.y_name)
    own = {key for key, _ in module.named_parameters()}
    features = [len(calibration.features)] if calibration.features else []
    return {
        "format_version": FORMAT_VERSION,
        "name": name,
        "default_variant": True,
        "title": _title(calibration),
        "description": _description(calibration),
        "formula": f"{calibration.y_name} = "
        + calibration.family.served_formula(calibration.x_name, traced.constants),
        "dtype": calibration.dtype,
        "inputs": [
            {
                "name": calibration.x_name,
                "dtype": calibration.dtype,
                "shape": ["...", *features],
                "unit": plain(calibration.unit_x) or "1",
            }
        ],
        "outputs": [
            {
                "name": calibration.y_name,
                "dtype": calibration.dtype,
                "shape": ["..."],
                "unit": plain(calibration.unit_y) or "1",
            }
        ],
        "domain": [list(pair) for pair in calibration.domain],
        "parameters": {key: value for key, value in traced.constants.items() if key in own},
        "constants": {key: value for key, value in traced.constants.items() if key not in own},
        "program": list(traced.lines),
        "training": {
            "recipe": RECIPE,
            "settings": {
                "degree": calibration.degree,
                "chosen": bool(calibration.selection),
                "intercept": calibration.intercept,
                "weighted": calibration.weighted,
            },
            "dataset": {
                "name": name,
                "rows": calibration.n,
                "sha256": calibration.data_sha256,
            },
            "loss": calibration.loss,
            "best_loss": calibration.best_loss,
            "versions": dict(versions),
        },
        "files": {},
        "uncertainty": calibration.uncertainty._asdict(),
        "evaluation_error": {
            "absolute": calibration.evaluation_error,
            "ulp": calibration.evaluation_error_ulp,
        },
    }


def _title(calibration: Calibration) -> str:
    inputs, y = names(calibration)
    return f"{y} from {', '.join(inputs)}: {kind(calibration)} through {calibration.n:,} readings"


def _description(calibration: Calibration) -> str:
    inputs, y = names(calibration)
    unit = calibration.unit_y
    error = with_unit(f"{calibration.evaluation_error:.2g}", unit)
    spread = with_unit(f"{calibration.residual_sd:.6g}", unit)
    if calibration.weighted:
        spread = f"{calibration.residual_sd:.6g} times the stated uncertainties"
    count = calibration.degrees_of_freedom
    freedom = f"{count:,} degree{'s' * (count != 1)}"
    sentences = [
        f"The exact least-squares fit of {y} to {', '.join(inputs)}.",
        f"Residual standard deviation {spread} with {freedom} of freedom.",
        f"Served in {calibration.dtype} it is at most {error} "
        f"({calibration.evaluation_error_ulp:.2g} units in the last place of the largest answer) "
        "from the exact curve.",
    ]
    if calibration.features:
        sentences.insert(1, f"The features are {', '.join(inputs)}, in this order.")
    return " ".join(sentences)

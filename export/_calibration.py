"""The card of a calibration."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from fractions import Fraction
from typing import Any

import numpy as np
from torch import nn

from export._program import TracedProgram, trace
from infer._format import FORMAT_VERSION
from train._calibration import Calibration
from train._calibration_text import kind, names
from train._words import plain, raised, with_unit

RECIPE = "exact least squares"


def document(
    calibration: Calibration, name: str, module: nn.Module, versions: Mapping[str, str]
) -> dict[str, Any]:
    """Return the card without what it says about the other files.

    Args:
        calibration: what to write down.
        name: of the artifact.
        module: the served form.
        versions: of libraries, by name.
    """
    traced = trace(module, calibration.x_name, calibration.y_name)
    own = {key for key, _ in module.named_parameters()}
    best = calibration.residual_sd**2 * calibration.degrees_of_freedom
    features = [len(calibration.features)] if calibration.features else []
    return {
        "format_version": FORMAT_VERSION,
        "name": name,
        "default_variant": True,
        "title": _title(calibration),
        "description": _description(calibration),
        "formula": formula(calibration, traced),
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
            "loss": best + _excess(calibration),
            "best_loss": best,
            "versions": dict(versions),
        },
        "files": {},
        "uncertainty": asdict(calibration.uncertainty),
        "evaluation_error": {
            "absolute": calibration.evaluation_error,
            "ulp": calibration.evaluation_error_ulp,
        },
    }


def formula(calibration: Calibration, traced: TracedProgram) -> str:
    """Return the served form with the names of the program, such as ``y = c0 + c1·x``."""
    shifted = [key for key in traced.constants if key.startswith("shift")]
    x = calibration.x_name
    if calibration.features:
        inputs = [f"{x}{index}" for index in range(len(calibration.features))]
        if shifted:
            inputs = [f"({name} - shift{index})" for index, name in enumerate(inputs)]
        written = [(f"c{index}", name) for index, name in enumerate(["", *inputs])]
        where = ""
    else:
        variable = "u" if shifted else x
        written = [
            (f"c{power}", f"{variable}{raised(power)}" if power else "")
            for power in range(calibration.degree + 1)
        ]
        scaled = "·scale" if "scale" in traced.constants else ""
        where = f", u = ({x} - shift){scaled}" if shifted else ""
    terms = [f"{key}·{term}" if term else key for key, term in written if key in traced.constants]
    return f"{calibration.y_name} = {' + '.join(terms)}{where}"


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
    sentences = [
        f"The exact least-squares fit of {y} to {', '.join(inputs)}.",
        f"Residual standard deviation {spread} with {calibration.degrees_of_freedom:,} degrees "
        f"of freedom.",
        f"Served in {calibration.dtype} it is at most {error} "
        f"({calibration.evaluation_error_ulp:.2g} units in the last place of the largest answer) "
        "from the exact curve.",
    ]
    if calibration.features:
        sentences.insert(1, f"The features are {', '.join(inputs)}, in this order.")
    return " ".join(sentences)


def _excess(calibration: Calibration) -> float:
    """Return by how much rounding the coefficients raises the sum of squares.

    With δ the rounded curve less the exact one, as coefficients of the terms of ``uncertainty``,
    and F its factor, that is |F⁻ᵀδ|².
    """
    found = calibration.uncertainty
    factor = np.array(found.factor)
    difference = _difference(calibration)
    if not any(difference):
        return 0.0
    return float(np.sum(np.linalg.solve(factor.T, np.array(difference, dtype=np.float64)) ** 2))


def _difference(calibration: Calibration) -> list[float]:
    """Return the rounded curve less the exact one, as coefficients of the uncertainty's terms."""
    served, found = calibration.served, calibration.uncertainty
    center = [Fraction(value) for value in found.center]
    width = [Fraction(value) for value in found.half_width]
    exact = dict(zip(calibration.powers, calibration.exact, strict=True))
    rounded = [Fraction(value) for value in served.coefficients]
    shift = [Fraction(value) for value in served.shift or [0.0] * len(center)]
    if calibration.features:
        none = (0,) * len(center)
        slopes = {
            tuple(int(i == k) for i in range(len(center))): (rounded[k + 1], k)
            for k in range(len(center))
        }
        plain = {key: value for key, (value, _) in slopes.items()}
        plain[none] = rounded[0] - sum(value * shift[k] for value, k in slopes.values())
        delta = {key: value - exact.get(key, Fraction(0)) for key, value in plain.items()}
        moved = {key: delta[key] * width[k] for key, (_, k) in slopes.items()}
        moved[none] = delta[none] + sum(delta[key] * center[k] for key, (_, k) in slopes.items())
        return [float(moved[powers]) for powers in found.powers]
    scale = Fraction(served.scale or 1.0)
    in_terms = _substitute(rounded, (center[0] - shift[0]) * scale, width[0] * scale)
    degree = len(rounded) - 1
    curve = [exact.get((power,), Fraction(0)) for power in range(degree + 1)]
    of_exact = _substitute(curve, center[0], width[0])
    return [float(in_terms[power] - of_exact[power]) for (power,) in found.powers]


def _substitute(polynomial: Sequence[Fraction], start: Fraction, slope: Fraction) -> list[Fraction]:
    """Return a polynomial of start + slope·u as coefficients of u."""
    return [
        slope**power
        * sum(
            (
                math.comb(k, power) * c * start ** (k - power)
                for k, c in enumerate(polynomial)
                if k >= power
            ),
            Fraction(0),
        )
        for power in range(len(polynomial))
    ]

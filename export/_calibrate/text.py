"""Output of a calibration: a JSON record and a text summary."""

from __future__ import annotations

import itertools
import math
from typing import Any

from export._cards.description import formula, kind, names, terms
from export._cards.words import labelled, number, plain, with_unit
from infer._commands.table import table
from train._calibration.result import Calibration

# Longer equations are wrapped.
_WIDTH = 88
# Number of steps in which the curve is checked for monotonicity.
_STEPS = 200
# Numbers with more digits before or after the point are written with an exponent.
_LONG = 15


def as_record(calibration: Calibration) -> dict[str, Any]:
    """Return a calibration as JSON values, all numbers correctly rounded doubles."""
    return {
        "name": calibration.name,
        "degree": calibration.degree,
        "intercept": calibration.intercept,
        "features": list(calibration.features),
        "x": calibration.x_name,
        "y": calibration.y_name,
        "unit_x": calibration.unit_x,
        "unit_y": calibration.unit_y,
        "n": calibration.n,
        "domain": [list(pair) for pair in calibration.domain],
        "coefficients": [
            {"term": row.term, "value": row.value, "standard_error": row.standard_error}
            for row in calibration.coefficients
        ],
        "residual_sd": calibration.residual_sd,
        "r2": calibration.r2,
        "degrees_of_freedom": calibration.degrees_of_freedom,
        "weighted": calibration.weighted,
        "typical_sigma": calibration.typical_sigma,
        "dtype": calibration.dtype,
        "evaluation_error": {
            "absolute": calibration.evaluation_error,
            "ulp": calibration.evaluation_error_ulp,
        },
        "data_sha256": calibration.data_sha256,
        "selection": [
            {
                "degree": row.degree,
                "residual_sd": row.residual_sd,
                "loo": _finite(row.loo),
                "aicc": _finite(row.aicc),
                "chosen": row.chosen,
                "why": row.why,
            }
            for row in calibration.selection
        ],
        "largest_residuals": [
            {
                **({"file": row.file} if row.file else {}),
                "row": row.row,
                "x": list(row.x),
                "y": row.y,
                "residual": row.residual,
                "standardized": row.standardized,
            }
            for row in calibration.largest_residuals
        ],
        "warnings": list(calibration.warnings),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def facts(calibration: Calibration) -> list[tuple[str, str]]:
    """Return the quality of a calibration, as pairs of a name and a value."""
    inputs, _ = names(calibration)
    unit_x, unit_y = calibration.unit_x, calibration.unit_y
    error = with_unit(number(calibration.evaluation_error, 2), unit_y)
    degrees = calibration.degrees_of_freedom
    spread = with_unit(number(calibration.residual_sd, 6), unit_y)
    if calibration.weighted:
        spread = f"{number(calibration.residual_sd, 6)} times the stated uncertainties"
    freedom = f"{degrees:,} degree{'s' * (degrees != 1)} of freedom"
    rows = [
        ("residual standard deviation", f"{spread}, {freedom}"),
        ("R²", number(calibration.r2, 12)),
        ("readings", f"{calibration.n:,}"),
    ]
    rows += [
        (f"range of {name}", f"{number(low)} to {with_unit(number(high), unit_x)}")
        for name, (low, high) in zip(inputs, calibration.domain, strict=True)
    ]
    rows.append(
        (
            f"served in {calibration.dtype}",
            f"at most {error} ({number(calibration.evaluation_error_ulp, 2)} ulp) from the exact "
            "curve",
        )
    )
    return rows


def as_text(calibration: Calibration, row_word: str = "row") -> str:
    """Return a text summary.

    Args:
        calibration: the calibration.
        row_word: what row numbers count, "row" or "line".
    """
    inputs, y = names(calibration)
    unit_x, unit_y = calibration.unit_x, calibration.unit_y
    shown = ", ".join(labelled(name, unit_x) for name in inputs)
    head = f"{calibration.name}: {kind(calibration)}, {labelled(y, unit_y)} from {shown}"
    parts = [head, _indent(_wrapped(formula(calibration))), _indent(_coefficients(calibration))]
    width = max(len(name) for name, _ in facts(calibration))
    parts.append("\n".join(f"  {name.ljust(width)}  {value}" for name, value in facts(calibration)))
    if calibration.selection:
        parts.append(_indent(table(*degree_cells(calibration), right=(0, 1, 2, 3), rule=False)))
    if calibration.largest_residuals and calibration.residual_sd:
        titles, rows = residual_cells(calibration, row_word)
        residuals = table(titles, rows, right=range(len(titles)), rule=False)
        parts.append(_indent(f"largest residuals\n{residuals}"))
    parts += [f"warning: {sentence}" for sentence in calibration.warnings]
    return "\n\n".join(parts)


def _coefficients(calibration: Calibration) -> str:
    rows = [
        (term or "1", number(row.value), number(row.standard_error, 4), unit)
        for row, (term, unit) in zip(calibration.coefficients, terms(calibration), strict=True)
    ]
    shown = 3 if all(unit == "1" for *_, unit in rows) else 4
    head = ("term", "coefficient", "standard error", "unit")
    return table(head[:shown], [row[:shown] for row in rows], right=(1, 2), rule=False)


def degree_cells(calibration: Calibration) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return head and rows of the table of the compared degrees."""
    rows = [
        (
            str(row.degree),
            *(number(value, 6) for value in (row.residual_sd, row.loo, row.aicc)),
            f"{'chosen: ' if row.chosen else ''}{row.why}",
        )
        for row in calibration.selection
    ]
    return ("degree", "residual sd", "leave-one-out", "AICc", ""), rows


def residual_cells(
    calibration: Calibration, row_word: str
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the head and the rows of that table."""
    inputs, y = names(calibration)
    several = any(row.file for row in calibration.largest_residuals)
    rows = [
        (
            *([plain(row.file)] if several else []),
            f"{row.row:,}",
            *map(number, row.x),
            number(row.y),
            number(row.residual, 4),
            f"{row.standardized:.2f}",
        )
        for row in calibration.largest_residuals
    ]
    place = ("file", row_word) if several else (row_word,)
    return (*place, *inputs, y, "residual", "in sd"), rows


def _wrapped(text: str) -> str:
    """Wrap a long equation before a sign."""
    lines = [""]
    for part in text.replace(" + ", "\n+ ").replace(" - ", "\n- ").split("\n"):
        if lines[-1] and len(lines[-1]) + len(part) >= _WIDTH:
            lines.append("   ")
        lines[-1] += f" {part}" if lines[-1] else part
    return "\n".join(lines)


def _indent(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.split("\n"))


def middle(calibration: Calibration) -> tuple[str, str | None]:
    """Return an input in the middle of the readings, and its output if the curve has an inverse.

    Features are separated by commas. Several features have no inverse, nor has a curve that turns.
    """
    inputs = [_short((low + high) / 2, high - low) for low, high in calibration.domain]
    if calibration.features:
        return ",".join(inputs), None
    ((low, high),) = calibration.domain
    steps = [low + (high - low) * step / _STEPS for step in range(_STEPS + 1)]
    heights = [calibration.predict(x) for x in steps]
    rises = {b > a for a, b in itertools.pairwise(heights)}
    y = calibration.predict(float(inputs[0]))
    spread = max(heights) - min(heights)
    return inputs[0], _short(y, spread) if len(rises) == 1 and spread else None


def _short(value: float, spread: float) -> str:
    """Return a number to about three digits of the spread."""
    if not spread:
        return repr(value)
    decimals = 2 - math.floor(math.log10(spread))
    if not -_LONG < decimals < _LONG:
        return number(value, 4)
    text = f"{round(value, decimals):.{max(0, decimals)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text

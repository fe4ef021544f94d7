"""A calibration in words: the kind of its curve, its names and its formula."""

from __future__ import annotations

from export._cards.words import equation, number, plain, raised, slope_unit
from train._calibration.result import Calibration

_KINDS = {0: "a constant", 1: "a line", 2: "a parabola", 3: "a cubic"}


def kind(calibration: Calibration) -> str:
    """Return what was fitted, such as "a line through the origin"."""
    if calibration.features:
        what = f"a plane over {len(calibration.features)} features"
    else:
        what = _KINDS.get(calibration.degree, f"a polynomial of degree {calibration.degree}")
    return what if calibration.intercept else f"{what} through the origin"


def names(calibration: Calibration) -> tuple[tuple[str, ...], str]:
    """Return what the inputs and the output are called, fit to be shown."""
    inputs = calibration.features or (calibration.x_name,)
    return tuple(plain(name) or "x" for name in inputs), plain(calibration.y_name) or "y"


def terms(calibration: Calibration) -> list[tuple[str, str]]:
    """Return each term as an equation shows it, nothing for 1, and its coefficient's unit."""
    inputs, _ = names(calibration)
    powers = range(0 if calibration.intercept else 1, calibration.degree + 1)
    if not calibration.features:
        shown = [(f"{inputs[0]}{raised(power)}" if power else "", power) for power in powers]
    else:
        shown = [("", 0)] * calibration.intercept + [(name, 1) for name in inputs]
    unit_x, unit_y = calibration.unit_x, calibration.unit_y
    return [(text, slope_unit(unit_y, unit_x, power)) for text, power in shown]


def formula(calibration: Calibration, digits: int = 9) -> str:
    """Return the equation of the exact fit with its coefficients."""
    _, y = names(calibration)
    written = [
        (number(row.value, digits), term)
        for row, (term, _) in zip(calibration.coefficients, terms(calibration), strict=True)
    ]
    return equation(y, written)

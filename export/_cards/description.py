"""Descriptions of a calibration: the kind of its curve, its names and its formula."""

from __future__ import annotations

from export._cards.words import equation, number, plain, slope_unit
from train._calibration.families.family import raised
from train._calibration.result import Calibration


def kind(calibration: Calibration) -> str:
    """Return what was fitted, such as "a line through the origin"."""
    noun = calibration.family.noun
    return noun if calibration.intercept else f"{noun} through the origin"


def names(calibration: Calibration) -> tuple[tuple[str, ...], str]:
    """Return the names of the inputs and the output, printable."""
    inputs = calibration.features or (calibration.x_name,)
    return tuple(plain(name) or "x" for name in inputs), plain(calibration.y_name) or "y"


def terms(calibration: Calibration) -> list[tuple[str, str]]:
    """Return the text of each term, empty for 1, and the unit of its coefficient."""
    inputs, _ = names(calibration)
    found = []
    for powers in calibration.powers:
        factors = zip(inputs, powers, strict=True)
        text = "·".join(f"{name}{raised(power)}" for name, power in factors if power)
        found.append((text, slope_unit(calibration.unit_y, calibration.unit_x, sum(powers))))
    return found


def formula(calibration: Calibration, digits: int = 9) -> str:
    """Return the equation of the exact fit with its coefficients."""
    _, y = names(calibration)
    written = [
        (number(row.value, digits), term)
        for row, (term, _) in zip(calibration.coefficients, terms(calibration), strict=True)
    ]
    return equation(y, written)

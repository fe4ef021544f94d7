"""Text for the numbers, units and equations of a calibration."""

from __future__ import annotations

from collections.abc import Sequence

from train._calibration.families.family import raised


def with_unit(text: str, unit: str) -> str:
    """Return a number with its unit, if it has one."""
    return text if unit == "1" else f"{text} {unit}"


def labelled(name: str, unit: str) -> str:
    """Return a name with its unit in brackets, as on an axis."""
    return name if unit == "1" else f"{name} ({unit})"


def plain(text: str) -> str:
    """Return text on one line without control characters, which a terminal would obey."""
    return "".join(c if c.isprintable() else " " for c in " ".join(text.split())).strip()


def slope_unit(unit_y: str, unit_x: str, power: int) -> str:
    """Return the unit of a coefficient of ``x`` to a power."""
    if power == 0 or unit_x == "1":
        return unit_y
    below = f"({unit_x})" if set(unit_x) & set("/·*^ ") else unit_x
    return f"{unit_y}/{below}{raised(power)}"


def number(value: float, digits: int = 9) -> str:
    """Return a number with a number of significant digits."""
    return f"{value:.{digits}g}"


def equation(y: str, terms: Sequence[tuple[str, str]]) -> str:
    """Return ``y = 1.5 + 2·x - 3·x²``.

    Args:
        y: the left side.
        terms: coefficients and their factors, empty for a constant.
    """
    text = ""
    for coefficient, term in terms:
        size = coefficient.removeprefix("-")
        negative = size != coefficient
        sign = (" - " if negative else " + ") if text else ("-" if negative else "")
        text += f"{sign}{size}{'·' if term else ''}{term}"
    return f"{y} = {text or '0'}"

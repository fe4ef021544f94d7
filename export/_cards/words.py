"""How numbers, units and equations of a calibration are written for people."""

from __future__ import annotations

from collections.abc import Sequence

from train._calibration.families.family import raised


def with_unit(text: str, unit: str) -> str:
    """Return a number with its unit, without one if it has none."""
    return text if unit == "1" else f"{text} {unit}"


def labelled(name: str, unit: str) -> str:
    """Return a name with its unit in brackets, as on an axis."""
    return name if unit == "1" else f"{name} ({unit})"


def plain(text: str) -> str:
    """Return a text on one line without control characters: a terminal would obey them."""
    return "".join(c if c.isprintable() else " " for c in " ".join(text.split())).strip()


def slope_unit(unit_y: str, unit_x: str, power: int) -> str:
    """Return the unit of a coefficient of ``x`` to a power."""
    if power == 0 or unit_x == "1":
        return unit_y
    below = f"({unit_x})" if set(unit_x) & set("/·*^ ") else unit_x
    return f"{unit_y}/{below}{raised(power)}"


def number(value: float, digits: int = 9) -> str:
    """Return a number to so many significant digits."""
    return f"{value:.{digits}g}"


def equation(y: str, terms: Sequence[tuple[str, str]]) -> str:
    """Return ``y = 1.5 + 2·x - 3·x²``.

    Args:
        y: what stands on the left.
        terms: a coefficient and what it is multiplied by, nothing for a constant.
    """
    text = ""
    for coefficient, term in terms:
        size = coefficient.removeprefix("-")
        negative = size != coefficient
        sign = (" - " if negative else " + ") if text else ("-" if negative else "")
        text += f"{sign}{size}{'·' if term else ''}{term}"
    return f"{y} = {text or '0'}"

"""The table of the kinds of curve."""

from __future__ import annotations

from train._calibration.families.family import Family
from train._calibration.families.plane import Hyperplane
from train._calibration.families.polynomial import Polynomial

FAMILIES: tuple[type[Family], ...] = (Polynomial, Hyperplane)

# The highest degree that "auto" compares.
MOST_AUTO = 10


def find_family(features: int) -> type[Family]:
    """Return the kind of curve for a number of features."""
    return next(family for family in FAMILIES if family.suits(features))


def highest_degree(degree: int | str, features: int) -> int:
    """Return the degree that sums must reach for a degree, or for "auto".

    Raises:
        CalibrationError: there is no such degree.
    """
    checked = find_family(features).check_degree(degree, features)
    return MOST_AUTO if checked == "auto" else int(checked)

"""Telling a row of units, or of how values were averaged, from a row of names."""

from __future__ import annotations

import re
from collections.abc import Sequence

_PREFIXES = ("", *"yzafpnuµμmcdhkMGTPEZY", "da")
_UNITS = (
    "1 % ‰ m g s A K mol cd V W J N Pa Hz Ω ohm Ohm ohms F C H T S Wb lm lx bar l L t "
    "rad sr Bq Gy eV VA Wh Ah dB Np pH ppm ppb ppt rpm psi lb lbs lbf kgf gf mi ft in yd "
    "oz gal nm torr Torr atm mmHg inHg mH2O min h hr hrs d day days sec secs yr TS RN "
    "deg degC degF °C °F ° ℃ ℉ Deg DegC deg_C counts count cts LSB digit digits psu NTU "
    "FNU FTU a.u. au arb. M g0 Gal cc hours seconds ms "
)
_SYMBOLS = frozenset({prefix + unit for unit in _UNITS.split() for prefix in _PREFIXES})
_BRACKETS = re.compile(r"\[[^\]]*\]|\([^)]*\)|<[^>]*>")
_EXPONENT = re.compile(
    r"[\^*]*[-+\u2212\u207b]?\d+$|[\u207b\u2070\u00b9\u00b2\u00b3\u2074-\u2079]+$"
)
_NO_UNIT = frozenset({"", "-", "--", "none", "n/a", "unitless", "[]", "()"})
_STATISTICS = "avg smp max min std tot sum mean med median wvc cov average"


def are_units(cells: Sequence[str]) -> bool:
    """Tell whether a row is one of units: at least one, and nothing else."""
    texts = [cell.strip() for cell in cells]
    found = [text for text in texts if text.lower() not in _NO_UNIT]
    return bool(found) and all(map(_is_unit, found))


def are_statistics(cells: Sequence[str]) -> bool:
    """Tell whether a row says how values were made: Avg, Smp."""
    found = [cell.strip().lower() for cell in cells if cell.strip()]
    return bool(found) and set(found) <= set(_STATISTICS.split())


def unit_of(cell: str) -> str:
    """Return a unit without brackets, 1 for none."""
    text = cell.strip()
    if _BRACKETS.fullmatch(text):
        text = text[1:-1].strip()
    return "1" if text.lower() in _NO_UNIT or not text.isprintable() else text


def _is_unit(text: str) -> bool:
    if _BRACKETS.fullmatch(text):
        return True
    parts = [part for part in re.split(r"[\s/*·⋅]+", text) if part]
    return bool(parts) and all(
        part in _SYMBOLS or _EXPONENT.sub("", part) in _SYMBOLS for part in parts
    )

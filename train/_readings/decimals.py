"""From text to numbers without rounding: a column of decimals as whole numbers and their places.

0.1 in a file is one tenth, not the double nearest to it; ``[0.1, 2.35]`` becomes ``[10, 235]`` with
2 decimal places.
"""

from __future__ import annotations

import re
from collections.abc import Sequence, Set

import numpy as np

from infer._files._text.numbers import INFINITE, MISSING, NAN, Style
from train._readings.table import DECLARED, NO_FLAWS, Numbers, integers

_PLAIN = b"0123456789+-\n"
_NEWLINE = 10
_NUMBER = re.compile(r"([+-]?)(?:(\d+)\.?(\d*)|\.(\d+))(?:[eE]([+-]?\d+))?", re.ASCII)
# Powers of ten up to this one are doubles. A decimal of up to 15 digits comes back whole from its
# double: two roundings of 2**-53 each move a number below 1e15 by less than a quarter.
_MOST_PLACES = 22
_EXACT = 1e15
# Longer texts are no readings, and Python converts no more than some thousand digits.
_LONGEST = 300
_POINTS = Style()


def parse(
    texts: Sequence[str], *, style: Style = _POINTS, missing: Set[str] = frozenset()
) -> Numbers:
    """Return a column of decimals, exactly.

    Args:
        texts: such as ``-1.50`` or ``2e-3``; blanks around them do not matter.
        style: how they are written.
        missing: texts that mean a missing reading, beside the usual ones; lower case.
    """
    whole = _parse_plain(texts, style.decimal)
    return _parse_each(texts, style, missing) if whole is None else whole


def _parse_plain(texts: Sequence[str], point: str) -> Numbers | None:
    """Read digits with a sign and a point, the usual case; None if there is anything else."""
    joined = "\n".join(texts).encode("utf-8", "surrogatepass")
    if joined.translate(None, _PLAIN + point.encode()) or joined.count(b"\n") >= max(1, len(texts)):
        return None
    places = _most_places(joined, point)
    if point == ",":
        texts = joined.replace(b",", b".").decode().split("\n") if texts else []
    try:
        near = np.array(list(map(float, texts)), dtype=np.float64)
    except ValueError:
        return None
    if places > _MOST_PLACES or not np.all(np.abs(near) * 10.0**places < _EXACT):
        return None
    return Numbers(np.rint(near * 10.0**places).astype(np.int64), places)


def _most_places(joined: bytes, point: str) -> int:
    """Return the most digits behind a point that a line has."""
    characters = np.frombuffer(joined, np.uint8)
    points = np.flatnonzero(characters == ord(point))
    if not len(points):
        return 0
    ends = np.append(np.flatnonzero(characters == _NEWLINE), len(characters))
    return int((ends[np.searchsorted(ends, points)] - points).max()) - 1


def _parse_each(texts: Sequence[str], style: Style, missing: Set[str]) -> Numbers:
    found: list[tuple[int, int]] = []
    flaws: dict[int, str] = {}
    for index, text in enumerate(texts):
        number = _parse_one(text, style, missing)
        if isinstance(number, str):
            flaws[index] = number
            number = (0, 0)
        found.append(number)
    places = max((own for _, own in found), default=0)
    values = [value * 10 ** (places - own) if value else 0 for value, own in found]
    return Numbers(integers(values), places, flaws or NO_FLAWS)


def _parse_one(text: str, style: Style, missing: Set[str]) -> tuple[int, int] | str:
    """Return a whole number and its decimal places, or what is wrong."""
    plain = style.plain(text) if len(text) <= _LONGEST else text
    match = _NUMBER.fullmatch(plain) if len(plain) <= _LONGEST else None
    if match is None:
        return describe(text, missing)
    sign, whole, after, alone, exponent = match.groups()
    digits = after if alone is None else alone
    value = int(sign + (whole or "") + digits)
    if not value:
        return 0, 0
    size = abs(float(plain))
    if size == float("inf"):
        return f"{plain} is too large for a double"
    if size == 0.0:
        return f"{plain} is too small for a double"
    places = len(digits) - int(exponent or 0)
    return (value, places) if places >= 0 else (value * 10**-places, 0)


def describe(text: str, missing: Set[str] = frozenset()) -> str:
    """Return what is wrong with a text that is no finite number."""
    plain = text.strip().lower()
    if plain in missing:
        return DECLARED
    if plain in MISSING:
        return "missing"
    if plain in NAN:
        return "nan, not a number"
    if plain in INFINITE:
        return "infinite"
    shown = text.strip()
    # A lone surrogate stands for a byte that is not in the file's encoding.
    shown = shown.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return f"text {shown if len(shown) <= 40 else shown[:39] + '…'!r}, expected a number"

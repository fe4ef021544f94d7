"""Numbers as people write them in files: decimal and thousands signs, missing marks.

A sign is proven by cells that have no other reading: ``2,1`` by its comma, ``1.234,5`` by both.
``1.500`` proves nothing, it may be 1.5 or 1500.
"""

from __future__ import annotations

import re
from typing import NamedTuple

MISSING = frozenset({"", "-", "--", "?", "n/a", "na", "#n/a", "null", "none", "<na>", "missing"})
NAN = frozenset({"nan", "+nan", "-nan", "#num!", "#div/0!"})
INFINITE = frozenset({sign + word for sign in ("", "+", "-") for word in ("inf", "infinity")})
_NO_NUMBERS = MISSING | NAN | INFINITE

MINUS = "\u2212"
# Signs that group digits and are never decimal: apostrophes, and blanks that do not break.
_GROUPING = "'\u2019\u00a0\u202f\u2009"
_INTEGER = re.compile(r"[+-]?\d+(?:[eE][+-]?\d+)?", re.ASCII)
_ONE_SIGN = re.compile(r"[+-]?(\d*)([.,])(\d*)([eE][+-]?\d+)?", re.ASCII)
_GROUPED = re.compile(
    rf"[+-]?[1-9]\d{{0,2}}([.,{_GROUPING} ])\d{{3}}(?:\1\d{{3}})*(?:([.,])\d*)?(?:[eE][+-]?\d+)?",
    re.ASCII,
)
_CLOCK = r"\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?: ?[AaPp][Mm])?"
_DATE = re.compile(rf"\d{{1,4}}([-/.])\d{{1,2}}\1\d{{1,4}}(?:[ T].*)?|{_CLOCK}", re.ASCII)


class Evidence(NamedTuple):
    """What a cell tells of the signs in numbers; each empty if it tells nothing.

    Attributes:
        decimal: the sign that must be the decimal one.
        thousands: the sign that must group digits.
        either: the sign that may be one or the other.
    """

    decimal: str = ""
    thousands: str = ""
    either: str = ""


_NOTHING = Evidence()


def evidence(cell: str) -> Evidence | None:
    """Return what a cell tells, None if it is no number whatever the signs mean."""
    text = cell.strip().replace(MINUS, "-")
    if _INTEGER.fullmatch(text):
        return _NOTHING
    match = _ONE_SIGN.fullmatch(text)
    if match is not None:
        whole, sign, after, exponent = match.groups()
        if not whole and not after:
            return None
        if exponent or len(after) != 3 or not 1 <= len(whole) <= 3 or whole[0] == "0":
            return Evidence(decimal=sign)
        return Evidence(either=sign)
    match = _GROUPED.fullmatch(text)
    if match is None or match[1] == match[2]:
        return None
    thousands, decimal = match.groups()
    return Evidence(decimal or {".": ",", ",": "."}.get(thousands, ""), thousands)


def kind_of(cell: str) -> str:
    """Return what a cell holds: n a number, d a date or time, e none or a mark for it, t text."""
    text = cell.strip()
    if text.lower() in _NO_NUMBERS:
        return "e"
    if evidence(text) is not None:
        return "n"
    return "d" if _DATE.fullmatch(text) else "t"


class Style(NamedTuple):
    """How the numbers of a column are written.

    Attributes:
        decimal: the decimal sign.
        thousands: the signs that may group digits.
    """

    decimal: str = "."
    thousands: str = _GROUPING

    def plain(self, text: str) -> str:
        """Return a number with a point and without grouping; other text comes back as it is.

        A number in another style comes back so that it is none.
        """
        text = text.strip().replace(MINUS, "-")
        match = None if text.isdigit() else _GROUPED.fullmatch(text)
        if match is not None and match[1] in self.thousands and match[2] in (None, self.decimal):
            text = text.replace(match[1], "")
        return text if self.decimal == "." else text.replace(".", "\0").replace(",", ".")


def other(sign: str) -> str:
    """Return the other of the two decimal signs."""
    return "," if sign == "." else "."


def with_thousands(decimal: str) -> Style:
    """Return the style in which the other sign, or a blank, groups digits."""
    return Style(decimal, f"{other(decimal)}{_GROUPING} ")

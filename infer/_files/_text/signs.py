"""Which sign is decimal in each column: all evidence in a file, gathered and judged."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from infer._files._text.errors import TextError
from infer._files._text.numbers import Style, evidence, other, with_thousands
from infer._files.options import ReadingOptions
from infer._files.words import shown

_WORDS = {".": "point", ",": "comma"}


class Cell(NamedTuple):
    """A cell that tells something."""

    line: int
    text: str


class Signs:
    """What the cells of a column tell: for each sign, the first cell that does.

    Attributes:
        decimal: cells in which the sign must be decimal.
        thousands: cells in which it must group digits.
        either: cells in which it may be one or the other.
        has_bare: whether a cell has no sign at all.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self.has_bare = False
        self.decimal: dict[str, Cell] = {}
        self.thousands: dict[str, Cell] = {}
        self.either: dict[str, Cell] = {}

    def add(self, lines: Iterable[int], cells: Iterable[str]) -> None:
        """Take cells, and the lines that they stand on."""
        for line, text in zip(lines, cells, strict=True):
            if text.isdigit():
                self.has_bare = True
            elif not self._is_known(text):
                self._add(line, text)

    def _is_known(self, text: str) -> bool:
        """Tell whether a cell tells nothing that another has not told."""
        points, commas = text.count("."), text.count(",")
        return (
            points + commas == 1
            and ((points == 1 and "." in self.decimal) or (commas == 1 and "," in self.decimal))
            and text.isascii()
            and "'" not in text
        )

    def _add(self, line: int, text: str) -> None:
        found = evidence(text)
        if found is None:
            return
        cell = Cell(line, text.strip())
        self.has_bare = self.has_bare or not any(found)
        if found.decimal:
            self.decimal.setdefault(found.decimal, cell)
        if found.thousands:
            self.thousands.setdefault(found.thousands, cell)
        if found.either:
            self.either.setdefault(found.either, cell)


def judge(
    columns: Sequence[Signs], names: Sequence[str], delimiter: str, options: ReadingOptions
) -> tuple[tuple[Style, ...], tuple[TextError | None, ...], str]:
    """Return how the numbers of each column are written, what is in doubt, and what is assumed.

    Args:
        columns: what their cells tell.
        names: what they are called.
        delimiter: what stands between cells.
        options: what the user says.
    """
    proven = {sign for column in columns for sign in column.decimal}
    found = [_judge(column, proven, delimiter, options) for column in columns]
    styles = tuple(style for style, _ in found)
    assumed = [
        column.either["."].text
        for column, (_, problem) in zip(columns, found, strict=True)
        if problem is None and not options.decimal and _is_assumed(column, proven, delimiter)
    ]
    doubts = []
    for index, (_, problem) in enumerate(found):
        label = shown(names[index]) if names[index] else str(index + 1)
        doubts.append(None if problem is None else TextError(problem[1], problem[0].line, label))
    return styles, tuple(doubts), assumed[0] if assumed else ""


def _is_assumed(column: Signs, proven: set[str], delimiter: str) -> bool:
    """Tell whether a column's points are decimal as far as anybody writes such files.

    Who separates cells by commas or blanks writes no points between digits for the eye, least of
    all in every cell.
    """
    only_points = set(column.either) == {"."} and not column.decimal and not column.thousands
    return only_points and not proven and delimiter in ", " and not column.has_bare


def _judge(
    column: Signs, proven: set[str], delimiter: str, options: ReadingOptions
) -> tuple[Style, tuple[Cell, str] | None]:
    decimal = options.decimal
    if options.thousands:
        return with_thousands(decimal or _with_groups(column, proven)), None
    if decimal is None and len(column.decimal) > 1:
        return Style(), (column.decimal[","], _conflict(column))
    sign = decimal or next(iter(column.decimal), None)
    if sign is not None:
        return _known(column, sign, told=decimal is not None)
    default = next(iter(proven)) if len(proven) == 1 else "."
    doubtful = set(column.either)
    if not doubtful:
        return Style(default), None
    if len(doubtful) > 1:
        first, second = column.either["."], column.either[","]
        return Style(), (
            min(first, second),
            f"{first.text} and {second.text} do not tell which sign is decimal; type --decimal "
            ". or --decimal ,",
        )
    (sign,) = doubtful
    if proven == {sign} or _is_assumed(column, proven, delimiter):
        return Style(sign), None
    cell = column.either[sign]
    return Style(sign), (cell, _two_readings(cell.text, sign))


def _with_groups(column: Signs, proven: set[str]) -> str:
    """Return the decimal sign of a column whose other sign groups digits."""
    if len(column.decimal) == 1:
        return next(iter(column.decimal))
    if len(column.either) == 1:
        return other(next(iter(column.either)))
    return next(iter(proven)) if len(proven) == 1 else "."


def _known(column: Signs, decimal: str, *, told: bool) -> tuple[Style, tuple[Cell, str] | None]:
    """Return the style of a column whose decimal sign is known."""
    grouping = other(decimal)
    if told and grouping in column.either and grouping not in column.thousands:
        cell = column.either[grouping]
        return Style(decimal), (
            cell,
            f"{cell.text} has a {_WORDS[grouping]}, and the decimal sign is the "
            f"{_WORDS[decimal]}; type --thousands if it is {cell.text.replace(grouping, '')}",
        )
    if grouping in column.thousands or grouping in column.either:
        style = Style(decimal)
        return style._replace(thousands=f"{grouping}{style.thousands}"), None
    return Style(decimal), None


def _conflict(column: Signs) -> str:
    point, comma = column.decimal["."], column.decimal[","]
    return (
        f"{comma.text} has a decimal comma, and {point.text} on line {point.line} a decimal point; "
        "type --decimal . or --decimal , and correct the others"
    )


def _two_readings(text: str, sign: str) -> str:
    word, whole = _WORDS[sign], text.replace(sign, "")
    return (
        f"{text} is {text.replace(sign, '.')} or {whole}: each {word} here stands before "
        f"exactly three digits. Type --decimal {sign} if it is a decimal {word}, --thousands if "
        "it groups digits"
    )

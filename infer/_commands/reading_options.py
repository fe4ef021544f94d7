"""The options of ``calibrate`` and ``infer score`` that say how a file is to be read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from infer._files.options import ReadingOptions

_DELIMITERS = {
    "tab": "\t",
    "\\t": "\t",
    "comma": ",",
    "semicolon": ";",
    "bar": "|",
    "blank": " ",
    "blanks": " ",
    "space": " ",
}


def _header(_context: click.Context, _option: click.Parameter, text: str | None) -> int | None:
    if text is None:
        return None
    if text.lower() == "none":
        return 0
    if not (text.isascii() and text.isdecimal()) or int(text) < 1:
        raise click.BadParameter(f"{text!r}: expected the number of a line from 1, or none")
    return int(text)


def _delimiter(_context: click.Context, _option: click.Parameter, text: str | None) -> str | None:
    if text is None:
        return None
    character = _DELIMITERS.get(text.lower(), text)
    if len(character) != 1 or character in '"\r\n\0':
        raise click.BadParameter(f"{text!r}: expected one character, tab or blanks")
    return character


_OPTIONS = (
    click.option(
        "--skip-lines",
        type=click.IntRange(min=0),
        default=0,
        metavar="N",
        help="Lines to pass over before the table.",
    ),
    click.option(
        "--header", callback=_header, metavar="ROW|none", help="The line that holds the names."
    ),
    click.option("--comment", metavar="CHARS", help="Each of these begins a line of comment."),
    click.option("--sheet", metavar="NAME|N", help="Of a workbook; else the first with a table."),
    click.option("--decimal", type=click.Choice([".", ","]), help="The decimal sign."),
    click.option("--thousands", is_flag=True, help="The other sign groups digits in threes."),
    click.option("--missing", metavar="-9999,NA", help="What means a missing reading."),
    click.option("--delimiter", callback=_delimiter, metavar="CHAR", help="Between cells."),
    click.option("--encoding", metavar="NAME", help="Of the text, such as cp1252."),
)


def reading_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command these options; it takes them as one argument, ``reading``."""
    from functools import wraps

    @wraps(command)
    def with_options(
        *arguments: Any,
        skip_lines: int,
        header: int | None,
        comment: str | None,
        sheet: str | None,
        decimal: str | None,
        thousands: bool,
        missing: str | None,
        delimiter: str | None,
        encoding: str | None,
        **others: Any,
    ) -> Any:
        marks = () if missing is None else tuple(mark.strip() for mark in missing.split(","))
        reading = ReadingOptions(
            skip_lines, header, comment, sheet, decimal, thousands, marks, delimiter, encoding
        )
        return command(*arguments, reading=reading, **others)

    for option in reversed(_OPTIONS):
        with_options = option(with_options)
    return with_options

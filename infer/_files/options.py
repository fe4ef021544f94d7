"""What a user says about how a file is to be read; what is not said is found in the file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ReadingOptions:
    """How to read a file. Each attribute is an option of ``calibrate`` and of ``infer score``.

    Attributes:
        skip_lines: lines (of a workbook rows) to pass over before the table is looked for.
        header: number of the line with the names, 0 for none; None to find out.
        comment: characters that begin a line of comment; None for # and what the file shows.
        sheet: name of a workbook's sheet, or its number from 1.
        decimal: the decimal sign, ``.`` or ``,``.
        thousands: whether digits are grouped in threes, by the other sign or by ' or a blank.
        missing: texts and numbers that mean a missing reading.
        delimiter: the character between cells; a blank stands for any number of blanks.
        encoding: how the text is encoded, by Python's name for it.
    """

    skip_lines: int = 0
    header: int | None = None
    comment: str | None = None
    sheet: str | None = None
    decimal: str | None = None
    thousands: bool = False
    missing: tuple[str, ...] = ()
    delimiter: str | None = None
    encoding: str | None = None


DEFAULT = ReadingOptions()

"""Readings in an Excel workbook, .xlsx: a table on one of its sheets. Its numbers are doubles."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice

import numpy as np

from infer._files._tables.damage import FormatError
from infer._files._text.dialect import BLOCK_ROWS
from infer._files._text.errors import TextError
from infer._files._text.numbers import evidence, kind_of
from infer._files.find_table import Place, Row, find_table
from infer._files.options import ReadingOptions
from infer._files.words import lines, listed, shown
from train._errors import ColumnsError, DamagedFileError, ReadingsError
from train._readings.decimals import describe
from train._readings.source import Source
from train._readings.table import NO_FLAWS, Numbers, RawBlock
from train._readings.xlsx import Failed, SheetPart, SheetRow, Uncomputed, Value, When, Workbook

MAGIC = b"PK\x03\x04"
# Rows of a sheet that are looked at for its table.
_SAMPLE_ROWS = 1000


@dataclass(frozen=True)
class ExcelTable:
    """A sheet that was looked at; see ``train._readings.table.Table``."""

    source: Source
    sheet: SheetPart
    place: Place
    left: int  # columns of the sheet before the table
    others: int  # sheets that hold a table too
    missing: frozenset[str]
    row_word = "row"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return self.place.names

    @property
    def units(self) -> tuple[str, ...]:
        """Units of the columns; empty if the sheet does not say."""
        return self.place.units

    @property
    def layout(self) -> str:
        """What the file was taken for, for people."""
        names = self.names
        header = "no header"
        if self.place.header is not None:
            row = f" in row {self.place.header}" if self.place.skipped else ""
            header = f"header{row} {listed(list(map(shown, names)))}"
        parts = [f"Excel, sheet {self.sheet.title!r}", f"{len(names)} columns", header]
        if self.place.units:
            parts.append(f"units {listed(list(map(shown, self.place.units)))}")
        if self.place.skipped:
            parts.append(f"skipped {lines(self.place.skipped, 'row')}")
        if self.others:
            plural = "s hold" if self.others > 1 else " holds"
            parts.append(f"{self.others} more sheet{plural} a table, see --sheet")
        return ", ".join(parts)

    def blocks(self, picked: Sequence[int]) -> Iterator[RawBlock]:
        """Yield the rows of some columns, by index, in blocks.

        Raises:
            DamagedFileError: the file is damaged.
        """
        wanted = [self.left + index for index in picked]
        with _workbook(self.source) as workbook:
            rows = workbook.rows(self.sheet, frozenset(wanted))
            while block := list(islice(rows, BLOCK_ROWS)):
                block = [row for row in block if row.number >= self.place.start]
                numbers = np.array([row.number for row in block], dtype=np.int64)
                columns = [
                    _numbers([row.cells.get(index) for row in block], self.missing)
                    for index in wanted
                ]
                yield RawBlock(numbers, columns, NO_FLAWS, None)


def open_excel(source: Source, options: ReadingOptions) -> ExcelTable:
    """Look at an Excel workbook: at the sheet that the user names, else the first with a table.

    Raises:
        ColumnsError: there is no such sheet.
        DamagedFileError: it is damaged.
        ReadingsError: it is empty, or the user must decide what is the table.
    """
    with _workbook(source) as workbook:
        sheets = _chosen(workbook.sheets, options.sheet, source.name)
        found = []
        for sheet in sheets:
            rows = list(islice(workbook.rows(sheet), _SAMPLE_ROWS))
            width = max((row.width for row in rows), default=0)
            left = min((min(row.cells) for row in rows if row.cells), default=0)
            looked = [_row(row, left, width) for row in rows]
            try:
                place = find_table(
                    looked,
                    header=options.header,
                    skip=options.skip_lines,
                    word="row",
                )
            except TextError as error:
                raise ReadingsError(error.within(source.name, "row")) from None
            if place is not None:
                empty = _empty(looked, place)
                place = place._replace(names=place.names[empty:], units=place.units[empty:])
                found.append((sheet, place, left + empty))
    if not found:
        raise ReadingsError(
            f"{source.name}: expected rows of numbers, sheet {sheets[0].title!r} is empty"
        )
    tables = [each for each in found if each[1].rows and each[1].score] or found[:1]
    sheet, place, left = tables[0]
    if place.problem is not None:
        raise ReadingsError(place.problem.within(source.name, "row"))
    missing = frozenset(mark.lower() for mark in options.missing)
    return ExcelTable(source, sheet, place, left, len(tables) - 1, missing)


def _chosen(sheets: list[SheetPart], name: str | None, file: str) -> list[SheetPart]:
    """Return the sheets that may hold the table."""
    if name is None:
        return [sheet for sheet in sheets if not sheet.hidden] or sheets
    same = [sheet for sheet in sheets if sheet.title == name]
    if not same and name.isdecimal() and 1 <= int(name) <= len(sheets):
        same = [sheets[int(name) - 1]]
    if not same:
        titles = listed([shown(sheet.title) for sheet in sheets])
        raise ColumnsError(f"{file}: --sheet {name!r}: no such sheet. Sheets: {titles}.")
    return same


@contextmanager
def _workbook(source: Source) -> Iterator[Workbook]:
    with closing(source.open()) as stream:
        try:
            yield Workbook(stream)
        except FormatError as error:
            raise DamagedFileError(
                f"{source.name}: begins as a zip archive but is no .xlsx workbook: {error}"
            ) from error


def _row(row: SheetRow, left: int, width: int) -> Row:
    """Return a row as it is looked at; a row of numbers is as wide as the sheet."""
    cells = [row.cells.get(index) for index in range(left, width)]
    kinds = "".join(map(_kind, cells))
    end = width if "n" in kinds else row.width
    return Row(row.number, list(map(_text, cells))[: end - left], kinds[: end - left])


def _empty(rows: Sequence[Row], place: Place) -> int:
    """Return how many columns on the left of a table only hold what stands above it."""
    below = [row.kinds for row in rows if row.line >= place.start]
    for column, name in enumerate(place.names):
        if name or any(kinds[column : column + 1] not in ("e", "") for kinds in below):
            return column
    return 0


def _kind(cell: Value | None) -> str:
    """Return what a cell holds, see ``kind_of``."""
    if isinstance(cell, (float, Uncomputed)):
        return "n"
    if isinstance(cell, When):
        return "d"
    return "e" if cell is None or isinstance(cell, Failed) else kind_of(_text(cell))


def _text(cell: Value | None) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    return cell.text if isinstance(cell, (When, Failed, Uncomputed)) else str(cell)


def _numbers(cells: list[Value | None], missing: frozenset[str]) -> Numbers:
    values = np.zeros(len(cells))
    flaws: dict[int, str] = {}
    for index, cell in enumerate(cells):
        if isinstance(cell, float) and math.isfinite(cell):
            values[index] = cell
        elif cell is None:
            flaws[index] = "missing"
        elif isinstance(cell, (bool, When)):
            flaws[index] = f"{_text(cell)}, expected a number"
        elif isinstance(cell, Uncomputed):
            flaws[index] = (
                "a formula that no program has computed; open the workbook in Excel or "
                "LibreOffice and save it there"
            )
        else:
            flaws[index] = describe(_text(cell), missing)
            if isinstance(cell, str) and evidence(cell) is not None:
                flaws[index] += " (a number as text; turn the column into numbers in the workbook)"
    return Numbers(values, None, flaws or NO_FLAWS)

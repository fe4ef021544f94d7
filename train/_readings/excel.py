"""Readings in an Excel workbook, .xlsx: its first sheet. Its numbers are doubles."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice

import numpy as np

from infer._files._tables.damage import FormatError
from infer._files._text.dialect import BLOCK_ROWS
from infer._files.words import listed, shown
from train._errors import DamagedFileError, ReadingsError
from train._readings.decimals import describe
from train._readings.source import Source
from train._readings.table import NO_FLAWS, Numbers, RawBlock
from train._readings.xlsx import Failed, Sheet, Value, When

MAGIC = b"PK\x03\x04"


@dataclass(frozen=True)
class ExcelTable:
    """A sheet that was looked at; see ``train._readings.table.Table``."""

    source: Source
    sheet: str
    header_row: int | None
    names: tuple[str, ...]
    row_word = "row"
    units = ()

    @property
    def layout(self) -> str:
        """What the file was taken for, for people."""
        header = (
            "no header"
            if self.header_row is None
            else f"header {listed(list(map(shown, self.names)))}"
        )
        return f"Excel, sheet {self.sheet!r}, {len(self.names)} columns, {header}"

    def blocks(self, picked: Sequence[int]) -> Iterator[RawBlock]:
        """Yield the rows of some columns, by index, in blocks.

        Raises:
            DamagedFileError: the file is damaged.
        """
        with _sheet(self.source) as sheet:
            rows = sheet.rows(frozenset(picked))
            while block := list(islice(rows, BLOCK_ROWS)):
                block = [row for row in block if row.number != self.header_row]
                numbers = np.array([row.number for row in block], dtype=np.int64)
                columns = [_numbers([row.cells.get(index) for row in block]) for index in picked]
                yield RawBlock(numbers, columns, NO_FLAWS, None)


def open_excel(source: Source) -> ExcelTable:
    """Look at an Excel workbook.

    Raises:
        DamagedFileError: it is damaged.
        ReadingsError: it is empty.
    """
    with _sheet(source) as sheet:
        first = list(islice(sheet.rows(), 2))
        title = sheet.title
    if not first:
        raise ReadingsError(f"{source.name}: expected rows of numbers, sheet {title!r} is empty")
    number, cells, _ = first[0]
    width = max(row.width for row in first)
    if any(_is_number(cell) for cell in cells.values()):
        return ExcelTable(source, title, None, ("",) * width)
    names = tuple(_text(cells.get(index)).strip() for index in range(width))
    return ExcelTable(source, title, number, names)


@contextmanager
def _sheet(source: Source) -> Iterator[Sheet]:
    with closing(source.open()) as stream:
        try:
            yield Sheet(stream)
        except FormatError as error:
            raise DamagedFileError(
                f"{source.name}: begins as a zip archive but is no .xlsx workbook: {error}"
            ) from error


def _is_number(cell: Value | None) -> bool:
    return isinstance(cell, float)


def _text(cell: Value | None) -> str:
    if cell is None:
        return ""
    return cell.text if isinstance(cell, (When, Failed)) else str(cell)


def _numbers(cells: list[Value | None]) -> Numbers:
    values = np.zeros(len(cells))
    flaws: dict[int, str] = {}
    for index, cell in enumerate(cells):
        if isinstance(cell, float) and math.isfinite(cell):
            values[index] = cell
        elif cell is None:
            flaws[index] = "missing"
        elif isinstance(cell, (bool, When)):
            flaws[index] = f"{_text(cell)}, expected a number"
        else:
            flaws[index] = describe(_text(cell))
    return Numbers(values, None, flaws or NO_FLAWS)

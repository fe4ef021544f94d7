"""Readings in an Excel workbook, .xlsx: its first sheet. Its numbers are doubles."""

from __future__ import annotations

import datetime
import math
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from train._block import BLOCK_ROWS, NO_FLAWS, Numbers, RawBlock
from train._decimals import describe
from train._errors import ReadingsError
from train._files import Source

MAGIC = b"PK\x03\x04"


@dataclass(frozen=True)
class ExcelTable:
    """A sheet that was looked at; see ``train._block.Table``."""

    source: Source
    sheet: str
    header_row: int | None
    names: tuple[str, ...]
    row_word = "row"

    @property
    def layout(self) -> str:
        """What the file was taken for, for people."""
        header = (
            "no header" if self.header_row is None else f"header {', '.join(map(repr, self.names))}"
        )
        return f"Excel, sheet {self.sheet!r}, {len(self.names)} columns, {header}"

    def blocks(self, picked: Sequence[int]) -> Iterator[RawBlock]:
        """Yield the rows of some columns, by index, in blocks.

        Raises:
            ReadingsError: the file is damaged.
        """
        with _sheet(self.source) as sheet:
            rows = _filled(sheet)
            while block := list(islice(rows, BLOCK_ROWS)):
                block = [row for row in block if row[0] != self.header_row]
                numbers = np.array([number for number, _ in block], dtype=np.int64)
                columns = [
                    _numbers([row[index] if index < len(row) else None for _, row in block])
                    for index in picked
                ]
                yield RawBlock(numbers, columns, NO_FLAWS, None)


def open_excel(source: Source) -> ExcelTable:
    """Look at an Excel workbook.

    Raises:
        ReadingsError: it is damaged, or empty.
    """
    with _sheet(source) as sheet:
        first = list(islice(_filled(sheet), 2))
        title = str(sheet.title)
    if not first:
        raise ReadingsError(f"{source.name}: expected rows of numbers, sheet {title!r} is empty")
    number, cells = first[0]
    width = max(len(row) for _, row in first)
    if any(_is_number(cell) for cell in cells):
        return ExcelTable(source, title, None, ("",) * width)
    names = tuple("" if cell is None else str(cell).strip() for cell in cells)
    return ExcelTable(source, title, number, names + ("",) * (width - len(names)))


@contextmanager
def _sheet(source: Source) -> Iterator[Any]:
    import openpyxl

    with closing(source.open()) as stream, warnings.catch_warnings():
        # openpyxl warns of styles and validation rules that it does not keep; none holds readings.
        warnings.filterwarnings("ignore", module="openpyxl")
        try:
            book = openpyxl.load_workbook(stream, read_only=True, data_only=True)
            with closing(book):
                if not book.worksheets:
                    raise ReadingsError(f"{source.name}: the workbook has no sheet of cells")
                yield book.worksheets[0]
        except (zipfile.BadZipFile, KeyError, ValueError, OSError, SyntaxError) as error:
            raise ReadingsError(
                f"{source.name}: begins as a zip archive but is no .xlsx workbook: {error}"
            ) from None


def _filled(sheet: Any) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """Yield rows with their numbers; empty rows, and empty cells at a row's end, are left out."""
    for number, row in enumerate(sheet.iter_rows(values_only=True), start=sheet.min_row or 1):
        end = len(row)
        while end and row[end - 1] is None:
            end -= 1
        if end:
            yield number, row[:end]


def _is_number(cell: Any) -> bool:
    return isinstance(cell, (int, float)) and not isinstance(cell, bool)


def _numbers(cells: list[Any]) -> Numbers:
    values = np.zeros(len(cells))
    flaws: dict[int, str] = {}
    for index, cell in enumerate(cells):
        if _is_number(cell) and math.isfinite(cell):
            values[index] = cell
        elif cell is None:
            flaws[index] = "missing"
        elif isinstance(cell, (bool, datetime.date, datetime.time, datetime.timedelta)):
            flaws[index] = f"{cell}, expected a number"
        else:
            flaws[index] = describe(str(cell))
    return Numbers(values, None, flaws or NO_FLAWS)

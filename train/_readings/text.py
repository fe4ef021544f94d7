"""Readings in text: separated by commas, semicolons, tabs, bars or blanks.

What a file looks like is told from its beginning: the encoding, the separator, whether the first
row names the columns, whether decimals have a comma. Lines that begin with # are comments.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from train._errors import ReadingsError
from train._readings.decimals import parse
from train._readings.source import Source
from train._readings.table import BLOCK_ROWS, NO_FLAWS, RawBlock, listed, shown

# How much of a file is looked at before it is read.
SAMPLE_BYTES = 1 << 18
_SAMPLE_ROWS = 200
_BLANKS = " "
# In order of preference, where they explain the rows equally well.
_DELIMITERS = {
    "\t": "tabs",
    ";": "semicolons",
    ",": "commas",
    "|": "bars",
    _BLANKS: "blanks",
}
# UTF-32's mark begins with UTF-16's.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8 with a byte order mark"),
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
# A comma that separates no thousands.
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,(\d{1,2}|\d{4,})")
_Rows = list[list[str]]


class _Encoding(NamedTuple):
    codec: str
    label: str

    @property
    def errors(self) -> str:
        """What to do with a wrong byte.

        One that is not UTF-8 far down in a file is text in its cell: no number, and of no interest
        in a column that is not read.
        """
        return "surrogateescape" if self.codec.startswith("utf-8") else "strict"


@dataclass(frozen=True)
class TextTable:
    """A text file that was looked at; see ``train._readings.table.Table``."""

    source: Source
    encoding: _Encoding
    delimiter: str
    comma: bool
    header: bool
    names: tuple[str, ...]
    row_word = "line"

    @property
    def layout(self) -> str:
        """What the file was taken for, for people."""
        columns = "1 column" if len(self.names) == 1 else f"{len(self.names)} columns"
        header = f"header {listed(list(map(shown, self.names)))}" if self.header else "no header"
        decimals = ", decimal commas" if self.comma else ""
        between = f" separated by {_DELIMITERS[self.delimiter]}" if len(self.names) > 1 else ""
        return f"{self.encoding.label}, {columns}{between}, {header}{decimals}"

    def blocks(self, picked: Sequence[int]) -> Iterator[RawBlock]:
        """Yield the rows of some columns, by index, in blocks.

        Raises:
            ReadingsError: the file cannot be decoded, or a quoted cell does not end.
        """
        with self.source.open() as stream:
            text = io.TextIOWrapper(stream, self.encoding.codec, self.encoding.errors, newline="")
            rows = _rows(text, self.delimiter, self.source.name)
            waits_for_header = self.header
            try:
                for numbers, cells in rows:
                    skipped = int(waits_for_header and bool(cells))
                    waits_for_header = waits_for_header and not skipped
                    share = min(1.0, stream.tell() / self.source.size)
                    yield self._block(numbers[skipped:], cells[skipped:], picked, share)
            except UnicodeDecodeError as error:
                raise _undecodable(self.source.name, self.encoding, error) from None

    def _block(
        self, numbers: NDArray[np.int64], rows: _Rows, picked: Sequence[int], share: float
    ) -> RawBlock:
        width = len(self.names)
        flaws: dict[int, str] = {}
        if not {len(row) for row in rows} <= {width}:
            for index, row in enumerate(rows):
                # Some programs end a row, but not the header, with a separator.
                if len(row) < width or any(cell.strip() for cell in row[width:]):
                    found = "1 cell" if len(row) == 1 else f"{len(row)} cells"
                    pattern = "the header" if self.header else "the first rows"
                    flaws[index] = f"{found}, expected {width} as in {pattern}"
                    rows[index] = ["0"] * width
        columns = [parse([row[index] for row in rows], comma=self.comma) for index in picked]
        return RawBlock(numbers, columns, flaws or NO_FLAWS, share)


def open_text(source: Source, sample: bytes, *, complete: bool) -> TextTable:
    """Look at the beginning of a text file.

    Args:
        source: the file.
        sample: its first bytes.
        complete: whether these are all.

    Raises:
        ReadingsError: it is empty, or no text.
    """
    encoding = _find_encoding(sample, source.name)
    try:
        decoder = codecs.getincrementaldecoder(encoding.codec)(encoding.errors)
        text = decoder.decode(sample, final=complete)
    except UnicodeDecodeError as error:
        raise _undecodable(source.name, encoding, error) from None
    lines = list(io.StringIO(text, newline=""))
    if not complete:
        lines = lines[:-1] or lines  # the last one is cut off
    found = {key: _first_rows(lines, key, source.name) for key in _DELIMITERS}
    read = {key: rows for key, rows in found.items() if not isinstance(rows, ReadingsError)}
    delimiter = max(read, key=lambda key: _score(read[key]))
    rows = read[delimiter]
    if not _score(rows):
        for problem in found.values():
            if isinstance(problem, ReadingsError):
                raise problem
    if not rows:
        raise ReadingsError(f"{source.name}: expected rows of numbers, found an empty file")
    comma = _share(rows, comma=True) > _share(rows, comma=False)
    if delimiter == ",":  # such cells are quoted, and may be thousands as well
        comma = comma and any(
            _DECIMAL_COMMA.fullmatch(cell.strip()) for row in rows for cell in row
        )
    first = rows[0]
    header = not any(_is_number(cell, comma=comma) for cell in first) and any(
        cell.strip() for cell in first
    )
    if header:
        names = tuple(cell.strip() for cell in first)
    else:
        names = ("",) * Counter(map(len, rows)).most_common(1)[0][0]
    # Some programs end each row with a separator.
    used = max(_used(row) for row in rows)
    names = names[: max(1, used)]
    return TextTable(source, encoding, delimiter, comma, header, names)


def _used(row: list[str]) -> int:
    """Return how many cells there are up to the last one with something in it."""
    return next((end for end in range(len(row), 0, -1) if row[end - 1].strip()), 0)


def _find_encoding(sample: bytes, name: str) -> _Encoding:
    for mark, codec, label in _MARKS:
        if sample.startswith(mark):
            return _Encoding(codec, label)
    if b"\0" in sample:
        raise ReadingsError(
            f"{name}: expected text, Parquet, Arrow or .xlsx, found binary data of another kind "
            "(text in UTF-16 needs a byte order mark)"
        )
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)  # may end within a character
    except UnicodeDecodeError:
        return _Encoding("latin-1", "Latin-1 (it is no UTF-8)")
    return _Encoding("utf-8", "UTF-8")


def _undecodable(name: str, encoding: _Encoding, error: UnicodeDecodeError) -> ReadingsError:
    return ReadingsError(
        f"{name}: cannot be read as {encoding.label}, as its first bytes say: {error.reason}; "
        "save it as UTF-8"
    )


def _rows(
    lines: Iterable[str], delimiter: str, name: str, *, strict: bool = True
) -> Iterator[tuple[NDArray[np.int64], _Rows]]:
    """Yield blocks of rows with the line that each begins at, without blank lines and comments."""
    without_comments = ("\n" if line.startswith("#") else line for line in lines)
    reader = csv.reader(without_comments, delimiter=delimiter, strict=strict)
    split = (line.split() for line in without_comments) if delimiter == _BLANKS else reader
    begin = 1
    while True:
        try:
            rows = list(islice(split, BLOCK_ROWS))
        except csv.Error as error:
            raise ReadingsError(
                f"{name}, line {reader.line_num}: {error}; is a quotation mark left open?"
            ) from None
        if not rows:
            return
        numbers = np.arange(begin, begin + len(rows))
        begin += len(rows)
        if split is reader and reader.line_num + 1 != begin:
            # A quoted cell holds line breaks, its row takes several lines.
            breaks = [sum(map(_line_breaks, row)) for row in rows]
            numbers += np.cumsum([0, *breaks[:-1]])
            begin = reader.line_num + 1
        filled = [i for i, row in enumerate(rows) if len(row) > 1 or "".join(row).strip()]
        if len(filled) < len(rows):
            numbers, rows = numbers[filled], [rows[index] for index in filled]
        yield numbers, rows


def _line_breaks(cell: str) -> int:
    return cell.count("\n") or cell.count("\r")


def _first_rows(lines: list[str], delimiter: str, name: str) -> _Rows | ReadingsError:
    """Return the first rows, or why this cannot be the delimiter: a cell would be too long."""
    try:
        blocks = _rows(lines[: 10 * _SAMPLE_ROWS], delimiter, name, strict=False)
        return next((rows[:_SAMPLE_ROWS] for _, rows in blocks), [])
    except ReadingsError as error:
        return error


def _score(rows: _Rows) -> float:
    """Return how well a separator explains the first rows; more is better."""
    if not rows:
        return 0.0
    width, count = Counter(map(len, rows)).most_common(1)[0]
    if width < 2 or len(rows[0]) < 2:
        return 0.0
    return count / len(rows) + max(_share(rows, comma=False), _share(rows, comma=True))


def _share(rows: _Rows, *, comma: bool) -> float:
    """Return which part of the cells are numbers."""
    cells = [cell for row in rows for cell in row]
    return 1 - len(parse(cells, comma=comma).flaws) / len(cells)


def _is_number(cell: str, *, comma: bool) -> bool:
    return not parse([cell], comma=comma).flaws

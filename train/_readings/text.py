"""Readings in text: separated by commas, semicolons, tabs, bars, blanks or what the user says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from infer._files._text.dialect import (
    BLOCK_ROWS,
    Dialect,
    find_dialect,
    open_text,
    records,
    without_comments,
)
from infer._files._text.errors import TextError
from infer._files.options import ReadingOptions
from train._errors import ReadingsError
from train._readings.decimals import parse
from train._readings.source import Source
from train._readings.table import NO_FLAWS, RawBlock


@dataclass(frozen=True)
class TextTable:
    """A text file that was looked at; see ``train._readings.table.Table``."""

    source: Source
    dialect: Dialect
    row_word = "line"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return self.dialect.names

    @property
    def units(self) -> tuple[str, ...]:
        """Units of the columns; empty if the file does not say."""
        return self.dialect.units

    @property
    def layout(self) -> str:
        """What the file was taken for, for people."""
        return self.dialect.layout

    def blocks(self, picked: Sequence[int]) -> Iterator[RawBlock]:
        """Yield the rows of some columns, by index, in blocks.

        Raises:
            ReadingsError: the file cannot be decoded, a quoted cell does not end, or nobody knows
                what the numbers of a column mean.
        """
        dialect = self.dialect
        try:
            for index in picked:
                if (doubt := dialect.doubts[index]) is not None:
                    raise doubt
            with self.source.open() as stream:
                text = open_text(stream, dialect.encoding)
                lines: Iterator[str] = islice(text, len(dialect.head), None)
                if dialect.has_comments:
                    lines = without_comments(lines, dialect.comment)
                head = len(dialect.head)
                for numbers, rows in records(lines, dialect.delimiter, head, BLOCK_ROWS):
                    share = min(1.0, stream.tell() / self.source.size)
                    yield self._block(numbers, rows, picked, share)
        except TextError as error:
            raise ReadingsError(error.within(self.source.name)) from None
        except UnicodeError as error:
            undecodable = dialect.encoding.undecodable(error)
            raise ReadingsError(undecodable.within(self.source.name)) from None

    def _block(
        self, numbers: Sequence[int], rows: list[list[str]], picked: Sequence[int], share: float
    ) -> RawBlock:
        width = len(self.names)
        flaws: dict[int, str] = {}
        if not set(map(len, rows)) <= {width}:
            for index, row in enumerate(rows):
                # Some programs end a row, but not the header, with a separator.
                if len(row) < width or any(cell.strip() for cell in row[width:]):
                    found = "1 cell" if len(row) == 1 else f"{len(row)} cells"
                    pattern = "the first rows" if self.dialect.header is None else "the header"
                    flaws[index] = f"{found}, expected {width} as in {pattern}"
                    rows[index] = ["0"] * width
        columns = [
            parse(
                [row[index] for row in rows],
                style=self.dialect.styles[index],
                missing=self.dialect.missing,
            )
            for index in picked
        ]
        return RawBlock(np.array(numbers, np.int64), columns, flaws or NO_FLAWS, share)


def open_text_table(source: Source, options: ReadingOptions) -> TextTable:
    """Look at a text file.

    Raises:
        ReadingsError: it is empty, or no text, or the user must decide what it means.
    """
    try:
        return TextTable(source, find_dialect(source.open, options))
    except TextError as error:
        raise ReadingsError(error.within(source.name)) from None

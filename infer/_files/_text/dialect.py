"""What a text looks like: its encoding, its table, the signs in its numbers."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO, NamedTuple

from infer._files._text.encoding import Encoding, find_encoding
from infer._files._text.errors import TextError
from infer._files._text.numbers import Style, kind_of
from infer._files._text.signs import Signs, judge
from infer._files.find_table import Place, Row, find_table
from infer._files.options import DEFAULT, ReadingOptions
from infer._files.words import lines as shown_lines
from infer._files.words import listed, shown

# How much of a file is looked at for its table.
SAMPLE_BYTES = 1 << 18
_SAMPLE_LINES = 1000
_CHUNK = 1 << 20
BLANKS = " "
# In order of preference, where they explain the rows equally well.
DELIMITERS = {
    "\t": "tabs",
    ";": "semicolons",
    ",": "commas",
    "|": "bars",
    BLANKS: "blanks",
}
COMMENT = "#"
# Lines above a table that begin with one of these are comments, and then so are others below.
_MARKS = "%!;*"
_SEPARATOR = re.compile(r"\ufeff?sep=(.)\s*", re.IGNORECASE)
# A number in quotation marks with a comma in it.
_QUOTED_COMMA = re.compile(r'"[ \t]*[-+\u2212]?[\d.\'\u2019]*,\d')
# A longer piece of it does not matter at the edge of a chunk.
_OVERLAP = 64


@dataclass(frozen=True)
class Dialect:
    """What a text looks like.

    Attributes:
        encoding: of its bytes.
        delimiter: between cells; a blank stands for any number of blanks.
        comment: characters of which each begins a line of comment.
        names: of the columns; empty for one without.
        units: of the columns; empty without a row of units.
        header: line of the names, None without.
        between: lines between the names and the first reading.
        skipped: lines above the first reading that are neither comments nor names nor units.
        head: the lines before the first reading, as they stand.
        styles: how the numbers of each column are written.
        doubts: what is not known of each column's numbers, None if all is.
        assumed: a number whose point is taken for a decimal one, though it stands before three
            digits; empty without.
        missing: texts that mean a missing reading, beside the usual ones; lower case.
        has_comments: whether a line below the first reading is a comment.
    """

    encoding: Encoding
    delimiter: str
    comment: str
    names: tuple[str, ...]
    units: tuple[str, ...]
    header: int | None
    between: tuple[int, ...]
    skipped: tuple[int, ...]
    head: tuple[str, ...]
    styles: tuple[Style, ...]
    doubts: tuple[TextError | None, ...]
    assumed: str
    missing: frozenset[str]
    has_comments: bool

    @property
    def start(self) -> int:
        """Line of the first reading."""
        return len(self.head) + 1

    @property
    def layout(self) -> str:
        """What the text was taken for, for people."""
        count = len(self.names)
        columns = "1 column" if count == 1 else f"{count} columns"
        between = f" separated by {self._between}" if count > 1 else ""
        parts = [self.encoding.label, f"{columns}{between}", self._header, *self._signs()]
        if self.units:
            units = listed([shown(unit) if unit != "1" else "none" for unit in self.units])
            parts.append(f"units {units}")
        if self.skipped:
            parts.append(f"skipped {shown_lines(self.skipped)}")
        return ", ".join(parts)

    @property
    def _between(self) -> str:
        return DELIMITERS.get(self.delimiter, repr(self.delimiter))

    @property
    def _header(self) -> str:
        if self.header is None:
            return "no header"
        first = all(
            not line.strip() or line.startswith("#") for line in self.head[: self.header - 1]
        )
        place = (
            ""
            if first and not self.head[self.header - 1].startswith("#")
            else (f" on line {self.header}")
        )
        return f"header{place} {listed(list(map(shown, self.names)))}"

    def _signs(self) -> Iterator[str]:
        commas = [style.decimal == "," for style in self.styles]
        if all(commas):
            yield "decimal commas"
        elif any(commas):
            yield f"decimal commas in {self._columns(commas)}"
        if self.assumed:
            yield f"decimal points assumed (else type --thousands: {self.assumed})"
        for sign, word in ((",", "commas"), (".", "points")):
            grouped = [sign in style.thousands for style in self.styles]
            if any(grouped):
                yield f"thousands {word} in {self._columns(grouped)}"

    def _columns(self, chosen: Sequence[bool]) -> str:
        names = [
            shown(name) if name else str(index + 1)
            for index, (name, is_one) in enumerate(zip(self.names, chosen, strict=True))
            if is_one
        ]
        return f"column{'s' if len(names) > 1 else ''} {listed(names)}"


class _Sample(NamedTuple):
    """The first lines of a text, whole ones."""

    lines: list[str]
    complete: bool


def find_dialect(opened: Callable[[], BinaryIO], options: ReadingOptions = DEFAULT) -> Dialect:
    """Look at a text, all of it where that takes to know what its numbers mean.

    Args:
        opened: returns a stream of its bytes that stands at the beginning.
        options: what the user says.

    Raises:
        TextError: it is no text, it is empty, or the user must decide.
    """
    with opened() as stream:
        data = stream.read(SAMPLE_BYTES)
        complete = not stream.read(1)
    encoding = find_encoding(data, options.encoding)
    sample = _sample(data, encoding, complete=complete)
    delimiter, rows, place = _explained(sample, options)
    if place.problem is not None:
        raise place.problem
    head = tuple(sample.lines[: place.start - 1])
    body = [row for row in rows if row.line >= place.start and not row.comment]
    columns = [Signs() for _ in place.names]
    _gather(columns, [row.line for row in body], [row.cells for row in body])
    comment = _comment(options, sample.lines, place, delimiter)
    has_comments = any(line.startswith(tuple(comment)) for line in sample.lines[len(head) :])
    if not sample.complete:
        rest = _Rest(opened, encoding, delimiter, comment)
        if rest.needs_every_cell(columns, options):
            columns = rest.signs(len(head), len(place.names))
        has_comments = rest.has_comments
    styles, doubts, assumed = judge(columns, place.names, delimiter, options)
    return Dialect(
        encoding,
        delimiter,
        comment,
        place.names,
        place.units,
        place.header,
        place.between,
        place.skipped,
        head,
        styles,
        doubts,
        assumed,
        frozenset(mark.lower() for mark in options.missing),
        has_comments,
    )


def _sample(data: bytes, encoding: Encoding, *, complete: bool) -> _Sample:
    try:
        decoder = codecs.getincrementaldecoder(encoding.codec)(encoding.errors)
        text = decoder.decode(data, final=complete)
    except UnicodeError as error:
        raise encoding.undecodable(error) from None
    lines = list(io.StringIO(text, newline=""))
    if not complete:
        lines = lines[:-1] or lines  # the last one is cut off
    if len(lines) > _SAMPLE_LINES:
        lines, complete = lines[:_SAMPLE_LINES], False
    return _Sample(lines, complete)


def _explained(sample: _Sample, options: ReadingOptions) -> tuple[str, list[Row], Place]:
    """Return the delimiter that explains the first lines best, their rows, and the table."""
    said = _SEPARATOR.fullmatch(sample.lines[0]) if sample.lines else None
    skip = max(options.skip_lines, 1 if said else 0)
    chosen = options.delimiter or (said[1] if said else None)
    found = []
    problem = TextError("expected rows of numbers, found an empty file")
    comment = COMMENT if options.comment is None else options.comment
    for delimiter in DELIMITERS if chosen is None else [chosen]:
        if chosen is None and delimiter == "," == options.decimal and not _has_quotes(sample):
            continue
        try:
            rows = split(sample.lines, delimiter, comment)
        except TextError as error:  # a cell would be too long
            problem = error
            continue
        place = find_table(rows, header=options.header, skip=skip)
        if place is not None:
            found.append((delimiter, rows, place))
    if not found:
        raise problem
    best = max(found, key=lambda each: each[2].score)
    if not best[2].score and problem.line is not None:
        raise problem
    if not best[2].score:  # a single column, and nothing between cells
        best = next((each for each in found if each[0] == ","), best)
    if best[0] == "," and chosen is None and options.decimal is None:
        _refuse_one_column_of_commas(*best[1:])
    return best


def _has_quotes(sample: _Sample) -> bool:
    return any('"' in line for line in sample.lines)


def _refuse_one_column_of_commas(rows: list[Row], place: Place) -> None:
    """Refuse one name above two whole numbers: a title, or the name of numbers like 1,5."""
    if place.header is not None or len(place.names) != 2:
        return
    above = [row for row in rows if row.line < place.start and not row.comment]
    below = [row for row in rows if row.line >= place.start and not row.comment]
    if (
        above
        and len(above[-1].cells) == 1
        and all(cell.strip().lstrip("+-").isdecimal() for row in below for cell in row.cells)
    ):
        raise TextError(
            f"{','.join(below[0].cells)} is one number with a decimal comma or two numbers; type "
            "--decimal , or --delimiter ,",
            place.start,
        )


def split(lines: Sequence[str], delimiter: str, comment: str) -> list[Row]:
    """Return the rows of a text's first lines, comments too, without blank ones.

    Raises:
        TextError: a cell is too long.
    """
    rows: list[Row] = []
    at = 0
    while at < len(lines):
        line = lines[at]
        if line[:1] and line[0] in comment:
            cells = _cells(line.lstrip(comment).strip(), delimiter, at)
            rows.append(_row(at + 1, cells, comment=True))
            at += 1
            continue
        cells, taken = _record(lines, at, delimiter)
        if any(cell.strip() for cell in cells) or len(cells) > 1:
            rows.append(_row(at + 1, cells))
        at += taken
    return rows


def _row(line: int, cells: list[str], *, comment: bool = False) -> Row:
    return Row(line, cells, "".join(map(kind_of, cells)), comment)


def _cells(line: str, delimiter: str, at: int) -> list[str]:
    if delimiter == BLANKS:
        return line.split()
    try:
        return next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error as error:
        raise TextError(f"{error}; is a quotation mark left open?", at + 1) from None


# Lines of one record in a file's head; a quotation mark that is never closed would take them all.
_MOST_LINES = 50


def _record(lines: Sequence[str], at: int, delimiter: str) -> tuple[list[str], int]:
    """Return the cells of the record that begins at a line, and how many lines it takes."""
    if delimiter == BLANKS or '"' not in lines[at]:
        return _cells(lines[at].rstrip("\r\n"), delimiter, at), 1
    try:
        reader = csv.reader(
            islice(lines, at, at + _MOST_LINES),
            delimiter=delimiter,
            skipinitialspace=True,
            strict=True,
        )
        return next(reader), reader.line_num
    except csv.Error:
        return _cells(lines[at].rstrip("\r\n"), delimiter, at), 1


def _gather(columns: Sequence[Signs], lines: Sequence[int], rows: Sequence[Sequence[str]]) -> None:
    for index, signs in enumerate(columns):
        at = [(line, row[index]) for line, row in zip(lines, rows, strict=True) if index < len(row)]
        signs.add([line for line, _ in at], [cell for _, cell in at])


def _comment(options: ReadingOptions, lines: Sequence[str], place: Place, delimiter: str) -> str:
    """Return what begins comments: what the user says, else # and what the lines above show."""
    if options.comment is not None:
        return options.comment
    shown = {lines[line - 1][:1] for line in place.skipped} & set(_MARKS) - {delimiter}
    return COMMENT + "".join(sorted(shown))


class _Rest:
    """A text beyond its sample: which signs are in it at all."""

    def __init__(
        self, opened: Callable[[], BinaryIO], encoding: Encoding, delimiter: str, comment: str
    ) -> None:
        self._opened, self._encoding = opened, encoding
        self._delimiter, self._comment = delimiter, comment
        self.has_comments = self._has_comma = self._has_point = False
        marks = [f"{end}{mark}" for end in "\n\r" for mark in comment]
        edge = ""
        for chunk in self._chunks():
            text = edge + chunk
            self.has_comments = self.has_comments or any(mark in text for mark in marks)
            self._has_point = self._has_point or "." in text
            if not self._has_comma:
                self._has_comma = (
                    '"' in text and _QUOTED_COMMA.search(text) is not None
                    if delimiter == ","
                    else "," in text
                )
            edge = text[-_OVERLAP:]

    def needs_every_cell(self, columns: Sequence[Signs], options: ReadingOptions) -> bool:
        """Tell whether the sample does not tell what the signs in the rest mean."""
        if options.thousands and options.decimal is not None:
            return False
        there = {
            sign for sign, is_there in ((",", self._has_comma), (".", self._has_point)) if is_there
        }
        proven = {sign for column in columns for sign in column.decimal}
        if there == {"."} and self._delimiter in ", " and proven <= {"."}:
            return False
        return len(proven) > 1 or not there <= proven

    def signs(self, head: int, width: int) -> list[Signs]:
        """Look at every cell."""
        columns = [Signs() for _ in range(width)]
        with self._opened() as stream:
            text = open_text(stream, self._encoding)
            lines: Iterator[str] = islice(text, head, None)
            if self.has_comments:
                lines = without_comments(lines, self._comment)
            try:
                for numbers, rows in records(lines, self._delimiter, head):
                    _gather(columns, numbers, rows)
            except TextError:
                pass  # whoever reads the file says so
            except UnicodeError as error:
                raise self._encoding.undecodable(error) from None
        return columns

    def _chunks(self) -> Iterator[str]:
        with self._opened() as stream:
            text = open_text(stream, self._encoding)
            try:
                while chunk := text.read(_CHUNK):
                    yield chunk
            except UnicodeError as error:
                raise self._encoding.undecodable(error) from None


def open_text(stream: BinaryIO, encoding: Encoding) -> io.TextIOWrapper:
    """Return a stream of bytes as text, its line breaks as they are."""
    return io.TextIOWrapper(stream, encoding.codec, encoding.errors, newline="")


def without_comments(lines: Iterator[str], comment: str) -> Iterator[str]:
    """Yield lines, blank ones for comments."""
    marks = tuple(comment)
    return ("\n" if line.startswith(marks) else line for line in lines)


# Rows of a block: few enough to stay small, enough that a block's own cost does not matter.
BLOCK_ROWS = 1 << 16


def records(
    lines: Iterator[str], delimiter: str, before: int = 0, count: int = BLOCK_ROWS
) -> Iterator[tuple[Sequence[int], list[list[str]]]]:
    """Yield blocks of records with the line that each begins at, without blank ones.

    Args:
        lines: of a text, with their line breaks.
        delimiter: between cells.
        before: lines before these.
        count: records of a block.

    Raises:
        TextError: a quoted cell does not end.
    """
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
    split_lines = (line.split() for line in lines) if delimiter == BLANKS else reader
    begin = before + 1
    while True:
        try:
            rows = list(islice(split_lines, count))
        except csv.Error as error:
            raise TextError(
                f"{error}; is a quotation mark left open?", before + reader.line_num
            ) from None
        if not rows:
            return
        numbers: Sequence[int] = range(begin, begin + len(rows))
        begin += len(rows)
        if split_lines is reader and before + reader.line_num + 1 != begin:
            # A quoted cell holds line breaks, its row takes several lines.
            numbers, begin = _line_numbers(rows, numbers[0]), before + reader.line_num + 1
        if min(map(len, rows)) < 2:
            filled = [i for i, row in enumerate(rows) if len(row) > 1 or "".join(row).strip()]
            numbers, rows = [numbers[i] for i in filled], [rows[i] for i in filled]
        yield numbers, rows


def _line_numbers(rows: Sequence[Sequence[str]], begin: int) -> list[int]:
    numbers = []
    for row in rows:
        numbers.append(begin)
        begin += 1 + sum(cell.count("\n") or cell.count("\r") for cell in row)
    return numbers

"""CSV: every byte of the text stays, and each record gets one more field."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from infer._engines._window import in_order
from infer._errors import DataError
from infer._files._text.dialect import Dialect, find_dialect
from infer._files._text.errors import TextError
from infer._files._text.numbers import MISSING, Style
from infer._files.options import ReadingOptions
from infer._ieee.floats import DType, from_text
from infer._ieee.shortest import shortest
from infer._score._recoded import Recoder
from infer._score._records import (
    BLANK,
    RecordBlock,
    blocks,
    fields,
    record_ends,
    value_of,
    without_comments,
)
from infer._score._task import Column, Counts, Look, Task, Tick
from infer._score._values import Scorer
from infer._text import shortened

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

_NUMBER = re.compile(
    r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf(?:inity)?|nan)", re.IGNORECASE
)
_BOM = "\ufeff"
# What pyarrow takes for missing; other ways to write it are found one by one.
_NULLS = sorted({way(mark) for mark in MISSING for way in (str, str.upper, str.title)})
# Magnitudes that pyarrow writes without an exponent, as Python does.
_PLAIN = (1e-4, 1e9)
# Rows that count 1, 2, 3 are row numbers.
_FEWEST_NUMBERED = 3


class _Text(NamedTuple):
    """How a text is written, and what stands above its first record.

    Attributes:
        path: of the file.
        dialect: how it is written.
        recoder: gives its bytes so that ASCII stands for itself.
        head: all before the first record, in these bytes.
        width: how many fields a record has.
    """

    path: str
    dialect: Dialect
    recoder: Recoder
    head: bytes
    width: int

    @property
    def delimiter(self) -> bytes:
        return self.dialect.delimiter.encode()

    @property
    def comment(self) -> bytes:
        return self.dialect.comment.encode()

    @property
    def names(self) -> list[str]:
        return [name or str(index) for index, name in enumerate(self.dialect.names, start=1)]

    def texts(self, row: list[bytes]) -> list[str]:
        """Return what fields say."""
        errors = "backslashreplace"
        return [value_of(field).decode(self.recoder.codec, errors).strip(" \t") for field in row]

    def blocks(self, file: BinaryIO, size: int | None = None) -> Iterator[RecordBlock]:
        """Yield the records of a file that stands at its beginning."""
        stream = self.recoder.read(file)
        stream.read(len(self.head))
        sizes = {} if size is None else {"size": size}
        return blocks(
            stream, self.path, self.delimiter, len(self.head), comment=self.comment, **sizes
        )


def _open(path: str) -> BinaryIO:
    return open(path, "rb")


def _text_of(path: str, options: ReadingOptions) -> _Text:
    try:
        dialect = find_dialect(partial(_open, path), options)
    except TextError as error:
        raise DataError(error.within(path)) from None
    if dialect.header is None and options.header is None:
        raise DataError(
            f"{path}: its first line holds numbers; expected the names of columns (type --header "
            "none if it has none, and their numbers with --column)"
        )
    recoder = Recoder(path, dialect.encoding)
    text = "".join(dialect.head)
    with open(path, "rb") as file:
        start = recoder.read(file).read(3)
    bom = _BOM if start == _BOM.encode() and not text.startswith(_BOM) else ""
    found = _Text(path, dialect, recoder, recoder.encoded(bom + text), len(dialect.names))
    if dialect.header is None:
        with open(path, "rb") as file:
            first = next(found.blocks(file, 1 << 16), None)
        record = b"" if first is None else next(_records(first, found.comment), b"")
        return found._replace(width=len(fields(record, found.delimiter)))
    return found._replace(width=len(fields(_header_of(found)[1], found.delimiter)))


def _header_of(text: _Text) -> tuple[bytes, bytes, bytes]:
    """Return the record with the names, without a comment's mark, and what is around it."""
    lines = text.dialect.head
    header = (text.dialect.header or 1) - 1
    before = text.recoder.encoded("".join(lines[:header]))
    if text.head.startswith(_BOM.encode()) and not (lines and lines[0].startswith(_BOM)):
        before = _BOM.encode() + before
    rest = text.head[len(before) :]
    line = lines[header]
    if line[:1] and line[0] in text.dialect.comment:
        mark = len(line) - len(line.lstrip(text.dialect.comment).lstrip())
        before, rest = before + rest[:mark], rest[mark:]
    ends, _ = record_ends(rest, text.delimiter, last=True)
    end = int(ends[0])
    if text.delimiter == BLANK:
        end = len(rest[:end].rstrip())
    return before, rest[:end], rest[end:]


def look(path: str, options: ReadingOptions) -> Look:
    """Return the columns of a file; numeric are those that look so in its first records."""
    text = _text_of(path, options)
    with open(path, "rb") as file:
        first = next(text.blocks(file, 1 << 16), None)
    records = [] if first is None else list(_records(first, text.comment))
    rows = [text.texts(fields(record, text.delimiter)) for record in records]
    columns = []
    for index, name in enumerate(text.names):
        doubt = text.dialect.doubts[index]
        texts = [row[index] for row in rows if index < len(row)]
        kind = _kind(texts, text.dialect.styles[index], text.dialect.missing)
        problem = "" if doubt is None else doubt.within(path)
        columns.append(Column(name, kind, kind in ("numbers", "row numbers"), problem))
    skipped = text.dialect.skipped
    note = f"{path}: {text.dialect.layout}" if skipped else ""
    return Look(tuple(columns), None, note)


def _kind(texts: list[str], style: Style, missing: frozenset[str]) -> str:
    """Return what a column holds: numbers, row numbers, text or both."""
    present = [text for text in texts if not _is_missing(text, missing)]
    plain = [style.plain(text) for text in present]
    numbers = [text for text in plain if _NUMBER.fullmatch(text)]
    if not numbers:
        return "text"
    if len(numbers) < len(plain):
        return "numbers and text"
    first = numbers[0]
    if first.isdigit() and len(numbers) >= _FEWEST_NUMBERED:
        counted = [str(number) for number in range(int(first), int(first) + len(numbers))]
        return "row numbers" if numbers == counted else "numbers"
    return "numbers"


def _is_missing(text: str, missing: frozenset[str]) -> bool:
    plain = text.lower()
    return plain in MISSING or plain in missing


def score(task: Task, beside: str, tick: Tick) -> Counts:
    """Write a file with the answers; see ``infer._score.FORMATS``."""
    scorer = Scorer(task.card)
    size = max(1, os.path.getsize(task.source))
    counts = Counts()
    text = _text_of(task.source, task.reading)
    with open(task.source, "rb") as file, open(beside, "wb") as out:
        places = [text.names.index(column) for column in task.columns]
        answer = partial(_answer, task, scorer, text, places)
        out.write(text.recoder.written(_new_head(text, task.output, scorer)))
        for data, read, found in in_order(answer, text.blocks(file), task.workers):
            out.write(text.recoder.written(data))
            counts = counts.plus(found)
            tick(found.rows, min(1.0, read / size))
    return counts


def _new_head(text: _Text, output: str, scorer: Scorer) -> bytes:
    """Return what stands above the first record, with the name of the new column, and its unit."""
    if text.dialect.header is None:
        return text.head
    before, names, after = _header_of(text)
    new = names + text.delimiter + _written(output, names, text)
    lines = after.splitlines(keepends=True)
    first = text.dialect.header + _breaks_in(names) + 1
    for line in text.dialect.between:
        at = line - first + 1
        body = lines[at].rstrip(b"\r\n")
        unit = scorer.model.card.output.unit if text.dialect.units and line == first else "1"
        cell = b"" if unit == "1" else _written(unit, body, text)
        cell = cell or (b"-" if text.delimiter == BLANK else b"")
        lines[at] = body + text.delimiter + cell + lines[at][len(body) :]
    return before + new + b"".join(lines)


def _breaks_in(record: bytes) -> int:
    """Return how many line breaks are within a record."""
    return len(record.splitlines()) - 1


def _written(name: str, names: bytes, text: _Text) -> bytes:
    """Return a name as a field: in quotes if it needs them, or if all other names have them."""
    field = text.recoder.encoded(name)
    every = fields(names, text.delimiter)
    all_quoted = all(other.lstrip(b" ").startswith(b'"') for other in every)
    if all_quoted or re.search(rb'["\r\n' + re.escape(text.delimiter) + rb"]", field):
        return b'"' + field.replace(b'"', b'""') + b'"'
    return field


def _answer(
    task: Task, scorer: Scorer, text: _Text, places: list[int], block: RecordBlock
) -> tuple[Any, int, Counts]:
    """Return the text of a block with its answers, and how many bytes of the file it took."""
    import pyarrow as pa
    import pyarrow.compute as pc

    count = len(block.ends)
    if not count:
        return block.data, len(block.data), Counts()
    columns = _parsed(scorer, text, places, block)
    if columns is None:
        columns = _parsed_one_by_one(task, scorer, text, places, block)
    answers, counts = scorer.answer(columns)
    texts = _texts(answers, scorer.dtype)
    if text.dialect.styles[places[0]].decimal == ",":
        texts = _with_commas(texts, text.delimiter)
    if text.delimiter == BLANK:  # there, nothing is no field
        texts = pc.if_else(pc.equal(texts, b""), b"NA", texts)
    # Each record with the line break before it, then its answer, and so on: one buffer.
    cuts = pa.py_buffer(_cuts(block.ends))
    records = pa.Array.from_buffers(pa.binary(), count, [None, cuts, pa.py_buffer(block.data)])
    joined = pc.binary_join_element_wise(records, texts, text.delimiter)
    rest = memoryview(block.data)[int(block.ends[-1]) :]
    return b"".join([_content(joined), rest]), len(block.data), counts


def _with_commas(texts: pa.Array, delimiter: bytes) -> pa.Array:
    """Return decimals with commas, in quotes where these delimit."""
    import pyarrow.compute as pc

    changed = pc.replace_substring(texts, b".", b",")
    if delimiter == b",":
        changed = pc.replace_substring_regex(changed, rb"^(.*,.*)$", rb'"\1"')
    return changed


def _cuts(ends: NDArray[np.int64]) -> NDArray[np.int32]:
    import numpy as np

    cuts = np.zeros(len(ends) + 1, np.int32)
    cuts[1:] = ends
    return cuts


def _content(array: pa.Array) -> memoryview:
    """Return the bytes of all values of a binary array, one after the other."""
    import numpy as np

    offsets = np.frombuffer(array.buffers()[1], np.int32)[array.offset :]
    return memoryview(array.buffers()[2])[int(offsets[0]) : int(offsets[len(array)])]


def _parsed(
    scorer: Scorer, text: _Text, places: list[int], block: RecordBlock
) -> list[pa.Array] | None:
    """Return the columns as pyarrow reads them, or None if it finds anything strange.

    It rounds a decimal once to the column's type, as ``from_text`` does.
    """
    import pyarrow as pa
    import pyarrow.csv as pc

    dialect = text.dialect
    decimals = {dialect.styles[place].decimal for place in places}
    if not block.plain or text.delimiter == BLANK or len(decimals) > 1:
        return None
    names = [str(index) for index in range(text.width)]
    wanted = [names[place] for place in places]
    try:
        table = pc.read_csv(
            pa.BufferReader(block.data),
            pc.ReadOptions(use_threads=False, block_size=len(block.data) + 1, column_names=names),
            pc.ParseOptions(delimiter=dialect.delimiter, newlines_in_values=block.quoted),
            pc.ConvertOptions(
                column_types=dict.fromkeys(wanted, scorer.arrow_type),
                include_columns=wanted,
                null_values=[*_NULLS, *dialect.missing],
                decimal_point=decimals.pop(),
            ),
        )
    except pa.ArrowInvalid:
        return None
    if len(table) != len(block.ends):
        return None
    columns = [table.column(name).combine_chunks() for name in wanted]
    for mark in dialect.missing:
        if _NUMBER.fullmatch(mark):
            value = pa.scalar(from_text(mark, scorer.dtype), scorer.arrow_type)
            if any(pa.compute.any(pa.compute.equal(column, value)).as_py() for column in columns):
                return None  # whether they are that number is a question of digits
    return columns


def _parsed_one_by_one(
    task: Task, scorer: Scorer, text: _Text, places: list[int], block: RecordBlock
) -> list[pa.Array]:
    """Do what ``_parsed`` does for any block, a record at a time, or say what is wrong with it."""
    import pyarrow as pa

    columns: list[list[float | None]] = [[] for _ in places]
    missing = text.dialect.missing
    marks = {Decimal(mark) for mark in missing if _NUMBER.fullmatch(mark)}
    for number, record in enumerate(_records(block, text.comment), block.first):
        row = fields(record, text.delimiter)
        if len(row) != text.width:
            raise DataError(
                f"{task.source}: row {number} has {len(row)} fields; expected {text.width}, as "
                f"{'the first row' if text.dialect.header is None else 'the names'} have"
            )
        cells = text.texts([row[place] for place in places])
        for column, place, name, cell in zip(columns, places, task.columns, cells, strict=True):
            plain = text.dialect.styles[place].plain(cell)
            if _is_missing(cell, missing):
                column.append(None)
            elif not _NUMBER.fullmatch(plain):
                raise DataError(
                    f"{task.source}: row {number}, column {name!r}: {_shown(cell)} is not a "
                    "number; expected one such as 98.6, or nothing where it is missing"
                )
            elif marks and Decimal(plain) in marks:
                column.append(None)
            else:
                column.append(from_text(plain, scorer.dtype))
    return [pa.array(column, scorer.arrow_type) for column in columns]


def _shown(text: str) -> str:
    return repr(shortened(text, 40))


def _records(block: RecordBlock, comment: bytes) -> Iterator[bytes]:
    """Yield the records without their line breaks, and without comments before them."""
    start = 0
    for end in block.ends.tolist():
        yield without_comments(block.data[start:end], comment)
        start = end


def _texts(answers: pa.Array, dtype: DType) -> pa.Array:
    """Return answers as the shortest decimals with the same bits, nothing for a null."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = answers.cast(pa.string()).fill_null("")
    values = answers.fill_null(0.5).to_numpy(zero_copy_only=False)
    with np.errstate(invalid="ignore"):  # a nan is neither
        size = np.abs(values)
        plain = (size >= _PLAIN[0]) & (size < _PLAIN[1])
        whole = plain & (np.rint(values) == values)
    if whole.any():  # 1 is written 1.0
        point = pa.array(np.where(whole, ".0", ""), pa.string())
        texts = pc.binary_join_element_wise(texts, point, "")
    if not plain.all():
        others = [shortest(value, dtype) for value in values[~plain].tolist()]
        texts = pc.replace_with_mask(texts, pa.array(~plain), pa.array(others, pa.string()))
    return texts.cast(pa.binary())

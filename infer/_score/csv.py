"""CSV: every byte of the text stays, and each record gets one more field."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from infer._engines._window import in_order
from infer._errors import DataError
from infer._ieee.floats import DType, from_text
from infer._ieee.shortest import shortest
from infer._score._records import RecordBlock, blocks, fields, record_ends, value_of
from infer._score._task import Column, Counts, Look, Task, Tick
from infer._score._values import Scorer
from infer._text import shortened

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

# What people write for a value that is missing, beside nothing. "nan" is a value.
MISSING = ("", "NA", "N/A", "n/a", "NULL", "null", "None")
_NUMBER = re.compile(
    r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf(?:inity)?|nan)", re.IGNORECASE
)
_DELIMITERS = b",;\t|"
_BOM = b"\xef\xbb\xbf"
_LONGEST_HEADER = 1 << 20
# Magnitudes that pyarrow writes without an exponent, as Python does.
_PLAIN = (1e-4, 1e9)


class _Head(NamedTuple):
    """The header: the delimiter, the fields as written, and the line break that ends it."""

    delimiter: bytes
    text: bytes
    fields: list[bytes]
    line_break: bytes

    @property
    def names(self) -> list[str]:
        return [value_of(field).decode(errors="backslashreplace") for field in self.fields]

    @property
    def size(self) -> int:
        return len(self.text) + len(self.line_break)


def _read_head(file: BinaryIO, path: str) -> _Head:
    """Read the first record, and leave the file behind its line break."""
    data = file.read(_LONGEST_HEADER)
    bom = _BOM if data.startswith(_BOM) else b""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data:
        raise DataError(f"{path}: expected text in UTF-8 or another code with ASCII in it")
    body = data[len(bom) :]
    # Quotes hide delimiters; what they hide does not depend on the delimiter in any sane header.
    bare = re.sub(rb'"[^"]*(?:""[^"]*)*"', b"", body).lstrip(b"\r\n")
    line = re.split(rb"[\r\n]", bare, maxsplit=1)[0]
    counts = [line.count(delimiter) for delimiter in _DELIMITERS]
    delimiter = _DELIMITERS[counts.index(max(counts)) :][:1]
    ends, _ = record_ends(body, delimiter, last=len(data) < _LONGEST_HEADER)
    if not len(ends):
        problem = "is empty" if not body.strip() else "has no end of its first line"
        raise DataError(f"{path}: {problem}; expected a first line with the names of columns")
    end = len(bom) + int(ends[0])
    match = re.compile(rb"\r\n|\n|\r|").match(data, end)
    head = _Head(delimiter, data[:end], [], match[0] if match else b"")
    file.seek(head.size)
    return head._replace(fields=fields(data[len(bom) : end].lstrip(b"\r\n"), delimiter))


def look(path: str) -> Look:
    """Return the columns of a file; numeric are those that look so in its first records."""
    with open(path, "rb") as file:
        head = _read_head(file, path)
        if all(_NUMBER.fullmatch(name.strip()) for name in head.names):
            raise DataError(f"{path}: its first line holds numbers; expected the names of columns")
        first = next(blocks(file, path, head.delimiter, head.size, 1 << 16), None)
    rows = [] if first is None else [fields(row, head.delimiter) for row in _records(first)]
    columns = []
    for index, name in enumerate(head.names):
        texts = {_text(row[index]) for row in rows if index < len(row)} - set(MISSING)
        numeric = bool(texts) and all(map(_NUMBER.fullmatch, texts))
        columns.append(Column(name, "numbers" if numeric else "text", numeric))
    return Look(tuple(columns), None)


def score(task: Task, beside: str, tick: Tick) -> Counts:
    """Write a file with the answers; see ``infer._score.FORMATS``."""
    scorer = Scorer(task.card)
    size = max(1, os.path.getsize(task.source))
    counts = Counts()
    with open(task.source, "rb") as file, open(beside, "wb") as out:
        head = _read_head(file, task.source)
        places = [head.names.index(column) for column in task.columns]
        answer = partial(_answer, task, scorer, head, places)
        out.write(head.text + head.delimiter + _written(task.output, head) + head.line_break)
        pieces = blocks(file, task.source, head.delimiter, head.size)
        for data, read, found in in_order(answer, pieces, task.workers):
            out.write(data)
            counts = counts.plus(found)
            tick(found.rows, read / size)
    return counts


def _written(name: str, head: _Head) -> bytes:
    """Return a name as a field: in quotes if it needs them, or if all other names have them."""
    text = name.encode()
    all_quoted = all(field.startswith(b'"') for field in head.fields)
    if all_quoted or re.search(rb'["\r\n' + re.escape(head.delimiter) + rb"]", text):
        return b'"' + text.replace(b'"', b'""') + b'"'
    return text


def _answer(
    task: Task, scorer: Scorer, head: _Head, places: list[int], block: RecordBlock
) -> tuple[Any, int, Counts]:
    """Return the text of a block with its answers, and how many bytes of the file it took."""
    import pyarrow as pa
    import pyarrow.compute as pc

    count = len(block.ends)
    if not count:
        return block.data, len(block.data), Counts()
    columns = _parsed(scorer, head, places, block)
    if columns is None:
        columns = _parsed_one_by_one(task, scorer, head, places, block)
    answers, counts = scorer.answer(columns)
    texts = _texts(answers, scorer.dtype)
    # Each record with the line break before it, then its answer, and so on: one buffer.
    cuts = pa.py_buffer(_cuts(block.ends))
    records = pa.Array.from_buffers(pa.binary(), count, [None, cuts, pa.py_buffer(block.data)])
    joined = pc.binary_join_element_wise(records, texts, head.delimiter)
    rest = memoryview(block.data)[int(block.ends[-1]) :]
    return b"".join([_content(joined), rest]), len(block.data), counts


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
    scorer: Scorer, head: _Head, places: list[int], block: RecordBlock
) -> list[pa.Array] | None:
    """Return the columns as pyarrow reads them, or None if it finds anything strange.

    It rounds a decimal once to the column's type, as ``from_text`` does.
    """
    import pyarrow as pa
    import pyarrow.csv as pc

    names = [str(index) for index in range(len(head.fields))]
    wanted = [names[place] for place in places]
    try:
        table = pc.read_csv(
            pa.BufferReader(block.data),
            pc.ReadOptions(use_threads=False, block_size=len(block.data) + 1, column_names=names),
            pc.ParseOptions(delimiter=head.delimiter.decode(), newlines_in_values=block.quoted),
            pc.ConvertOptions(
                column_types=dict.fromkeys(wanted, scorer.arrow_type),
                include_columns=wanted,
                null_values=list(MISSING),
            ),
        )
    except pa.ArrowInvalid:
        return None
    if len(table) != len(block.ends):
        return None
    return [table.column(name).combine_chunks() for name in wanted]


def _parsed_one_by_one(
    task: Task, scorer: Scorer, head: _Head, places: list[int], block: RecordBlock
) -> list[pa.Array]:
    """Do what ``_parsed`` does for any block, a record at a time, or say what is wrong with it."""
    import pyarrow as pa

    columns: list[list[float | None]] = [[] for _ in places]
    for number, record in enumerate(_records(block), block.first):
        row = fields(record, head.delimiter)
        if len(row) != len(head.fields):
            raise DataError(
                f"{task.source}: row {number} has {len(row)} fields; expected "
                f"{len(head.fields)}, as the first line has"
            )
        for column, place, name in zip(columns, places, task.columns, strict=True):
            text = _text(row[place])
            if text in MISSING:
                column.append(None)
            elif _NUMBER.fullmatch(text):
                column.append(from_text(text, scorer.dtype))
            else:
                raise DataError(
                    f"{task.source}: row {number}, column {name!r}: {_shown(text)} is not a "
                    "number; expected one such as 98.6, or nothing where it is missing"
                )
    return [pa.array(column, scorer.arrow_type) for column in columns]


def _text(field: bytes) -> str:
    return value_of(field).decode(errors="backslashreplace").strip(" \t")


def _shown(text: str) -> str:
    return repr(shortened(text, 40))


def _records(block: RecordBlock) -> Iterator[bytes]:
    """Yield the records without their line breaks."""
    start = 0
    for end in block.ends.tolist():
        yield block.data[start:end].lstrip(b"\r\n")
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

"""Readings in Parquet, and in Arrow's own format: a file (also called Feather) or a stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from decimal import Context
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from infer._files._tables.arrow_ipc import OTHER_COLUMNS, survey
from infer._files._tables.damage import FormatError, blame, blamed
from infer._files._tables.parquet_footer import load_footer
from infer._files._tables.parquet_pages import check_pages
from infer._files._text.dialect import BLOCK_ROWS
from infer._files.words import listed, shown
from train._errors import ColumnsError, DamagedFileError
from train._readings.source import Source
from train._readings.table import NO_FLAWS, Numbers, RawBlock, integers

if TYPE_CHECKING:
    from typing import BinaryIO

    import pyarrow as pa

# How a file of each kind begins.
MAGIC = {b"PAR1": "Parquet", b"ARROW1": "Arrow file", b"\xff\xff\xff\xff": "Arrow stream"}
# Arrow's longest decimals have 76 digits.
_EVERY_DIGIT = Context(prec=100)


@dataclass(frozen=True)
class ArrowTable:
    """A Parquet or Arrow file that was looked at; see ``train._readings.table.Table``."""

    source: Source
    kind: str
    names: tuple[str, ...]
    row_word = "row"
    units = ()

    @property
    def layout(self) -> str:
        """What the file was taken for, for people."""
        return f"{self.kind}, columns {listed(list(map(shown, self.names)))}"

    def blocks(self, picked: Sequence[int]) -> Iterator[RawBlock]:
        """Yield the rows of some columns, by index, in blocks.

        Raises:
            ColumnsError: a column does not hold numbers.
            DamagedFileError: the file is damaged, or claims what it does not hold.
        """
        damaged = partial(_damaged, self.source, self.kind)
        done = 0
        with closing(self.source.open()) as stream:
            reader = _open(stream, self.source, self.kind, picked)
            for index, kind in zip(picked, reader.types, strict=True):
                _check_type(kind, self.names[index], self.source.name)
            for batch in blamed(reader.batches(), damaged):
                columns = [_numbers(column) for column in batch]
                begin, done = done, done + len(batch[0])
                share = done / reader.total if reader.total else None
                yield RawBlock(np.arange(begin + 1, done + 1), columns, NO_FLAWS, share)
        if reader.total is not None and done != reader.total:
            raise damaged(f"it claims {reader.total:,} rows, {done:,} are there")


def open_arrow(source: Source, kind: str) -> ArrowTable:
    """Look at a Parquet or Arrow file.

    Raises:
        DamagedFileError: it is damaged.
    """
    with closing(source.open()) as stream:
        return ArrowTable(source, kind, _open(stream, source, kind, None).names)


def _damaged(source: Source, kind: str, problem: str) -> DamagedFileError:
    return DamagedFileError(
        f"{source.name}: begins as {kind} but cannot be read as such: {problem}"
    )


class _Reader(NamedTuple):
    """An open file.

    Attributes:
        names: of all columns.
        types: of those picked.
        total: number of rows, if it is known.
        batches: gives the columns picked, so many rows at a time. Calls only libraries.
    """

    names: tuple[str, ...]
    types: Sequence[pa.DataType]
    total: int | None
    batches: Callable[[], Iterator[list[Any]]]


def _open(stream: BinaryIO, source: Source, kind: str, picked: Sequence[int] | None) -> _Reader:
    """Open a file, and check what it claims. Without columns picked, nothing can be read."""
    opener = _open_parquet if kind == "Parquet" else _open_ipc
    try:
        return opener(stream, source.size, picked)
    except FormatError as error:
        raise _damaged(source, kind, str(error)) from error


def _open_parquet(stream: BinaryIO, size: int, picked: Sequence[int] | None) -> _Reader:
    from pyarrow import parquet

    footer = load_footer(stream)
    stream.seek(0)
    with blame(FormatError):
        # Buffering ahead would hold the whole file.
        file = parquet.ParquetFile(stream, pre_buffer=False, page_checksum_verification=True)
        schema, total = file.schema_arrow, file.metadata.num_rows
        names = schema.names
        types = [schema.field(index).type for index in picked or ()]
    wanted = [names[index] for index in picked or ()]
    check_pages(stream, size, footer, wanted)

    def batches() -> Iterator[list[Any]]:
        for batch in file.iter_batches(BLOCK_ROWS, columns=wanted):
            batch.validate(full=True)
            yield [batch.column(batch.schema.names.index(name)) for name in wanted]

    return _Reader(tuple(names), types, total, batches)


def _open_ipc(stream: BinaryIO, _size: int, picked: Sequence[int] | None) -> _Reader:
    import pyarrow as pa

    found = survey(stream)
    stream.seek(0)
    with blame(FormatError):
        schema = pa.ipc.read_schema(pa.py_buffer(found.schema))
        names = schema.names
        types = [schema.field(index).type for index in picked or ()]
        # Columns come in the file's order, whatever order they are picked in.
        order = list(range(len(names))) if picked is None else sorted(picked)
        options = pa.ipc.IpcReadOptions(included_fields=order)
        make = pa.ipc.open_file if found.is_file else pa.ipc.open_stream
        reader = make(stream, options=options)
        same = reader.schema.equals(pa.schema([schema.field(index) for index in order]))
    if not same:
        raise FormatError(OTHER_COLUMNS)

    def batches() -> Iterator[list[Any]]:
        count = reader.num_record_batches if found.is_file else 0
        each = map(reader.get_batch, range(count)) if found.is_file else reader
        for batch in each:
            batch.validate(full=True)
            for begin in range(0, batch.num_rows, BLOCK_ROWS):
                part = batch.slice(begin, BLOCK_ROWS)
                yield [part.column(order.index(index)) for index in picked or ()]

    return _Reader(tuple(names), types, None, batches)


def _check_type(kind: Any, name: str, file: str) -> None:
    """Refuse a column of anything but numbers, before any of it is read."""
    from pyarrow import types

    values = kind.value_type if types.is_dictionary(kind) else kind
    if not (
        types.is_floating(values)
        or types.is_integer(values)
        or types.is_decimal(values)
        or types.is_null(values)
    ):
        raise ColumnsError(f"{file}: column {name!r} holds values of type {kind}, expected numbers")


def _numbers(column: Any) -> Numbers:
    """Return a column as numbers; int, float and decimal types keep their exact values."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    nulls = np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False)).tolist()
    flaws = dict.fromkeys(nulls, "missing")
    if pa.types.is_floating(kind):
        values = column.fill_null(0.0).to_numpy(zero_copy_only=False).astype(np.float64)
        finite = np.isfinite(values)
        if not finite.all():
            for index in np.flatnonzero(~finite).tolist():
                flaws[index] = "nan, not a number" if np.isnan(values[index]) else "infinite"
            values = np.where(finite, values, 0.0)
        return Numbers(values, None, flaws or NO_FLAWS)
    if pa.types.is_integer(kind):
        whole = column.fill_null(0).to_numpy(zero_copy_only=False)
        fits = whole.dtype != np.uint64 or not len(whole) or int(whole.max()) < 1 << 63
        return Numbers(whole.astype(np.int64) if fits else whole.tolist(), 0, flaws or NO_FLAWS)
    if pa.types.is_decimal(kind):
        places = max(0, kind.scale)
        exact = [
            0 if value is None else int(value.scaleb(places, _EVERY_DIGIT))
            for value in column.to_pylist()
        ]
        return Numbers(integers(exact), places, flaws or NO_FLAWS)
    return Numbers(np.zeros(len(column)), None, flaws)

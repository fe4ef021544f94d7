"""Readings in Parquet, and in Arrow's own format: a file (also called Feather) or a stream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from train._block import BLOCK_ROWS, NO_FLAWS, Numbers, RawBlock, integers
from train._errors import ColumnsError, ReadingsError
from train._files import Source

if TYPE_CHECKING:
    from typing import BinaryIO

# How a file of each kind begins.
MAGIC = {b"PAR1": "Parquet", b"ARROW1": "Arrow file", b"\xff\xff\xff\xff": "Arrow stream"}


@dataclass(frozen=True)
class ArrowTable:
    """A Parquet or Arrow file that was looked at; see ``train._block.Table``."""

    source: Source
    kind: str
    names: tuple[str, ...]
    row_word = "row"

    @property
    def layout(self) -> str:
        """What the file was taken for, for people."""
        return f"{self.kind}, columns {', '.join(map(repr, self.names))}"

    def blocks(self, picked: Sequence[int]) -> Iterator[RawBlock]:
        """Yield the rows of some columns, by index, in blocks.

        Raises:
            ColumnsError: a column does not hold numbers.
            ReadingsError: the file is damaged.
        """
        import pyarrow as pa

        done = 0
        with closing(self.source.open()) as stream:
            try:
                for batch, total in _batches(stream, self.kind, picked):
                    columns = [
                        _numbers(column, self.names[index], self.source.name)
                        for index, column in zip(picked, batch, strict=True)
                    ]
                    begin, done = done, done + len(batch[0])
                    share = done / total if total else None
                    yield RawBlock(np.arange(begin + 1, done + 1), columns, NO_FLAWS, share)
            except (pa.ArrowException, OSError) as error:
                raise _damaged(self.source, self.kind, error) from None


def open_arrow(source: Source, kind: str) -> ArrowTable:
    """Look at a Parquet or Arrow file.

    Raises:
        ReadingsError: it is damaged.
    """
    import pyarrow as pa

    with closing(source.open()) as stream:
        try:
            names = tuple(_schema(stream, kind).names)
        except (pa.ArrowException, OSError) as error:
            raise _damaged(source, kind, error) from None
    return ArrowTable(source, kind, names)


def _damaged(source: Source, kind: str, error: Exception) -> ReadingsError:
    first = (str(error).splitlines() or [type(error).__name__])[0]
    return ReadingsError(f"{source.name}: begins as {kind} but cannot be read as such: {first}")


def _schema(stream: BinaryIO, kind: str) -> Any:
    import pyarrow as pa
    from pyarrow import parquet

    if kind == "Parquet":
        return parquet.ParquetFile(stream).schema_arrow
    return (pa.ipc.open_file if kind == "Arrow file" else pa.ipc.open_stream)(stream).schema


def _batches(
    stream: BinaryIO, kind: str, picked: Sequence[int]
) -> Iterator[tuple[list[Any], int | None]]:
    """Yield the columns of some rows, and the number of all rows if it is known."""
    import pyarrow as pa
    from pyarrow import parquet

    if kind == "Parquet":
        # Buffering ahead would hold the whole file.
        file = parquet.ParquetFile(stream, pre_buffer=False)
        names = file.schema_arrow.names
        wanted = [names[index] for index in picked]
        total = file.metadata.num_rows
        for batch in file.iter_batches(BLOCK_ROWS, columns=wanted):
            yield [batch.column(batch.schema.names.index(name)) for name in wanted], total
        return
    if kind == "Arrow file":
        reader = pa.ipc.open_file(stream)
        batches = (reader.get_batch(index) for index in range(reader.num_record_batches))
    else:
        batches = iter(pa.ipc.open_stream(stream))
    for batch in batches:
        for begin in range(0, batch.num_rows, BLOCK_ROWS):
            part = batch.slice(begin, BLOCK_ROWS)
            yield [part.column(index) for index in picked], None


def _numbers(column: Any, name: str, file: str) -> Numbers:
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
        exact = [0 if value is None else int(value.scaleb(places)) for value in column.to_pylist()]
        return Numbers(integers(exact), places, flaws or NO_FLAWS)
    if pa.types.is_null(kind):
        return Numbers(np.zeros(len(column)), None, flaws)
    raise ColumnsError(f"{file}: column {name!r} holds values of type {kind}, expected numbers")

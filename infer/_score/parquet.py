"""Parquet: the file's bytes stay, further column chunks and another footer come behind them."""

from __future__ import annotations

import os
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

from infer._engines._window import in_order
from infer._errors import DataError
from infer._files._tables import parquet_footer
from infer._files._tables.damage import FormatError, blame, blamed
from infer._files._tables.parquet_pages import ChunkClaims, check_pages, claims
from infer._files.options import ReadingOptions
from infer._score._task import Column, Counts, Look, Task, Tick
from infer._score._values import Scorer, is_numeric

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

# Rows decoded and computed at a time within a row group: they stay in the processor's cache.
_BATCH = 1 << 17
# More rows than this pyarrow does not write to one row group.
_MOST_ROWS = 1 << 26
_COPY = 1 << 24
# Of Parquet's physical types and codecs, by number, those whose columns can be read.
_WIDTHS = {1: 4, 2: 8, 4: 4, 5: 8}
_CODECS = {0: "NONE", 1: "SNAPPY", 2: "GZIP", 4: "BROTLI", 5: "LZ4", 6: "ZSTD", 7: "LZ4"}


def look(path: str, _options: ReadingOptions) -> Look:
    """Return the columns of a file and how many rows it has."""
    with _open(path) as file, blame(partial(_unreadable, path)):
        fields = [(field.name, field.type) for field in file.schema_arrow]
        rows = file.metadata.num_rows
    return Look(tuple(Column(name, str(kind), is_numeric(kind)) for name, kind in fields), rows)


def score(task: Task, beside: str, tick: Tick) -> Counts:
    """Write a file with the answers; see ``infer._score.FORMATS``."""
    import pyarrow as pa

    scorer = Scorer(task.card)
    footer = parquet_footer.read_footer(task.source)
    file = _open(task.source)
    first = _check(task, footer)
    groups = footer.row_groups
    field = pa.field(task.output, scorer.arrow_type)
    encode = partial(_encode_group, task, scorer, file.metadata, first)
    counts = Counts()
    rows = max(1, file.metadata.num_rows)
    with open(beside, "wb") as out:
        out.truncate(footer.start)
        copy = _Copy(task.source, beside, footer.start)
        try:
            out.seek(footer.start)
            for group, (chunk, found) in zip(
                groups, in_order(encode, range(len(groups)), task.workers), strict=True
            ):
                out.write(parquet_footer.add_chunk(group, chunk, out.tell()))
                counts = counts.plus(found)
                tick(found.rows, found.rows / rows)
        finally:
            copy.join()
        empty = _encoded(pa.table({field.name: pa.array([], field.type)}), {})
        out.write(parquet_footer.finished(footer, empty, field, task.source))
    _prove(task, beside, file)
    return counts


def _check(task: Task, footer: parquet_footer.Footer) -> list[ChunkClaims]:
    """Check what a file claims of the columns that are to be read; return that of the first.

    Raises:
        DataError: its bytes say something else.
    """
    try:
        with open(task.source, "rb") as file:
            check_pages(file, os.fstat(file.fileno()).st_size, footer, task.columns)
        return claims(footer, task.columns[0])
    except FormatError as error:
        raise DataError(f"{task.source}: {error}") from error


def _unreadable(path: str, problem: str) -> DataError:
    return DataError(f"{path}: cannot be read as Parquet: {problem}")


class _Copy(threading.Thread):
    """Copies the first bytes of a file over those of another, in the background."""

    def __init__(self, source: str, target: str, size: int) -> None:
        super().__init__(name="samebits-copy")
        self._paths, self._size = (source, target), size
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        """Copy; the kernel does it alone where it can."""
        try:
            with open(self._paths[0], "rb") as source, open(self._paths[1], "r+b") as target:
                left = self._size
                while left:
                    done = _copy_some(source, target, min(left, _COPY))
                    if not done:
                        raise DataError(f"{self._paths[0]}: was cut short while it was read")
                    left -= done
        except BaseException as error:  # noqa: BLE001 - raised again by join
            self._error = error

    def join(self, timeout: float | None = None) -> None:
        """Wait until all is copied, and raise what went wrong."""
        super().join(timeout)
        if self._error is not None:
            raise self._error


def _copy_some(source: Any, target: Any, count: int) -> int:
    if hasattr(os, "copy_file_range"):
        try:
            return os.copy_file_range(source.fileno(), target.fileno(), count)
        except OSError:  # between two file systems, or not here
            pass
    data = os.read(source.fileno(), count)
    view = memoryview(data)
    while view:
        view = view[os.write(target.fileno(), view) :]
    return len(data)


def _open(path: str) -> pq.ParquetFile:
    import pyarrow.parquet as pq

    try:
        with blame(partial(_unreadable, path)):
            return pq.ParquetFile(path)
    except DataError:
        parquet_footer.read_footer(path)  # may know better what is wrong
        raise


def _encode_group(
    task: Task,
    scorer: Scorer,
    metadata: pq.FileMetaData,
    first: list[ChunkClaims],
    index: int,
) -> tuple[parquet_footer.Chunk, Counts]:
    """Read the columns of a row group, and encode the answers."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    def damaged(problem: str) -> DataError:
        return DataError(f"{task.source}: row group {index} is damaged: {problem}")

    expected = first[index].rows
    if expected > _MOST_ROWS:
        raise DataError(
            f"{task.source}: row group {index} has {expected:,} rows; expected at most "
            f"{_MOST_ROWS:,}"
        )
    counts = Counts()
    answers = []
    with blame(damaged):
        file = pq.ParquetFile(task.source, metadata=metadata, page_checksum_verification=True)
        batches = file.iter_batches(
            _BATCH, row_groups=[index], columns=[*task.columns], use_threads=False
        )
    with file:
        for batch in blamed(batches, damaged):
            with blame(damaged):
                batch.validate(full=True)
            columns = [batch.column(batch.schema.get_field_index(c)) for c in task.columns]
            answer, found = scorer.answer(columns)
            answers.append(answer)
            counts = counts.plus(found)
    if counts.rows != expected:
        raise damaged(f"it claims {expected:,} rows, {counts.rows:,} are there")
    table = pa.table({task.output: pa.chunked_array(answers, scorer.arrow_type)})
    return _encoded(table, _like(first[index])), counts


def _like(chunk: ChunkClaims) -> dict[str, Any]:
    """Return how to encode answers: as the values that they answer."""
    # Few different values give few different answers; a dictionary paid if it made them smaller.
    width = _WIDTHS.get(chunk.physical, 16)
    pays = chunk.has_dictionary and chunk.becomes < 0.8 * (width * chunk.values)
    return {
        "compression": _CODECS[chunk.codec],
        "use_dictionary": pays,
        "write_page_index": chunk.has_index,
    }


def _encoded(table: pa.Table, options: dict[str, Any]) -> parquet_footer.Chunk:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=max(1, len(table)), store_schema=False, **options)
    return parquet_footer.chunk_of(sink.getvalue().to_pybytes())


def _prove(task: Task, beside: str, source: pq.ParquetFile) -> None:
    """Read the new footer with Parquet's own library before anybody else does."""
    try:
        new = _open(beside)
    except DataError as error:
        problem = str(error).removeprefix(f"{beside}: ")
        raise DataError(f"{task.source}: cannot be given another column: {problem}") from None
    expected = [*source.schema_arrow.names, task.output]
    if new.schema_arrow.names != expected or new.metadata.num_rows != source.metadata.num_rows:
        raise DataError(f"{task.source}: cannot be given another column; please report it")

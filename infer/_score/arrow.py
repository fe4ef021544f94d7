"""Arrow IPC, file and stream: batch by batch, each with one more column."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from infer._engines._window import in_order
from infer._errors import DataError
from infer._score._task import Column, Counts, Look, Task, Tick
from infer._score._values import Scorer, is_numeric

if TYPE_CHECKING:
    import pyarrow as pa

MAGIC = b"ARROW1"
_CODECS = {0: "lz4", 1: "zstd"}


def look(path: str) -> Look:
    """Return the columns of a file; rows are counted by reading it."""
    with _reading(path) as (_, reader):
        fields = list(reader.schema)
    columns = tuple(Column(field.name, str(field.type), is_numeric(field.type)) for field in fields)
    return Look(columns, None)


def score(task: Task, beside: str, tick: Tick) -> Counts:
    """Write a file with the answers; see ``infer._score.FORMATS``."""
    import pyarrow as pa

    scorer = Scorer(task.card)
    counts = Counts()
    with _reading(task.source) as (source, reader), pa.OSFile(beside, "wb") as sink:
        size = max(1, source.size())
        schema = reader.schema.append(pa.field(task.output, scorer.arrow_type))
        is_file = isinstance(reader, pa.ipc.RecordBatchFileReader)
        options = pa.ipc.IpcWriteOptions(compression=_codec(source, is_file), allow_64bit=True)
        make: Any = pa.ipc.new_file if is_file else pa.ipc.new_stream
        metadata = getattr(reader, "metadata", None) if is_file else None
        extra = {} if metadata is None else {"metadata": metadata}
        answer = partial(_answer, task, scorer, schema)
        with make(sink, schema, options=options, **extra) as writer:
            for batch, custom, share, found in in_order(
                answer, _batches(task.source, reader, source, size), task.workers
            ):
                writer.write_batch(batch, custom_metadata=custom)
                counts = counts.plus(found)
                tick(found.rows, share)
    return counts


@contextlib.contextmanager
def _reading(path: str) -> Iterator[tuple[Any, Any]]:
    """Open a file or stream; give its bytes and its reader."""
    import pyarrow as pa

    with contextlib.ExitStack() as stack:
        try:
            source = stack.enter_context(pa.memory_map(path))
            is_file = source.read(len(MAGIC)) == MAGIC
            source.seek(0)
            opened = pa.ipc.open_file(source) if is_file else pa.ipc.open_stream(source)
            reader = stack.enter_context(opened)
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{path}: cannot be read as Arrow IPC: {error}") from None
        yield source, reader


def _batches(
    path: str, reader: Any, source: Any, size: int
) -> Iterator[tuple[pa.RecordBatch, Any, float]]:
    """Yield each batch, what is attached to it, and which share of the file it is."""
    import pyarrow as pa

    try:
        if isinstance(reader, pa.ipc.RecordBatchFileReader):
            count = reader.num_record_batches
            for index in range(count):
                batch, custom = reader.get_batch_with_custom_metadata(index)
                yield batch, custom, 1 / count
            return
        before = source.tell()
        while True:
            try:
                batch, custom = reader.read_next_batch_with_custom_metadata()
            except StopIteration:
                return
            yield batch, custom, (source.tell() - before) / size
            before = source.tell()
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: is damaged: {error}") from None


def _answer(
    task: Task, scorer: Scorer, schema: pa.Schema, piece: tuple[pa.RecordBatch, Any, float]
) -> tuple[pa.RecordBatch, Any, float, Counts]:
    import pyarrow as pa

    batch, custom, share = piece
    places = [batch.schema.get_field_index(name) for name in task.columns]
    answers, found = scorer.answer([batch.column(place) for place in places])
    scored = pa.RecordBatch.from_arrays([*batch.columns, answers], schema=schema)
    return scored, custom, share, found


def _codec(source: Any, is_file: bool) -> str | None:
    """Return how the first batch's buffers are compressed; pyarrow does not tell."""
    import pyarrow as pa

    at = source.tell()
    try:
        source.seek(8 if is_file else 0)  # a file is a stream behind its magic
        for message in pa.ipc.MessageReader.open_stream(source):
            if message.type == "record batch":
                return _codec_of(message.metadata.to_pybytes())
        return None
    finally:
        source.seek(at)


def _codec_of(metadata: bytes) -> str | None:
    """Return the codec in a record batch's message, a flatbuffer.

    Source: https://arrow.apache.org/docs/format/Columnar.html#encapsulated-message-format and
    format/Message.fbs: Message.header is its third field, RecordBatch.compression the fourth,
    BodyCompression.codec the first, which is left out for 0.
    """
    batch = _table(metadata, struct.unpack_from("<I", metadata)[0], 2)
    compression = None if batch is None else _table(metadata, batch, 3)
    if compression is None:
        return None
    at = _field(metadata, compression, 0)
    return _CODECS[0 if at is None else metadata[at]]


def _field(data: bytes, table: int, index: int) -> int | None:
    """Return where a field of a flatbuffer's table is, None if it is left out."""
    entries = table - struct.unpack_from("<i", data, table)[0]
    place = 4 + 2 * index
    if place >= struct.unpack_from("<H", data, entries)[0]:
        return None
    offset: int = struct.unpack_from("<H", data, entries + place)[0]
    return table + offset if offset else None


def _table(data: bytes, table: int, index: int) -> int | None:
    """Return where the table is that a field leads to."""
    at = _field(data, table, index)
    return None if at is None else at + int(struct.unpack_from("<I", data, at)[0])

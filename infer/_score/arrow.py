"""Arrow IPC, file and stream: batch by batch, each with one more column."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from infer._engines._window import in_order
from infer._errors import DataError
from infer._files._tables.arrow_ipc import OTHER_COLUMNS, Survey, survey
from infer._files._tables.damage import FormatError, blame, blamed
from infer._files.options import ReadingOptions
from infer._score._task import Column, Counts, Look, Task, Tick
from infer._score._values import Scorer, is_numeric

if TYPE_CHECKING:
    import pyarrow as pa


def look(path: str, _options: ReadingOptions) -> Look:
    """Return the columns of a file; rows are counted by reading it."""
    with _reading(path) as (_, _, reader), blame(partial(_unreadable, path)):
        fields = [(field.name, field.type) for field in reader.schema]
    return Look(tuple(Column(name, str(kind), is_numeric(kind)) for name, kind in fields), None)


def score(task: Task, beside: str, tick: Tick) -> Counts:
    """Write a file with the answers; see ``infer._score.FORMATS``."""
    import pyarrow as pa

    scorer = Scorer(task.card)
    counts = Counts()
    with _reading(task.source) as (found, source, reader), pa.OSFile(beside, "wb") as sink:
        size = max(1, source.size())
        schema = reader.schema.append(pa.field(task.output, scorer.arrow_type))
        options = pa.ipc.IpcWriteOptions(compression=found.codec, allow_64bit=True)
        make: Any = pa.ipc.new_file if found.is_file else pa.ipc.new_stream
        metadata = getattr(reader, "metadata", None) if found.is_file else None
        extra = {} if metadata is None else {"metadata": metadata}
        answer = partial(_answer, task, scorer, schema)
        batches = blamed(_batches(found, source, reader, size), partial(_damaged, task.source))
        with make(sink, schema, options=options, **extra) as writer:
            for batch, custom, share, counted in in_order(answer, batches, task.workers):
                writer.write_batch(batch, custom_metadata=custom)
                counts = counts.plus(counted)
                tick(counted.rows, share)
    if counts.rows != found.rows:
        raise _damaged(task.source, f"it claims {found.rows:,} rows, {counts.rows:,} are there")
    return counts


def _unreadable(path: str, problem: str) -> DataError:
    return DataError(f"{path}: cannot be read as Arrow IPC: {problem}")


def _damaged(path: str, problem: str) -> DataError:
    return DataError(f"{path}: is damaged: {problem}")


@contextlib.contextmanager
def _reading(path: str) -> Iterator[tuple[Survey, Any, Any]]:
    """Open a file or stream; give what it claims, its bytes and its reader."""
    import pyarrow as pa

    try:
        with open(path, "rb") as file:
            found = survey(file)
    except FormatError as error:
        raise _unreadable(path, str(error)) from error
    with contextlib.ExitStack() as stack:
        with blame(partial(_unreadable, path)):
            # A file that shrinks is an error here; mapped into memory, it would end the process.
            source = stack.enter_context(pa.OSFile(path, "rb"))
            make: Any = pa.ipc.open_file if found.is_file else pa.ipc.open_stream
            reader = stack.enter_context(make(source))
            same = pa.ipc.read_schema(pa.py_buffer(found.schema)).equals(reader.schema)
        if not same:
            raise _unreadable(path, OTHER_COLUMNS)
        yield found, source, reader


def _batches(
    found: Survey, source: Any, reader: Any, size: int
) -> Iterator[tuple[pa.RecordBatch, Any, float]]:
    """Yield each batch, what is attached to it, and which share of the file it is."""
    if found.is_file:
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


def _answer(
    task: Task, scorer: Scorer, schema: pa.Schema, piece: tuple[pa.RecordBatch, Any, float]
) -> tuple[pa.RecordBatch, Any, float, Counts]:
    import pyarrow as pa

    batch, custom, share = piece
    with blame(partial(_damaged, task.source)):
        batch.validate(full=True)
    places = [batch.schema.get_field_index(name) for name in task.columns]
    answers, found = scorer.answer([batch.column(place) for place in places])
    scored = pa.RecordBatch.from_arrays([*batch.columns, answers], schema=schema)
    return scored, custom, share, found

"""Arrow IPC files and streams: what their metadata claim, against the bytes that are there.

Arrow believes some claims that its own validation cannot check later: that a column has no nulls
although its bitmap says otherwise, that a stream ends where its bytes end, that a file's footer
lists all batches, and how large a compressed buffer becomes. Only metadata are read here. Sources:
https://arrow.apache.org/docs/format/Columnar.html, format/Message.fbs, Schema.fbs and File.fbs.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

from infer._files._tables.damage import FormatError, blame, check_inflated, reason

MAGIC = b"ARROW1"
FEATHER_1 = b"FEA1"
OTHER_COLUMNS = "its footer names other columns than its beginning"
# Columns of type null have rows without bytes; other rows take a bit or more.
_MOST_EMPTY_ROWS = 1 << 24
_DEEPEST = 64
_CONTINUED = b"\xff\xff\xff\xff"
_START = 8  # of a file's messages
_SCHEMA, _DICTIONARY, _BATCH = 1, 2, 3
_CODECS = {0: "lz4", 1: "zstd"}
_FLOAT_BITS = {0: 16, 1: 32, 2: 64}
_NULL, _INTEGER, _FLOAT, _DECIMAL, _UNION, _RUN_END_ENCODED = 1, 2, 3, 7, 14, 22
_VIEWS = (23, 24)
# Buffers of a column by its type's number, the bitmap of nulls included; unions and run-end
# encoded columns aside: these had a bitmap before version 5 of the format.
_BUFFERS = {
    **dict.fromkeys((2, 3, 6, 7, 8, 9, 10, 11, 15, 18), 2),  # numbers, dates, fixed-size binary
    **dict.fromkeys((4, 5, 19, 20), 3),  # binary, text
    **dict.fromkeys((12, 17, 21), 2),  # list, map, large list
    **dict.fromkeys((13, 16), 1),  # struct, fixed-size list
    **dict.fromkeys((25, 26), 3),  # list views
    **dict.fromkeys(_VIEWS, 2),  # and as many as a batch says
    _NULL: 0,
}
_VERSION_5 = 4  # as a number
# Buffers may be as long as that makes them a multiple of it.
_PADDING = 64


class Survey(NamedTuple):
    """What the metadata of a file or stream say.

    Attributes:
        is_file: whether it is a file, with a footer, or a stream.
        rows: of all batches.
        codec: how the first batch is compressed: "lz4", "zstd" or None.
        schema: the message of the schema, as ``pyarrow.ipc.read_schema`` takes it.
    """

    is_file: bool
    rows: int
    codec: str | None
    schema: bytes


class _Table(NamedTuple):
    """A table of a flatbuffer. Every offset is checked against the buffer."""

    data: bytes
    at: int

    def unpack(self, layout: str, at: int) -> int:
        """Return a number somewhere in the buffer."""
        if at < 0:
            raise FormatError("its metadata point outside themselves")
        value: int = struct.unpack_from(layout, self.data, at)[0]
        return value

    def place(self, slot: int) -> int | None:
        """Return where a field is, None if it is left out."""
        entries = self.at - self.unpack("<i", self.at)
        if 4 + 2 * slot >= self.unpack("<H", entries):
            return None
        offset = self.unpack("<H", entries + 4 + 2 * slot)
        return self.at + offset if offset else None

    def number(self, slot: int, layout: str) -> int:
        """Return a number, zero if it is left out."""
        at = self.place(slot)
        return 0 if at is None else self.unpack(layout, at)

    def table(self, slot: int) -> _Table | None:
        """Return the table that a field leads to, None if it is left out."""
        at = self.place(slot)
        return None if at is None else _Table(self.data, at + self.unpack("<I", at))

    def vector(self, slot: int, width: int) -> tuple[int, int]:
        """Return where a vector's items begin, and how many there are."""
        at = self.place(slot)
        if at is None:
            return 0, 0
        at += self.unpack("<I", at)
        count = self.unpack("<I", at)
        if at + 4 + count * width > len(self.data):
            raise FormatError("its metadata point outside themselves")
        return at + 4, count

    def tables(self, slot: int) -> list[_Table]:
        """Return the tables of a vector."""
        start, count = self.vector(slot, 4)
        places = range(start, start + 4 * count, 4)
        return [_Table(self.data, at + self.unpack("<I", at)) for at in places]

    def structs(self, slot: int, layout: str) -> list[tuple[Any, ...]]:
        """Return the structs of a vector."""
        width = struct.calcsize(layout)
        start, count = self.vector(slot, width)
        return list(struct.iter_unpack(layout, self.data[start : start + count * width]))


class _Message(NamedTuple):
    """A message: where it begins, its kind, its header, and where its body lies."""

    at: int
    kind: int
    header: _Table
    body: int
    size: int
    version: int
    metadata: bytes


class _Column(NamedTuple):
    """How a column lies in a batch.

    Attributes:
        buffers: number of its own.
        has_bitmap: whether the first of them says which values are null.
        is_view: whether a batch says how many buffers follow.
        bits: of a number; 0 if it holds something else.
        children: columns within it.
    """

    buffers: int
    has_bitmap: bool
    is_view: bool
    bits: int
    children: tuple[_Column, ...]


def survey(file: BinaryIO) -> Survey:
    """Check the metadata of a file or stream against its bytes.

    Args:
        file: can be read at any place; where it stands does not matter.

    Raises:
        FormatError: they do not agree, or the data inflate beyond any use.
    """
    try:
        return _survey(file)
    except (struct.error, IndexError, OverflowError) as error:
        raise FormatError(f"its metadata are cut short ({reason(error)})") from None


def _survey(file: BinaryIO) -> Survey:
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(len(MAGIC))
    if head.startswith(FEATHER_1):
        raise FormatError("is Feather of version 1; write it anew as version 2, or as Parquet")
    is_file = head == MAGIC
    footer = _footer(file, size) if is_file else None
    end = size if footer is None else size - _TAIL - len(footer.data)
    schema = b""
    columns: tuple[_Column, ...] = ()
    dictionaries: dict[int, tuple[_Column, ...]] = {}
    codec, rows, inflated = "", 0, 0
    listed: dict[int, list[tuple[int, int]]] = {_DICTIONARY: [], _BATCH: []}
    for message in _messages(file, _START if is_file else 0, end, may_stop=is_file):
        if message.kind == _SCHEMA and not schema:
            schema = _framed(message.metadata)
            columns, dictionaries = _columns(message.header, message.version)
            continue
        if not schema or message.kind not in listed:
            raise FormatError(f"holds a message of kind {message.kind}, expected a batch of rows")
        listed[message.kind].append((message.at, message.size))
        batch: _Table | None = message.header
        layout = columns
        if message.kind == _DICTIONARY:
            layout = dictionaries.get(message.header.number(0, "<q"), ())
            batch = message.header.table(1)
        if batch is None:
            raise FormatError("holds a dictionary without values")
        found = _check_batch(file, size, message, batch, layout)
        if message.kind == _BATCH:
            rows += batch.number(0, "<q")
            codec = codec or found.codec or "none"
        inflated += found.inflated
        check_inflated(inflated, size)
    if not schema:
        raise FormatError("ends before it says what its columns are")
    if rows > 8 * inflated + _MOST_EMPTY_ROWS:
        raise FormatError(f"claims {rows:,} rows, which {inflated:,} bytes cannot hold")
    if footer is not None:
        for slot, kind in ((2, _DICTIONARY), (3, _BATCH)):
            blocks = sorted((at, body) for at, _, body in footer.structs(slot, "<qi4xq"))
            if blocks != listed[kind]:
                raise FormatError("its footer lists other batches than the file holds")
    return Survey(is_file, rows, None if codec in ("", "none") else codec, schema)


_TAIL = 4 + len(MAGIC)


def _footer(file: BinaryIO, size: int) -> _Table:
    file.seek(max(0, size - _TAIL))
    tail = file.read(_TAIL)
    if len(tail) < _TAIL or tail[4:] != MAGIC:
        raise FormatError("has no footer; it is cut short")
    length = int.from_bytes(tail[:4], "little", signed=True)
    if not 0 < length <= size - _TAIL - _START:
        raise FormatError(f"has a footer of {length:,} bytes in {size:,}")
    file.seek(size - _TAIL - length)
    data = file.read(length)
    return _Table(data, struct.unpack_from("<I", data)[0])


def _messages(file: BinaryIO, at: int, end: int, *, may_stop: bool) -> Iterator[_Message]:
    """Yield the messages of a stream.

    Args:
        file: see ``survey``.
        at: where the first one begins.
        end: where the last one ends at the latest.
        may_stop: whether the mark of the stream's end may be missing, or something may follow it.
    """
    while True:
        file.seek(at)
        prefix = file.read(min(8, end - at))
        begin = at + (8 if prefix.startswith(_CONTINUED) else 4)
        length = prefix[4:] if prefix.startswith(_CONTINUED) else prefix[:4]
        if len(length) < 4:
            if may_stop and not prefix:
                return
            raise FormatError(
                "does not end as a stream does; it is cut short, or its writer was never closed"
            )
        size = int.from_bytes(length, "little", signed=True)
        if not size:
            if not may_stop and end - begin >= 8:  # less is padding
                raise FormatError(f"goes on for {end - begin:,} bytes behind its end")
            return
        if not 0 < size <= end - begin:
            raise FormatError(f"has a message of {size:,} bytes, {end - begin:,} are there")
        file.seek(begin)
        metadata = file.read(size)
        table = _Table(metadata, struct.unpack_from("<I", metadata)[0])
        header, body = table.table(2), table.number(3, "<q")
        if header is None:
            raise FormatError("has a message that says nothing")
        at, begin = begin + size, at
        if not 0 <= body <= end - at:
            raise FormatError(f"has a batch of {body:,} bytes, {end - at:,} are there")
        yield _Message(
            begin, table.number(1, "<B"), header, at, body, table.number(0, "<h"), metadata
        )
        at += body


def _framed(metadata: bytes) -> bytes:
    return _CONTINUED + len(metadata).to_bytes(4, "little") + metadata


def _columns(
    schema: _Table, version: int
) -> tuple[tuple[_Column, ...], dict[int, tuple[_Column, ...]]]:
    """Return the layout of a batch's columns, and of each dictionary's by its number."""
    dictionaries: dict[int, tuple[_Column, ...]] = {}

    def layout(field: _Table, depth: int) -> _Column:
        if depth > _DEEPEST:
            raise FormatError(f"has columns within columns, more than {_DEEPEST} deep")
        kind = field.number(2, "<B")
        children = tuple(layout(child, depth + 1) for child in field.tables(5))
        if kind in (_UNION, _RUN_END_ENCODED):
            union = field.table(3)
            dense = union is not None and union.number(0, "<h") == 1
            has_bitmap = version < _VERSION_5
            own = 1 + dense if kind == _UNION else 0
            found = _Column(own + has_bitmap, has_bitmap, False, 0, children)
        elif kind in _BUFFERS:
            buffers = _BUFFERS[kind]
            bits = _bits(kind, field.table(3))
            found = _Column(buffers, buffers > 0, kind in _VIEWS, bits, children)
        else:
            raise FormatError(f"has a column of type {kind}, which is not known here")
        dictionary = field.table(4)
        if dictionary is None:
            return found
        dictionaries[dictionary.number(0, "<q")] = (found,)
        return _Column(2, True, False, _bits(_INTEGER, dictionary.table(1)) or 32, ())

    return tuple(layout(field, 0) for field in schema.tables(1)), dictionaries


def _bits(kind: int, parameters: _Table | None) -> int:
    """Return how many bits a number of a type takes, 0 if it is none."""
    if parameters is None:
        return 0
    if kind == _INTEGER:
        return parameters.number(0, "<i")
    if kind == _FLOAT:
        return _FLOAT_BITS.get(parameters.number(0, "<h"), 0)
    if kind == _DECIMAL:
        return parameters.number(2, "<i") or 128
    return 0


class _Found(NamedTuple):
    """How large a batch is when inflated, and how it is compressed."""

    inflated: int
    codec: str | None


def _check_batch(
    file: BinaryIO, size: int, message: _Message, batch: _Table, columns: tuple[_Column, ...]
) -> _Found:
    nodes, buffers = batch.structs(1, "<qq"), batch.structs(2, "<qq")
    compression = batch.table(3)
    codec = None if compression is None else _CODECS.get(compression.number(0, "<b"))
    if compression is not None and codec is None:
        raise FormatError("is compressed in a way that is not known here")
    end = 0
    for at, length in buffers:
        if min(at, length) < 0 or at + length > message.size:
            raise FormatError(f"has a buffer at {at:,} of {length:,} bytes in {message.size:,}")
        if length and at < end:
            raise FormatError("has buffers that overlap")
        end = max(end, at + length)
    if batch.number(0, "<q") < 0:
        raise FormatError("has a batch of less than no rows")
    for length, nulls in nodes:
        if not 0 <= nulls <= length:
            raise FormatError(f"has a column with {nulls:,} nulls in {length:,} rows")
    sizes = [length for _, length in buffers]
    if codec is not None:
        sizes = [_inflated_size(file, message.body + at, length) for at, length in buffers]
        check_inflated(sum(sizes), size)
    variadic = [count for (count,) in batch.structs(4, "<q")]
    for column, node, buffer in _with_bitmaps(columns, variadic, len(nodes), len(buffers)):
        length, nulls = nodes[node]
        at, stored = buffers[buffer]
        size_of_values = -(-length * column.bits // 8)
        if column.bits and not 0 <= sizes[buffer + 1] - size_of_values < _PADDING:
            raise FormatError(
                f"has a column of {sizes[buffer + 1]:,} bytes, which is not what {length:,} "
                f"numbers of {column.bits} bits take"
            )
        if stored and length and not nulls:
            bits = _inflate(file, message.body + at, stored, sizes[buffer], codec)
            if not _all_ones(bits, length):
                raise FormatError("has a column that claims no nulls, and a bitmap with some")
    return _Found(sum(sizes), codec)


def _with_bitmaps(
    columns: tuple[_Column, ...], variadic: list[int], nodes: int, buffers: int
) -> list[tuple[_Column, int, int]]:
    """Return which node goes with which buffer that is a bitmap of nulls, and their column."""
    found: list[tuple[_Column, int, int]] = []
    node = buffer = views = 0

    def walk(column: _Column) -> None:
        nonlocal node, buffer, views
        if column.has_bitmap:
            found.append((column, node, buffer))
        node, buffer = node + 1, buffer + column.buffers
        if column.is_view:
            buffer, views = buffer + max(0, variadic[views]), views + 1
        for child in column.children:
            walk(child)

    for column in columns:
        walk(column)
    if node != nodes or buffer != buffers:
        raise FormatError(
            f"has a batch of {nodes:,} columns in {buffers:,} buffers, its columns take "
            f"{node:,} in {buffer:,}"
        )
    return found


def _inflated_size(file: BinaryIO, at: int, length: int) -> int:
    """Return how large a compressed buffer is to become; -1 stands for one that is not."""
    if length < 8:
        return length
    file.seek(at)
    size = int.from_bytes(file.read(8), "little", signed=True)
    if size < -1:
        raise FormatError(f"has a buffer that inflates to {size:,} bytes")
    return length - 8 if size == -1 else size


def _inflate(file: BinaryIO, at: int, length: int, size: int, codec: str | None) -> bytes:
    import pyarrow as pa

    file.seek(at)
    data = file.read(length)
    if codec is None:
        return data
    if data[:8] == b"\xff" * 8:
        return data[8:]
    with blame(FormatError):
        inflated: bytes = pa.decompress(data[8:], size, codec, asbytes=True)
    return inflated


def _all_ones(bits: bytes, count: int) -> bool:
    whole, rest = divmod(count, 8)
    if len(bits) < whole + (rest > 0):
        raise FormatError("has a bitmap that is shorter than its column")
    tail = (1 << rest) - 1
    return bits[:whole] == b"\xff" * whole and (not rest or bits[whole] & tail == tail)

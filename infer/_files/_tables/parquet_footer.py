"""A Parquet file's footer: read, given one more column, and written.

A footer tells where each column's chunks lie, so a file can keep all its bytes and get further
chunks behind them: "There is no physical structure that is guaranteed for a row group". Source:
https://parquet.apache.org/docs/file-format/ and its parquet.thrift.
"""

from __future__ import annotations

import base64
import gc
import json
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from infer._errors import DataError
from infer._files._tables.damage import FormatError, blame
from infer._files._tables.thrift import (
    BINARY,
    I32,
    I64,
    LIST,
    STRUCT,
    Field,
    List,
    Struct,
    decode,
    encode,
    structs,
    value,
)

if TYPE_CHECKING:
    import pyarrow as pa

_MAGIC = b"PAR1"
_TAIL = len(_MAGIC) + 4

# Fields by number: of the footer,
_SCHEMA, _FILE_ROWS, _ROW_GROUPS, _KEY_VALUES, _COLUMN_ORDERS, _ENCRYPTION = 2, 3, 4, 5, 7, 8
# of an element of the schema,
_PHYSICAL, _NAME, _NUM_CHILDREN = 1, 4, 5
# of a row group,
CHUNKS, _TOTAL_SIZE, NUM_ROWS, _TOTAL_COMPRESSED = 1, 2, 3, 6
# of a column chunk,
_FILE_PATH, _FILE_OFFSET, META, OFFSET_INDEX, _COLUMN_INDEX = 1, 2, 3, 4, 6
# and of its metadata.
_META_UNCOMPRESSED, _META_OFFSETS = 6, (9, 10, 11, 14)
_LARGEST = 1 << 26


class Footer(NamedTuple):
    """A footer, and where in the file it begins: everything before it is data."""

    start: int
    content: Struct

    @property
    def row_groups(self) -> list[Struct]:
        """The row groups."""
        return structs(self.content, _ROW_GROUPS)


class Chunk(NamedTuple):
    """One row group of the new column, as the bytes of a Parquet file that holds nothing else."""

    file: bytes
    footer: Footer

    @property
    def data(self) -> memoryview:
        """What is to be written: the pages, and an index to them if there is one."""
        return memoryview(self.file)[len(_MAGIC) : self.footer.start]


def read_footer(path: str) -> Footer:
    """Return the footer of a Parquet file that can be given another column.

    Raises:
        DataError: it is not a whole Parquet file, is signed or encrypted, or lies in several files.
    """
    try:
        with open(path, "rb") as file:
            footer = load_footer(file)
    except FormatError as error:
        raise DataError(f"{path}: {error}") from None
    if _ENCRYPTION in footer.content:
        raise DataError(f"{path}: is signed or encrypted; a column would break its signature")
    return footer


def load_footer(file: BinaryIO) -> Footer:
    """Return the footer of a Parquet file, wherever that stands.

    pyarrow ends the process when it is asked for metadata that a footer lacks, so look here first.

    Raises:
        FormatError: it is not a whole Parquet file, is encrypted, or lies in several files.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _TAIL))
    tail = file.read(_TAIL)
    start = size - _TAIL - (struct.unpack("<I", tail[:4])[0] if len(tail) == _TAIL else 0)
    if tail[4:] == b"PARE":
        raise FormatError("is encrypted; expected a Parquet file that anybody can read")
    if tail[4:] != _MAGIC or start < len(_MAGIC):
        raise FormatError("expected a Parquet file; it is cut short or something else")
    if size - _TAIL - start > _LARGEST:
        raise FormatError(
            f"its footer takes {size - _TAIL - start:,} bytes; expected at most {_LARGEST:,}, so "
            "fewer columns or row groups"
        )
    file.seek(start)
    data = file.read(size - _TAIL - start)
    try:
        with _without_collection():
            footer = Footer(start, decode(data))
        _check(footer)
    except FormatError as error:
        raise FormatError(f"its footer is damaged: {error}") from None
    chunks = (chunk for group in footer.row_groups for chunk in structs(group, CHUNKS))
    if any(_FILE_PATH in chunk for chunk in chunks):
        raise FormatError("is an index to other files; expected a file with data")
    return footer


@contextmanager
def _without_collection() -> Iterator[None]:
    """Keep Python from looking for cycles among a million values that have none."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _check(footer: Footer) -> None:
    """Check that all is there that is read or changed later.

    Raises:
        FormatError: it is not, or the row groups do not hold as many rows as the file.
    """
    content = footer.content
    groups = structs(content, _ROW_GROUPS)
    for group in groups:
        value(group, _TOTAL_SIZE, I64)
        if _TOTAL_COMPRESSED in group:
            value(group, _TOTAL_COMPRESSED, I64)
        for chunk in structs(group, CHUNKS):
            value(chunk, META, STRUCT)
    rows = [value(group, NUM_ROWS, I64) for group in groups]
    total = value(content, _FILE_ROWS, I64)
    if min(rows, default=0) < 0 or sum(rows) != total:
        raise FormatError(f"it claims {total:,} rows, its row groups {sum(rows):,}")
    elements = structs(content, _SCHEMA)
    if not elements:
        raise FormatError("it has no schema")
    value(elements[0], _NUM_CHILDREN, I32)
    leaves = 0
    for element in elements:
        value(element, _NAME, BINARY)
        leaves += not (_NUM_CHILDREN in element and value(element, _NUM_CHILDREN, I32))
    for number, group in enumerate(groups):
        count = len(structs(group, CHUNKS))
        if count != leaves:
            raise FormatError(f"row group {number} has {count:,} columns, the schema {leaves:,}")
    if _COLUMN_ORDERS in content:
        structs(content, _COLUMN_ORDERS)
    if _KEY_VALUES in content:
        for pair in structs(content, _KEY_VALUES):
            value(pair, 1, BINARY)
            if 2 in pair:
                value(pair, 2, BINARY)


class Leaf(NamedTuple):
    """A column: which chunk it is of each row group, and the number of its physical type."""

    place: int
    physical: int


def leaf(footer: Footer, name: str) -> Leaf | None:
    """Return where a column is, None if it holds other columns.

    Raises:
        FormatError: there is no such column, or two.
    """
    found: list[Leaf | None] = []
    leaves, inside = 0, [value(footer.content[_SCHEMA].value.values[0], _NUM_CHILDREN, I32)]
    for element in structs(footer.content, _SCHEMA)[1:]:
        while inside and not inside[-1]:
            inside.pop()
        if not inside:
            raise FormatError("its schema has columns beside the table")
        inside[-1] -= 1
        children = element[_NUM_CHILDREN].value if _NUM_CHILDREN in element else 0
        if len(inside) == 1 and element[_NAME].value == name.encode():
            found.append(None if children else Leaf(leaves, value(element, _PHYSICAL, I32)))
        if children:
            inside.append(children)
        else:
            leaves += 1
    if len(found) != 1:
        raise FormatError(f"its schema has {len(found)} columns {name!r}")
    return found[0]


def chunk_of(file: bytes) -> Chunk:
    """Return the row group in the bytes of a Parquet file that holds nothing else."""
    (size,) = struct.unpack("<I", file[-_TAIL:-4])
    start = len(file) - _TAIL - size
    return Chunk(file, Footer(start, decode(file[start:-_TAIL])))


def add_chunk(group: Struct, chunk: Chunk, position: int) -> bytes:
    """Tell a row group of another column.

    Args:
        group: the row group; changed in place.
        chunk: the column.
        position: where in the file its bytes are going to be.

    Returns:
        What has to be written there.
    """
    (single,) = chunk.footer.row_groups
    (column,) = single[CHUNKS].value.values
    shift = position - len(_MAGIC)
    data = bytearray(chunk.data)
    _shift(column, (_FILE_OFFSET,), shift)
    _shift(column[META].value, _META_OFFSETS, shift)
    if OFFSET_INDEX in column:
        # The index of pages holds their places in the file, all of one length or shorter; it
        # comes last, and is written anew behind the rest.
        start = column[OFFSET_INDEX].value - len(_MAGIC)
        index = decode(bytes(data[start:]))
        for page in index[1].value.values:
            _shift(page, (1,), shift)
        again = encode(index)
        data[start:] = again
        column[OFFSET_INDEX + 1] = Field(column[OFFSET_INDEX + 1].type, len(again))
        _shift(column, (OFFSET_INDEX, _COLUMN_INDEX), shift)
    group[CHUNKS].value.values.append(column)
    _shift(group, (_TOTAL_SIZE,), column[META].value[_META_UNCOMPRESSED].value)
    if _TOTAL_COMPRESSED in single:
        _shift(group, (_TOTAL_COMPRESSED,), single[_TOTAL_COMPRESSED].value)
    return bytes(data)


def _shift(fields: Struct, numbers: tuple[int, ...], by: int) -> None:
    """Add to those of some integer fields that are there, and are not zero for "not set"."""
    for number in numbers:
        if number in fields and fields[number].value:
            fields[number] = Field(fields[number].type, fields[number].value + by)


def finished(footer: Footer, like: Chunk, field: pa.Field, path: str) -> bytes:
    """Return what ends the file: the footer, with another column in its schema.

    Args:
        footer: whose row groups have the column already.
        like: a chunk of the column, for its schema.
        field: the column as Arrow's field.
        path: of the file, for errors.

    Raises:
        DataError: what some program wrote about the columns is damaged.
    """
    content = footer.content
    elements = content[_SCHEMA].value.values
    elements.append(like.footer.content[_SCHEMA].value.values[1])
    _shift(elements[0], (_NUM_CHILDREN,), 1)
    if _COLUMN_ORDERS in content:
        orders = [*structs(content, _COLUMN_ORDERS), *structs(like.footer.content, _COLUMN_ORDERS)]
        content[_COLUMN_ORDERS] = Field(LIST, List(STRUCT, orders))
    if _KEY_VALUES in content:
        pairs = content[_KEY_VALUES].value.values
        told = [_tell(pair, field, path) for pair in pairs]
        content[_KEY_VALUES] = Field(content[_KEY_VALUES].type, List(STRUCT, told))
    data = encode(content)
    return data + struct.pack("<I", len(data)) + _MAGIC


def _tell(pair: Struct, field: pa.Field, path: str) -> Struct:
    """Return a key and its value, with the new column where the value lists the columns."""
    key = pair[1].value
    update = _LISTS.get(key)
    if update is None or 2 not in pair:
        return pair
    try:
        return {**pair, 2: Field(BINARY, update(pair[2].value, field))}
    except FormatError as error:
        raise DataError(
            f"{path}: its metadata {key.decode()!r} are damaged: {error}; write it anew"
        ) from None


def _in_arrow(text: bytes, field: pa.Field) -> bytes:
    import pyarrow as pa

    with blame(FormatError):
        schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text)))
    return base64.b64encode(schema.append(field).serialize())


def _in_pandas(text: bytes, field: pa.Field) -> bytes:
    document = _json(text)
    name = {"name": field.name, "field_name": field.name, "metadata": None}
    kind = {"float": "float32", "double": "float64"}[str(field.type)]
    indexes = _listed(document, "index_columns", [])
    columns = _listed(document, "columns")
    # pandas lists what stands in an index last.
    stored = [name for name in indexes if isinstance(name, str)]
    names = [column.get("field_name") if isinstance(column, dict) else None for column in columns]
    at = next((i for i, name in enumerate(names) if name in stored), len(columns))
    columns.insert(at, {**name, "pandas_type": kind, "numpy_type": kind})
    return json.dumps(document).encode()


def _in_spark(text: bytes, field: pa.Field) -> bytes:
    document = _json(text)
    new: dict[str, Any] = {"name": field.name, "type": str(field.type), "nullable": True}
    _listed(document, "fields").append({**new, "metadata": {}})
    return json.dumps(document, separators=(",", ":")).encode()


def _json(text: bytes) -> dict[str, Any]:
    with blame(FormatError):  # also of nesting so deep that Python gives up
        document = json.loads(text)
    if not isinstance(document, dict):
        raise FormatError("expected a JSON object")
    return document


def _listed(document: dict[str, Any], key: str, default: list[Any] | None = None) -> list[Any]:
    found = document.get(key, default)
    if not isinstance(found, list):
        raise FormatError(f"expected a list {key!r}")
    return found


# What programs write about the columns beside the schema, and believe when they read.
_LISTS = {
    b"ARROW:schema": _in_arrow,
    b"pandas": _in_pandas,
    b"org.apache.spark.sql.parquet.row.metadata": _in_spark,
}

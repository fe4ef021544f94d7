"""Parquet's pages: their headers, against what the footer claims of them.

Arrow's reader gives as many rows as it finds or as it is told, whichever is less, and says nothing
about the difference. Only the headers of pages are read here, of columns without repetition.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from infer._score._damage import FormatError, blame, check_inflated
from infer._score._thrift import I32, STRUCT, CutShortError, Struct, decode_at, value

if TYPE_CHECKING:
    import pyarrow.parquet as pq

# A page's header: fields by number,
_TYPE, _UNCOMPRESSED, _COMPRESSED = 1, 2, 3
# and where the number of values is told, by the page's type: data, dictionary, data of version 2.
_DATA = {0: 5, 3: 8}
# Headers hold the smallest and largest text of a page, too.
_FIRST_GUESS, _LONGEST_HEADER = 1 << 12, 1 << 24


class _Chunk(NamedTuple):
    """What a footer claims of a column in a row group."""

    where: str
    rows: int
    values: int
    at: int
    size: int


def check_rows(metadata: pq.FileMetaData) -> None:
    """Check that a file has as many rows as its row groups.

    Raises:
        FormatError: it has not.
    """
    with blame(FormatError):
        groups = [metadata.row_group(index).num_rows for index in range(metadata.num_row_groups)]
        rows = metadata.num_rows
    if min(groups, default=0) < 0 or sum(groups) != rows:
        raise FormatError(f"claims {rows:,} rows, its row groups {sum(groups):,}")


def check_pages(
    file: BinaryIO, size: int, metadata: pq.FileMetaData, columns: Sequence[str]
) -> None:
    """Check that the pages of some columns hold as many values as there are rows.

    Args:
        file: the Parquet file; where it stands does not matter.
        size: its number of bytes.
        metadata: of its footer.
        columns: names of columns that hold no others; one that does is left out.

    Raises:
        FormatError: they do not, or they inflate beyond any use.
    """
    with blame(FormatError):
        chunks = _chunks(metadata, columns)
    inflated = 0
    for chunk in chunks:
        try:
            inflated += _check_chunk(file, size, chunk, inflated)
        except FormatError as error:
            raise FormatError(f"{chunk.where}: {error}") from None


def _check_chunk(file: BinaryIO, size: int, chunk: _Chunk, before: int) -> int:
    """Check a column in a row group; return how large its pages become.

    Args:
        file: the Parquet file.
        size: its number of bytes.
        chunk: what its footer claims.
        before: how large earlier pages become.
    """
    if chunk.values != chunk.rows:
        raise FormatError(f"it claims {chunk.values:,} values in {chunk.rows:,} rows")
    if not chunk.rows:  # and no pages, so no place of them
        return 0
    at, end, values, inflated = chunk.at, chunk.at + chunk.size, 0, 0
    if not 0 < at <= end <= size:
        raise FormatError("it lies outside the file")
    while at < end:
        header, at = _header(file, at)
        stored, becomes = value(header, _COMPRESSED, I32), value(header, _UNCOMPRESSED, I32)
        if min(stored, becomes) < 0 or at + stored > size:
            raise FormatError(f"it has a page of {stored:,} bytes")
        at += stored
        inflated += becomes
        check_inflated(before + inflated, size)
        place = _DATA.get(value(header, _TYPE, I32))
        if place is not None:
            values += value(value(header, place, STRUCT), 1, I32)
    if values != chunk.rows:
        raise FormatError(f"it claims {chunk.rows:,} rows, its pages {values:,} values")
    return inflated


def _chunks(metadata: pq.FileMetaData, columns: Sequence[str]) -> list[_Chunk]:
    leaves = [metadata.schema.column(index) for index in range(len(metadata.schema))]
    flat = {
        index: leaf.name
        for index, leaf in enumerate(leaves)
        if leaf.name in columns and leaf.path == leaf.name and not leaf.max_repetition_level
    }
    found = []
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        for index, name in flat.items():
            chunk = group.column(index)
            at = chunk.data_page_offset
            if chunk.has_dictionary_page and 0 < (chunk.dictionary_page_offset or 0) < at:
                at = chunk.dictionary_page_offset
            where = f"row group {number} is damaged: column {name!r}"
            size = chunk.total_compressed_size
            found.append(_Chunk(where, group.num_rows, chunk.num_values, at, size))
    return found


def _header(file: BinaryIO, at: int) -> tuple[Struct, int]:
    """Return a page's header, and where its data begin."""
    length = _FIRST_GUESS
    while True:
        file.seek(at)
        data = file.read(length)
        try:
            header, used = decode_at(data, 0)
        except CutShortError:
            if len(data) < length or length == _LONGEST_HEADER:
                raise FormatError("it has a page without a whole header") from None
            length = _LONGEST_HEADER
        else:
            return header, at + used

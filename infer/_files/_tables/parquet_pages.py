"""Parquet's pages: their headers, against what the footer claims of them.

Arrow's reader gives as many rows as it finds or as it is told, whichever is less, and says nothing
about the difference. Only the headers of pages are read here, of columns without repetition.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO, NamedTuple

from infer._files._tables.damage import FormatError, check_inflated
from infer._files._tables.parquet_footer import (
    CHUNKS,
    META,
    NUM_ROWS,
    OFFSET_INDEX,
    Footer,
    Leaf,
    leaf,
)
from infer._files._tables.thrift import (
    I32,
    I64,
    LIST,
    STRUCT,
    CutShortError,
    Struct,
    decode_at,
    structs,
    value,
)

# Fields by number: of a column chunk's metadata,
_PHYSICAL, _PATH, _CODEC, _VALUES, _BECOMES, _SIZE = 1, 3, 4, 5, 6, 7
_FIRST_PAGE, _DICTIONARY_PAGE = 9, 11
# of a page's header,
_TYPE, _UNCOMPRESSED, _COMPRESSED = 1, 2, 3
# and where the number of values is told, by the page's type: data, dictionary, data of version 2.
_DATA = {0: 5, 3: 8}
# Headers hold the smallest and largest text of a page, too.
_FIRST_GUESS, _LONGEST_HEADER = 1 << 12, 1 << 24


class ChunkClaims(NamedTuple):
    """What a footer claims of a column in a row group.

    Attributes:
        rows: of the row group.
        values: of the column.
        at: where in the file it begins.
        size: its number of bytes there.
        becomes: and when it is inflated.
        physical: the number of its physical type.
        codec: the number of its compression.
        has_dictionary: whether its values are numbers in a dictionary.
        has_index: whether there is an index of its pages.
    """

    rows: int
    values: int
    at: int
    size: int
    becomes: int
    physical: int
    codec: int
    has_dictionary: bool
    has_index: bool


def claims(footer: Footer, column: str) -> list[ChunkClaims]:
    """Return what a footer claims of a column, in each row group.

    Args:
        footer: of the file.
        column: its name; one that holds other columns has no claims.

    Raises:
        FormatError: the footer is damaged.
    """
    found = leaf(footer, column)
    return [] if found is None else [_claims(g, found, column) for g in footer.row_groups]


def _claims(group: Struct, leaf: Leaf, column: str) -> ChunkClaims:
    chunks = structs(group, CHUNKS)
    if leaf.place >= len(chunks):
        raise FormatError(f"a row group has no column {column!r}")
    chunk = chunks[leaf.place]
    meta = value(chunk, META, STRUCT)
    physical = value(meta, _PHYSICAL, I32)
    if value(meta, _PATH, LIST).values != [column.encode()] or physical != leaf.physical:
        raise FormatError(f"a row group has another column than {column!r} of the schema")
    at = value(meta, _FIRST_PAGE, I64)
    dictionary = value(meta, _DICTIONARY_PAGE, I64) if _DICTIONARY_PAGE in meta else 0
    return ChunkClaims(
        value(group, NUM_ROWS, I64),
        value(meta, _VALUES, I64),
        dictionary if 0 < dictionary < at else at,
        value(meta, _SIZE, I64),
        value(meta, _BECOMES, I64),
        physical,
        value(meta, _CODEC, I32),
        _DICTIONARY_PAGE in meta,
        OFFSET_INDEX in chunk,
    )


def check_pages(file: BinaryIO, size: int, footer: Footer, columns: Sequence[str]) -> None:
    """Check that the pages of some columns hold as many values as there are rows.

    Args:
        file: the Parquet file; where it stands does not matter.
        size: its number of bytes.
        footer: its own.
        columns: names of columns; one that holds other columns is left out.

    Raises:
        FormatError: they do not, or they inflate beyond any use.
    """
    inflated = 0
    for column in columns:
        for number, chunk in enumerate(claims(footer, column)):
            try:
                inflated += _check_chunk(file, size, chunk, inflated)
            except FormatError as error:
                raise FormatError(
                    f"row group {number} is damaged: column {column!r}: {error}"
                ) from None


def _check_chunk(file: BinaryIO, size: int, chunk: ChunkClaims, before: int) -> int:
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

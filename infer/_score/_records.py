r"""Where the records of a CSV file end, without touching a byte of them.

A field that begins with a quote, or with blanks and a quote, ends with the next single one, and may
hold line breaks; a quote anywhere else is a character like any other. Lines end with \n, \r\n or
\r. Empty lines and comments are no records. All of it as ``infer._files._text`` reads it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from infer._errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_QUOTE, _NEWLINE, _RETURN = b'"\n\r'
# Any number of blanks delimits; then quotes mean nothing.
BLANK = b" "

# Bytes read at a time, and the longest record: a quote that is never closed would take all memory.
BLOCK = 1 << 22
_LONGEST = 1 << 26


class RecordBlock(NamedTuple):
    """Whole records of a file.

    Attributes:
        data: their bytes, with line breaks and empty lines.
        ends: where each record ends, before its line break.
        first: number of the first record, 1 for the one after the header.
        offset: where in the file the data begin.
        quoted: whether there is a quote in it.
        plain: whether pyarrow would divide it alike: without comments, and blanks before quotes.
    """

    data: bytes
    ends: NDArray[np.int64]
    first: int
    offset: int
    quoted: bool
    plain: bool


@cache
def _field_pattern(delimiter: bytes) -> re.Pattern[bytes]:
    other = rb"[^" + re.escape(delimiter) + rb"\r\n]"
    return re.compile(
        rb' *"[^"]*(?:""[^"]*)*"(?!")' + other + rb'*|(?! *")' + other + rb"*",
    )


@cache
def _comment_pattern(comment: bytes) -> re.Pattern[bytes]:
    return re.compile(rb"(?:^|[\r\n])[" + re.escape(comment) + rb"]")


def fields(record: bytes, delimiter: bytes) -> list[bytes]:
    """Return the fields of a record as they are written."""
    if delimiter == BLANK:
        return record.split()
    pattern, at, found = _field_pattern(delimiter), 0, []
    while (match := pattern.match(record, at)) is not None and match.end() < len(record):
        found.append(match[0])
        at = match.end() + 1
    return [*found, record[at:]]


def value_of(field: bytes) -> bytes:
    """Return what a field says, without its quotes."""
    if not field.lstrip(b" ").startswith(b'"'):
        return field
    field = field.lstrip(b" ")
    end = next(m.start() for m in re.finditer(rb'""|"', field[1:]) if m[0] == b'"') + 1
    return field[1:end].replace(b'""', b'"') + field[end + 1 :]


def blocks(
    file: BinaryIO,
    path: str,
    delimiter: bytes,
    offset: int,
    size: int = BLOCK,
    *,
    comment: bytes = b"",
) -> Iterator[RecordBlock]:
    """Yield the records of a file in blocks.

    Args:
        file: at its first record.
        path: what to call it in an error.
        delimiter: what stands between fields.
        offset: where in the file that is.
        size: bytes to read at a time.
        comment: bytes of which each begins a line of comment.

    Raises:
        DataError: a quote is never closed, or a record is longer than 64 MiB.
    """
    rest, number = b"", 1
    while True:
        new = file.read(size)
        data = rest + new
        if not data:
            return
        ends, used = record_ends(data, delimiter, last=not new, comment=comment)
        if not new and used < len(data):
            raise DataError(f"{path}: row {number + len(ends)}: a quote is never closed")
        if used:
            quoted = b'"' in data[:used]
            plain = not (has_comments(data[:used], comment) or (quoted and b' "' in data[:used]))
            yield RecordBlock(data[:used], ends, number, offset, quoted, plain)
        number += len(ends)
        offset += used
        rest = data[used:]
        if len(rest) > _LONGEST:
            raise DataError(
                f"{path}: row {number} is longer than {_LONGEST:,} bytes; is a quote not closed?"
            )


def has_comments(data: bytes, comment: bytes) -> bool:
    """Tell whether a line may be a comment."""
    return bool(comment) and _comment_pattern(comment).search(data) is not None


def without_comments(record: bytes, comment: bytes) -> bytes:
    """Return a record without the empty lines and comments before it."""
    record = record.lstrip(b"\r\n")
    while comment and record[:1] and record[0] in comment:
        end = re.search(rb"[\r\n]", record)
        record = b"" if end is None else record[end.start() :].lstrip(b"\r\n")
    return record


def record_ends(
    data: bytes, delimiter: bytes, *, last: bool, comment: bytes = b""
) -> tuple[NDArray[np.int64], int]:
    """Return where each record ends, and how many bytes are whole records.

    Args:
        data: begins with a record.
        delimiter: what stands between fields.
        last: whether nothing follows, so that the end of the data ends a record too.
        comment: bytes of which each begins a line of comment.
    """
    import numpy as np

    if has_comments(data, comment):
        return _ends_one_by_one(data, delimiter, last=last, comment=comment)

    array = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(array == _NEWLINE)
    if b"\r" in data:
        before = array[np.maximum(ends - 1, 0)] == _RETURN
        returns = np.count_nonzero(array == _RETURN)
        if returns != np.count_nonzero(before[ends > 0]) or data[:1] == b"\n":
            return _ends_one_by_one(data, delimiter, last=last)
    else:
        before = np.zeros(len(ends), bool)
    if b'"' in data and delimiter != BLANK:
        quotes = np.flatnonzero(array == _QUOTE)
        if not _well_quoted(array, quotes, delimiter):
            return _ends_one_by_one(data, delimiter, last=last)
        # Outside quotes, as many were opened as closed.
        outside = np.searchsorted(quotes, ends) % 2 == 0
        ends, before = ends[outside], before[outside]
        closed = len(quotes) % 2 == 0
    else:
        closed = True
    used = int(ends[-1]) + 1 if len(ends) else 0
    starts = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
    ends = ends - before
    ends = ends[ends > starts]
    if last and closed and used < len(data):
        ends, used = np.append(ends, len(data)), len(data)
    return ends, used


def _well_quoted(array: NDArray[np.uint8], quotes: NDArray[np.int64], delimiter: bytes) -> bool:
    """Tell whether every first, third, … quote begins a field, or is doubled, and others end one.

    Then a place is within quotes exactly if an odd number of them stand before it.
    """
    import numpy as np

    edges = [_NEWLINE, _RETURN, delimiter[0], _QUOTE]
    opening, closing = quotes[::2], quotes[1::2]
    before = array[opening[opening > 0] - 1]
    after = array[closing[closing + 1 < len(array)] + 1]
    return bool(np.isin(before, edges).all() and np.isin(after, edges).all())


def _ends_one_by_one(
    data: bytes, delimiter: bytes, *, last: bool, comment: bytes = b""
) -> tuple[NDArray[np.int64], int]:
    """Do what ``record_ends`` does for any text, a record at a time."""
    import numpy as np

    line = re.compile(rb"[^\r\n]*")
    pattern = line if delimiter == BLANK else _field_pattern(delimiter)
    ends, used, at = [], 0, 0
    while at < len(data):
        is_comment = at == used and data[at] in comment
        match = (line if is_comment else pattern).match(data, at)
        if match is None:
            break  # a quote that nothing closes yet
        end = match.end()
        if end == len(data):
            if last:
                if not is_comment:
                    ends.append(end)
                used = end
            break
        if data[end] == delimiter[0] and delimiter != BLANK and not is_comment:
            at = end + 1
            if at == len(data) and last:
                ends.append(at)
                used = at
            continue
        if data[end] == _RETURN and end + 1 == len(data) and not last:
            break  # a \n may follow
        at = end + (2 if data[end : end + 2] == b"\r\n" else 1)
        if end > used and not is_comment:
            ends.append(end)
        used = at
    return np.array(ends, np.int64), used

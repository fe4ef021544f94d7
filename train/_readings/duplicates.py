"""Readings that are there twice: a file that was pasted twice looks twice as certain as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from train._readings.readings import Block, Readings
from train._readings.table import join


class Repeats(NamedTuple):
    """How many rows of a file repeat another; the first that does, and the row that it repeats."""

    rows: int
    row: int
    repeated: int


def repeats(blocks: Sequence[Block]) -> Repeats | None:
    """Return which rows of a file repeat others, digit for digit; None if none does."""
    rows = np.concatenate([block.rows for block in blocks])
    parts = [
        (*block.x, block.y, *([] if block.sigma is None else [block.sigma])) for block in blocks
    ]
    columns = [join(column).as_doubles() for column in zip(*parts, strict=True)]
    order = np.lexsort(columns)
    same = np.ones(len(rows) - 1, dtype=bool)
    for column in columns:
        same &= np.diff(column[order]) == 0.0
    if not same.any():
        return None
    index = int(np.argmin(np.where(same, rows[order][1:], rows.max() + 1)))
    first, again = sorted((int(rows[order][index]), int(rows[order][index + 1])))
    return Repeats(int(same.sum()), again, first)


def about_rows(files: Sequence[Readings], found: Mapping[int, Repeats]) -> list[str]:
    """Return a sentence about rows that repeat others of their file.

    Args:
        files: all of them.
        found: the repeats of some, by the file's place.
    """
    if not found:
        return []
    place = min(found)
    file, (_, row, repeated) = files[place], found[place]
    count = sum(each.rows for each in found.values())
    many = f"{count:,} rows repeat" if count > 1 else "1 row repeats"
    other = f"another of {'their' if count > 1 else 'its'} file" if file.label else "another"
    where = f"{file.label}, " if file.label else ""
    return [
        f"{many} {other} digit for digit ({where}{file.row_word} {row:,} repeats {file.row_word} "
        f"{repeated:,}); if they are copies and no readings of their own, remove them: they make "
        "the errors look smaller"
    ]


def about_files(
    files: Sequence[Readings], rows: Sequence[int], fingerprints: Sequence[int]
) -> list[str]:
    """Return a sentence about files that hold the same readings, in whatever order.

    Args:
        files: all of them.
        rows: how many each holds.
        fingerprints: of the readings in each, see ``train.Sums``.
    """
    first: dict[tuple[int, int], int] = {}
    copies = []
    for place, known in enumerate(zip(rows, fingerprints, strict=True)):
        if rows[place] and first.setdefault(known, place) != place:
            copies.append((files[place].label, files[first[known]].label))
    if not copies:
        return []
    copy, original = copies[0]
    more = f", and {len(copies) - 1:,} more files those of another" if len(copies) > 1 else ""
    return [
        f"{copy} holds the same readings as {original}{more}; if they are copies, remove them: "
        "they make the errors look smaller"
    ]

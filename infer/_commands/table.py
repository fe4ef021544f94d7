"""Tables that line up in a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from infer._text import printable


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    right: Sequence[int] = (),
    *,
    rule: bool = True,
) -> str:
    """Return a table as text, two spaces between columns; a terminal obeys nothing in a cell.

    Args:
        head: the columns' titles.
        rows: the cells.
        right: indexes of the columns that are aligned to the right.
        rule: whether a line is drawn below the titles.
    """
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [["-" * width for width in widths]] * rule

    def line(cells: Sequence[str]) -> str:
        padded = (
            cell.rjust(width) if index in right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return "  ".join(padded).rstrip()

    return "\n".join(map(line, (head, *lines, *rows)))

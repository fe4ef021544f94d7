"""Where the table stands among a file's first rows: its first reading, names and units above it.

The rows may come from text or from a workbook; of each cell only its kind and its text count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from infer._files._text.errors import TextError
from infer._files._text.units import are_statistics, are_units, unit_of

# Rows that a table may be interrupted by before it counts as another.
_GAP = 5
# A table whose rows are mostly text is one too, if nothing looks more like one.
_MOSTLY_TEXT = 0.5
# Rows without any number count so much.
_NO_NUMBERS = 0.01


class Row(NamedTuple):
    """A row of a file.

    Attributes:
        line: its number in the file.
        cells: as text.
        kinds: what each is, see ``kind_of``: n, d, e or t.
        comment: whether it is a comment; its cells are what stands behind the mark.
    """

    line: int
    cells: Sequence[str]
    kinds: str
    comment: bool = False


class Place(NamedTuple):
    """Where a table is.

    Attributes:
        start: line of the first reading; one more than the last line if there is none.
        header: line of the names, None without.
        names: of the columns, in order; empty for one without.
        units: of the columns; empty without a row of units.
        skipped: lines that are neither comments nor part of the table.
        between: lines between the names and the first reading, of units for one.
        rows: that hold numbers where the table has numbers.
        score: how well all this explains the rows; more is better.
        problem: why the user must decide about the first rows; None if there is no doubt.
    """

    start: int
    header: int | None
    names: tuple[str, ...]
    units: tuple[str, ...]
    skipped: tuple[int, ...]
    between: tuple[int, ...]
    rows: int
    score: float
    problem: TextError | None = None


def find_table(
    rows: Sequence[Row], *, header: int | None = None, skip: int = 0, word: str = "line"
) -> Place | None:
    """Return where the table is; None if there are no rows.

    Args:
        rows: the first ones of a file, without blank ones.
        header: line of the names, 0 for none; None to find it.
        skip: lines to pass over.
        word: what a row's number counts, for errors.

    Raises:
        TextError: there is nothing on the line that should hold the names.
    """
    passed = [row.line for row in rows if row.line <= skip and not row.comment]
    below = [row for row in rows if row.line > skip]
    if header:
        return _under(_named(rows, header, word), below, passed)
    plain = [row for row in below if not row.comment]
    if not plain:
        return None
    core = _core(plain)
    if core is None:
        return _without_numbers(plain, passed, header)
    width, columns, members = core
    first = next(i for i, row in enumerate(plain) if row in members)
    return _Search(plain, below, passed, width, columns, word).place(first, named=header is None)


def _core(rows: Sequence[Row]) -> tuple[int, tuple[int, ...], list[Row]] | None:
    """Return the table's number of cells, its columns of numbers, and the rows that have them."""
    clusters: list[list[int]] = []
    latest: dict[int, list[int]] = {}
    for index, row in enumerate(rows):
        if "n" in row.kinds:
            width = len(row.kinds)
            cluster = latest.get(width)
            if cluster is None or index - cluster[-1] > _GAP:
                cluster = latest[width] = []
                clusters.append(cluster)
            cluster.append(index)
    if not clusters:
        return None
    best = max(clusters, key=lambda cluster: sum(_weight(rows[index]) for index in cluster))
    width = len(rows[best[0]].kinds)
    columns = _columns([rows[index] for index in best])
    members = [row for row in rows if len(row.kinds) == width and _fits(row, columns)]
    return width, columns, members or [rows[best[0]]]


def _columns(rows: Sequence[Row]) -> tuple[int, ...]:
    """Return the columns of numbers: as many as half of the rows below have."""
    kinds = Counter(tuple(c for c, kind in enumerate(row.kinds) if kind == "n") for row in rows)
    for columns in sorted(kinds, key=lambda columns: (-len(columns), -kinds[columns])):
        first = next(i for i, row in enumerate(rows) if _fits(row, columns))
        below = rows[first:]
        if 2 * sum(_fits(row, columns) for row in below) >= len(below):
            return columns
    return max(kinds, key=lambda columns: kinds[columns])


def _weight(row: Row) -> float:
    numbers, texts = row.kinds.count("n"), row.kinds.count("t")
    return 1.0 if numbers >= texts else _MOSTLY_TEXT


def _fits(row: Row, columns: Sequence[int]) -> bool:
    """Tell whether a row holds numbers, or nothing, where the table has numbers."""
    kinds = {row.kinds[column] for column in columns}
    return "n" in kinds and kinds <= {"n", "e"}


def _without_numbers(rows: Sequence[Row], passed: list[int], header: int | None) -> Place:
    """Take the first row for names, as nothing tells more."""
    first = rows[0]
    same = sum(len(row.cells) == len(first.cells) for row in rows)
    score = _NO_NUMBERS * same / len(rows) if len(first.cells) > 1 else 0.0
    if header == 0 or set(first.kinds) <= {"e"}:
        names = ("",) * len(first.cells)
        return Place(first.line, None, names, (), tuple(passed), (), 0, score)
    names = tuple(cell.strip() for cell in first.cells)
    return Place(first.line + 1, first.line, names, (), tuple(passed), (), 0, score)


def _named(rows: Sequence[Row], header: int, word: str) -> Row:
    for row in rows:
        if row.line == header:
            return row
    raise TextError(f"--header {header}: there is nothing on {word} {header}")


def _under(names: Row, rows: Sequence[Row], passed: list[int]) -> Place:
    """Return the table under a row that the user says holds the names."""
    plain = [row for row in rows if row.line > names.line and not row.comment]
    between = []
    units: tuple[str, ...] = ()
    while plain and "n" not in plain[0].kinds and len(plain[0].cells) == len(names.cells):
        if are_units(plain[0].cells) and not units:
            units = tuple(map(unit_of, plain[0].cells))
        elif not are_statistics(plain[0].cells):
            break
        between.append(plain.pop(0).line)
    above = [row.line for row in rows if row.line < names.line and not row.comment]
    texts = tuple(cell.strip() for cell in names.cells)
    same = sum(len(row.cells) == len(texts) for row in plain)
    score = same / max(1, len(plain)) * _share(plain) ** 2 if len(texts) > 1 else 0.0
    start = plain[0].line if plain else names.line + 1
    skipped = (*passed, *above)
    return Place(start, names.line, texts, units, skipped, tuple(between), same, score)


def _share(rows: Sequence[Row]) -> float:
    """Return which part of the cells with something in them are numbers or dates."""
    kinds = "".join(row.kinds for row in rows)
    numbers = kinds.count("n") + kinds.count("d")
    return numbers / (numbers + kinds.count("t")) if numbers else 0.0


class _Search:
    """Looks for the names above the first rows of numbers."""

    def __init__(
        self,
        plain: Sequence[Row],
        every: Sequence[Row],
        passed: list[int],
        width: int,
        columns: tuple[int, ...],
        word: str,
    ) -> None:
        self._plain, self._every, self._passed = plain, every, passed
        self._width, self._columns, self._word = width, columns, word

    def place(self, first: int, *, named: bool) -> Place:
        """Return where the table is, whose first full row has an index."""
        begin = self._partial(first)
        used = max(_used(row) for row in self._plain[begin:] if len(row.cells) == self._width)
        header, units, between = self._names(begin, used) if named else (None, (), [])
        problem = None
        if named and header is None:
            header, begin, problem = self._odd_names(begin, first, used)
        names = ("",) * used if header is None else self._texts(header, used)
        rows = self._plain[begin:]
        start = rows[0].line if rows else self._plain[-1].line + 1
        fitting = [
            row for row in rows if len(row.cells) == self._width and _fits(row, self._columns)
        ]
        score = 0.0
        if self._width > 1:
            score = len(fitting) / len(self._plain) * _share(fitting) ** 2
        taken = {*between, *([] if header is None else [header.line])}
        skipped = [row.line for row in self._plain if row.line < start and row.line not in taken]
        line = None if header is None else header.line
        skipped = [*self._passed, *skipped]
        return Place(
            start, line, names, units, tuple(skipped), tuple(between), len(fitting), score, problem
        )

    def _odd_names(
        self, begin: int, first: int, used: int
    ) -> tuple[Row | None, int, TextError | None]:
        """Look for names among comments and numbers; return them, the first reading, and doubts."""
        row = self._plain[begin]
        try:
            if begin:
                self._refuse_short(self._plain[begin - 1], used)
            for above in self._plain[begin:first]:
                if any(above.kinds[column] == "t" for column in self._columns):
                    raise self._undecided(above)
            if self._is_header(first):
                return row, first + 1, None
        except TextError as problem:
            return None, begin, problem
        if self._is_count(first):
            begin = first + 1
        return self._comment(row.line, used), begin, None

    def _partial(self, first: int) -> int:
        """Return the index of the first row above that holds some numbers: a bad reading."""
        begin = first
        while begin:
            above = self._plain[begin - 1]
            if len(above.kinds) != self._width:
                break
            kinds = [above.kinds[column] for column in self._columns]
            if "n" not in kinds and set(above.kinds) != {"e"}:
                break
            begin -= 1
        return begin

    def _names(self, begin: int, used: int) -> tuple[Row | None, tuple[str, ...], list[int]]:
        """Return the row of names right above an index, the units below it, and their lines."""
        units: tuple[str, ...] = ()
        between: list[int] = []
        for index in range(begin - 1, -1, -1):
            row = self._plain[index]
            if not self._may_be_names(row, used):
                break
            above = self._plain[index - 1] if index else None
            more = above is not None and self._may_be_names(above, used)
            cells = [cell.strip() for cell in row.cells[:used]]
            repeated = len(cells) > 1 and len(set(cells)) == 1
            if more and (are_units(cells) or are_statistics(cells) or repeated):
                if are_units(cells) and not units:
                    units = tuple(map(unit_of, cells))
                between.append(row.line)
                continue
            return row, units, between
        return None, (), []

    def _may_be_names(self, row: Row, used: int) -> bool:
        cells, kinds = self._labelled(row, used)
        if "n" in kinds or "t" not in kinds or len(cells) < used:
            return False
        return not any(cell.strip() for cell in cells[max(used, self._width) :]) or (
            # LabVIEW names a column of comments that its rows leave out.
            [cell.strip() for cell in cells[self._width :]] == ["Comment"]
        )

    def _labelled(self, row: Row, used: int) -> tuple[Sequence[str], str]:
        """Return a row's cells and kinds, without a label before the names: ``Data:  y  x``."""
        if len(row.cells) == used + 1 and used > 1 and row.cells[0].strip().endswith(":"):
            return row.cells[1:], row.kinds[1:]
        return row.cells, row.kinds

    def _texts(self, row: Row, used: int) -> tuple[str, ...]:
        cells, _ = self._labelled(row, used)
        return tuple(cell.strip() for cell in cells[:used])

    def _refuse_short(self, row: Row, used: int) -> None:
        """Refuse names of some columns: nothing tells which."""
        if 2 <= len(row.cells) < used and "n" not in row.kinds and "e" not in row.kinds:
            raise TextError(
                f"{len(row.cells)} names for {used} columns; type --header none, or --skip-lines "
                f"{row.line} if they are no names",
                row.line,
            )

    def _undecided(self, row: Row) -> TextError:
        text = next(row.cells[c] for c in self._columns if row.kinds[c] == "t")
        return TextError(
            f"{text.strip()!r} may be a name, a bad reading or neither; type --header "
            f"{row.line} if the {self._word} holds the names, --skip-lines {row.line} if it holds "
            "neither names nor readings, --header none if it is a reading",
            row.line,
        )

    def _is_header(self, first: int) -> bool:
        """Tell whether a row of whole numbers holds names: ``,0,1``, or 0 and 1 over decimals."""
        row, below = self._plain[first], self._plain[first + 1 :]
        below = [other for other in below if len(other.cells) == self._width]
        cells = [cell.strip() for cell in row.cells]
        if not below or self._width < 2:
            return False
        if not cells[0] and 0 in self._columns and all(other.cells[0].strip() for other in below):
            numbers = [str(index) for index in range(self._width - 1)]
            if cells[1:] == numbers or cells[1:] == [str(int(n) + 1) for n in numbers]:
                return True
            if all(cell.isdecimal() for cell in cells[1:]):
                raise TextError(
                    "may hold names or the first reading, without its first value; type --header "
                    f"{row.line} or --header none",
                    row.line,
                )
            return False
        numbered = [str(index) for index in range(self._width)]
        if cells in (numbered, [str(int(number) + 1) for number in numbered]) and len(below) >= 3:
            return _have_fixed_places(below)
        return False

    def _is_count(self, first: int) -> bool:
        """Tell whether a row of whole numbers over decimals says how many rows there are."""
        row, below = self._plain[first], self._plain[first + 1 :]
        below = [other for other in below if len(other.cells) == self._width]
        cells = [cell.strip() for cell in row.cells]
        return (
            str(len(below)) in cells
            and all(cell.isdecimal() for cell in cells)
            and len(below) >= 2
            and all(not cell.strip().isdecimal() for other in below for cell in other.cells)
        )

    def _comment(self, start: int, used: int) -> Row | None:
        """Return the comment right above the first reading whose words are as many as columns."""
        above = [row for row in self._every if row.line < start]
        for row in reversed(above[-2:]):
            if not row.comment:
                return None
            if len(row.cells) == used and set(row.kinds) == {"t"}:
                if not are_units(row.cells) or row is above[0]:
                    return row
            elif not are_units(row.cells):
                return None
        return None


def _have_fixed_places(rows: Sequence[Row]) -> bool:
    """Tell whether each column has the same number of decimal places, above 0, in each row."""
    for column in zip(*(row.cells for row in rows), strict=True):
        places = {len(cell.strip().replace(",", ".").partition(".")[2]) for cell in column}
        if len(places) != 1 or 0 in places:
            return False
    return True


def _used(row: Row) -> int:
    """Return how many cells there are up to the last one with something in it."""
    cells = row.cells
    return next((end for end in range(len(cells), 0, -1) if cells[end - 1].strip()), 0)

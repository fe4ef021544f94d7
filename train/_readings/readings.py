"""Readings from a file: which columns they are, and what is wrong with which row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from infer._files.options import DEFAULT, ReadingOptions
from train._errors import ColumnsError, ReadingsError
from train._readings import arrow, excel, text
from train._readings.choice import Choice, choice_for, choose, name_of
from train._readings.sentinels import marked, marks
from train._readings.source import Source
from train._readings.table import DECLARED, Numbers, RawBlock, Table

# Endings of the names of files that hold readings, where a folder holds other files too.
ENDINGS = (
    ".csv",
    ".tsv",
    ".txt",
    ".dat",
    ".parquet",
    ".pq",
    ".arrow",
    ".arrows",
    ".feather",
    ".ipc",
    ".xlsx",
)
# How much tells what kind of file it is.
_MAGIC_BYTES = 16
# Rows left out that are listed; the others are only counted.
MOST_LISTED = 1000
# Files of other kinds, by how they begin, with what to do about them.
_FOREIGN = {
    b"\x1f\x8b": "compressed by gzip; type: gzip -dc FILE | calibrate -",
    b"BZh": "compressed by bzip2; type: bzip2 -dc FILE | calibrate -",
    b"\xfd7zXZ": "compressed by xz; type: xz -dc FILE | calibrate -",
    b"\x28\xb5\x2f\xfd": "compressed by zstd; type: zstd -dc FILE | calibrate -",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook (.xls); save it as .xlsx or CSV",
    b"FEA1": "Feather of version 1; write it anew as version 2, or as Parquet",
}


# An Excel workbook with a password is no zip archive, but a container that names this stream.
_OLE = b"\xd0\xcf\x11\xe0"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_OLE_BYTES = 1 << 24


class Block(NamedTuple):
    """Rows of valid readings.

    Attributes:
        rows: int64 of shape (n,): each row's number in the file, from 1.
        x: a column for the input, or one a feature, n values each.
        y: the reference.
        sigma: its standard uncertainties; None without.
        share: how much of the file is read with this block, 0 to 1; None if nobody knows.
    """

    rows: NDArray[np.int64]
    x: tuple[Numbers, ...]
    y: Numbers
    sigma: Numbers | None
    share: float | None


class LeftOut(NamedTuple):
    """A row that was left out: its number, why, and its file if several are read."""

    row: int
    reason: str
    file: str = ""


class Readings:
    """Readings of a file, in blocks. Those of a file that has a name can be pickled.

    Attributes:
        name: the file.
        label: what to call it beside its rows; empty if it is the only one.
        size: its number of bytes.
        layout: what the file was taken for, for people.
        row_word: what a row's number counts, "line" or "row".
        x_units: units of the input or the features, as the file says; 1 for none.
        y_unit: unit of the reference.
        x_names: names of the input or the features; empty for a column without.
        y_name: name of the reference; empty without.
        sigma_name: name or number of its standard uncertainty's column; None without one.
        assumed: which columns were taken if nobody said it, for people.
        left_out: the first rows that were left out, by the latest ``blocks``.
        left_out_count: how many were.
    """

    def __init__(
        self,
        table: Table,
        source: Source,
        choice: Choice,
        *,
        skip_invalid: bool = False,
        label: str = "",
        missing: Sequence[str] = (),
    ) -> None:
        """Take some columns of a table; nothing is read yet."""
        self.name, self.size, self.label = source.name, source.size, label
        self.layout = table.layout
        self.row_word = table.row_word
        self.x_names = tuple(table.names[index] for index in choice.x)
        self.y_name = table.names[choice.y]
        self.sigma_name = None if choice.sigma is None else name_of(table.names, choice.sigma)
        self.assumed = choice.assumed
        self.left_out: list[LeftOut] = []
        self.left_out_count = 0
        units = table.units or ("1",) * len(table.names)
        self.x_units = tuple(units[index] for index in choice.x)
        self.y_unit = units[choice.y]
        self._table, self._choice = table, choice
        self._missing = marks(missing)
        self._skip_invalid = skip_invalid

    def blocks(self) -> Iterator[Block]:
        """Yield the readings, some ten thousand rows at a time; from the beginning, each time.

        Raises:
            ReadingsError: a row is not valid and may not be left out, or the file is damaged.
            ColumnsError: a column does not hold numbers.
        """
        self.left_out, self.left_out_count = [], 0
        choice = self._choice
        picked = [*choice.x, choice.y, *([] if choice.sigma is None else [choice.sigma])]
        for raw in self._table.blocks(picked):
            columns = self._valid(raw, picked)
            sigma = None if choice.sigma is None else columns.columns[-1]
            features = len(choice.x)
            yield Block(
                columns.rows,
                tuple(columns.columns[:features]),
                columns.columns[features],
                sigma,
                raw.share,
            )

    def _valid(self, raw: RawBlock, picked: Sequence[int]) -> RawBlock:
        """Return the rows without a flaw.

        Raises:
            ReadingsError: there is one, and it may not be left out.
        """
        flaws = self._flaws(raw, picked)
        if not flaws:
            return raw
        serious = [index for index, flaw in flaws.items() if not flaw.endswith(DECLARED)]
        if serious and not self._skip_invalid:
            first = min(serious)
            raise ReadingsError(
                f"{self.name}, {self.row_word} {raw.rows[first]}{flaws[first]}. Correct the row, "
                "or leave every such row out with --skip-invalid."
            )
        self.left_out_count += len(flaws)
        room = MOST_LISTED - len(self.left_out)
        self.left_out += [
            LeftOut(int(raw.rows[index]), flaws[index].lstrip(":, "), self.label)
            for index in sorted(flaws)[:room]
        ]
        kept = np.setdiff1d(np.arange(len(raw.rows)), list(flaws))
        return raw._replace(
            rows=raw.rows[kept], columns=[column.take(kept) for column in raw.columns]
        )

    def _flaws(self, raw: RawBlock, picked: Sequence[int]) -> Mapping[int, str]:
        flaws = {index: f": {flaw}" for index, flaw in raw.flaws.items()}
        for index, column in zip(picked, raw.columns, strict=True):
            for row, flaw in column.flaws.items():
                flaws.setdefault(row, f", {self._label(index)}: {flaw}")
            for row in marked(column, self._missing):
                flaws.setdefault(row, f", {self._label(index)}: {DECLARED}")
        sigma = self._choice.sigma
        if sigma is not None:
            values = raw.columns[-1].as_doubles()
            for row in np.flatnonzero(values <= 0.0).tolist():
                flaw = f"a standard uncertainty must be above 0, found {values[row]:.6g}"
                flaws.setdefault(row, f", {self._label(sigma)}: {flaw}")
        return flaws

    def _label(self, index: int) -> str:
        name = self._table.names[index]
        return f"column {name!r}" if name else f"column {index + 1}"


def open_readings(
    origin: Path | BinaryIO,
    *,
    x: str | None = None,
    y: str | None = None,
    features: Sequence[str] = (),
    sigma: str | None = None,
    skip_invalid: bool = False,
    options: ReadingOptions = DEFAULT,
) -> Readings:
    """Look at a file of readings: text, Parquet, Arrow or Excel, told from its first bytes.

    Args:
        origin: its path, or a stream of bytes such as standard input.
        x: the input's column, its name or its number from 1; not with features.
        y: the reference's.
        features: the columns of several inputs.
        sigma: the column of the reference's standard uncertainty.
        skip_invalid: leave rows out that are not valid.
        options: how to read it, where the file does not tell.

    Raises:
        ColumnsError: there is no such column, or it must be said which.
        ReadingsError: it is nothing that can be read.
        OSError: it cannot be opened.
        ModuleNotFoundError: the library that reads such files is not installed.
    """
    if isinstance(origin, Path) and origin.is_dir():
        raise ReadingsError(f"{origin} is a folder, expected a file of readings")
    source = Source(origin, str(origin) if isinstance(origin, Path) else "standard input")
    table = _open_table(source, options)
    choice = choose(table.names, x=x, y=y, features=features, sigma=sigma, file=source.name)
    return Readings(table, source, choice, skip_invalid=skip_invalid, missing=options.missing)


def open_files(
    folder: Path,
    paths: Sequence[Path],
    *,
    x: str | None = None,
    y: str | None = None,
    features: Sequence[str] = (),
    sigma: str | None = None,
    skip_invalid: bool = False,
    options: ReadingOptions = DEFAULT,
) -> list[Readings]:
    """Look at the files of a folder; see ``open_readings``.

    Args:
        folder: what holds them, directly or in folders of its own.
        paths: of one file or more, each of any kind, all with the same columns, in any order.
        x: see ``open_readings``; so are the others.
        y: see there.
        features: see there.
        sigma: see there.
        skip_invalid: see there.
        options: see there.

    Raises:
        ColumnsError: the columns of one are not those of the first, or as there.
        ReadingsError: as there.
        OSError: as there.
        ModuleNotFoundError: as there.
    """
    found: list[Readings] = []
    names: tuple[str, ...] = ()
    for path in paths:
        source = Source(path, str(path))
        try:
            table = _open_table(source, options)
            if not found:
                names = table.names
                choice = choose(names, x=x, y=y, features=features, sigma=sigma, file=source.name)
            moved = choice_for(choice, names, table.names, source.name, str(paths[0]))
        except (ColumnsError, ReadingsError) as error:
            hint = " If the file holds no readings, move it out, or begin its name with _."
            raise type(error)(f"{error}{hint if len(paths) > 1 else ''}") from error
        label = path.relative_to(folder).as_posix()
        found.append(
            Readings(
                table,
                source,
                moved,
                skip_invalid=skip_invalid,
                label=label,
                missing=options.missing,
            )
        )
    return found


def _open_table(source: Source, options: ReadingOptions) -> Table:
    sample = source.head(_MAGIC_BYTES)
    for magic, what in _FOREIGN.items():
        if sample.startswith(magic):
            locked = magic == _OLE and _ENCRYPTED in source.head(_OLE_BYTES)
            found = "a workbook with a password; save it without one" if locked else what
            raise ReadingsError(f"{source.name} is {found}")
    try:
        for magic, kind in arrow.MAGIC.items():
            if sample.startswith(magic):
                return arrow.open_arrow(source, kind)
        if sample.startswith(excel.MAGIC):
            return excel.open_excel(source, options)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"reading {source.name} needs {error.name}, not installed here; type: "
            "pip install 'samebits[files]'",
            name=error.name,
        ) from None
    return text.open_text_table(source, options)

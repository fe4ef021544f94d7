"""From files of readings to a calibration."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import accumulate
from typing import NamedTuple

from infer._files.words import plain_name
from train._calibration.calibrate import calibrate_from
from train._calibration.families.table import highest_degree
from train._calibration.findings import Findings, ReadingsBlock
from train._calibration.inputs import RESERVED
from train._calibration.residuals import SecondPass
from train._calibration.result import Calibration
from train._errors import CalibrationError, ReadingsError
from train._exact.columns import Decimals
from train._exact.moments import Exponents
from train._exact.sums import Sums
from train._readings import passes
from train._readings.duplicates import Repeats, about_files, about_rows, repeats
from train._readings.passes import Here, Mapper, Piece, Read, There, Watcher
from train._readings.readings import MOST_LISTED, Block, LeftOut, Readings
from train._readings.sentinels import Extremes, about
from train._readings.table import Numbers


class Fitted(NamedTuple):
    """A calibration from files of readings.

    Attributes:
        calibration: its row numbers are those of the files.
        row_word: what row numbers count: "line", "row", or "line or row" for mixed files.
        notes: remarks on the readings.
        left_out: the first rows that were left out.
        left_out_count: number of rows left out.
    """

    calibration: Calibration
    row_word: str
    notes: list[str]
    left_out: list[LeftOut]
    left_out_count: int


class _Summed(NamedTuple):
    """Sums over a file."""

    sums: Sums
    left_out: list[LeftOut]
    left_out_count: int
    repeats: Repeats | None
    extremes: list[Extremes]


def calibrate_readings(
    files: Sequence[Readings],
    *,
    of: str,
    degree: int | str,
    intercept: bool,
    name: str,
    unit_x: str,
    unit_y: str,
    dtype: str,
    watch: Watcher,
    run: Mapper | None = None,
) -> Fitted:
    """Fit a curve to the readings of files, in constant memory.

    Args:
        files: one or more, with the same columns.
        of: name of all of them in errors.
        degree: this and the next five: see ``train.calibrate``.
        intercept: whether the curve has a constant.
        name: of the artifact.
        unit_x: unit of the input.
        unit_y: unit of the output.
        dtype: what the artifact computes in.
        watch: called with the progress.
        run: maps a function over the files on other processes or machines; without it they are
            read here, one after the other. The calibration is the same, bit for bit.

    Raises:
        ReadingsError: a row is not valid, or there are no rows.
        CalibrationError: the readings do not allow a calibration.
    """
    x_names, weighted = files[0].x_names, files[0].sigma_name is not None
    sums = Sums(highest_degree(degree, len(x_names)), features=len(x_names), weighted=weighted)
    over = Here(files, watch) if run is None else There(files, watch, run)
    found = _FirstPass(len(files))
    pieces = [Piece(place, readings) for place, readings in enumerate(files)]
    for piece, summed in over("reading", partial(_sum, sums.terms, weighted), pieces):
        sums.merge(summed.sums)
        found.add(piece.place, summed)
    if not sums.rows:
        left_out = f": all {found.left_out_count:,} were left out" * bool(found.left_out_count)
        raise ReadingsError(f"{of} holds no readings{left_out or ', only a header'}")
    before = accumulate(found.rows, initial=0)
    pieces = [piece._replace(before=rows) for piece, rows in zip(pieces, before, strict=False)]

    def read_again(second: SecondPass) -> Findings:
        findings = Findings()
        for piece, part in over("comparing with the curve", partial(_review, second), pieces):
            if part.fingerprint != found.fingerprints[piece.place]:
                raise ReadingsError(
                    f"{piece.readings.name}: held {found.rows[piece.place]:,} readings, then "
                    f"{part.rows:,}{' others' * (part.rows == found.rows[piece.place])}; it must "
                    "not change while it is read. Read a copy of it"
                )
            findings.merge(part)
        return findings

    # Several columns are one input; the name of none of them would fit.
    x_name, y_name = variables(x_names[0] if len(x_names) == 1 else "", files[0].y_name)
    words = {readings.row_word for readings in files}
    row_word = " or ".join(sorted(words))
    try:
        calibration = calibrate_from(
            sums,
            degree=degree,
            intercept=intercept,
            rows=read_again,
            name=name,
            features=_labels(x_names) if len(x_names) > 1 else None,
            x_name=x_name,
            y_name=y_name,
            unit_x=unit_x,
            unit_y=unit_y,
            sigma_name=files[0].sigma_name,
            dtype=dtype,
            row_word=row_word,
        )
    except CalibrationError as error:
        raise CalibrationError(f"{of}: {error}") from error
    notes = about_files(files, found.rows, found.fingerprints) + about_rows(files, found.repeats)
    notes += found.sentinels(files)
    left_out_rows = [row for _, row in found.left_out]
    return Fitted(calibration, row_word, notes, left_out_rows, found.left_out_count)


class _FirstPass:
    """Results of the first pass, by file; files arrive in any order."""

    def __init__(self, files: int) -> None:
        self.rows = [0] * files
        self.fingerprints = [0] * files
        self.repeats: dict[int, Repeats] = {}
        self.left_out: list[tuple[int, LeftOut]] = []
        self.left_out_count = 0
        self._extremes: dict[int, list[Extremes]] = {}

    def add(self, place: int, summed: _Summed) -> None:
        self.rows[place] = summed.sums.rows
        self.fingerprints[place] = summed.sums.fingerprint
        if summed.repeats is not None:
            self.repeats[place] = summed.repeats
        self.left_out_count += summed.left_out_count
        self.left_out += [(place, row) for row in summed.left_out]
        self.left_out = sorted(self.left_out)[:MOST_LISTED]
        self._extremes[place] = summed.extremes

    def sentinels(self, files: Sequence[Readings]) -> list[str]:
        """Return a sentence for each column with a value that may mean a missing one."""
        first = files[0]
        names = [*first.x_names, first.y_name]
        labels = [f"column {name!r}" if name else f"column {i}" for i, name in enumerate(names, 1)]
        found = []
        for index, label in enumerate(labels):
            whole = Extremes()
            for place in sorted(self._extremes):
                whole = whole.merge(self._extremes[place][index])
            found += about(whole, label, self._where(whole, index, files))
        return found

    def _where(self, whole: Extremes, index: int, files: Sequence[Readings]) -> str:
        """Return what a row's number counts, and in which file, where the outermost value is."""
        odd = whole.sentinel()
        for place in sorted(self._extremes):
            ends = self._extremes[place][index]
            known = {*ends.low, *((-value, row) for value, row in ends.high)}
            if odd in known:
                return f"{files[place].label} {files[place].row_word}".lstrip()
        return files[0].row_word


def _sum(terms: Sequence[Exponents], weighted: bool, read: Read, piece: Piece) -> _Summed:
    """Read a file for the first time."""
    sums = Sums(terms, weighted=weighted)
    kept: list[Block] | None = []
    extremes = [Extremes()] * (sums.features + 1)
    for block in read(piece):
        exact = _exact(block)
        sums.add(exact.x, exact.y, exact.sigma)
        columns = [column.as_doubles() for column in (*block.x, block.y)]
        extremes = [
            known.plus(values, block.rows) for known, values in zip(extremes, columns, strict=True)
        ]
        if kept is not None:
            kept.append(block)
            kept = kept if sums.rows * (sums.features + 1) <= passes.MOST_KEPT else None
    return _Summed(
        sums,
        piece.readings.left_out,
        piece.readings.left_out_count,
        repeats(kept) if kept and sums.rows else None,
        extremes,
    )


def _review(second: SecondPass, read: Read, piece: Piece) -> Findings:
    """Read a file for the second time, to compare it with the curve."""
    blocks = (_exact(block, piece.readings.label) for block in read(piece))
    return second.over(blocks, piece.before)


def _exact(block: Block, file: str = "") -> ReadingsBlock:
    x = [_column(column) for column in block.x]
    return ReadingsBlock(
        x[0] if len(x) == 1 else x,
        _column(block.y),
        None if block.sigma is None else _column(block.sigma),
        block.rows.tolist(),
        file,
    )


def _column(numbers: Numbers) -> object:
    if numbers.places is None:
        return numbers.values
    return Decimals(numbers.values, numbers.places)


def _labels(names: tuple[str, ...]) -> list[str]:
    return [name or f"x{index}" for index, name in enumerate(names, start=1)]


def variables(x: str, y: str) -> tuple[str, str]:
    """Return the names of input and output in a program, from their columns' names."""
    left, right = _variable(x, "x"), _variable(y, "y")
    return left, right if right != left else f"{right}_out"


def _variable(name: str, otherwise: str) -> str:
    plain = plain_name(name)
    if not plain:
        return otherwise
    if not plain[0].isalpha() or RESERVED.fullmatch(plain):
        return f"{otherwise}_{plain}"
    return plain


def artifact_name(text: str) -> str:
    """Return a valid artifact name, from a file's name without its ending."""
    plain = plain_name(text)
    return plain if plain[:1].isalpha() else f"calibration_{plain}".rstrip("_")

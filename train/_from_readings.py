"""From a file of readings to a calibration."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from train._block import Numbers, join
from train._calibration import MOST_AUTO, Calibration, calibrate_from
from train._columns import Decimals
from train._errors import CalibrationError, ReadingsError
from train._readings import Block, Readings
from train._review import Block as ExactBlock
from train._sums import Sums

# Up to so many rows are kept in memory; a longer file is read twice.
_MOST_KEPT = 1 << 20
# Names that the served program uses for its own values.
_TAKEN = re.compile(r"c\d+|s\d+|k\d+|shift\d*|scale")

# Is told what is done, and how much of it: 0 to 1, None if nobody knows.
Watcher = Callable[[str, float | None], object]


def calibrate_readings(
    readings: Readings,
    *,
    degree: int | str,
    intercept: bool,
    name: str,
    unit_x: str,
    unit_y: str,
    dtype: str,
    watch: Watcher,
) -> tuple[Calibration, list[str]]:
    """Fit a curve to the readings of a file, in constant memory.

    Args:
        readings: of the file.
        degree: see ``train.calibrate``; so are the others.
        intercept: see there.
        name: see there.
        unit_x: see there.
        unit_y: see there.
        dtype: see there.
        watch: called after each block.

    Returns:
        The calibration, whose rows are those of the file, and what to say about the readings.

    Raises:
        ReadingsError: a row is not valid, or there are none.
        CalibrationError: the readings do not make a calibration.
    """
    features = len(readings.x_names)
    weighted = readings.sigma_name is not None
    most = (MOST_AUTO if features == 1 else 1) if degree == "auto" else int(degree)
    sums = Sums(most, features=features, weighted=weighted)
    kept: list[Block] | None = []
    for block in readings.blocks():
        exact = _exact(block)
        sums.add(exact.x, exact.y, exact.sigma)
        if kept is not None:
            kept.append(block)
            kept = kept if sums.rows <= _MOST_KEPT else None
        watch("reading", block.share)
    if not sums.rows:
        left_out = f": all {readings.left_out_count:,} were left out" * bool(readings.left_out)
        raise ReadingsError(f"{readings.name} holds no readings{left_out or ', only a header'}")
    # Several columns are one input, which none of their names would fit.
    x_name, y_name = variables(readings.x_names[0] if features == 1 else "", readings.y_name)
    try:
        calibration = calibrate_from(
            sums,
            degree=degree,
            intercept=intercept,
            rows=_again(readings.blocks() if kept is None else kept, watch),
            name=name,
            features=_labels(readings.x_names) if features > 1 else None,
            x_name=x_name,
            y_name=y_name,
            unit_x=unit_x,
            unit_y=unit_y,
            sigma_name=readings.sigma_name,
            dtype=dtype,
            row_word=readings.row_word,
        )
    except CalibrationError as error:
        raise CalibrationError(f"{readings.name}: {error}") from error
    return calibration, [] if kept is None else _repeats(kept, readings.row_word)


def _again(blocks: Iterable[Block], watch: Watcher) -> Iterator[ExactBlock]:
    for block in blocks:
        yield _exact(block)
        watch("comparing with the curve", block.share)


def _exact(block: Block) -> ExactBlock:
    x = [_column(column) for column in block.x]
    return ExactBlock(
        x[0] if len(x) == 1 else x,
        _column(block.y),
        None if block.sigma is None else _column(block.sigma),
        block.rows.tolist(),
    )


def _column(numbers: Numbers) -> object:
    if numbers.places is None:
        return numbers.values
    return Decimals(numbers.values, numbers.places)


def _labels(names: tuple[str, ...]) -> list[str]:
    return [name or f"x{index}" for index, name in enumerate(names, start=1)]


def variables(x: str, y: str) -> tuple[str, str]:
    """Return what input and output are called in a program, from the names of their columns."""
    left, right = _variable(x, "x"), _variable(y, "y")
    return left, right if right != left else f"{right}_out"


def _variable(name: str, otherwise: str) -> str:
    plain = _ascii(name)
    if not plain:
        return otherwise
    if not plain[0].isalpha() or _TAKEN.fullmatch(plain):
        return f"{otherwise}_{plain}"
    return plain


def artifact_name(text: str) -> str:
    """Return a valid name for an artifact, from a file's name without its ending."""
    plain = _ascii(text)
    return plain if plain[:1].isalpha() else f"calibration_{plain}".rstrip("_")


def _ascii(text: str) -> str:
    """Return a text in lowercase letters, digits and _: accents go, all else becomes _."""
    letters = unicodedata.normalize("NFKD", text.lower())
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_")


def _repeats(blocks: list[Block], row_word: str) -> list[str]:
    """Return a sentence if rows repeat others, digit for digit."""
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
        return []
    count = int(same.sum())
    index = int(np.argmin(np.where(same, rows[order][1:], rows.max() + 1)))
    first, again = sorted((int(rows[order][index]), int(rows[order][index + 1])))
    many = f"{count:,} rows repeat" if count > 1 else "1 row repeats"
    return [
        f"{many} another digit for digit ({row_word} {again:,} repeats {row_word} {first:,}); if "
        "they are copies and no readings of their own, remove them: they make the errors look "
        "smaller"
    ]

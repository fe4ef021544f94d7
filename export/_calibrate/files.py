"""The files that ``calibrate`` reads, and the artifact's default name."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from infer._artifact.format import NAME_PATTERN
from infer._files.walk import walk
from infer._text import nearest

if TYPE_CHECKING:
    from train._readings.passes import Mapper
    from train._readings.readings import Readings

_STANDARD_INPUT = "-"
_LOCAL = "local"
# Smaller files (in total) are read before other processes would have started.
_SMALL_BYTES = 1 << 24


def open_all(file: str, **options: Any) -> tuple[list[Readings], list[str]]:
    """Open a file, or those of a folder; also return the paths of other files."""
    from train._readings.readings import ENDINGS, open_files, open_readings

    if file == _STANDARD_INPUT:
        try:
            return [open_readings(sys.stdin.buffer, **options)], []
        except OSError as error:
            reason = error.strerror or error
            raise click.ClickException(f"standard input: {reason}") from None
    if not Path(file).is_dir():
        return [open_readings(_path(file), **options)], []
    found, others = walk(file, lambda name: Path(name).suffix.lower() in ENDINGS)
    if not found:
        raise click.UsageError(
            f"{file}: holds no file whose name ends with {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}"
        )
    return open_files(Path(file), [Path(path) for path in found], **options), others


def unit_of(units: Sequence[str]) -> str:
    """Return the unit that all features have in common, 1 if they differ."""
    return units[0] if len(set(units)) == 1 else "1"


def layout_of(files: Sequence[Readings]) -> str:
    """Return how the files were interpreted, as text."""
    first = files[0]
    if not first.label:
        return first.layout
    if len(files) == 1:
        return f"1 file, {first.label}: {first.layout}"
    return f"{len(files):,} files, the first of them {first.label}: {first.layout}"


def mapper_for(
    engine: str, address: str | None, file: str, files: Sequence[Readings]
) -> Mapper | None:
    """Return a mapper that reads the files in parallel; None if this process is as fast."""
    from infer._engines._registry import load_engine

    if engine != _LOCAL and not (Path(file).is_file() or Path(file).is_dir()):
        raise click.UsageError(
            f"--engine {engine} takes a file or a folder that all machines can read; "
            f"{'standard input' if file == _STANDARD_INPUT else file} is neither."
        )
    chosen = load_engine(engine, address, holds_lock=True)
    size = sum(readings.size for readings in files)
    if engine == _LOCAL and (len(files) == 1 or size < _SMALL_BYTES):
        return None
    return chosen.map


def name_for(name: str | None, file: str) -> str:
    """Return the artifact's name: the given one, or one derived from the file's."""
    from train._calibration.from_files import artifact_name

    if name is None and file != _STANDARD_INPUT and Path(file).is_dir():
        return artifact_name(f"{Path(file).resolve().name}_curve")
    if name is None:
        return artifact_name("" if file == _STANDARD_INPUT else Path(file).stem)
    if re.fullmatch(NAME_PATTERN, name) is None:
        raise click.UsageError(
            f"--name {name!r}: expected lowercase letters, digits and _, beginning with a letter, "
            f"such as {artifact_name(name)}."
        )
    return name


def _path(file: str) -> Path:
    """Return the path of an existing file."""
    path = Path(file)
    if not path.exists():
        with_name = path.parent if path.parent.is_dir() else Path()
        others = [other.name for other in with_name.iterdir()]
        near = [str(with_name / name) for name in nearest(path.name, others, 1)]
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise click.UsageError(f"{file!r}: no such file.{hint}")
    return path

"""What ``calibrate`` writes: the artifact, plots and reports, and its messages."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from infer._text import printable

if TYPE_CHECKING:
    from train._calibration.from_files import Fitted
    from train._calibration.result import Calibration
    from train._readings.readings import LeftOut

# Rows left out that are listed on a terminal; --json and --report list up to 1,000.
_LISTED = 10
_LEVEL = 0.95


def write_artifact(calibration: Calibration, folder: Path, *, force: bool, sample: bool) -> None:
    """Write a calibration as an artifact."""
    import export

    try:
        export.save(calibration, folder, replace=force, readings=sample)
    except export.ExportError as error:
        raise click.ClickException(str(error)) from error


def _quantile(calibration: Calibration) -> float:
    from infer._curve.student_t import quantile

    return quantile(_LEVEL, calibration.degrees_of_freedom)


def write_plot(calibration: Calibration, path: Path) -> None:
    """Write the plot of readings, curve and residuals."""
    from export._calibrate.report import drawing
    from infer._files.replace import replace_file

    replace_file(path, drawing(calibration, _quantile(calibration), path.suffix.lower()[1:]))


def write_report(
    fitted: Fitted, origin: str, commands: Sequence[str], folder: Path, path: Path
) -> None:
    """Write the HTML report."""
    from importlib.metadata import version
    from platform import python_version

    import infer
    from export._calibrate.report import page
    from infer._files.replace import replace_file

    calibration = fitted.calibration
    card = infer.load(folder).card
    versions = {"samebits": version("samebits"), "Python": python_version()}
    versions |= dict(card.training.versions)
    text = page(
        calibration,
        _quantile(calibration),
        row_word=fitted.row_word,
        source=[
            ("readings", origin),
            ("SHA-256 of the readings", calibration.data_sha256),
            ("artifact", folder.name),
            ("its digest", card.digest),
            ("method", card.training.recipe),
            ("versions", ", ".join(f"{key} {value}" for key, value in versions.items())),
        ],
        notes=fitted.notes,
        left_out=fitted.left_out,
        left_out_count=fitted.left_out_count,
        commands=commands,
    )
    replace_file(path, text.encode())


def record_of(fitted: Fitted, folder: Path) -> dict[str, Any]:
    """Return the output of ``--json``."""
    from export._calibrate.text import as_record

    return {
        **as_record(fitted.calibration),
        "notes": list(fitted.notes),
        "left_out": {
            "count": fitted.left_out_count,
            "rows": [
                {**({"file": file} if file else {}), "row": row, "reason": reason}
                for row, reason, file in fitted.left_out
            ],
        },
        "folder": str(folder),
    }


def left_out_text(fitted: Fitted) -> str:
    """Return the list of rows left out, as text."""

    def line(left_out: LeftOut) -> str:
        file = f"{left_out.file}, " if left_out.file else ""
        return printable(f"  {file}{fitted.row_word} {left_out.row:,}: {left_out.reason}")

    count, shown = fitted.left_out_count, fitted.left_out[:_LISTED]
    lines = [f"left out {count:,} row{'s' * (count != 1)}:", *map(line, shown)]
    if count > len(shown):
        lines.append(f"  and {count - len(shown):,} more; --json and --report list up to 1,000")
    return "\n".join(lines)


def next_commands(calibration: Calibration, folder: Path) -> list[str]:
    """Return the commands to use the artifact, with values from the middle of the readings."""
    from export._calibrate.text import middle

    where = shlex.quote(f"./{folder}" if folder.parent == Path() else str(folder))
    x, y = middle(calibration)
    lines = [f"infer run {where} {x} --interval 95"]
    if y is not None:
        lines.append(f"infer invert {where} {y}")
    return lines

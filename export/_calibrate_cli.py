"""The command ``calibrate``: from files of readings to an artifact with uncertainty."""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from export._calibrate.files import (
    layout_of,
    mapper_for,
    name_for,
    open_all,
    unit_of,
)
from export._calibrate.output import (
    left_out_text,
    next_commands,
    record_of,
    write_artifact,
    write_plot,
    write_report,
)
from infer._commands import errors
from infer._commands.interrupts import CleanInterrupts
from infer._commands.reading_options import reading_options
from infer._files.options import ReadingOptions
from infer._text import listed, printable
from train import _cli

_PLOTS = (".png", ".svg", ".pdf")
# Seconds after which a progress bar appears.
_PATIENCE_SECONDS = 1.0


class _Degree(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.4 on
    name = "degree"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | str:
        if value == "auto":
            return "auto"
        text = str(value)
        if not (text.isascii() and text.isdecimal()) or not 1 <= int(text) <= 100:
            self.fail(f"{text!r}: expected a whole number from 1 to 100, or auto", param, ctx)
        return int(text)


def _ends_in(*endings: str) -> Any:
    def check(_context: click.Context, _option: click.Parameter, path: Path | None) -> Path | None:
        if path is not None and path.suffix.lower() not in endings:
            expected = " or ".join(endings)
            raise click.BadParameter(f"{str(path)!r}: expected a name that ends in {expected}")
        return path

    return check


def _unit(_context: click.Context, _option: click.Parameter, unit: str | None) -> str | None:
    if unit is None:
        return None
    if not unit.strip() or not unit.isprintable():
        raise click.BadParameter(f"{unit!r}: expected a unit such as °C, or 1 for none")
    return unit.strip()


_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(context_settings={"help_option_names": ["--help"]})
@click.argument("file", metavar="FILE")
@click.option("--x", metavar="COLUMN", help="The readings: a column's name, or its number from 1.")
@click.option("--y", metavar="COLUMN", help="The reference values.")
@click.option("--features", metavar="A,B,C", help="Several columns of readings: fits a plane.")
@click.option(
    "--sigma", metavar="COLUMN", help="The standard uncertainty of each y: a weighted fit."
)
@click.option(
    "--degree",
    type=_Degree(),
    default="1",
    show_default=True,
    metavar="N|auto",
    help="Of the polynomial; auto compares degrees and explains its choice.",
)
@click.option("--no-intercept", is_flag=True, help="Force the curve through the origin.")
@click.option("--unit-x", callback=_unit, metavar="UNIT", help="Unit of x, e.g. °F.")
@click.option("--unit-y", callback=_unit, metavar="UNIT", help="Unit of y, e.g. °C.")
@click.option("--name", metavar="NAME", help="Of the artifact; derived from FILE by default.")
@click.option(
    "--dtype",
    type=click.Choice(["float32", "float64"]),
    default="float32",
    show_default=True,
    help="Dtype that the artifact computes in.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    metavar="DIR",
    help="Write DIR/NAME instead of ./NAME.",
)
@click.option("--no-readings", is_flag=True, help="Keep no sample of the readings in the artifact.")
@click.option("--force", is_flag=True, help="Replace an existing artifact.")
@click.option("--skip-invalid", is_flag=True, help="Skip invalid rows; count and list them.")
@reading_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
@click.option(
    "--plot",
    type=_FILE,
    callback=_ends_in(*_PLOTS),
    metavar="FILE",
    help="Draw readings, curve and residuals as .png, .svg or .pdf.",
)
@click.option(
    "--report",
    type=_FILE,
    callback=_ends_in(".html"),
    metavar="FILE.html",
    help="Write a self-contained report.",
)
@click.option(
    "--engine",
    default="local",
    show_default=True,
    metavar="NAME",
    help="Reads the files: local or ray.",
)
@click.option("--address", metavar="ADDRESS", help="With --engine ray: the cluster to join.")
@click.option("--quiet", is_flag=True, help="Do not print how the file was interpreted.")
@click.version_option(package_name="samebits", prog_name="calibrate")
def main(
    file: str,
    x: str | None,
    y: str | None,
    features: str | None,
    sigma: str | None,
    degree: int | str,
    no_intercept: bool,
    unit_x: str | None,
    unit_y: str | None,
    name: str | None,
    dtype: str,
    out: Path,
    no_readings: bool,
    force: bool,
    skip_invalid: bool,
    reading: ReadingOptions,
    as_json: bool,
    plot: Path | None,
    report: Path | None,
    engine: str,
    address: str | None,
    quiet: bool,
) -> None:
    """Fit a curve to readings and reference values, exactly, and write it as an artifact.

    FILE has a column of readings and one of reference values: text (where the table begins, its
    separator, names, units, decimal sign and encoding are detected), Parquet, Arrow or .xlsx. Use
    - for standard input, or a folder for all such files in it. With two columns, --x and --y are
    optional.

    The artifact ./NAME is served by infer: infer run ./NAME 98.6 --interval 95
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # not every terminal has "²"
    columns = [] if features is None else [part.strip() for part in features.split(",")]
    if columns and x is not None:
        raise click.UsageError("--x is one column, --features are several; give one of them.")
    if len(columns) == 1 or "" in columns:
        raise click.UsageError("--features takes two columns or more, separated by commas.")
    if columns and degree not in (1, "auto"):
        raise click.UsageError("--features makes a plane, which is of degree 1.")
    with errors.errors_for_people(), _cli.errors_for_people():
        name = name_for(name, file)
        folder = out / name
        _check_target(folder, force=force)
        from train._calibration.from_files import calibrate_readings

        files, others = open_all(
            file,
            x=x,
            y=y,
            features=columns,
            sigma=sigma,
            skip_invalid=skip_invalid,
            options=reading,
        )
        origin = files[0].name if len(files) == 1 and not files[0].label else file
        layout = layout_of(files)
        if not quiet:
            if others:
                click.echo(f"note: left out: {printable(listed(others, 3))}", err=True)
            assumed = f"; {files[0].assumed}" if files[0].assumed else ""
            click.echo(printable(f"{origin}: {layout}{assumed}"), err=True)
        run = mapper_for(engine, address, file, files)
        with _bar() as watch:
            fitted = calibrate_readings(
                files,
                of=origin,
                degree=degree,
                intercept=not no_intercept,
                name=name,
                unit_x=unit_x or unit_of(files[0].x_units),
                unit_y=unit_y or files[0].y_unit,
                dtype=dtype,
                watch=watch,
                run=run,
            )
        calibration = fitted.calibration
        commands = next_commands(calibration, folder)
        with CleanInterrupts():
            write_artifact(calibration, folder, force=force, sample=not no_readings)
            if plot is not None:
                write_plot(calibration, plot)
            if report is not None:
                path = Path(origin).resolve() if Path(origin).is_dir() else Path(origin)
                write_report(fitted, f"{path.name} ({layout})", commands, folder, report)
    if as_json:
        click.echo(json.dumps(record_of(fitted, folder), ensure_ascii=False))
        return
    from export._calibrate.text import as_text

    click.echo(as_text(calibration, fitted.row_word))
    for note in fitted.notes:
        click.echo(f"\nnote: {printable(note)}")
    if fitted.left_out_count:
        click.echo(f"\n{left_out_text(fitted)}")
    written = [str(path) for path in (folder, plot, report) if path is not None]
    click.echo(f"\nwrote {', '.join(written)}\n\n" + "\n".join(f"  {line}" for line in commands))


def _check_target(folder: Path, *, force: bool) -> None:
    """Check that the target may be replaced, before any work is done."""
    from export._errors import ExportError
    from export._folder import refuse_to_replace

    try:
        refuse_to_replace(folder, replace=force)
    except ExportError as error:
        raise click.UsageError(str(error)) from None


@contextmanager
def _bar() -> Iterator[Any]:
    """Yield a function that shows a progress bar on a terminal, once reading takes long."""
    begin, shown = time.monotonic(), ""
    bar: Any = None
    steps = 1000

    def watch(what: str, share: float | None) -> None:
        nonlocal bar, shown
        if not sys.stderr.isatty() or time.monotonic() - begin < _PATIENCE_SECONDS:
            return
        if bar is None or what != shown:
            if bar is not None:
                bar.render_finish()
            length = None if share is None else steps
            bar = click.progressbar(length=length, label=what, file=sys.stderr)
            shown = what
        bar.update(1 if share is None else int(share * steps) - bar.pos)

    try:
        yield watch
    finally:
        if bar is not None:
            bar.render_finish()

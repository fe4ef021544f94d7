"""The command ``calibrate``: from files of readings to an artifact with known uncertainty."""

from __future__ import annotations

import io
import json
import re
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from infer import _answer
from infer._entry import CleanInterrupts
from infer._format import NAME_PATTERN
from infer._walk import few, walk
from train import _cli

if TYPE_CHECKING:
    from train._calibration import Calibration
    from train._from_readings import Fitted
    from train._passes import Mapper
    from train._readings import LeftOut, Readings

_STANDARD_INPUT = "-"
_LOCAL = "local"
_PLOTS = (".png", ".svg", ".pdf")
# A bar appears only where somebody waits.
_PATIENCE_SECONDS = 1.0
# Rows left out that are listed on a terminal; --json and --report list a thousand.
_LISTED = 10
_LEVEL = 0.95
# Files that are smaller together are read before other processes would have begun.
_SMALL_BYTES = 1 << 24


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


def _unit(_context: click.Context, _option: click.Parameter, unit: str) -> str:
    if not unit.strip() or not unit.isprintable():
        raise click.BadParameter(f"{unit!r}: expected a unit such as °C, or 1 for none")
    return unit.strip()


_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(context_settings={"help_option_names": ["--help"]})
@click.argument("file", metavar="FILE")
@click.option("--x", metavar="COLUMN", help="The readings: a column's name, or its number from 1.")
@click.option("--y", metavar="COLUMN", help="The reference values beside them.")
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
    help="Of the polynomial; auto compares degrees and says why it chose.",
)
@click.option("--no-intercept", is_flag=True, help="Let the curve go through the origin.")
@click.option("--unit-x", default="1", callback=_unit, metavar="UNIT", help="Such as °F.")
@click.option("--unit-y", default="1", callback=_unit, metavar="UNIT", help="Such as °C.")
@click.option("--name", metavar="NAME", help="Of the artifact; made of FILE's if it is not given.")
@click.option(
    "--dtype",
    type=click.Choice(["float32", "float64"]),
    default="float32",
    show_default=True,
    help="What the artifact computes in.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    metavar="DIR",
    help="Write DIR/NAME instead of ./NAME.",
)
@click.option("--no-readings", is_flag=True, help="Keep no sample of the readings in the artifact.")
@click.option("--force", is_flag=True, help="Replace an artifact that is there already.")
@click.option("--skip-invalid", is_flag=True, help="Leave invalid rows out; counts and lists them.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a text.")
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
    help="Write all of it as one page, to read, print or keep.",
)
@click.option(
    "--engine", default="local", show_default=True, metavar="NAME", help="What reads: local or ray."
)
@click.option("--address", metavar="ADDRESS", help="With --engine ray: the cluster to join.")
@click.option("--quiet", is_flag=True, help="Do not say what the file was taken for.")
@click.version_option(package_name="samebits", prog_name="calibrate")
def main(
    file: str,
    x: str | None,
    y: str | None,
    features: str | None,
    sigma: str | None,
    degree: int | str,
    no_intercept: bool,
    unit_x: str,
    unit_y: str,
    name: str | None,
    dtype: str,
    out: Path,
    no_readings: bool,
    force: bool,
    skip_invalid: bool,
    as_json: bool,
    plot: Path | None,
    report: Path | None,
    engine: str,
    address: str | None,
    quiet: bool,
) -> None:
    """Fit a curve to readings beside a reference, exactly, and write it as an artifact.

    FILE holds a column of readings and one of reference values: text (separator, header, decimal
    commas and encoding are told from the file), Parquet, Arrow or .xlsx; - is standard input, and a
    folder stands for all such files in it. With two columns --x and --y are not needed.

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
    name = _name(name, file)
    folder = out / name
    _check_target(folder, force=force)
    with _answer.errors_for_people(), _cli.errors_for_people():
        from train._from_readings import calibrate_readings

        files, others = _open(
            file, x=x, y=y, features=columns, sigma=sigma, skip_invalid=skip_invalid
        )
        origin = files[0].name if len(files) == 1 and not files[0].label else file
        layout = _layout(files)
        if not quiet:
            if others:
                click.echo(f"note: left out: {few(others)}", err=True)
            assumed = f"; {files[0].assumed}" if files[0].assumed else ""
            click.echo(_printable(f"{origin}: {layout}{assumed}"), err=True)
        run = _mapper(engine, address, file, files)
        with _bar() as watch:
            fitted = calibrate_readings(
                files,
                of=origin,
                degree=degree,
                intercept=not no_intercept,
                name=name,
                unit_x=unit_x,
                unit_y=unit_y,
                dtype=dtype,
                watch=watch,
                run=run,
            )
        calibration = fitted.calibration
        commands = _commands(calibration, folder)
        with CleanInterrupts():
            _write(calibration, folder, force=force, sample=not no_readings)
            if plot is not None:
                _draw(calibration, plot)
            if report is not None:
                path = Path(origin).resolve() if Path(origin).is_dir() else Path(origin)
                _report(fitted, f"{path.name} ({layout})", commands, folder, report)
    if as_json:
        click.echo(json.dumps(_record(fitted, folder), ensure_ascii=False))
        return
    from train._calibration_text import as_text

    click.echo(as_text(calibration, fitted.row_word))
    for note in fitted.notes:
        click.echo(f"\nnote: {_printable(note)}")
    if fitted.left_out_count:
        click.echo(f"\n{_left_out(fitted)}")
    written = [str(path) for path in (folder, plot, report) if path is not None]
    click.echo(f"\nwrote {', '.join(written)}\n\n" + "\n".join(f"  {line}" for line in commands))


def _open(file: str, **options: Any) -> tuple[list[Readings], list[str]]:
    """Look at a file, or at those of a folder; with the paths of files that are something else."""
    from train._readings import ENDINGS, open_files, open_readings

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


def _layout(files: Sequence[Readings]) -> str:
    """Return what was found, for people."""
    first = files[0]
    if not first.label:
        return first.layout
    if len(files) == 1:
        return f"1 file, {first.label}: {first.layout}"
    return f"{len(files):,} files, the first of them {first.label}: {first.layout}"


def _mapper(
    engine: str, address: str | None, file: str, files: Sequence[Readings]
) -> Mapper | None:
    """Return what reads the files; None if nothing is faster than this process."""
    from infer._engines import load_engine

    if engine != _LOCAL and not (Path(file).is_file() or Path(file).is_dir()):
        raise click.UsageError(
            f"--engine {engine} takes a file or a folder that each of its machines sees; "
            f"{'standard input' if file == _STANDARD_INPUT else file} is none."
        )
    chosen = load_engine(engine, address, holds_lock=True)
    size = sum(readings.size for readings in files)
    if engine == _LOCAL and (len(files) == 1 or size < _SMALL_BYTES):
        return None
    return chosen.map


def _name(name: str | None, file: str) -> str:
    """Return the artifact's name: the one given, or made of the file's.

    A folder's own name is taken where the artifact is written beside it.
    """
    from train._from_readings import artifact_name

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


def _check_target(folder: Path, *, force: bool) -> None:
    """Refuse to replace what is there, before any work is done."""
    from export._errors import ExportError
    from export._folder import refuse_to_replace

    try:
        refuse_to_replace(folder, replace=force)
    except ExportError as error:
        raise click.UsageError(str(error)) from None


def _path(file: str) -> Path:
    path = Path(file)
    if not path.exists():
        from difflib import get_close_matches

        with_name = path.parent if path.parent.is_dir() else Path()
        beside = [other.name for other in with_name.iterdir()]
        near = get_close_matches(path.name, beside, n=1)
        hint = f" Did you mean {str(with_name / near[0])!r}?" if near else ""
        raise click.UsageError(f"{file!r}: no such file.{hint}")
    return path


@contextmanager
def _bar() -> Iterator[Any]:
    """Give what shows a bar on a terminal as a file is read, once that takes long."""
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


def _write(calibration: Calibration, folder: Path, *, force: bool, sample: bool) -> None:
    import export

    try:
        export.save(calibration, folder, replace=force, readings=sample)
    except export.ExportError as error:
        raise click.ClickException(str(error)) from error


def _quantile(calibration: Calibration) -> float:
    from infer._student import quantile

    return quantile(_LEVEL, calibration.degrees_of_freedom)


def _draw(calibration: Calibration, path: Path) -> None:
    from export._calibration_report import drawing
    from infer._files.replace import replace_file

    replace_file(path, drawing(calibration, _quantile(calibration), path.suffix.lower()[1:]))


def _report(fitted: Fitted, origin: str, commands: Sequence[str], folder: Path, path: Path) -> None:
    from importlib.metadata import version
    from platform import python_version

    import infer
    from export._calibration_report import page
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


def _record(fitted: Fitted, folder: Path) -> dict[str, Any]:
    from train._calibration_text import as_record

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


def _left_out(fitted: Fitted) -> str:
    def line(left_out: LeftOut) -> str:
        file = f"{left_out.file}, " if left_out.file else ""
        return _printable(f"  {file}{fitted.row_word} {left_out.row:,}: {left_out.reason}")

    count, shown = fitted.left_out_count, fitted.left_out[:_LISTED]
    lines = [f"left out {count:,} row{'s' * (count != 1)}:", *map(line, shown)]
    if count > len(shown):
        lines.append(f"  and {count - len(shown):,} more; --json and --report list a thousand")
    return "\n".join(lines)


def _commands(calibration: Calibration, folder: Path) -> list[str]:
    """Return what to type next, with numbers from the middle of the readings."""
    from train._calibration_text import middle

    where = shlex.quote(f"./{folder}" if folder.parent == Path() else str(folder))
    x, y = middle(calibration)
    lines = [f"infer run {where} {x} --interval 95"]
    if y is not None:
        lines.append(f"infer invert {where} {y}")
    return lines


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "�" for c in text)

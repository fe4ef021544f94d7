"""The command ``infer score``: a thin skin over ``infer._score``."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

from infer._commands.errors import Failure, errors_for_people
from infer._commands.interrupts import INTERRUPTED, CleanInterrupts
from infer._commands.reading_options import reading_options
from infer._files.options import ReadingOptions
from infer._text import listed, printable

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar

    from infer._artifact.card import ModelCard
    from infer._score._task import Counts


@click.command()
@click.argument("source", metavar="IN")
@click.argument("target", metavar="OUT")
@click.option("--model", required=True, metavar="NAME", help="As in `infer list`, or a path.")
@click.option(
    "--column",
    metavar="NAME[,NAME]...",
    help="The model's input. Without it: the column of the input's name, or the only numeric one.",
)
@click.option(
    "--as", "output", metavar="NAME", help="The new column. Without it: the model's name."
)
@reading_options
@click.option("--engine", default="local", show_default=True, metavar="NAME", help="local or ray.")
@click.option("--address", metavar="ADDRESS", help="With --engine ray: the cluster to join.")
@click.option("--force", is_flag=True, help="Replace what is at OUT.")
@click.option("--resume", is_flag=True, help="Go on with a run that was stopped.")
@click.option("--quiet", is_flag=True, help="Print no notes and no summary.")
def score(
    source: str,
    target: str,
    model: str,
    column: str | None,
    output: str | None,
    reading: ReadingOptions,
    engine: str,
    address: str | None,
    force: bool,
    resume: bool,
    quiet: bool,
) -> None:
    """Add a column of answers to a file, or to each file of a folder.

    IN is text such as CSV, Parquet or Arrow IPC; OUT is the same, with one more column. All else
    stays as it was; a missing value gives a missing answer.
    """
    from infer._artifact import store
    from infer._engines import _registry
    from infer._score import _job

    if force and resume:
        raise click.UsageError("--force begins again, --resume goes on: choose one.")
    columns = [name.strip() for name in column.split(",")] if column else []
    with errors_for_people():
        artifact = store.find(model)
        chosen = _registry.load_engine(engine, address)
        try:
            job = _job.plan(
                artifact,
                source,
                target,
                columns,
                output,
                force=force,
                resume=resume,
                reading=reading,
            )
        except OSError as error:
            raise Failure(_unreachable(error)) from None
        if job.left_out and not quiet:
            click.echo(f"note: left out: {printable(listed(job.left_out, 3))}", err=True)
        if not quiet:
            for note in job.notes:
                click.echo(f"note: {printable(note)}", err=True)
        try:
            with CleanInterrupts():
                counts = _with_progress(
                    sum(job.sizes.values()),
                    lambda progress: _job.run(job, target, chosen, progress),
                )
        except KeyboardInterrupt:
            hint = "; type the same with --resume to go on" if job.journal is not None else ""
            raise Failure(f"stopped{hint}", exit_code=INTERRUPTED) from None
        except OSError as error:
            raise Failure(_unreachable(error)) from None
    if job.complete and not quiet:
        note = "the run was already complete; its files were computed again, and they are the same"
        click.echo(f"note: {note}", err=True)
    if not quiet:
        _summarize(counts, len(job.tasks), artifact.card)


def _unreachable(error: OSError) -> str:
    """Return what could not be read or written, and why."""
    return f"{error.filename}: {error.strerror}" if error.filename else str(error)


def _with_progress(
    size: int, run: Callable[[Callable[[int, float], None]], Iterator[Counts]]
) -> Counts:
    """Sum up what a run counts, and show how far it is on a terminal."""
    from infer._score._task import Counts

    lock, start, rows, rest = threading.Lock(), time.monotonic(), 0, 0.0
    counts = Counts()
    bar: ProgressBar[int]
    with click.progressbar(
        length=max(1, size),
        label="scoring",
        file=sys.stderr,
        hidden=not sys.stderr.isatty(),
        item_show_func=lambda _: f"{rows / max(1e-9, time.monotonic() - start):,.0f} rows/s",
    ) as bar:

        def progress(more: int, read: float) -> None:
            nonlocal rows, rest
            with lock:
                rows += more
                whole, rest = divmod(rest + read, 1)
                bar.update(int(whole))

        for found in run(progress):
            counts = counts.plus(found)
    return counts


def _summarize(counts: Counts, files: int, card: ModelCard) -> None:
    click.echo(
        f"{counts.rows:,} row{'s' if counts.rows != 1 else ''} in "
        f"{files:,} file{'s' if files != 1 else ''}, {counts.nulls:,} without a value"
    )
    if counts.outside:
        ranges = " × ".join(f"{low:.9g} to {high:.9g}" for low, high in card.domain)
        unit = "" if card.input.unit == "1" else f" {card.input.unit}"
        click.echo(
            f"note: {counts.outside:,} outside the range that the fit saw, {ranges}{unit}",
            err=True,
        )

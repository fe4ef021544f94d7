"""The command ``infer``: a thin skin over the package."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from infer._commands.answer import NumbersCommand, answer_all, answer_options
from infer._commands.card_text import card_text, domain, units
from infer._commands.check import check_exhaustively, check_table
from infer._commands.errors import Failure, errors_for_people
from infer._commands.interrupts import CleanInterrupts
from infer._commands.score import score
from infer._commands.table import table
from infer._serve._settings import Settings
from infer._text import printable_lines

if TYPE_CHECKING:
    from infer._checks.parity import Parity


@click.group(context_settings={"help_option_names": ["--help"]})
@click.version_option(package_name="samebits", prog_name="infer")
def main() -> None:
    """Serve models with the same bits everywhere.

    NAME is a model of `infer list`, or the path of an artifact's folder.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # not every terminal has "→"


main.add_command(score)


@main.command("list")
def list_command() -> None:
    """List the models that can be loaded by name."""
    from infer._artifact import store
    from infer._errors import InferError
    from infer._runtimes import _registry

    with errors_for_people():
        names = store.list_models()
    usable = [row for row in _registry.RUNTIMES if row.missing() is None]
    rows, problems = [], []
    for name in names:
        try:
            card = store.find(name).card
        except InferError as error:
            problems.append(str(error))
            continue
        runtimes = [row.name for row in usable if row.file is None or row.file in card.files]
        rows.append((card.name, card.formula, units(card), domain(card), ", ".join(runtimes)))
    click.echo(table(("name", "formula", "unit", "domain", "runtimes usable here"), rows))
    if problems:
        raise Failure(*problems)


@main.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print model.json as it is.")
def show(name: str, as_json: bool) -> None:
    """Show the card of a model: what it is, how it was fitted, how to compute it."""
    from infer._artifact import store

    with errors_for_people():
        artifact = store.find(name)
        data = store.read_folder(artifact.folder)[1] if as_json else b""
    if as_json:
        click.echo(data, nl=False)
    else:
        click.echo(printable_lines(card_text(artifact)))


@main.command(cls=NumbersCommand)
@click.argument("name")
@answer_options
def run(name: str, values: tuple[str, ...], **options: Any) -> None:
    """Compute a model, one answer per line.

    With -, or without a value and with a pipe, reads one number per line. The features of a model
    with several are separated by commas: infer run plane 1.5,2
    """
    answer_all(name, values, **options)


@main.command(cls=NumbersCommand)
@click.argument("name")
@answer_options
def invert(name: str, values: tuple[str, ...], **options: Any) -> None:
    """Find the input that gives an answer, one per line.

    Within the domain, exact to the last bit that the curve resolves. An answer that is reached
    twice or never is an error; but a line is followed for ten times its domain on either side, with
    a note. With --interval, also the lowest and the highest input whose interval contains the
    answer; neither leaves the domain in which it was found.
    """
    answer_all(name, values, inverse=True, **options)


@main.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--count",
    type=click.IntRange(min=1),
    default=None,
    show_default="16384; fewer for more than 256 steps",
    metavar="N",
    help="Random bit patterns per model, in addition to the special values.",
)
@click.option("--seed", default=0, show_default=True, help="Of the random patterns.")
@click.option(
    "--exhaustive", is_flag=True, help="Compare all 4,294,967,296 float32 inputs; takes minutes."
)
@click.option(
    "--proofs",
    type=click.Path(file_okay=False),
    metavar="DIR",
    help="With --exhaustive: write DIR/NAME.json; a run that was stopped goes on from there.",
)
def check(
    names: tuple[str, ...], count: int | None, seed: int, exhaustive: bool, proofs: str | None
) -> None:
    """Check that files are what was written and that all runtimes agree, bit for bit.

    Every runtime that is usable here is compared with the plain-text program on Python floats.
    Exits with 1 if a file was changed or a bit differs.
    """
    from infer._artifact import store
    from infer._checks import integrity
    from infer._checks.parity import check_parity
    from infer._errors import ArtifactError

    with errors_for_people():
        chosen = names or tuple(store.list_models())
    if proofs is not None and not exhaustive:
        raise click.UsageError("--proofs goes with --exhaustive.")
    if exhaustive:
        check_exhaustively(chosen, proofs)
        return
    problems: list[str] = []
    results: list[tuple[str, str, list[Parity]]] = []
    with click.progressbar(
        chosen,
        label="comparing",
        file=sys.stderr,
        hidden=not sys.stderr.isatty(),
        item_show_func=lambda name: name or "",
    ) as bar:
        for name in bar:
            with errors_for_people():
                try:
                    artifact = store.find(name)
                except ArtifactError as error:
                    problems.append(str(error))
                    results.append((name, "damaged", []))
                    continue
            damage = integrity.check_integrity(artifact)
            parities = check_parity(artifact, count, seed)
            results.append((artifact.card.name, "damaged" if damage else "intact", parities))
            problems += damage
            # Integrity has already reported why a damaged file fails its runtime.
            problems += [p.example for p in parities if p.failed and p.example not in damage]
            problems += [
                f"{artifact.card.name}: {parity.way} differs in {parity.differing:,} of "
                f"{parity.compared:,} answers; first {parity.example}"
                for parity in parities
                if parity.differing
            ]
    click.echo(check_table(results))
    if problems:
        raise Failure(*problems)


@main.command()
@click.argument("out", type=click.Path(), metavar="DIR")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--force", is_flag=True, help="Replace DIR, whatever it holds.")
def site(out: str, names: tuple[str, ...], force: bool) -> None:
    """Write a page to try models on, as a folder for any web server.

    DIR/index.html can also be opened as a file. The browser computes; there is nothing to run.
    Without a NAME, the page shows all models that `infer list` shows.
    """
    from infer import _site
    from infer._artifact import store

    with errors_for_people():
        artifacts = [store.find(name) for name in names or store.list_models()]
        content = _site.files(artifacts, server=False)
        try:
            with CleanInterrupts():
                _site.write(out, content, force=force)
        except OSError as error:
            raise Failure(f"{out}: {error.strerror or error}") from None
    click.echo(f"wrote {os.path.join(out, _site.INDEX)}")


_UNITS = {"G": 30, "M": 20, "K": 10}


class _Size(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.4 on
    """A number of bytes or of elements: 1000, 64K, 16M, 1G; units are powers of 1,024."""

    name = "size"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Return the number."""
        text = str(value).upper()
        number, unit = (text[:-1], text[-1:]) if text[-1:] in _UNITS else (text, "")
        if not number.isdecimal() or not int(number):
            self.fail(f"{value!r} is not a valid size; use e.g. 64M.", param, ctx)
        return int(number) << _UNITS.get(unit, 0)


def _with_unit(size: int) -> str:
    """Return a size as an option spells it, in the largest unit that divides it."""
    for unit, power in _UNITS.items():
        if size % (1 << power) == 0:
            return f"{size >> power}{unit}"
    return str(size)


_DEFAULTS = Settings()


@main.command()
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@click.option("--host", default=_DEFAULTS.host, show_default=True, help="Address to listen at.")
@click.option(
    "--allowed-host",
    "allowed_hosts",
    multiple=True,
    metavar="NAME",
    help="Another name that clients may use for this server; * for any. Repeatable.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=_DEFAULTS.port,
    show_default=True,
    help="0 takes a free one.",
)
@click.option(
    "--grpc-port",
    type=click.IntRange(0, 65535),
    help="Port for gRPC, in addition to HTTP; 0 takes a free one. Without it there is no gRPC.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 256),
    default=_DEFAULTS.workers,
    show_default=True,
    help="Processes.",
)
@click.option(
    "--max-body",
    type=_Size(),
    default=_with_unit(_DEFAULTS.max_body),
    show_default=True,
    help="Bytes of a request.",
)
@click.option(
    "--max-json",
    type=_Size(),
    default=_with_unit(_DEFAULTS.max_json),
    show_default=True,
    help="Bytes of JSON in a request.",
)
@click.option(
    "--max-elements",
    type=_Size(),
    default=_with_unit(_DEFAULTS.max_elements),
    show_default=True,
    help="Numbers in a request.",
)
@click.option(
    "--max-memory",
    type=_Size(),
    default=_with_unit(_DEFAULTS.max_memory),
    show_default=True,
    help="Bytes of all bodies and answers in flight, per worker.",
)
@click.option(
    "--max-connections",
    type=click.IntRange(1),
    default=_DEFAULTS.max_connections,
    show_default=True,
    help="Per worker; for one more, the one that has been idle longest is closed.",
)
@click.option(
    "--max-queue",
    type=click.IntRange(1),
    default=_DEFAULTS.max_queue,
    show_default=True,
    help="Large requests that compute or wait to, per worker.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=_DEFAULTS.timeout,
    show_default=True,
    help="Seconds for a request to arrive, and for its answer to be taken.",
)
@click.option(
    "--idle",
    type=click.FloatRange(0, min_open=True),
    default=_DEFAULTS.idle,
    show_default=True,
    help="Seconds between two requests on a connection.",
)
@click.option(
    "--grace",
    type=click.FloatRange(0),
    default=_DEFAULTS.grace,
    show_default=True,
    help="Seconds for what is in flight at SIGTERM.",
)
@click.option(
    "--access-log/--no-access-log",
    default=_DEFAULTS.access_log,
    show_default=True,
    help="A JSON line on standard error for each request.",
)
def serve(models: tuple[str, ...], **options: Any) -> None:
    """Serve models over HTTP, and over gRPC, by the Open Inference Protocol.

    MODEL is a name or the path of an artifact's folder; without one, all of `infer list`. A model
    is read again when its folder is replaced. SIGTERM and Ctrl-C finish what is in flight.
    """
    from infer._serve import _server
    from infer._serve._settings import Settings

    def ready(address: str, names: list[str]) -> None:
        click.echo(f"Serving {', '.join(names)} at {address}")

    with errors_for_people(), CleanInterrupts():
        _server.serve(Settings(models, **options), ready)

"""Answering numbers on a command line: as arguments or line by line, as text or JSON."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO, Protocol, TypeVar

import click

from infer._commands.errors import Failure, errors_for_people
from infer._commands.plain_lines import PlainAnswers, named_values
from infer._errors import InputError
from infer._model import load
from infer._runtimes._registry import RUNTIMES
from infer._text import nearest

# Bytes read at a time from a pipe. What has arrived is answered at once, so a program that waits
# for each answer gets it, and a file is still read in large pieces.
_CHUNK = 1 << 16
_LONGEST_LINE = 1 << 16

Command = TypeVar("Command", bound=Callable[..., Any])


class Answers(Protocol):
    """Answers numbers given as text."""

    def print_all(self, texts: Sequence[tuple[str, str]]) -> None:
        """Print the answer to each text; the second of each pair names it in errors."""
        ...

    def print_lines(self, lines: Sequence[bytes], first: int) -> None:
        """Print the answers to lines of standard input, the first of which has that number."""
        ...


class NumbersCommand(click.Command):
    """A command whose arguments are numbers: -40 is a value, not an option."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Let what is not an option through; ``answer_all`` refuses what is not a number."""
        kwargs.setdefault("context_settings", {}).update(
            ignore_unknown_options=True, help_option_names=["--help"]
        )
        super().__init__(*args, **kwargs)


def answer_options(command: Command) -> Command:
    """Add the options that every command that answers numbers has; ``answer_all`` takes them."""
    for option in (
        click.option(
            "--kind",
            type=click.Choice(["prediction", "confidence"]),
            help="Of --interval: for a new reading (the default), or for the curve itself.",
        ),
        click.option(
            "--interval",
            type=click.FloatRange(0, 100, min_open=True, max_open=True),
            metavar="PERCENT",
            help="Also print the interval with that probability: low and high.",
        ),
        click.option(
            "--quiet", is_flag=True, help="Print no note on values outside the fitted range."
        ),
        click.option(
            "--json", "as_json", is_flag=True, help="Print one JSON object per value, one per line."
        ),
        click.option(
            "--runtime",
            type=click.Choice(["auto", *(runtime.name for runtime in RUNTIMES)]),
            default="auto",
            show_default=True,
            help="All give the same bits.",
        ),
        click.option(
            "--digits",
            type=click.IntRange(0, 60),
            metavar="N",
            help="Round to N decimals. Without it: the shortest decimal that gives the same bits.",
        ),
        click.argument("values", nargs=-1, metavar="[VALUE]... [-]"),
    ):
        command = option(command)
    return command


def answer_all(
    name: str | os.PathLike[str],
    values: Sequence[str],
    *,
    digits: int | None,
    runtime: str,
    as_json: bool,
    quiet: bool,
    interval: float | None = None,
    kind: str | None = None,
    inverse: bool = False,
) -> None:
    """Print the answer to each value, or to each line of standard input, one per line.

    Args:
        name: the model, or the path of its folder.
        values: numbers as text, for a model with features separated by commas; "-" stands for
            standard input, and so does nothing at all if that is a pipe or a file.
        digits: decimals to round to, None for the shortest decimal with the same bits.
        runtime: see ``infer.load``.
        as_json: print JSON objects.
        quiet: print no note on values outside the range that the fit saw.
        interval: also print low and high of the interval of that many percent.
        kind: of the interval, see ``Model.interval``.
        inverse: the values are answers; print their inputs.

    Raises:
        click.UsageError: there is no value, or an option that does not exist or lacks another.
    """
    _refuse_unknown_options(values)
    if not values and sys.stdin.isatty():
        raise click.UsageError("Give a value, or pipe numbers in, one per line.")
    if kind is not None and interval is None:
        raise click.UsageError("--kind goes with --interval.")
    with errors_for_people():
        model = load(name, runtime=runtime)
        answers: Answers = PlainAnswers(model, digits, as_json, quiet)
        if inverse or interval is not None:
            from infer._commands.interval_lines import make_answers

            answers = make_answers(model, digits, as_json, quiet, interval, kind, inverse)
        given = [value for value in values if value != "-"]
        if len(given) < len(values) - 1:
            raise InputError("standard input (-) can be read once only")
        if len(given) == len(values) and values:
            answers.print_all(named_values(values))
            return
        before = values.index("-") if values else 0
        answers.print_all(named_values(values[:before]))
        first = 1
        for batch in _lines(sys.stdin.buffer):
            answers.print_lines(batch, first)
            first += len(batch)
        answers.print_all(named_values(values[before + 1 :]))


def _lines(stream: BinaryIO) -> Iterator[list[bytes]]:
    """Yield the lines of a stream in batches, as they arrive."""
    rest = b""
    count = 0
    while chunk := _read(stream):
        *lines, rest = (rest + chunk).split(b"\n")
        if lines:
            yield lines
            count += len(lines)
        if len(rest) > _LONGEST_LINE:
            raise InputError(
                f"line {count + 1} has more than {_LONGEST_LINE:,} bytes; "
                "expected one number per line"
            )
    if rest:
        yield [rest]


def _read(stream: BinaryIO) -> bytes:
    """Return what has arrived, nothing at the end."""
    read: Callable[[int], bytes] = getattr(stream, "read1", stream.read)
    try:
        return read(_CHUNK)
    except OSError as error:  # it is closed, or a folder
        raise Failure(f"standard input: {error.strerror or error}") from None


def _refuse_unknown_options(values: Sequence[str]) -> None:
    context = click.get_current_context()
    known = [name for option in context.command.get_params(context) for name in option.opts]
    for value in values:
        if value.startswith("--"):
            near = nearest(value.partition("=")[0], known)
            raise click.NoSuchOption(value, possibilities=near, ctx=context)

"""Answering numbers on a command line: as arguments or line by line, as text or JSON."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO, Protocol, TypeVar

import click

from infer._card import ModelCard
from infer._errors import InferError, InputError, printable
from infer._floats import DType, from_text
from infer._model import Model, load
from infer._runtimes import RUNTIMES
from infer._shortest import shortest, shortest_doubles

# Bytes read at a time from a pipe. What has arrived is answered at once, so a program that waits
# for each answer gets it, and a file is still read in large pieces.
_CHUNK = 1 << 16
_LONGEST_LINE = 1 << 16

Command = TypeVar("Command", bound=Callable[..., Any])


# Characters of a message: a card can hold a key of a million.
_LONGEST_MESSAGE = 4000


class Failure(click.ClickException):
    """Errors with a line each for people, and an exit code of its own."""

    def __init__(self, *messages: str, exit_code: int = 1) -> None:
        """Make each message safe for a terminal, whatever names it repeats."""
        super().__init__("\n".join(_shown(message) for message in messages))
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it from the instance


def _shown(message: str) -> str:
    if len(message) > _LONGEST_MESSAGE:
        message = f"{message[:_LONGEST_MESSAGE]}…"
    return printable(message)


@contextmanager
def errors_for_people() -> Iterator[None]:
    """Turn this package's errors into a message and an exit code."""
    try:
        yield
    except InferError as error:
        raise Failure(str(error), exit_code=error.exit_code) from error
    except click.UsageError:
        raise
    except click.ClickException as error:  # of another package's command
        raise Failure(*error.message.split("\n"), exit_code=error.exit_code) from error


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
            help="Also print where the truth lies with that probability: low and high.",
        ),
        click.option("--quiet", is_flag=True, help="No note on values outside the fitted range."),
        click.option("--json", "as_json", is_flag=True, help="A JSON object a value, a line each."),
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
    """Print one answer a line, for each value, or for each line of standard input.

    Args:
        name: the model, or the path of its folder.
        values: numbers as text, for a model with features separated by commas; "-" stands for
            standard input, and so does nothing at all if that is a pipe or a file.
        digits: decimals to round to, None for the shortest decimal with the same bits.
        runtime: see ``infer.load``.
        as_json: print JSON objects.
        quiet: do not tell about values outside the range that the fit saw.
        interval: print low and high of the interval too, of so many percent.
        kind: of the interval, see ``Model.interval``.
        inverse: the values are answers, the inputs are asked for.

    Raises:
        click.UsageError: there is no value, or an option that does not exist or lacks another.
    """
    _refuse_unknown_options(values)
    if not values and sys.stdin.isatty():
        raise click.UsageError("Give a value, or pipe numbers in, one a line.")
    if kind is not None and interval is None:
        raise click.UsageError("--kind goes with --interval.")
    with errors_for_people():
        model = load(name, runtime=runtime)
        answers: Answers = _Answers(model, digits, as_json, quiet)
        if inverse or interval is not None:
            from infer._interval_answer import make_answers

            answers = make_answers(model, digits, as_json, quiet, interval, kind, inverse)
        given = [value for value in values if value != "-"]
        if len(given) < len(values) - 1:
            raise InputError("standard input (-) can be read once only")
        if len(given) == len(values) and values:
            answers.print_all([(value, f"value {value!r}") for value in values])
            return
        before = values.index("-") if values else 0
        answers.print_all([(value, f"value {value!r}") for value in values[:before]])
        first = 1
        for batch in _lines(sys.stdin.buffer):
            answers.print_lines(batch, first)
            first += len(batch)
        answers.print_all([(value, f"value {value!r}") for value in values[before + 1 :]])


class Answers(Protocol):
    """Answers numbers given as text."""

    def print_all(self, texts: Sequence[tuple[str, str]]) -> None:
        """Print the answer to each text; beside it stands what to call it in an error."""
        ...

    def print_lines(self, lines: Sequence[bytes], first: int) -> None:
        """Print the answers to lines of standard input, the first of which has that number."""
        ...


class _Answers:
    """Computes and prints; remembers whether the note on the range was given."""

    def __init__(self, model: Model, digits: int | None, as_json: bool, quiet: bool) -> None:
        self._model = model
        self._card = model.card
        self._digits = digits
        self._as_json = as_json
        self._told = quiet

    def print_all(self, texts: Sequence[tuple[str, str]]) -> None:
        """Print the answers to numbers as text, each with what to call it in an error."""
        rows: list[list[float]] = []
        problem: InputError | None = None
        for text, where in texts:
            try:
                rows.append(self._parse(text, where))
            except InputError as error:
                problem = error  # what came before is answered first
                break
        if rows:
            inputs: Any = rows if self._card.features else [row[0] for row in rows]
            self._print(texts[: len(rows)], rows, self._model(inputs))
        if problem is not None:
            raise problem

    def print_lines(self, lines: Sequence[bytes], first: int) -> None:
        """Print the answers to lines of standard input, the first of which has that number."""
        values = None if self._as_json or self._card.features else _numbers(lines, self._card.dtype)
        if values is None:  # one by one: a line is wrong, or an answer is more than a number
            self.print_all(named_lines(lines, first))
            return
        answers = self._model(values)
        if self._digits is not None:
            shown = [f"{answer:.{self._digits}f}" for answer in answers]
        else:
            doubles = shortest_doubles(answers) if self._card.dtype == "float32" else answers
            shown = list(map(repr, doubles))
        self._write(shown)
        if not self._told:
            ((low, high),) = self._card.domain
            for value in [value for value in values if not low <= value <= high][:1]:
                self._tell(_outside(self._card, [value]))

    def _write(self, lines: Sequence[str]) -> None:
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()

    def _tell(self, note: str | None) -> None:
        if note is not None and not self._told:
            self._told = True  # once is enough, however many there are
            click.echo(f"note: {printable(note)}", err=True)

    def _print(
        self,
        texts: Sequence[tuple[str, str]],
        rows: Sequence[Sequence[float]],
        answers: Sequence[float],
    ) -> None:
        lines, note = [], None
        for (text, _), row, answer in zip(texts, rows, answers, strict=True):
            outside = _outside(self._card, [float(part) for part in _split(text, self._card)])
            if self._as_json:
                lines.append(self._json(row, answer, outside is None))
            elif self._digits is None:
                lines.append(shortest(answer, self._card.dtype))
            else:
                lines.append(f"{answer:.{self._digits}f}")
            note = note or outside
        self._write(lines)
        self._tell(note)

    def _parse(self, text: str, where: str) -> list[float]:
        parts = _split(text, self._card)
        expected = self._card.features or 1
        if len(parts) != expected:
            raise InputError(
                f"{where} has {len(parts)} numbers; expected {expected}, separated by commas"
            )
        try:
            return [from_text(part, self._card.dtype) for part in parts]
        except ValueError:
            if not text.strip():
                raise InputError(f"{where} is empty; expected a number") from None
            raise InputError(f"{where} is not a number; expected one such as 98.6") from None

    def _json(self, row: Sequence[float], answer: float, inside: bool) -> str:
        inputs = [self._json_number(value) for value in row]
        output = self._json_number(answer)
        if self._digits is not None and not isinstance(output, str):
            output = round(answer, self._digits)
        record = {
            "model": self._card.name,
            "runtime": self._model.runtime,
            "input": inputs if self._card.features else inputs[0],
            "output": output,
            "unit": self._card.output.unit,
            "in_domain": inside,
        }
        unicode = sys.stdout.encoding.lower().startswith("utf")
        return printable(json.dumps(record, ensure_ascii=not unicode))

    def _json_number(self, value: float) -> float | str:
        # JSON has no infinity and no nan; they are given as text.
        text = shortest(value, self._card.dtype)
        return float(text) if math.isfinite(value) else text


def _numbers(lines: Sequence[bytes], dtype: DType) -> list[float] | None:
    """Return the numbers on lines, or None if one of them is not a number.

    A decimal whose double lies halfway between two float32 values, or near a subnormal one, is
    rounded from its text; the model rounds the others. Without an exponent, and with at most nine
    characters and so eight decimals, no decimal needs that: it lies halfway itself, or at least
    1e-8 units of the 25th bit away, where a double reaches to 2**-29.
    """
    try:
        values = list(map(float, lines))
    except ValueError:
        return None
    if dtype == "float64" or (max(map(len, lines)) <= 9 and b"e" not in b"".join(lines).lower()):
        return values
    # Twenty-five bits or fewer: v * 2**28 rounds to those, as in infer._compile.
    doubtful = [
        index
        for index, v in enumerate(values)
        if v - (big := v * 268435456.0) + big == v or -(2.0**-126) < v < 2.0**-126
    ]
    for index in doubtful:
        values[index] = from_text(_text(lines[index]), dtype)
    return values


def _split(text: str, card: ModelCard) -> list[str]:
    return text.split(",") if card.features else [text]


def _outside(card: ModelCard, row: Sequence[float]) -> str | None:
    """Return a sentence on the first feature outside the domain, None if all are inside."""
    unit = "" if card.input.unit == "1" else f" {card.input.unit}"
    for index, (value, (low, high)) in enumerate(zip(row, card.domain, strict=True)):
        if not low <= value <= high:
            name = f"{card.input.name}[{index}] = " if card.features else ""
            return (
                f"{name}{value:.9g}{unit} is outside the range that the fit saw, "
                f"{low:.9g} to {high:.9g}{unit}"
            )
    return None


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
                f"line {count + 1} has more than {_LONGEST_LINE:,} bytes; expected a number a line"
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


def named_lines(lines: Sequence[bytes], first: int) -> list[tuple[str, str]]:
    """Return each line as text, with what to call it in an error."""
    texts = map(_text, lines)
    return [(text, f"line {number}: {text!r}") for number, text in enumerate(texts, first)]


def _text(line: bytes) -> str:
    return line.decode(errors="backslashreplace").removesuffix("\r")


def _refuse_unknown_options(values: Sequence[str]) -> None:
    context = click.get_current_context()
    known = [name for option in context.command.get_params(context) for name in option.opts]
    for value in values:
        if value.startswith("--"):
            from difflib import get_close_matches

            raise click.NoSuchOption(
                value, possibilities=get_close_matches(value.partition("=")[0], known), ctx=context
            )

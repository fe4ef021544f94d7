"""Answers with an interval, and inputs for answers, on a command line."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from infer._commands.plain_lines import (
    decimal,
    json_line,
    json_number,
    named_lines,
    outside_domain,
    print_note,
    read_doubles,
    split_features,
)
from infer._curve.interval import Interval, Kind, band
from infer._errors import InputError
from infer._ieee.floats import from_number, from_text
from infer._model import Model


class _Options(NamedTuple):
    """What to print; ``level`` is None without an interval."""

    digits: int | None
    as_json: bool
    quiet: bool
    level: float | None
    kind: Kind


def make_answers(
    model: Model,
    digits: int | None,
    as_json: bool,
    quiet: bool,
    percent: float | None,
    kind: str | None,
    inverse: bool,
) -> _Intervals | _Inverses:
    """Return what prints intervals, or inputs; see ``infer._commands.answer.answer_all``.

    Raises:
        InputError: the model has no intervals, or no inverse; raised before anything is read.
    """
    level = None if percent is None else _level(percent)
    chosen: Kind = "confidence" if kind == "confidence" else "prediction"
    options = _Options(digits, as_json, quiet, level, chosen)
    if inverse:
        return _Inverses(model, options)
    return _Intervals(model, options)


def _level(percent: float) -> float:
    """Return a hundredth: of 99.9 the double nearest to 0.999, which a division would miss."""
    if math.isnan(percent):  # the only float that click lets through
        raise InputError("--interval: expected a number between 0 and 100, found nan")
    text = repr(percent)
    return percent / 100 if "e" in text else float(f"{text}e-2")


class _Numbers:
    """What both have in common: reading numbers, writing lines."""

    def __init__(self, model: Model, options: _Options) -> None:
        self._model, self._card, self._options = model, model.card, options
        # On the first value outside the domain, and whether it was printed.
        self._note: str | None = None
        self._noted = options.quiet
        if options.level is not None:
            band(self._card, options.level, options.kind, None)

    def print_all(self, texts: Sequence[tuple[str, str]]) -> None:
        """Print the answer to each text; those before one that has none are printed first."""
        lines: list[str] = []
        try:
            for text, where in texts:
                lines.append(self._line(text, where))
        finally:
            if lines:
                sys.stdout.write("\n".join(lines) + "\n")
                sys.stdout.flush()
            if self._note is not None and not self._noted:
                self._noted = True  # once is enough
                print_note(self._note)

    def print_lines(self, lines: Sequence[bytes], first: int) -> None:
        """Print the answers to lines of standard input, the first of which has that number."""
        self.print_all(named_lines(lines, first))

    def _line(self, text: str, where: str) -> str:
        raise NotImplementedError

    def _ends(self, find: Callable[[Any, float, Kind], Interval], value: Any) -> Sequence[float]:
        """Return the ends of an interval, empty if not requested."""
        if self._options.level is None:
            return ()
        return find(value, self._options.level, self._options.kind)

    def _write(self, numbers: Sequence[float], record: dict[str, Any]) -> str:
        """Return a line: a number, or a number with its interval."""
        rounded = [from_number(number, self._card.dtype) for number in numbers]
        if not self._options.as_json:
            dtype, digits = self._card.dtype, self._options.digits
            return " ".join(decimal(number, dtype, digits) for number in rounded)
        if self._options.level is not None:
            low, high = map(self._json_number, rounded[1:])
            record["interval"] = {
                "level": self._options.level,
                "kind": self._options.kind,
                "low": low,
                "high": high,
            }
        return json_line(record)

    def _json_number(self, value: float) -> float | str:
        return json_number(value, self._card.dtype, self._options.digits)


class _Intervals(_Numbers):
    """The answer and its interval for each input."""

    def _line(self, text: str, where: str) -> str:
        model, card = self._model, self._card
        parts = split_features(text, card)
        row = read_doubles(parts, where, card.features or 1)
        # The answer is that of the decimal rounded once, the interval that of its double.
        rounded = [from_text(part, card.dtype) for part in parts]
        answer = model(rounded if card.features else rounded[0])
        ends = self._ends(model.interval, row if card.features else row[0])
        outside = outside_domain(card, row)
        self._note = self._note or outside
        inputs = [json_number(value, card.dtype) for value in rounded]
        record = {
            "model": card.name,
            "runtime": model.runtime,
            "input": inputs if card.features else inputs[0],
            "output": self._json_number(answer),
            "unit": card.output.unit,
            "in_domain": outside is None,
        }
        return self._write([answer, *ends], record)


class _Inverses(_Numbers):
    """The input for each answer, with its interval if requested."""

    def __init__(self, model: Model, options: _Options) -> None:
        super().__init__(model, options)
        # A line goes on beyond what the fit saw, and answers there with a note, as it does for f2c.
        self._line_on = model.beyond() if model.ready_inverse().is_line else None

    def _line(self, text: str, where: str) -> str:
        model, card = self._model, self._card
        (y,) = read_doubles([text], where, 1)
        try:
            numbers = self._found(model, y)
        except InputError as error:
            numbers = self._beyond(y)
            if not numbers:
                raise InputError(f"{where}: {error}") from None
            outside = outside_domain(card, numbers[:1])
            self._note = self._note or outside
        record = {
            "model": card.name,
            "runtime": model.runtime,
            "output": json_number(from_number(y, card.dtype), card.dtype),
            "input": self._json_number(numbers[0]),
            "unit": card.input.unit,
        }
        return self._write(numbers, record)

    def _found(self, model: Model, y: float) -> list[float]:
        return [model.inverse(y), *self._ends(model.inverse_interval, y)]

    def _beyond(self, y: float) -> list[float]:
        """Return the input on a line beyond the domain, nothing if it is not there either."""
        with suppress(InputError):
            return [] if self._line_on is None else self._found(self._line_on, y)
        return []

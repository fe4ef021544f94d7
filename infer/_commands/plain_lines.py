"""One answer per line, and what both kinds of lines have in common.

``f2c 98.6`` imports no more than this, so click is not imported here.
"""

from __future__ import annotations

import json
import math
import sys

from infer._errors import InputError
from infer._ieee.floats import from_text
from infer._ieee.shortest import shortest, shortest_doubles
from infer._model import load
from infer._text import printable

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from infer._artifact.card import ModelCard
    from infer._ieee.floats import DType
    from infer._model import Model


def are_numbers(values: Sequence[str]) -> bool:
    """Return whether there are values, and each is a number, or numbers separated by commas."""
    try:
        numbers = [float(part) for value in values for part in value.split(",")]
    except ValueError:
        return False
    return bool(numbers)


def answer_numbers(name: str, values: Sequence[str]) -> None:
    """Print the answers of a model to arguments, without any option."""
    PlainAnswers(load(name), None, as_json=False, quiet=False).print_all(named_values(values))


class PlainAnswers:
    """Computes and prints; prints at most one note on the range."""

    def __init__(self, model: Model, digits: int | None, as_json: bool, quiet: bool) -> None:
        self._model = model
        self._card = model.card
        self._digits = digits
        self._as_json = as_json
        self._noted = quiet

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
            inputs: list[Any] = [row if self._card.features else row[0] for row in rows]
            # A function of lists would have to be compiled first.
            answers = self._model(inputs) if len(inputs) > 1 else [self._model(inputs[0])]
            self._print(texts[: len(rows)], rows, answers)
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
        if not self._noted:
            ((low, high),) = self._card.domain
            for value in [value for value in values if not low <= value <= high][:1]:
                self._note(outside_domain(self._card, [value]))

    def _write(self, lines: Sequence[str]) -> None:
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()

    def _note(self, note: str | None) -> None:
        if note is not None and not self._noted:
            self._noted = True  # once is enough
            print_note(note)

    def _print(
        self,
        texts: Sequence[tuple[str, str]],
        rows: Sequence[Sequence[float]],
        answers: Sequence[float],
    ) -> None:
        lines, note = [], None
        for (text, _), row, answer in zip(texts, rows, answers, strict=True):
            outside = outside_domain(
                self._card, [float(part) for part in split_features(text, self._card)]
            )
            if self._as_json:
                lines.append(self._json(row, answer, outside is None))
            else:
                lines.append(decimal(answer, self._card.dtype, self._digits))
            note = note or outside
        self._write(lines)
        self._note(note)

    def _parse(self, text: str, where: str) -> list[float]:
        parts = split_features(text, self._card)
        read_doubles(parts, where, self._card.features or 1)
        return [from_text(part, self._card.dtype) for part in parts]

    def _json(self, row: Sequence[float], answer: float, inside: bool) -> str:
        dtype = self._card.dtype
        inputs = [json_number(value, dtype) for value in row]
        record = {
            "model": self._card.name,
            "runtime": self._model.runtime,
            "input": inputs if self._card.features else inputs[0],
            "output": json_number(answer, dtype, self._digits),
            "unit": self._card.output.unit,
            "in_domain": inside,
        }
        return json_line(record)


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
    if any(b"_" in line for line in lines):
        return None
    if dtype == "float64" or (max(map(len, lines)) <= 9 and b"e" not in b"".join(lines).lower()):
        return values
    # Twenty-five bits or fewer: v * 2**28 rounds to those, as in infer._program.on_floats.
    doubtful = [
        index
        for index, v in enumerate(values)
        if v - (big := v * 268435456.0) + big == v or -(2.0**-126) < v < 2.0**-126
    ]
    for index in doubtful:
        values[index] = from_text(_text(lines[index]), dtype)
    return values


def read_doubles(parts: Sequence[str], where: str, count: int) -> list[float]:
    """Return the doubles that some texts are.

    Raises:
        InputError: one is not a number, or there are not that many.
    """
    if len(parts) != count:
        raise InputError(f"{where} has {len(parts)} numbers; expected {count}, separated by commas")
    try:
        return [from_text(part, "float64") for part in parts]
    except ValueError:
        if not ",".join(parts).strip():
            raise InputError(f"{where} is empty; expected a number") from None
        raise InputError(f"{where} is not a number; expected one such as 98.6") from None


def decimal(value: float, dtype: DType, digits: int | None) -> str:
    """Return a value as text: its shortest decimal, or one with that many decimals."""
    return shortest(value, dtype) if digits is None else f"{value:.{digits}f}"


def json_number(value: float, dtype: DType, digits: int | None = None) -> float | str:
    """Return a value for JSON, which has no infinity and no nan: they are given as text."""
    if not math.isfinite(value):
        return shortest(value, dtype)
    return float(shortest(value, dtype)) if digits is None else round(value, digits)


def json_line(record: dict[str, Any]) -> str:
    """Return an object as a line of JSON that the encoding of standard output has."""
    unicode = sys.stdout.encoding.lower().startswith("utf")
    return printable(json.dumps(record, ensure_ascii=not unicode))


def print_note(note: str) -> None:
    """Print a note on standard error."""
    sys.stderr.write(f"note: {printable(note)}\n")
    sys.stderr.flush()


def split_features(text: str, card: ModelCard) -> list[str]:
    """Return the text of each feature."""
    return text.split(",") if card.features else [text]


def outside_domain(card: ModelCard, row: Sequence[float]) -> str | None:
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


def named_values(values: Sequence[str]) -> list[tuple[str, str]]:
    """Return each argument, with what to call it in an error."""
    return [(value, f"value {value!r}") for value in values]


def named_lines(lines: Sequence[bytes], first: int) -> list[tuple[str, str]]:
    """Return each line as text, with what to call it in an error."""
    texts = map(_text, lines)
    return [(text, f"line {number}: {text!r}") for number, text in enumerate(texts, first)]


def _text(line: bytes) -> str:
    return line.decode(errors="backslashreplace").removesuffix("\r")

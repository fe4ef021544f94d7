"""Names of columns and numbers of lines, for people."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from infer import _text

# Names of columns that are listed.
_MOST_LISTED = 50
# Runs of line numbers that are listed.
_MOST_RUNS = 5


def shown(name: str) -> str:
    """Return a column's name in quotes, for people."""
    return repr(_text.shortened(name))


def listed(columns: Sequence[str]) -> str:
    """Return columns as one text for people, but not so many that they fill the screen."""
    return _text.listed(columns, _MOST_LISTED)


def lines(numbers: Sequence[int], word: str = "line") -> str:
    """Return line numbers for people: lines 1 to 3 and 5."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and runs[-1][1] + 1 == number:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    texts = [str(a) if a == b else f"{a} to {b}" for a, b in runs[:_MOST_RUNS]]
    if len(runs) > _MOST_RUNS:
        texts.append(f"{len(runs) - _MOST_RUNS} more")
    plural = "s" if len(set(numbers)) > 1 else ""
    last = f" and {texts.pop()}" if len(texts) > 1 else ""
    return f"{word}{plural} {', '.join(texts)}{last}"


def plain_name(text: str) -> str:
    """Return a text in lowercase letters, digits and _: accents go, all else becomes _.

    It is cut to 100 characters: a card's names have at most 200.
    """
    letters = unicodedata.normalize("NFKD", text.lower())
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:100].rstrip("_")

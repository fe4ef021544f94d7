"""Text for people: shortened, safe for a terminal, with the nearest names."""

from __future__ import annotations

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

# Characters of a value that a message repeats, and items of a list that it looks at.
_LONGEST, _ITEMS = 60, 8


def nearest(wrong: str, known: Sequence[str], most: int = 3) -> list[str]:
    """Return the known names nearest to a wrong one, the nearest first.

    Where none is near, those that begin with it: "onnx" is "onnxruntime" cut short.
    """
    from difflib import get_close_matches

    by_lower = {name.lower(): name for name in known if name}
    start = wrong.lower()
    matches = get_close_matches(start, list(by_lower), n=most)
    if start and not matches:
        matches = [name for name in by_lower if name.startswith(start)][:most]
    return [by_lower[match] for match in matches]


def suggest(wrong: str, known: Sequence[str], most: int = 3) -> str:
    """Return `` Did you mean …?`` for the names nearest to a wrong one, or nothing."""
    names = " or ".join(map(repr, nearest(wrong, known, most)))
    return f" Did you mean {names}?" if names else ""


def shortened(text: str, longest: int = _LONGEST) -> str:
    """Return text of at most that many characters; what is cut off ends in an ellipsis."""
    return text if len(text) <= longest else f"{text[: longest - 3]}…"


def listed(items: Sequence[str], most: int) -> str:
    """Return the first items, separated by commas, and how many more there are."""
    more = f" and {len(items) - most:,} more" if len(items) > most else ""
    return f"{', '.join(items[:most])}{more}"


def outline(value: Any, depth: int = 3) -> Any:
    """Return a small stand-in for a parsed JSON value, whatever its size, length and depth.

    ``repr`` and ``json.dumps`` of the value itself take as long as it is large, and fail if it is
    nested deeply.
    """
    if isinstance(value, str):
        return value[:_LONGEST]
    if isinstance(value, (list, tuple)):
        return [outline(item, depth - 1) for item in value[:_ITEMS]] if depth else []
    if isinstance(value, dict):
        items = [*value.items()][:_ITEMS] if depth else []
        return {key[:_LONGEST]: outline(item, depth - 1) for key, item in items}
    return value


def printable(text: str) -> str:
    """Return text that a terminal shows and does not obey.

    Control characters, line separators, and characters that are invisible or turn the direction
    of writing come out as JSON escapes them: a file's name cannot forge a line or hide its end.
    """
    if text.isprintable():
        return text
    from unicodedata import category

    return "".join(
        character if character.isprintable() or category(character) == "Zs" else _escaped(character)
        for character in text
    )


def printable_lines(text: str) -> str:
    """Return the same of text that consists of lines."""
    return "\n".join(map(printable, text.split("\n")))


def _escaped(character: str) -> str:
    digits = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{digits[at : at + 4]}" for at in range(0, len(digits), 4))

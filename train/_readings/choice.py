"""Which columns of a file are what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple
from unicodedata import normalize

from infer._files.words import listed, shown
from infer._text import suggest
from train._errors import ColumnsError


class Choice(NamedTuple):
    """Which columns are what, by index.

    Attributes:
        x: the input, or the features.
        y: the reference.
        sigma: the standard uncertainty of y; None without.
        assumed: what nobody said, for people; empty if all was said.
    """

    x: tuple[int, ...]
    y: int
    sigma: int | None
    assumed: str


def choice_for(
    choice: Choice, names: Sequence[str], others: Sequence[str], file: str, first: str
) -> Choice:
    """Return the same choice among the columns of another file.

    Args:
        choice: among the columns of the first file.
        names: of these.
        others: names of the other file's columns.
        file: the other file, for errors.
        first: the first file, for errors.

    Raises:
        ColumnsError: the names are not the same, or two are and stand in another order.
    """
    names, others = list(map(_plain, names)), list(map(_plain, others))
    if names == others:
        return choice
    if len(set(names)) < len(names) or sorted(names) != sorted(others):
        raise ColumnsError(
            f"{file}: expected the same columns as in {first}, found {_differing(names, others)}. "
            f"{known_columns(others)}"
        )
    place = {name: index for index, name in enumerate(others)}
    places = [place[name] for name in names]
    return choice._replace(
        x=tuple(places[index] for index in choice.x),
        y=places[choice.y],
        sigma=None if choice.sigma is None else places[choice.sigma],
    )


def _differing(names: Sequence[str], others: Sequence[str]) -> str:
    """Return what distinguishes the names of another file's columns, for people."""
    if not any(names) and not any(others):
        return f"{len(others)}, not {len(names)}"
    if not any(others):
        return "no names"
    expected, there = Counter(names), Counter(others)
    found = [f"no {shown(name)}" for name in expected if name not in there]
    found += [shown(name) for name in there if name not in expected]
    found += [
        f"{shown(name)} {there[name]} times"
        for name in expected
        if name in there and there[name] != expected[name]
    ]
    return listed(found) or "those of the same name in another order"


def choose(
    names: Sequence[str],
    *,
    x: str | None,
    y: str | None,
    features: Sequence[str],
    sigma: str | None,
    file: str,
) -> Choice:
    """Return which columns are what.

    A name wins over a number. What is not said must be the only possibility left, or of two
    columns the one that is called x or y, or else the first for x, the second for y.

    Raises:
        ColumnsError: there is no such column, two have that name, one is used twice, or it must be
            said which.
    """
    said = {
        "--x": x,
        "--y": y,
        "--sigma": sigma,
    }
    found = {
        option: _find(name, names, option, file)
        for option, name in said.items()
        if name is not None
    }
    inputs = [_find(name, names, "--features", file) for name in features]
    used = [*found.values(), *inputs]
    for index in used:
        if used.count(index) > 1:
            raise ColumnsError(f"{file}: column {shown_name(names, index)} is named twice")
    free = [index for index in range(len(names)) if index not in used]
    wanted = [option for option in ("--x", "--y") if option not in found]
    if inputs and "--x" in wanted:
        wanted.remove("--x")
    assumed = ""
    if wanted:
        if len(free) != len(wanted):
            raise _undecided(names, wanted, free, file)
        by_name = [names[index] for index in free]
        if by_name == ["y", "x"] and len(wanted) == 2:
            free.reverse()
        found.update(zip(wanted, free, strict=True))
        assumed = ", ".join(
            f"{option[2:]} is column {shown_name(names, found[option])}" for option in wanted
        )
    picked = tuple(inputs) if inputs else (found["--x"],)
    return Choice(picked, found["--y"], found.get("--sigma"), assumed)


def _plain(name: str) -> str:
    """Return a name as it is compared: two micro signs are one."""
    return normalize("NFKC", name).strip()


def _find(name: str, names: Sequence[str], option: str, file: str) -> int:
    same = [index for index, other in enumerate(names) if _plain(other) == _plain(name)]
    if len(same) > 1:
        numbers = " and ".join(str(index + 1) for index in same)
        raise ColumnsError(
            f"{file}: columns {numbers} are both called {name!r}; give {option} a number"
        )
    if same:
        return same[0]
    if name.isascii() and name.isdecimal() and 1 <= int(name) <= len(names):
        return int(name) - 1
    hint = suggest(name, names, 1)
    raise ColumnsError(f"{file}: {option} {name!r}: no such column.{hint} {known_columns(names)}")


def _undecided(
    names: Sequence[str], wanted: Sequence[str], free: Sequence[int], file: str
) -> ColumnsError:
    if len(free) < len(wanted):
        rest = "no other column" if not free else "only one column"
        return ColumnsError(
            f"{file}: expected a column of readings and one of reference values, found {rest}"
            f"{' beside those named' if len(names) > len(free) else ''}. {known_columns(names)}"
        )
    return ColumnsError(
        f"{file}: say which columns to use with {' and '.join(wanted)}, by name or number. "
        f"{known_columns(names)}"
    )


def known_columns(names: Sequence[str]) -> str:
    """Return the columns that there are, for people."""
    if not any(names):
        return f"There is no header; the columns are numbered 1 to {len(names)}."
    return f"Columns: {listed([shown_name(names, index) for index in range(len(names))])}."


def name_of(names: Sequence[str], index: int) -> str:
    """Return a column's name, or its number from 1."""
    return names[index] or str(index + 1)


def shown_name(names: Sequence[str], index: int) -> str:
    """Return the same for people."""
    return shown(names[index]) if names[index] else str(index + 1)

"""The page for trying models: the same files for ``infer serve`` and for ``infer site``.

The browser computes, from the text of ``model.json``, which is embedded in the page. The page also
gets what only Python knows: the quantiles for the intervals, the name or path by which a call loads
a model, and a sample of the readings of the shipped models, whose cards contain none.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from os.path import dirname, isdir, join, lexists
from pathlib import Path
from typing import Any, NamedTuple

from infer._artifact.format import CARD_FILE
from infer._artifact.store import Artifact, call_name, read_folder
from infer._curve.student_t import quantile
from infer._errors import ArtifactError, InputError
from infer._files.folder import staged, write_files

LEVELS = (80, 90, 95, 99)
INDEX = "index.html"

_PAGE = join(dirname(os.path.abspath(__file__)), "page")
_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
_SCRIPTS = ("bits.js", "calls.js", "card.js", "evaluate.js", "inputs.js", "page.js", "plot.js")
_ASSETS = (INDEX, "page.css", *_SCRIPTS)
_MODELS = "models"
_PLACEHOLDER = "<!-- data -->"
# Identifies folders written by `infer site`, which it may replace.
_MARK = b'<meta name="generator" content="samebits">'


class File(NamedTuple):
    """A file of the page: its media type and its bytes."""

    content_type: str
    data: bytes


def files(artifacts: Sequence[Artifact], *, server: bool = True) -> dict[str, File]:
    """Return the page's files by path, relative to the page's address.

    Args:
        artifacts: the models, at least one, in the order of the list. Initially, the page shows the
            first one with intervals.
        server: whether a server answers at ``v2/models/NAME/infer``, so that the page can compare.

    Raises:
        ArtifactError: a folder has been replaced or damaged since it was read.
        InputError: there is no model, or two have the same name.
    """
    if not artifacts:
        raise InputError("there is no model to show; expected at least one")
    texts: dict[str, str] = {}
    read: list[Artifact] = []
    for artifact in artifacts:
        fresh, data = read_folder(artifact.folder)
        card = fresh.card
        if card.digest != artifact.card.digest:
            raise ArtifactError(f"{artifact.folder} was replaced while it was read; try again")
        if card.name in texts:
            raise InputError(f"two models are named {card.name!r}; expected different names")
        texts[card.name] = data.decode()
        read.append(fresh)
    found = {name: _asset(name) for name in _ASSETS}
    page = found[INDEX].data.decode()
    data = page.replace(_PLACEHOLDER, _scripts(texts.values(), _facts(read, server))).encode()
    found[INDEX] = found[INDEX]._replace(data=data)
    for name, text in texts.items():
        found[f"{_MODELS}/{name}/{CARD_FILE}"] = File("application/json", text.encode())
    return found


def write(folder: str, content: Mapping[str, File], *, force: bool = False) -> None:
    """Write the page as a folder, completely or not at all.

    Args:
        folder: its path; parent folders are created as needed.
        content: result of ``files``.
        force: replace an existing file or folder, whatever it is.

    Raises:
        InputError: the folder contains anything that ``infer site`` did not write, and ``force`` is
            False.
        OSError: the folder cannot be written.
    """
    target = os.path.abspath(folder)
    if lexists(target) and not force:
        _refuse_to_replace(target, folder)
    with staged(Path(target)) as staging:
        write_files(staging, {path: file.data for path, file in content.items()})


def _refuse_to_replace(target: str, shown: str) -> None:
    if os.path.islink(target) or not isdir(target):
        raise InputError(f"{shown} exists and is not a folder")
    inside = sorted(os.listdir(target))
    foreign = [name for name in inside if name not in (*_ASSETS, _MODELS)]
    if inside and not foreign and not _is_ours(join(target, INDEX)):
        foreign = inside
    if foreign:
        raise InputError(
            f"{shown} contains {foreign[0]!r}, which `infer site` did not write; choose another "
            "folder, or type --force to replace it and everything in it"
        )


def _is_ours(index: str) -> bool:
    try:
        with open(index, "rb") as file:
            return _MARK in file.read(1024)
    except OSError:
        return False


def _asset(name: str) -> File:
    with open(join(_PAGE, name), "rb") as file:
        return File(f"{_TYPES[name.rpartition('.')[2]]}; charset=utf-8", file.read())


def _facts(artifacts: Sequence[Artifact], server: bool) -> dict[str, Any]:
    """Return what the page needs in addition to the cards."""
    cards = [artifact.card for artifact in artifacts]
    with open(join(_PAGE, "readings.json"), encoding="utf-8") as file:
        known = json.load(file)
    wanted = {card.training.dataset.sha256 for card in cards}
    return {
        "server": server,
        "found": {artifact.card.name: call_name(artifact) for artifact in artifacts},
        "reach": {
            card.name: {
                str(level): quantile(level / 100, card.uncertainty.degrees_of_freedom)
                for level in LEVELS
            }
            for card in cards
            if card.uncertainty is not None
        },
        "readings": {sha256: rows for sha256, rows in known.items() if sha256 in wanted},
    }


def _scripts(cards: Any, facts: Mapping[str, Any]) -> str:
    """Return script elements with the data; a browser does not execute their type."""
    lines = [
        f'<script type="application/json" data-model>{_without_markup(card)}</script>'
        for card in cards
    ]
    text = json.dumps(facts, separators=(",", ":"))
    lines.append(f'<script type="application/json" id="site">{_without_markup(text)}</script>')
    return "\n".join(lines)


def _without_markup(text: str) -> str:
    """Return equivalent JSON without "<", which could end or nest a script element."""
    return text.replace("<", "\\u003c")

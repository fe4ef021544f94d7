"""Where artifacts lie, and reading from them only what their card vouches for.

Paths are strings here: importing ``pathlib`` costs a tenth of a command's start.
"""

from __future__ import annotations

import os
import re
from os.path import isdir, isfile, join

from infer._artifact.card import ModelCard
from infer._artifact.format import CARD_FILE, MAX_CARD_BYTES, NAME_PATTERN, read_card
from infer._artifact.sha256 import sha256
from infer._errors import ArtifactError, ModelNotFoundError
from infer._files.regular_file import read_regular_file
from infer._record import Record
from infer._text import suggest

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Iterator

ENVIRONMENT_VARIABLE = "SAMEBITS_ARTIFACTS"

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# Next to the package both in a wheel and in a checkout: one rule serves both.
SHIPPED = join(os.path.dirname(_PACKAGE), "artifacts")


class Artifact(Record):
    """A folder whose card was read and checked."""

    folder: str
    card: ModelCard

    def path(self, file: str) -> str:
        """Return the path of a file of this artifact."""
        return join(self.folder, file)

    def read(self, file: str) -> bytes:
        """Return the content of a file next to the card.

        Raises:
            ArtifactError: the file is missing, is not a regular file, or its size or SHA-256 is
                not the card's.
        """
        path = self.path(file)
        record = self.card.files[file]
        data = read_regular_file(path, record.size + 1)
        if len(data) != record.size:
            found = f"{len(data):,}" if len(data) < record.size else "more"
            raise ArtifactError(
                f"{path}: expected {record.size:,} bytes, as key 'files.{file}.size' of "
                f"{CARD_FILE} says, found {found}"
            )
        found = sha256(data)
        if found != record.sha256:
            raise ArtifactError(
                f"{path}: expected SHA-256 {record.sha256[:16]}…, as key 'files.{file}.sha256' of "
                f"{CARD_FILE} says, found {found[:16]}…: the file was changed or damaged"
            )
        return data


def open_folder(folder: str) -> Artifact:
    """Read the card of the artifact in a folder.

    Raises:
        ModelNotFoundError: there is no such folder, or no card in it.
        ArtifactError: the card is not valid.
    """
    return read_folder(folder)[0]


def read_folder(folder: str) -> tuple[Artifact, bytes]:
    """Read the card of the artifact in a folder; return the card's bytes, too.

    Raises:
        ModelNotFoundError: there is no such folder, or no card in it.
        ArtifactError: the card is not valid.
    """
    path = join(folder, CARD_FILE)
    if not isdir(folder):
        raise ModelNotFoundError(f"no folder {folder!r}; expected a folder with {CARD_FILE}")
    if not isfile(path):
        raise ModelNotFoundError(f"no {CARD_FILE} in {folder!r}; is it an artifact's folder?")
    data = read_regular_file(path, MAX_CARD_BYTES + 1)
    return Artifact(folder, read_card(data, path)), data


def find(name_or_path: str | os.PathLike[str]) -> Artifact:
    """Return the artifact of that name, or in the folder at that path.

    Anything with a path separator in it, or a ``pathlib.Path``, is a path.

    Raises:
        ModelNotFoundError: there is none; suggests the nearest names.
        ArtifactError: its card is not valid.
    """
    text = os.fspath(name_or_path)
    separators = [separator for separator in (os.sep, os.altsep, "/") if separator]
    if (
        not isinstance(name_or_path, str)
        or text in (".", "..")
        or any(separator in text for separator in separators)
    ):
        return open_folder(text)
    if re.fullmatch(NAME_PATTERN, text):
        for root in _roots():
            if (artifact := _find_in(root, text)) is not None:
                return artifact
    known = list_models()
    bare = {name.partition(".")[0] for name in known} - {text}
    hint = suggest(text, [*known, *bare])
    if isdir(text):
        hint = f" For the folder of that name, type {join('.', text)!r}."
    raise ModelNotFoundError(f"no model named {text!r}.{hint} Known: {', '.join(known) or 'none'}.")


def call_name(artifact: Artifact) -> str:
    """Return what ``find`` takes for an artifact: its name, else ``./`` and its folder's name."""
    parent, folder = os.path.split(os.path.abspath(artifact.folder))
    roots = (SHIPPED, os.environ.get(ENVIRONMENT_VARIABLE, SHIPPED))
    by_name = folder == artifact.card.name and parent in map(os.path.abspath, roots)
    return folder if by_name else f"./{folder}"


def list_models() -> list[str]:
    """Return the names of all models that can be loaded by name, sorted.

    These are the shipped ones and those in the folder that ``$SAMEBITS_ARTIFACTS`` names.

    Raises:
        ArtifactError: ``$SAMEBITS_ARTIFACTS`` names something that is not a folder.
    """
    return sorted({name for root in _roots() for name in _names(root)})


def _roots() -> Iterator[str]:
    """Yield the folders that hold artifacts; a shipped model wins over a user's of its name."""
    yield SHIPPED
    own = os.environ.get(ENVIRONMENT_VARIABLE)
    if own:
        if not isdir(own):
            raise ArtifactError(
                f"${ENVIRONMENT_VARIABLE} is {own!r}; expected a folder of artifact folders"
            )
        yield own


def _names(root: str) -> list[str]:
    """Return the names of the artifacts in a folder."""
    if not isdir(root):
        return []
    return [
        name
        for name in os.listdir(root)
        if re.fullmatch(NAME_PATTERN, name) and isfile(join(root, name, CARD_FILE))
    ]


def _find_in(root: str, name: str) -> Artifact | None:
    if isfile(join(root, name, CARD_FILE)):
        return _open_named(root, name)
    if "." in name:
        return None
    for variant in sorted(other for other in _names(root) if other.startswith(f"{name}.")):
        artifact = _open_named(root, variant)
        if artifact.card.default_variant:
            return artifact
    return None


def _open_named(root: str, name: str) -> Artifact:
    artifact = open_folder(join(root, name))
    if artifact.card.name != name:
        raise ArtifactError(
            f"{artifact.path(CARD_FILE)}: key 'name': expected {name!r}, the folder's name, "
            f"found {artifact.card.name!r}"
        )
    return artifact

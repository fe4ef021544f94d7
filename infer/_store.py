"""Where artifacts lie, and reading from them only what their card vouches for."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from infer._card import ModelCard
from infer._errors import ArtifactError, ModelNotFoundError, suggest
from infer._format import CARD_FILE, NAME_PATTERN, read_card

ENVIRONMENT_VARIABLE = "SAMEBITS_ARTIFACTS"

# Beside the package both in a wheel and in a checkout: one rule serves both.
SHIPPED = Path(__file__).resolve().parent.parent / "artifacts"


@dataclass(frozen=True)
class Artifact:
    """A folder whose card was read and checked."""

    folder: Path
    card: ModelCard

    def read(self, file: str) -> bytes:
        """Return the content of a file beside the card.

        Raises:
            ArtifactError: the file is missing, or its size or SHA-256 is not the card's.
        """
        import hashlib

        path = self.folder / file
        record = self.card.files[file]
        data = _read(path, record.size + 1)
        if len(data) != record.size:
            found = f"{len(data):,}" if len(data) < record.size else "more"
            raise ArtifactError(
                f"{path}: expected {record.size:,} bytes, as key 'files.{file}.size' of "
                f"{CARD_FILE} says, found {found}"
            )
        sha256 = hashlib.sha256(data).hexdigest()
        if sha256 != record.sha256:
            raise ArtifactError(
                f"{path}: expected SHA-256 {record.sha256[:16]}…, as key 'files.{file}.sha256' of "
                f"{CARD_FILE} says, found {sha256[:16]}…: the file was changed or damaged"
            )
        return data


def open_folder(folder: Path) -> Artifact:
    """Read the card of the artifact in a folder.

    Raises:
        ModelNotFoundError: there is no such folder, or no card in it.
        ArtifactError: the card is not valid.
    """
    path = folder / CARD_FILE
    if not folder.is_dir():
        raise ModelNotFoundError(f"no folder {str(folder)!r}; expected a folder with {CARD_FILE}")
    if not path.is_file():
        raise ModelNotFoundError(f"no {CARD_FILE} in {str(folder)!r}; is it an artifact's folder?")
    return Artifact(folder, read_card(_read(path, -1), str(path)))


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
        return open_folder(Path(text))
    if re.fullmatch(NAME_PATTERN, text):
        for root in _roots():
            if (artifact := _find_in(root, text)) is not None:
                return artifact
    known = list_models()
    hint = suggest(text, [*known, *{name.partition(".")[0] for name in known}])
    if Path(text).is_dir():
        hint = f" For the folder of that name, type {os.path.join('.', text)!r}."  # noqa: PTH118
    raise ModelNotFoundError(f"no model named {text!r}.{hint} Known: {', '.join(known) or 'none'}.")


def list_models() -> list[str]:
    """Return the names of all models that can be loaded by name, sorted.

    These are the shipped ones and those in the folder that ``$SAMEBITS_ARTIFACTS`` names.

    Raises:
        ArtifactError: ``$SAMEBITS_ARTIFACTS`` names something that is not a folder.
    """
    return sorted({folder.name for root in _roots() for folder in _folders(root)})


def _roots() -> Iterator[Path]:
    """Yield the folders that hold artifacts; a shipped model wins over a user's of its name."""
    yield SHIPPED
    own = os.environ.get(ENVIRONMENT_VARIABLE)
    if own:
        root = Path(own)
        if not root.is_dir():
            raise ArtifactError(
                f"${ENVIRONMENT_VARIABLE} is {own!r}; expected a folder of artifact folders"
            )
        yield root


def _folders(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    return [
        folder
        for folder in root.iterdir()
        if re.fullmatch(NAME_PATTERN, folder.name) and (folder / CARD_FILE).is_file()
    ]


def _find_in(root: Path, name: str) -> Artifact | None:
    if (root / name / CARD_FILE).is_file():
        return _open_named(root / name)
    if "." in name:
        return None
    variants = sorted(folder for folder in _folders(root) if folder.name.startswith(f"{name}."))
    for folder in variants:
        artifact = _open_named(folder)
        if artifact.card.default_variant:
            return artifact
    return None


def _open_named(folder: Path) -> Artifact:
    artifact = open_folder(folder)
    if artifact.card.name != folder.name:
        raise ArtifactError(
            f"{folder / CARD_FILE}: key 'name': expected {folder.name!r}, the folder's name, "
            f"found {artifact.card.name!r}"
        )
    return artifact


def _read(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(most)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ArtifactError(f"{path}: expected a readable file: {reason}") from None

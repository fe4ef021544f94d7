"""The served models. They are reloaded when their folder is replaced."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from infer._artifact.card import ModelCard
from infer._artifact.format import CARD_FILE
from infer._artifact.store import Artifact, find, list_models, open_folder
from infer._errors import ArtifactError, InferError
from infer._model import Model, open_model
from infer._serve._errors import RequestError
from infer._text import shortened

# Seconds between two checks of the folders.
_INTERVAL = 0.5
# Maximum length of the message about a replacement that cannot be read.
_LONGEST = 500

# Identifies a version of a card file: inode, modification time, size.
Stamp = tuple[int, int, int]


class ServedModel(NamedTuple):
    """One version of a model. A request uses the same version throughout.

    Attributes:
        model: computes answers.
        card: content of model.json.
        version: the first digits of the card's digest, which identify the content.
        folder: where it was read from.
        stamp: of the card file.
        problem: why its replacement could not be read; may be empty.
    """

    model: Model
    card: ModelCard
    version: str
    folder: str
    stamp: Stamp
    problem: str = ""


class Catalog:
    """The served models by name. Can be read while another thread refreshes it."""

    def __init__(self, names: tuple[str, ...] = ()) -> None:
        """Read models by name or path; by default, every model that can be loaded by name.

        Raises:
            InferError: a model cannot be read, or two have the same name.
        """
        self._names: dict[str, ServedModel] = {}
        self._aliases: dict[str, str] = {}
        # Replacements that could not be read, so that each is tried and reported once.
        self._refused: dict[str, Stamp | None] = {}
        for text in names or list_models():
            with _reading(text):
                served = _served(find(text))
            name = served.card.name
            if name in self._names:
                raise InferError(
                    f"two models named {name!r}: {self._names[name].folder} and {served.folder}"
                )
            self._names[name] = served
            if served.card.default_variant:
                self._aliases[name.partition(".")[0]] = name

    def __iter__(self) -> Iterator[ServedModel]:
        """Yield the models in the order of their names."""
        return iter([served for _, served in sorted(self._names.items())])

    def get(self, name: str) -> ServedModel | None:
        """Return the model with that name; a bare name means its default variant."""
        return self._names.get(name) or self._names.get(self._aliases.get(name, ""))

    def find(self, name: str, version: str | None = None) -> ServedModel:
        """Return the model with that name, and with that version if one is given.

        Raises:
            RequestError: there is no such model, or it has another version.
        """
        served = self.get(name)
        if served is None:
            known = ", ".join(found.card.name for found in self)
            raise RequestError(404, f"no model named {name[:100]!r} is served here; known: {known}")
        if version not in (None, served.version):
            raise RequestError(
                404, f"{served.card.name} has version {served.version!r}, found {version[:40]!r}"
            )
        return served

    def refresh(self) -> list[ServedModel]:
        """Reload replaced models; return the models that changed.

        If the replacement cannot be read, or is a model with another name, the old version is kept,
        with the problem.
        """
        changed = []
        for name, served in list(self._names.items()):
            stamp = _stamp(served.folder)
            if stamp == served.stamp or (name in self._refused and self._refused[name] == stamp):
                continue
            try:
                with _reading(served.folder):
                    found = _served(open_folder(served.folder))
                if found.card.name != name:
                    raise ArtifactError(
                        f"{served.folder}: expected a new version of {name!r}, found the model "
                        f"{found.card.name!r}"
                    )
                self._refused.pop(name, None)
            except InferError as error:
                found = served._replace(problem=shortened(str(error), _LONGEST))
                self._refused[name] = stamp
            self._names[name] = found
            changed.append(found)
        return changed

    def watch(self, report: Callable[[ServedModel], None]) -> Callable[[], None]:
        """Refresh in a thread and report changes; return a function that stops it."""
        stop = threading.Event()

        def refresh_repeatedly() -> None:
            while not stop.wait(_INTERVAL):
                for served in self.refresh():
                    report(served)

        threading.Thread(target=refresh_repeatedly, name="samebits-watch", daemon=True).start()
        return stop.set


def _served(artifact: Artifact) -> ServedModel:
    # Get the stamp first, so that a folder that is replaced meanwhile is read again.
    stamp = _stamp(artifact.folder)
    fresh = open_folder(artifact.folder)
    if stamp is None:
        raise ArtifactError(f"{artifact.folder}: the folder was removed while it was read")
    model = open_model(fresh, "auto", "cpu")
    return ServedModel(
        model, fresh.card, fresh.card.digest[:12], os.path.abspath(fresh.folder), stamp
    )


@contextmanager
def _reading(where: str) -> Iterator[None]:
    """Turn any exception caused by a card into an ArtifactError, so that none ends a thread."""
    try:
        yield
    except InferError:
        raise
    except Exception as error:
        raise ArtifactError(
            f"{where}: the model cannot be made ready: {type(error).__name__}: {error}"
        ) from error


def _stamp(folder: str) -> Stamp | None:
    try:
        found = os.stat(os.path.join(folder, CARD_FILE))
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size

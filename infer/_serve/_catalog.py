"""Which models are served, and reading them again when their folder is replaced."""

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
from infer._serve._errors import RequestError, cut

# Seconds between two looks at the folders.
_INTERVAL = 0.5
# Characters of what is told about a replacement that cannot be read.
_LONGEST = 500

# What tells a card file from its replacement: inode, time of the last change, size.
Stamp = tuple[int, int, int]


class ServedModel(NamedTuple):
    """A model as it was read at one time. A request keeps the one that it began with.

    Attributes:
        model: computes.
        card: what model.json says.
        version: the first digits of the card's digest, so each content has a version of its own.
        folder: where it was read.
        stamp: of the file that it was read from.
        problem: why a replacement of it could not be read, or nothing.
    """

    model: Model
    card: ModelCard
    version: str
    folder: str
    stamp: Stamp
    problem: str = ""


class Catalog:
    """The served models by name. Safe to read while another thread refreshes it."""

    def __init__(self, names: tuple[str, ...] = ()) -> None:
        """Read models by name or path; none for every model that can be loaded by name.

        Raises:
            InferError: one cannot be read, or two have one name.
        """
        self._names: dict[str, ServedModel] = {}
        self._aliases: dict[str, str] = {}
        # Of replacements that could not be read: so that each is tried and told once.
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
        """Return the model of that name; a bare name means its default variant."""
        return self._names.get(name) or self._names.get(self._aliases.get(name, ""))

    def find(self, name: str, version: str | None = None) -> ServedModel:
        """Return the model of that name, of a certain version if one is given.

        Raises:
            RequestError: there is none, or it has another version.
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
        """Read again what was replaced; return these, or what is kept with the problem.

        What cannot be read, or is a model of another name, does not take a model's place.
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
                found = served._replace(problem=cut(str(error), _LONGEST))
                self._refused[name] = stamp
            self._names[name] = found
            changed.append(found)
        return changed

    def watch(self, tell: Callable[[ServedModel], None]) -> Callable[[], None]:
        """Refresh in a thread, and tell what changed; return a function that ends it."""
        stop = threading.Event()

        def look() -> None:
            while not stop.wait(_INTERVAL):
                for served in self.refresh():
                    tell(served)

        threading.Thread(target=look, name="samebits-watch", daemon=True).start()
        return stop.set


def _served(artifact: Artifact) -> ServedModel:
    # The stamp comes first: what is replaced while it is read is read again.
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
    """Turn whatever a card provokes into an error of this package: none may end a thread."""
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

"""The folder of an artifact, and what must not be overwritten."""

from __future__ import annotations

from pathlib import Path

from export._errors import ExportError
from infer._artifact.format import CARD_FILE, SIBLING_FILES


def refuse_to_replace(folder: Path, *, replace: bool = True) -> None:
    """Check that writing an artifact to a folder loses nothing else.

    Raises:
        ExportError: it is not an artifact, or an existing one and ``replace`` is false.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise ExportError(f"{folder} is in the way: expected a folder, or nothing")
    if folder.is_dir():
        foreign = sorted(
            entry.name
            for entry in folder.iterdir()
            if entry.name not in (CARD_FILE, *SIBLING_FILES)
        )
        if foreign:
            raise ExportError(
                f"{folder} holds {foreign[0]!r}, which is not part of an artifact; move it away or "
                "choose another --out"
            )
        if not replace:
            raise ExportError(f"{folder} already exists; replace it with --force")

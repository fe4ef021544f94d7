"""Where an artifact is written, and what must not be lost there."""

from __future__ import annotations

from pathlib import Path

from export._errors import ExportError
from infer._artifact.format import CARD_FILE, SIBLING_FILES


def refuse_to_replace(folder: Path, *, replace: bool = True) -> None:
    """Raise if the target is something whose loss the user would regret.

    Raises:
        ExportError: it is no artifact, or one that is not to be replaced.
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
                f"{folder} holds {foreign[0]!r}, which is no part of an artifact; move it away or "
                "choose another --out"
            )
        if not replace:
            raise ExportError(f"{folder} is there already; replace it with --force")

"""Writers of the files beside a card: one file a format, without torch or onnx.

The bytes of a file are a function of the card, and a runtime sees no other bytes. ``export`` writes
what ``content`` returns. Before ``infer`` hands a file to a runtime, ``read`` makes the file's bytes
again from the card and refuses the file if they are not the same. So nothing that a runtime could
do with a file of somebody else matters: run its code, open other files, inflate, crash. Such a file
is not even opened.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from infer._card import ModelCard
from infer._errors import ArtifactError
from infer._sha256 import sha256
from infer._store import Artifact

# By file: the module beside this one that writes it.
_WRITERS = {"model.onnx": "onnx", "model.pt": "torchscript", "model.pt2": "torchexport"}


def content(file: str, card: ModelCard) -> bytes | bytearray:
    """Return the bytes of a file beside a card, as its writer makes them.

    Args:
        file: one of ``infer._format.SIBLING_FILES``.
        card: what the file depends on: its program, and for ``model.onnx`` its texts.
    """
    module = import_module(f"{__name__}.{_WRITERS[file]}")
    write: Callable[[ModelCard], bytes | bytearray] = module.render
    return write(card)


def read(artifact: Artifact, file: str) -> bytes:
    """Return the content of a file beside a card, after making sure that the card accounts for it.

    Raises:
        ArtifactError: the file is not what its writer makes of the card; or it is missing, or not
            what the card says.
    """
    found = artifact.card.files[file]
    expected = content(file, artifact.card)
    size, digest = len(expected), sha256(expected)
    if (found.size, found.sha256) != (size, digest):
        raise ArtifactError(
            f"{artifact.path(file)}: expected the file that samebits writes for this card "
            f"({size:,} bytes, SHA-256 {digest[:16]}…), found another ({found.size:,} bytes, "
            f"{found.sha256[:16]}…): it was changed, or written by another version; export the "
            "model again, or use runtime='python', which needs the card alone"
        )
    return artifact.read(file)

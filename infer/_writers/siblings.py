"""The files beside a card: what they must contain, and reading them."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from infer._artifact.card import ModelCard
from infer._artifact.sha256 import sha256
from infer._artifact.store import Artifact
from infer._errors import ArtifactError

# By file: the module beside this one that writes it.
_WRITERS = {"model.onnx": "onnx", "model.pt": "torchscript", "model.pt2": "torchexport"}


def content(file: str, card: ModelCard) -> bytes | bytearray:
    """Return what a file beside a card must contain.

    Args:
        file: one of ``infer._artifact.format.SIBLING_FILES``.
        card: the card; the result depends on its program, for ``model.onnx`` also on its texts.

    Raises:
        OperationError: the file's format does not support an operation of the program.
    """
    module = import_module(f"infer._writers.{_WRITERS[file]}")
    write: Callable[[ModelCard], bytes | bytearray] = module.render
    return write(card)


def read(artifact: Artifact, file: str) -> bytes:
    """Read a file beside a card.

    Raises:
        ArtifactError: it does not contain what ``content`` returns, or is missing.
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

"""The files next to a card: their required content, and reading them."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from infer._artifact.card import ModelCard
from infer._artifact.sha256 import sha256
from infer._artifact.store import Artifact
from infer._errors import ArtifactError

# The module in this folder that writes each file.
_WRITERS = {"model.onnx": "onnx", "model.pt": "torchscript", "model.pt2": "torchexport"}


def content(file: str, card: ModelCard) -> bytes | bytearray:
    """Return the required content of a file next to a card.

    Args:
        file: one of ``infer._artifact.format.SIBLING_FILES``.
        card: the result depends on its program, and for ``model.onnx`` on its texts.

    Raises:
        OperationError: the file's format does not support an operation of the program.
    """
    module = import_module(f"infer._writers.{_WRITERS[file]}")
    write: Callable[[ModelCard], bytes | bytearray] = module.render
    return write(card)


def read(artifact: Artifact, file: str) -> bytes:
    """Read a file next to a card.

    Raises:
        ArtifactError: its content is not what ``content`` returns, or it is missing.
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

"""Writers of the files beside a card, one module a format; they need neither torch nor onnx.

The bytes of a file are a function of the card, and a runtime sees no other bytes. ``export`` writes
what ``content`` returns. Before ``infer`` hands a file to a runtime, ``read`` makes its content
again from the card, and refuses a file that differs by a byte. So a file from a stranger cannot
make a runtime run code, open files, loop, inflate or crash: it is refused without being opened.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from infer._card import ModelCard
from infer._errors import ArtifactError
from infer._operations import Node
from infer._sha256 import sha256
from infer._store import Artifact

# By file: the module beside this one that writes it.
_WRITERS = {"model.onnx": "onnx", "model.pt": "torchscript", "model.pt2": "torchexport"}


def content(file: str, card: ModelCard) -> bytes | bytearray:
    """Return what a file beside a card must contain.

    Args:
        file: one of ``infer._format.SIBLING_FILES``.
        card: the card; the result depends on its program, for ``model.onnx`` also on its texts.

    Raises:
        OperationError: the file's format does not support an operation of the program.
    """
    module = import_module(f"{__name__}.{_WRITERS[file]}")
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


def in_order(root: Node, name: str) -> list[tuple[str, Node]]:
    """Return a node after the nodes that it needs, each with a name for its value.

    Args:
        root: the node; the nodes among its inputs are replaced by the names of their values.
        name: of the root's value. The names of the others begin with it.
    """
    names: dict[int, str] = {}
    found: list[tuple[str, Node]] = []

    def visit(node: Node) -> str:
        if id(node) not in names:
            operator, inputs, attributes = node
            inputs = tuple(visit(value) if isinstance(value, tuple) else value for value in inputs)
            names[id(node)] = name if node is root else f"{name}_{len(found)}"
            found.append((names[id(node)], (operator, inputs, attributes)))
        return names[id(node)]

    visit(root)
    return found

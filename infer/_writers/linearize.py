"""Nested nodes of a graph as a list in topological order."""

from __future__ import annotations

from infer._program.operations import Node


def linearize(root: Node, name: str) -> list[tuple[str, Node]]:
    """Return a node, preceded by the nodes among its inputs, each with a name for its value.

    Args:
        root: the node. In the result, nodes among inputs are replaced by the names of their values.
        name: of the root's value; the names of the others start with it.
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

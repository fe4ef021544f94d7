"""What every runtime gives: a model made ready to run."""

from __future__ import annotations

from typing import Any, Literal, Protocol

Carrier = Literal["any", "numpy", "torch"]


class Evaluator(Protocol):
    """A model made ready to run. Safe to call from many threads at once.

    Attributes:
        carrier: what ``run`` computes on: "numpy" arrays, "torch" tensors, or "any" of these and
            lists of floats.
    """

    carrier: Carrier

    def run(self, values: Any, out: Any = None) -> Any:
        """Compute on values of the model's dtype.

        Args:
            values: a contiguous array or tensor of shape (n,), or (n, k) for k features; or a
                flat list of n, or n times k, floats.
            out: takes the n answers, for an array or a tensor: as contiguous as the values.

        Returns:
            The n answers in the same kind of container.
        """
        ...

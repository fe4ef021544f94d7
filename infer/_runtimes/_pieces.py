"""Rows for a runtime that keeps every step's result, of a whole array, until it is used.

Few programs need more than a handful of results at a time. For one that needs thousands of them a
runtime would take gigabytes, so it gets fewer rows at a time.
"""

from __future__ import annotations

from typing import Any

from infer._program.on_blocks import make_plan
from infer._program.program import Program
from infer._runtimes._evaluator import Carrier, Evaluator

# Results at a time of which a runtime may keep as many as it likes.
_FEW = 64
_BYTES = 1 << 28


def rows(program: Program) -> int | None:
    """Return how many rows of a program to compute at a time, None for all of them."""
    results = make_plan(program).scratch
    if results <= _FEW:
        return None
    return max(1, _BYTES // (results * {"float32": 4, "float64": 8}[program.dtype]))


class InPieces:
    """An evaluator that hands another one a few rows at a time."""

    carrier: Carrier

    def __init__(self, evaluator: Evaluator, rows: int) -> None:
        """Keep an evaluator and how many rows it gets at a time."""
        self._evaluator = evaluator
        self._rows = rows
        self.carrier = evaluator.carrier

    def run(self, values: Any, out: Any = None) -> Any:
        """See ``Evaluator.run``."""
        if len(values) <= self._rows:
            return self._evaluator.run(values, out)
        if out is None and self.carrier == "torch":
            out = values.new_empty(len(values))
        elif out is None:
            import numpy as np  # already there: the caller has an array

            out = np.empty(len(values), values.dtype)
        for start in range(0, len(values), self._rows):
            piece = slice(start, start + self._rows)
            self._evaluator.run(values[piece], out[piece])
        return out

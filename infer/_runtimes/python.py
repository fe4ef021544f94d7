"""Runs the plain-text program of the card: pure Python on floats, arrays by their own operators.

numpy and torch are never imported here: an array brings its library along.
"""

from __future__ import annotations

from infer._errors import RuntimeUnavailableError
from infer._program.idle_zeros import without_idle_zeros
from infer._program.on_floats import compile_floats, compile_list

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from infer._artifact.store import Artifact
    from infer._program.program import Program
    from infer._runtimes._blocks import Blocks
    from infer._runtimes._evaluator import Carrier


class PythonEvaluator:
    """The program, as a function of floats and as operations on blocks of arrays.

    Each is compiled when it is first needed.
    """

    carrier: Carrier = "any"

    def __init__(self, program: Program) -> None:
        """Keep a program."""
        self._program = without_idle_zeros(program)
        self._floats: Callable[..., float] | None = None
        self._list: Callable[[list[float]], list[float]] | None = None
        self._blocks: Blocks | None = None

    @property
    def floats(self) -> Callable[..., float]:
        """The program as a function of floats, one argument per feature."""
        if self._floats is None:
            self._floats = compile_floats(self._program)
        return self._floats

    def run(self, values: Any, out: Any = None) -> Any:
        """See ``Evaluator.run``."""
        if isinstance(values, list):
            return self._run_list(values)
        if self._blocks is None:
            from infer._runtimes._blocks import Blocks

            self._blocks = Blocks(self._program)
        return self._blocks.run(values, out)

    def _run_list(self, values: list[float]) -> list[float]:
        features = self._program.features
        if features is None:
            if self._list is None:
                self._list = compile_list(self._program)
            return self._list(values)
        columns = (values[index::features] for index in range(features))
        return list(map(self.floats, *columns))


def load(artifact: Artifact, device: str) -> PythonEvaluator:
    """Make an artifact ready to run; see ``infer._runtimes``."""
    if device != "cpu":
        raise RuntimeUnavailableError(
            f"runtime 'python' runs on 'cpu', not {device!r}; a tensor is computed where it lies, "
            "for everything else use runtime='torchscript', 'torchexport' or 'onnxruntime'"
        )
    return PythonEvaluator(artifact.card.compiled)

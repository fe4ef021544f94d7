"""Runs the plain-text program of the card: pure Python on floats, arrays by their own operators.

numpy and torch are never imported here on anyone's behalf: an array brings its library along.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from infer._errors import RuntimeUnavailableError
from infer._program import Program, compile_floats
from infer._runtimes import Carrier
from infer._store import Artifact

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Elements computed at a time on an array: a block and its scratch stay in the processor's cache.
BLOCK = 1 << 16

_OPERATORS: Mapping[str, Callable[..., Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "neg": operator.neg,
}


class PythonEvaluator:
    """The program, as a function of floats and as a loop over blocks of arrays."""

    carrier: Carrier = "any"

    def __init__(self, program: Program) -> None:
        """Compile the program for floats."""
        self._program = program
        self.floats = compile_floats(program)

    def run(self, values: Any) -> Any:
        """See ``Evaluator.run``."""
        if isinstance(values, list):
            return self._run_list(values)
        if type(values).__module__.partition(".")[0] == "torch":
            return self._evaluate(values, self._program.constants)
        return self._run_array(values)

    def _run_list(self, values: list[float]) -> list[float]:
        features = self._program.features
        if features is None:
            return list(map(self.floats, values))
        columns = (values[index::features] for index in range(features))
        return list(map(self.floats, *columns))

    def _run_array(self, values: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        import numpy as np  # already there: the caller has an array

        result = np.empty(len(values), values.dtype)
        # As scalars of the dtype: a Python float would make numpy 1 compute a 0-d array in double.
        constants = {name: values.dtype.type(c) for name, c in self._program.constants.items()}
        with np.errstate(all="ignore"):  # inf and nan are answers here, not accidents
            for start in range(0, len(values), BLOCK):
                block = slice(start, start + BLOCK)
                result[block] = self._evaluate(values[block], constants)
        return result

    def _evaluate(self, values: Any, constants: Mapping[str, Any]) -> Any:
        """Run the steps with the container's own operators."""
        at: dict[str, Any] = {**constants, self._program.input: values}
        for step in self._program.steps:
            if step.operator == "pick":
                at[step.target] = values[:, step.feature]
            else:
                operands = [at[name] for name in step.operands]
                at[step.target] = _OPERATORS[step.operator](*operands)
        return at[self._program.output]


def load(artifact: Artifact, device: str) -> PythonEvaluator:
    """Make an artifact ready to run; see ``infer._runtimes``."""
    if device != "cpu":
        raise RuntimeUnavailableError(
            f"runtime 'python' runs on 'cpu', not {device!r}; a tensor is computed where it lies, "
            "for everything else use runtime='torchscript' or 'onnxruntime'"
        )
    return PythonEvaluator(artifact.card.compiled)

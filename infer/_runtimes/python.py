"""Runs the plain-text program of the card: pure Python on floats, arrays by their own operators.

numpy and torch are never imported here on anyone's behalf: an array brings its library along.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infer._errors import RuntimeUnavailableError
from infer._plan import Plan, make_plan
from infer._program import Program, compile_floats
from infer._runtimes import Carrier
from infer._runtimes._blocks import in_blocks
from infer._store import Artifact

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray


class PythonEvaluator:
    """The program, as a function of floats and as in-place operations on blocks of arrays."""

    carrier: Carrier = "any"

    def __init__(self, program: Program) -> None:
        """Compile the program for floats."""
        self._program = program
        self._plan: Plan | None = None
        self.floats = compile_floats(program)

    def run(self, values: Any, out: Any = None) -> Any:
        """See ``Evaluator.run``."""
        if isinstance(values, list):
            return self._run_list(values)
        if self._plan is None:  # floats alone do without
            self._plan = make_plan(self._program)
        if type(values).__module__.partition(".")[0] == "torch":
            return self._run_tensor(values, self._plan)
        return self._run_array(values, out, self._plan)

    def _run_list(self, values: list[float]) -> list[float]:
        features = self._program.features
        if features is None:
            return list(map(self.floats, values))
        columns = (values[index::features] for index in range(features))
        return list(map(self.floats, *columns))

    def _run_array(
        self, values: NDArray[np.floating[Any]], out: Any, plan: Plan
    ) -> NDArray[np.floating[Any]]:
        import numpy as np  # already there: the caller has an array

        operators = {
            "+": np.add,
            "-": np.subtract,
            "*": np.multiply,
            "neg": np.negative,
            "copy": np.positive,
        }
        # As scalars of the dtype: a Python float would make numpy 1 compute in double.
        constants = {name: values.dtype.type(c) for name, c in self._program.constants.items()}
        result = np.empty(len(values), values.dtype) if out is None else out

        def compute(start: int, stop: int, block: int) -> None:
            scratch = np.empty((plan.scratch, min(block, stop - start)), values.dtype)
            with np.errstate(all="ignore"):  # inf and nan are answers here, not accidents
                for first in range(start, stop, block):
                    last = min(first + block, stop)
                    registers = [result[first:last], *(row[: last - first] for row in scratch)]
                    _execute(plan, values[first:last], constants, registers, operators)

        in_blocks(compute, len(values))
        return result

    def _run_tensor(self, values: torch.Tensor, plan: Plan) -> torch.Tensor:
        import torch  # already there: the caller has a tensor

        operators = {
            "+": torch.add,
            "-": torch.sub,
            "*": torch.mul,
            "neg": torch.neg,
            "copy": torch.positive,
        }
        constants = {
            name: torch.tensor(c, dtype=values.dtype, device=values.device)
            for name, c in self._program.constants.items()
        }
        result = values.new_empty(len(values))

        def compute(start: int, stop: int, block: int) -> None:
            scratch = values.new_empty((plan.scratch, min(block, stop - start)))
            with torch.no_grad():  # a thread has a setting of its own
                for first in range(start, stop, block):
                    last = min(first + block, stop)
                    registers = [result[first:last], *(row[: last - first] for row in scratch)]
                    _execute(plan, values[first:last], constants, registers, operators)

        if values.device.type == "cpu":
            in_blocks(compute, len(values))
        else:
            compute(0, len(values), len(values))
        return result


def _execute(plan: Plan, values: Any, constants: Any, registers: list[Any], operators: Any) -> None:
    """Run the instructions on one block; the answers end up in the first register."""
    for operator, operands, target in plan.instructions:
        arguments = [
            registers[which]
            if kind == "register"
            else constants[which]
            if kind == "constant"
            else values
            if values.ndim == 1
            else values[:, which]
            for kind, which in operands
        ]
        if operator == "copy":
            registers[target][...] = arguments[0]
        else:
            operators[operator](*arguments, out=registers[target])


def load(artifact: Artifact, device: str) -> PythonEvaluator:
    """Make an artifact ready to run; see ``infer._runtimes``."""
    if device != "cpu":
        raise RuntimeUnavailableError(
            f"runtime 'python' runs on 'cpu', not {device!r}; a tensor is computed where it lies, "
            "for everything else use runtime='torchscript', 'torchexport' or 'onnxruntime'"
        )
    return PythonEvaluator(artifact.card.compiled)

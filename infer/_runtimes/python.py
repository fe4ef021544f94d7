"""Runs the plain-text program of the card: pure Python on floats, arrays by their own operators.

numpy and torch are never imported here on anyone's behalf: an array brings its library along.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from infer._artifact.store import Artifact
from infer._errors import RuntimeUnavailableError
from infer._program.idle_zeros import without_idle_zeros
from infer._program.on_floats import compile_floats, compile_list
from infer._program.program import Program
from infer._runtimes._evaluator import Carrier
from infer._runtimes._memory import empty, empty_tensor
from infer._runtimes._threads import BLOCK, block_within, in_blocks

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from infer._program.on_blocks import Plan


class PythonEvaluator:
    """The program, as a function of floats and as in-place operations on blocks of arrays."""

    carrier: Carrier = "any"

    def __init__(self, program: Program) -> None:
        """Compile the program for floats."""
        self._program = program = without_idle_zeros(program)
        self._plan: Plan | None = None
        # A plan compiled for "numpy", or for the device of a tensor.
        self._blocks: dict[str, Callable[..., None]] = {}
        self._list: Callable[[list[float]], list[float]] | None = None
        self.floats = compile_floats(program)

    def run(self, values: Any, out: Any = None) -> Any:
        """See ``Evaluator.run``."""
        if isinstance(values, list):
            return self._run_list(values)
        if self._plan is None:  # floats alone do without
            from infer._program.on_blocks import make_plan

            self._plan = make_plan(self._program)
        if type(values).__module__.partition(".")[0] == "torch":
            return self._run_tensor(values, self._plan)
        return self._run_array(values, out, self._plan)

    def _run_list(self, values: list[float]) -> list[float]:
        features = self._program.features
        if features is None:
            if self._list is None:
                self._list = compile_list(self._program)
            return self._list(values)
        columns = (values[index::features] for index in range(features))
        return list(map(self.floats, *columns))

    def _block(
        self, plan: Plan, where: str, library: Any, constant: Callable[[float], Any]
    ) -> Callable[..., None]:
        """Return the plan compiled for a library and a device; once for each."""
        if where not in self._blocks:
            from infer._program.on_blocks import compile_block

            constants = {name: constant(c) for name, c in self._program.constants.items()}
            self._blocks[where] = compile_block(plan, library, constants)
        return self._blocks[where]

    def _run_array(
        self, values: NDArray[np.floating[Any]], out: Any, plan: Plan
    ) -> NDArray[np.floating[Any]]:
        import numpy as np  # already there: the caller has an array

        # Of the dtype: a Python float would make numpy 1 compute in double.
        run_block = self._block(plan, "numpy", np, lambda c: np.array(c, values.dtype))
        result = empty(len(values), values.dtype) if out is None else out

        def compute(start: int, stop: int, block: int) -> None:
            block = block_within(block, plan.scratch, values.itemsize)
            scratch = np.empty((plan.scratch, min(block, stop - start)), values.dtype)
            with np.errstate(all="ignore"):  # inf and nan are answers here, not accidents
                _in_blocks(run_block, values, result, scratch, start, stop, block)

        in_blocks(compute, len(values))
        return result

    def _run_tensor(self, values: torch.Tensor, plan: Plan) -> torch.Tensor:
        import torch  # already there: the caller has a tensor

        def constant(value: float) -> torch.Tensor:
            return torch.tensor(value, dtype=values.dtype, device=values.device)

        run_block = self._block(plan, str(values.device), torch, constant)
        result = empty_tensor(len(values), values)
        # torch has threads of its own for each operation.
        block = BLOCK if values.device.type == "cpu" else len(values)
        block = block_within(block, plan.scratch, values.element_size())
        scratch = values.new_empty((plan.scratch, min(block, len(values))))
        with torch.no_grad():
            _in_blocks(run_block, values, result, scratch, 0, len(values), block)
        return result


def _in_blocks(
    run_block: Callable[..., None],
    values: Any,
    result: Any,
    scratch: Any,
    start: int,
    stop: int,
    block: int,
) -> None:
    for first in range(start, stop, block):
        last = min(first + block, stop)
        registers = [row[: last - first] for row in scratch]
        run_block(values[first:last], result[first:last], *registers)


def load(artifact: Artifact, device: str) -> PythonEvaluator:
    """Make an artifact ready to run; see ``infer._runtimes``."""
    if device != "cpu":
        raise RuntimeUnavailableError(
            f"runtime 'python' runs on 'cpu', not {device!r}; a tensor is computed where it lies, "
            "for everything else use runtime='torchscript', 'torchexport' or 'onnxruntime'"
        )
    return PythonEvaluator(artifact.card.compiled)

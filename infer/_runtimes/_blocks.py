"""A program on arrays and tensors: each step in place, on blocks that stay in cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from infer._program.on_blocks import compile_block, make_plan
from infer._program.program import Program
from infer._runtimes._memory import empty, empty_tensor
from infer._runtimes._threads import BLOCK, block_within, in_blocks

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray


class Blocks:
    """A program compiled for each library and device that an array brings along."""

    def __init__(self, program: Program) -> None:
        """Keep a program; idle zeros are the caller's business."""
        self._constants = program.constants
        self._plan = make_plan(program)
        # A plan compiled for "numpy", or for the device of a tensor.
        self._compiled: dict[str, Callable[..., None]] = {}

    def run(self, values: Any, out: Any = None) -> Any:
        """See ``Evaluator.run``; values are an array or a tensor."""
        if type(values).__module__.partition(".")[0] == "torch":
            return self._run_tensor(values)
        return self._run_array(values, out)

    def _block(
        self, where: str, library: Any, constant: Callable[[float], Any]
    ) -> Callable[..., None]:
        """Return the plan compiled for a library and a device; once for each."""
        if where not in self._compiled:
            constants = {name: constant(c) for name, c in self._constants.items()}
            self._compiled[where] = compile_block(self._plan, library, constants)
        return self._compiled[where]

    def _run_array(self, values: NDArray[np.floating[Any]], out: Any) -> NDArray[np.floating[Any]]:
        import numpy as np  # already there: the caller has an array

        # Of the dtype: a Python float would make numpy 1 compute in double.
        run_block = self._block("numpy", np, lambda c: np.array(c, values.dtype))
        result = empty(len(values), values.dtype) if out is None else out

        def compute(start: int, stop: int, block: int) -> None:
            block = block_within(block, self._plan.scratch, values.itemsize)
            scratch = np.empty((self._plan.scratch, min(block, stop - start)), values.dtype)
            with np.errstate(all="ignore"):  # inf and nan are answers here, not accidents
                _in_blocks(run_block, values, result, scratch, start, stop, block)

        in_blocks(compute, len(values))
        return result

    def _run_tensor(self, values: torch.Tensor) -> torch.Tensor:
        import torch  # already there: the caller has a tensor

        def constant(value: float) -> torch.Tensor:
            return torch.tensor(value, dtype=values.dtype, device=values.device)

        run_block = self._block(str(values.device), torch, constant)
        result = empty_tensor(len(values), values)
        # torch has threads of its own for each operation.
        block = BLOCK if values.device.type == "cpu" else len(values)
        block = block_within(block, self._plan.scratch, values.element_size())
        scratch = values.new_empty((self._plan.scratch, min(block, len(values))))
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

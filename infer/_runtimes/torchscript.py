"""Runs ``model.pt`` with ``torch.jit``."""

from __future__ import annotations

import io
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

from infer._errors import ArtifactError, RuntimeUnavailableError
from infer._runtimes import Carrier
from infer._runtimes._blocks import in_blocks
from infer._store import Artifact

if TYPE_CHECKING:
    import torch


class TorchScriptEvaluator:
    """A frozen script module on a device."""

    carrier: Carrier = "torch"

    def __init__(self, module: Any, device: torch.device) -> None:
        """Keep a module whose constants lie on the device."""
        import torch

        self._module = module
        self._device = device
        self._no_grad = torch.no_grad

    def run(self, values: torch.Tensor, out: Any = None) -> torch.Tensor:
        """See ``Evaluator.run``; the answers lie where the values did."""
        moved = values.to(self._device)
        answers = moved.new_empty(len(moved)) if out is None or moved is not values else out
        compute = partial(self._compute, moved, answers)
        if self._device.type == "cpu":
            in_blocks(compute, len(moved))
        else:
            compute(0, len(moved), len(moved))
        back: torch.Tensor = answers.to(values.device)
        if out is None or out is answers:
            return back
        out[:] = back
        return out  # type: ignore[no-any-return]  # a tensor, see Evaluator.run

    def _compute(
        self, values: torch.Tensor, out: torch.Tensor, start: int, stop: int, block: int
    ) -> None:
        # On a whole array every intermediate would go through memory.
        with self._no_grad():  # a thread has a setting of its own
            for first in range(start, stop, block):
                last = min(first + block, stop)
                out[first:last] = self._module(values[first:last])


def load(artifact: Artifact, device: str) -> TorchScriptEvaluator:
    """Make an artifact ready to run; see ``infer._runtimes``."""
    data = artifact.read("model.pt")
    import torch

    try:
        place = torch.device(device)
        torch.empty(0, device=place)
    except (RuntimeError, AssertionError, NotImplementedError):
        usable = "cpu or cuda" if torch.cuda.is_available() else "cpu"
        raise RuntimeUnavailableError(
            f"runtime 'torchscript' has no device {device!r} here; expected {usable}"
        ) from None
    try:
        with warnings.catch_warnings():
            # TorchScript is deprecated since torch 2.9; this file is where we accept that.
            warnings.filterwarnings("ignore", r"`torch\.jit\.load` is deprecated")
            module = torch.jit.load(io.BytesIO(data), map_location=place)  # type: ignore[no-untyped-call]
        taken = [argument.name for argument in module.forward.schema.arguments]
        if len(taken) != 2:
            raise ValueError(f"expected a forward of self and an input, found one of {taken}")
    except (AttributeError, MemoryError, RuntimeError, ValueError) as error:
        raise ArtifactError(
            f"{artifact.path('model.pt')}: torch {torch.__version__} cannot load it: {error}"
        ) from error
    return TorchScriptEvaluator(module, place)

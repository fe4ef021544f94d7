"""What the runtimes that compute on torch tensors have in common."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from infer._errors import ArtifactError, RuntimeUnavailableError
from infer._runtimes._evaluator import Carrier
from infer._runtimes._memory import empty_tensor
from infer._runtimes._threads import BLOCK

if TYPE_CHECKING:
    import torch


class TorchEvaluator:
    """A function of a tensor, computed on a device, on the CPU in blocks."""

    carrier: Carrier = "torch"

    def __init__(
        self,
        function: Callable[[torch.Tensor], torch.Tensor],
        device: torch.device,
        path: str,
        setting: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        """Keep a function that computes on the device.

        Args:
            function: of a tensor of shape (n,), or (n, k), to one of shape (n,).
            device: where it computes.
            path: of the file that it came from, for errors.
            setting: what it computes under; entered in each thread that calls it.
        """
        import torch

        self._function = function
        self._device = device
        self._path = path
        self._setting = setting
        self._no_grad = torch.no_grad

    def run(self, values: torch.Tensor, out: Any = None) -> torch.Tensor:
        """See ``Evaluator.run``; the answers lie where the values did."""
        try:
            return self._run(values, out)
        except Exception as error:  # it raises several, and what depends on the version
            raise ArtifactError(f"{self._path}: torch cannot run it: {error}") from error

    def _run(self, values: torch.Tensor, out: Any) -> torch.Tensor:
        moved = values.to(self._device)
        owned = out is None or moved is not values
        answers = empty_tensor(len(moved), moved) if owned else out
        # On a whole array every intermediate would go through memory. torch has threads of its own
        # for each operation.
        block = BLOCK if self._device.type == "cpu" else max(len(moved), 1)
        with self._no_grad(), self._setting():  # a thread has settings of its own
            for first in range(0, len(moved), block):
                part = slice(first, first + block)
                answers[part] = self._function(moved[part])
        back: torch.Tensor = answers.to(values.device)
        if out is None or out is answers:
            return back
        out[:] = back
        return out  # type: ignore[no-any-return]  # a tensor, see Evaluator.run


def find_device(name: str, runtime: str) -> torch.device:
    """Return a device that is usable here.

    Raises:
        RuntimeUnavailableError: it is not; says what is.
    """
    import torch

    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        usable = "cpu or cuda" if torch.cuda.is_available() else "cpu"
        raise RuntimeUnavailableError(
            f"runtime {runtime!r} has no device {name!r} here; expected {usable}"
        ) from None
    return device

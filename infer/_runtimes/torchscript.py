"""Runs ``model.pt`` with ``torch.jit``."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any

from infer._errors import ArtifactError, RuntimeUnavailableError
from infer._runtimes import Carrier
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

    def run(self, values: torch.Tensor) -> torch.Tensor:
        """See ``Evaluator.run``; the answers lie where the values did."""
        with self._no_grad():
            answers: torch.Tensor = self._module(values.to(self._device))
        return answers.to(values.device)


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
    except (RuntimeError, ValueError) as error:
        raise ArtifactError(
            f"{artifact.path('model.pt')}: torch {torch.__version__} cannot load it: {error}"
        ) from error
    return TorchScriptEvaluator(module, place)

"""Runs ``model.pt`` with ``torch.jit``."""

from __future__ import annotations

import io
import warnings
from functools import partial

from infer._artifact.store import Artifact
from infer._errors import ArtifactError
from infer._runtimes._torch import TorchEvaluator, find_device
from infer._writers.siblings import read

_FILE = "model.pt"


def load(artifact: Artifact, device: str) -> TorchEvaluator:
    """Make an artifact ready to run; see ``infer._runtimes``."""
    data, path = read(artifact, _FILE), artifact.path(_FILE)
    import torch

    place = find_device(device, "torchscript")
    try:
        with warnings.catch_warnings():
            # TorchScript is deprecated since torch 2.9; this file is where we accept that.
            warnings.filterwarnings("ignore", r"`torch\.jit\.load` is deprecated")
            module = torch.jit.load(io.BytesIO(data), map_location=place)  # type: ignore[no-untyped-call]
    except (MemoryError, RuntimeError) as error:
        raise ArtifactError(f"{path}: torch {torch.__version__} cannot load it: {error}") from error
    # The optimizer would compile the steps into one kernel on a GPU, where a * b + c becomes a
    # fused multiply-add. This switch, unlike those of torch.jit.fuser, is the calling thread's own
    # (thread_local in libtorch); as nobody else calls this module, it is never optimized.
    unfused = partial(torch.jit.optimized_execution, False)  # type: ignore[attr-defined]
    return TorchEvaluator(module, place, path, unfused)

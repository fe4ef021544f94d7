"""Runs ``model.onnx`` on onnxruntime."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infer._artifact.store import Artifact
from infer._errors import ArtifactError, RuntimeUnavailableError
from infer._runtimes._evaluator import Carrier
from infer._writers.siblings import read

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FILE = "model.onnx"
_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class OnnxRuntimeEvaluator:
    """An onnxruntime session."""

    carrier: Carrier = "numpy"

    def __init__(self, session: Any, path: str) -> None:
        """Keep a session with one input and one output, and the path of its file for errors."""
        self._run = session.run
        self._path = path
        self._input = session.get_inputs()[0].name
        self._outputs = [session.get_outputs()[0].name]

    def run(self, values: NDArray[np.floating[Any]], out: Any = None) -> NDArray[np.floating[Any]]:
        """See ``Evaluator.run``."""
        try:
            (result,) = self._run(self._outputs, {self._input: values})
        except Exception as error:  # onnxruntime's errors have no base of their own
            raise ArtifactError(f"{self._path}: onnxruntime cannot run it: {error}") from error
        if out is None:
            out = result
        else:
            out[:] = result
        answers: NDArray[np.floating[Any]] = out
        return answers


def load(artifact: Artifact, device: str) -> OnnxRuntimeEvaluator:
    """Make an artifact ready to run; see ``infer._runtimes``."""
    data, path = read(artifact, _FILE), artifact.path(_FILE)
    import onnxruntime

    provider = _PROVIDERS.get(device)
    if provider is None or provider not in onnxruntime.get_available_providers():
        usable = [
            name
            for name, provider in _PROVIDERS.items()
            if provider in onnxruntime.get_available_providers()
        ]
        raise RuntimeUnavailableError(
            f"runtime 'onnxruntime' has no device {device!r} here; expected {' or '.join(usable)}"
        )
    options = onnxruntime.SessionOptions()
    # The graph is served step by step as it was written; an optimizer might drop "+ 0.0", which
    # turns -0.0 into 0.0.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3  # errors; its warnings are about the machine, not the model
    try:
        session = onnxruntime.InferenceSession(data, options, providers=[provider])
    except Exception as error:  # onnxruntime's errors have no base of their own
        raise ArtifactError(
            f"{path}: onnxruntime {onnxruntime.__version__} cannot load it: {error}"
        ) from error
    return OnnxRuntimeEvaluator(session, path)

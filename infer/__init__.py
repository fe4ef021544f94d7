"""Serve samebits models: the same bits from every runtime.

    >>> import infer
    >>> model = infer.load("f2c")
    >>> model(98.6)
    35.62...

Nothing but the standard library is imported until a caller asks for a runtime or hands over an
array.
"""

from __future__ import annotations

from infer._lazy import attach

# Type checkers know the name; importing it from typing would be all that this import costs.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from infer._artifact.card import ModelCard as ModelCard
    from infer._artifact.store import list_models as list_models
    from infer._curve.interval import Interval as Interval
    from infer._errors import ArtifactError as ArtifactError
    from infer._errors import InferError as InferError
    from infer._errors import InputError as InputError
    from infer._errors import ModelNotFoundError as ModelNotFoundError
    from infer._errors import RuntimeUnavailableError as RuntimeUnavailableError
    from infer._model import Model as Model
    from infer._model import load as load
    from infer._runtimes._registry import list_runtimes as list_runtimes

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "ArtifactError": "_errors",
        "InferError": "_errors",
        "InputError": "_errors",
        "Interval": "_curve.interval",
        "Model": "_model",
        "ModelCard": "_artifact.card",
        "ModelNotFoundError": "_errors",
        "RuntimeUnavailableError": "_errors",
        "list_models": "_artifact.store",
        "list_runtimes": "_runtimes._registry",
        "load": "_model",
    },
)

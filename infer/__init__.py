"""Serve samebits models: the same bits from every runtime.

    >>> import infer
    >>> model = infer.load("f2c")
    >>> model(98.6)
    35.62...

Nothing but the standard library is imported until a caller asks for a runtime or hands over an
array.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from infer._card import ModelCard as ModelCard
    from infer._errors import ArtifactError as ArtifactError
    from infer._errors import InferError as InferError
    from infer._errors import InputError as InputError
    from infer._errors import ModelNotFoundError as ModelNotFoundError
    from infer._errors import RuntimeUnavailableError as RuntimeUnavailableError
    from infer._interval import Interval as Interval
    from infer._model import Model as Model
    from infer._model import load as load
    from infer._runtimes import list_runtimes as list_runtimes
    from infer._store import list_models as list_models

_HOME = {
    "ArtifactError": "_errors",
    "InferError": "_errors",
    "InputError": "_errors",
    "Interval": "_interval",
    "Model": "_model",
    "ModelCard": "_card",
    "ModelNotFoundError": "_errors",
    "RuntimeUnavailableError": "_errors",
    "list_models": "_store",
    "list_runtimes": "_runtimes",
    "load": "_model",
}

__all__ = [*_HOME]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    """Import a public name at its first use, so that ``import infer`` costs next to nothing."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

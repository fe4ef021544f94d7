"""Fit small models in PyTorch until they stand at the optimum.

    >>> import train
    >>> fit = train.fit("f2c")
    >>> fit.differing_bits  # from the exact least-squares optimum
    0

Needs the extra ``train``: ``pip install 'samebits[train]'``. torch is imported at first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from train._datasets import Dataset as Dataset
    from train._errors import DivergedError as DivergedError
    from train._errors import NotAtOptimumError as NotAtOptimumError
    from train._errors import StoppedError as StoppedError
    from train._errors import TrainError as TrainError
    from train._errors import UnknownNameError as UnknownNameError
    from train._fit import Fit as Fit
    from train._fit import fit as fit
    from train._loop import Epoch as Epoch
    from train._models import ModelSpec as ModelSpec
    from train._models import Quantity as Quantity
    from train._models import Variant as Variant
    from train._models import list_models as list_models
    from train._recipes import Draw as Draw
    from train._recipes import Recipe as Recipe
    from train._recipes import lbfgs as lbfgs

_HOME = {
    "Dataset": "_datasets",
    "DivergedError": "_errors",
    "Draw": "_recipes",
    "Epoch": "_loop",
    "Fit": "_fit",
    "ModelSpec": "_models",
    "NotAtOptimumError": "_errors",
    "Quantity": "_models",
    "Recipe": "_recipes",
    "StoppedError": "_errors",
    "TrainError": "_errors",
    "UnknownNameError": "_errors",
    "Variant": "_models",
    "fit": "_fit",
    "lbfgs": "_recipes",
    "list_models": "_models",
}

__all__ = [*_HOME]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, and torch with it."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    try:
        module = import_module(f"{__name__}.{_HOME[name]}")
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.partition(".")[0] == __name__:
            raise
        raise ModuleNotFoundError(
            f"fitting needs {error.name}, not installed here; type: pip install 'samebits[train]'",
            name=error.name,
        ) from None
    value = globals()[name] = getattr(module, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

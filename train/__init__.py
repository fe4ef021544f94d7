"""Fit small models in PyTorch until they stand at the optimum.

    >>> import train
    >>> fit = train.fit("f2c")
    >>> fit.differing_bits  # from the exact least-squares optimum
    0

Needs the extra ``train``: ``pip install 'samebits[train]'``. torch is imported at first use.
"""

from __future__ import annotations

# Type checkers know the name; importing it from typing would be all that this import costs.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any

    from train._calibration import Calibration as Calibration
    from train._calibration import Candidate as Candidate
    from train._calibration import Coefficient as Coefficient
    from train._calibration import calibrate as calibrate
    from train._calibration import calibrate_from as calibrate_from
    from train._calibration import uncertainty_of as uncertainty_of
    from train._columns import Decimals as Decimals
    from train._datasets import Dataset as Dataset
    from train._errors import CalibrationError as CalibrationError
    from train._errors import DivergedError as DivergedError
    from train._errors import NotAtOptimumError as NotAtOptimumError
    from train._errors import StoppedError as StoppedError
    from train._errors import TrainError as TrainError
    from train._errors import UnknownNameError as UnknownNameError
    from train._fit import Fit as Fit
    from train._fit import fit as fit
    from train._least_squares import Uncertainty as Uncertainty
    from train._loop import Epoch as Epoch
    from train._models import ModelSpec as ModelSpec
    from train._models import Quantity as Quantity
    from train._models import Variant as Variant
    from train._models import list_models as list_models
    from train._recipes import Draw as Draw
    from train._recipes import Recipe as Recipe
    from train._recipes import lbfgs as lbfgs
    from train._review import Block as Block
    from train._review import Residual as Residual
    from train._served import Served as Served
    from train._sums import Sums as Sums

_HOME = {
    "Block": "_review",
    "Calibration": "_calibration",
    "CalibrationError": "_errors",
    "Candidate": "_calibration",
    "Coefficient": "_calibration",
    "Dataset": "_datasets",
    "Decimals": "_columns",
    "DivergedError": "_errors",
    "Draw": "_recipes",
    "Epoch": "_loop",
    "Fit": "_fit",
    "ModelSpec": "_models",
    "NotAtOptimumError": "_errors",
    "Quantity": "_models",
    "Recipe": "_recipes",
    "Residual": "_review",
    "Served": "_served",
    "StoppedError": "_errors",
    "Sums": "_sums",
    "TrainError": "_errors",
    "Uncertainty": "_least_squares",
    "UnknownNameError": "_errors",
    "Variant": "_models",
    "calibrate": "_calibration",
    "calibrate_from": "_calibration",
    "fit": "_fit",
    "lbfgs": "_recipes",
    "list_models": "_models",
    "uncertainty_of": "_calibration",
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

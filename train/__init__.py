"""Fit small models in PyTorch to their exact optimum, and calibrate from readings.

    >>> import train
    >>> fit = train.fit("f2c")
    >>> fit.differing_bits  # from the exact least-squares optimum
    0

Needs the extra ``train``: ``pip install 'samebits[train]'``. torch is imported at first use.
"""

from __future__ import annotations

from infer._lazy import attach

# Type checkers know the name; importing it from typing would be all that this import costs.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from infer._artifact.card import Uncertainty as Uncertainty
    from train._calibration.calibrate import calibrate as calibrate
    from train._calibration.calibrate import calibrate_from as calibrate_from
    from train._calibration.calibrate import uncertainty_of as uncertainty_of
    from train._calibration.families.family import RoundedCurve as RoundedCurve
    from train._calibration.findings import ReadingsBlock as ReadingsBlock
    from train._calibration.findings import Residual as Residual
    from train._calibration.result import Calibration as Calibration
    from train._calibration.result import Candidate as Candidate
    from train._calibration.result import Coefficient as Coefficient
    from train._errors import CalibrationError as CalibrationError
    from train._errors import TrainError as TrainError
    from train._errors import UnknownNameError as UnknownNameError
    from train._exact.columns import Decimals as Decimals
    from train._exact.sums import Sums as Sums
    from train._learn.datasets import Dataset as Dataset
    from train._learn.fit import DivergedError as DivergedError
    from train._learn.fit import Fit as Fit
    from train._learn.fit import NotAtOptimumError as NotAtOptimumError
    from train._learn.fit import StoppedError as StoppedError
    from train._learn.fit import fit as fit
    from train._learn.loop import Epoch as Epoch
    from train._learn.models import list_models as list_models
    from train._learn.recipes import Draw as Draw
    from train._learn.recipes import Recipe as Recipe
    from train._learn.recipes import lbfgs as lbfgs
    from train._learn.spec import ModelSpec as ModelSpec
    from train._learn.spec import Quantity as Quantity
    from train._learn.spec import Variant as Variant

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Calibration": "_calibration.result",
        "CalibrationError": "_errors",
        "Candidate": "_calibration.result",
        "Coefficient": "_calibration.result",
        "Dataset": "_learn.datasets",
        "Decimals": "_exact.columns",
        "DivergedError": "_learn.fit",
        "Draw": "_learn.recipes",
        "Epoch": "_learn.loop",
        "Fit": "_learn.fit",
        "ModelSpec": "_learn.spec",
        "NotAtOptimumError": "_learn.fit",
        "Quantity": "_learn.spec",
        "ReadingsBlock": "_calibration.findings",
        "Recipe": "_learn.recipes",
        "Residual": "_calibration.findings",
        "RoundedCurve": "_calibration.families.family",
        "StoppedError": "_learn.fit",
        "Sums": "_exact.sums",
        "TrainError": "_errors",
        "Uncertainty": "_exact.least_squares",
        "UnknownNameError": "_errors",
        "Variant": "_learn.spec",
        "calibrate": "_calibration.calibrate",
        "calibrate_from": "_calibration.calibrate",
        "fit": "_learn.fit",
        "lbfgs": "_learn.recipes",
        "list_models": "_learn.models",
        "uncertainty_of": "_calibration.calibrate",
    },
    extra=("fitting", "train"),
)

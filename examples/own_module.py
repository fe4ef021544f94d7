"""Fit and export a torch module of your own: a pressure sensor whose gain drifts with temperature.

    python examples/own_module.py [FOLDER]

Needs samebits[train].
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import nn

import export
import infer
import train


class Compensated(nn.Module):
    """p = a + (b + c·t)·u over the last axis, which holds the voltage u and the temperature t."""

    def __init__(self) -> None:
        """Start from zeros; the fit finds the optimum from anywhere."""
        super().__init__()
        for name in "abc":
            setattr(self, name, nn.Parameter(torch.tensor(0.0, dtype=torch.float64)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Use +, - and * only: every runtime rounds these the same way."""
        u, t = x[..., 0], x[..., 1]
        return self.a + (self.b + self.c * t) * u


U_AND_T = np.array([(u, t) for t in (0.0, 20.0, 40.0) for u in (0.5, 1.5, 2.5, 3.5)])
BAR = np.array([0.98, 3.02, 4.97, 7.03, 1.04, 3.08, 5.17, 7.22, 1.05, 3.21, 5.31, 7.47])

SENSOR = train.ModelSpec(
    name="pressure",
    module=Compensated,
    dataset=train.Dataset("bench", U_AND_T, BAR),
    input=train.Quantity("x", "voltage and temperature", "1"),
    output=train.Quantity("p", "pressure", "bar"),
    recipes=(train.lbfgs("sum"),),
    variants=(
        train.Variant(
            name="",
            title="A pressure sensor with temperature compensation",
            formula="p = a + (b + c·t)·u",
            # The exponents of u and t that each parameter is multiplied by.
            terms={"a": {(0, 0): 1}, "b": {(1, 0): 1}, "c": {(1, 1): 1}},
        ),
    ),
    description="Twelve readings on a test bench.",
    measured=True,  # readings that scatter, so that the model gives intervals
)


def main(folder: Path) -> None:
    """Fit the module, write it in four formats, and ask it."""
    fit = train.fit(SENSOR)
    print(f"loss {fit.loss:.6g}, {fit.differing_bits} bits from the exact optimum")
    export.save(fit, folder)
    model = infer.load(folder / "pressure")
    low, high = model.interval([2.0, 30.0], level=0.95)
    print(f"2 V at 30 °C: {model([2.0, 30.0]):.3f} bar, new readings from {low:.2f} to {high:.2f}")
    rows = np.array([[2.0, 0.0], [2.0, 40.0]])
    cold, hot = infer.load(folder / "pressure", runtime="onnxruntime")(rows)
    print(f"2 V at 0 °C and at 40 °C, by onnxruntime: {cold:.3f} and {hot:.3f} bar")


if __name__ == "__main__":
    main(Path(sys.argv[1] if sys.argv[1:] else tempfile.mkdtemp(prefix="samebits-")))

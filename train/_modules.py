"""The models as torch modules. Every ``forward`` is in Horner form, with + - * and nothing else.

Each module is elementwise: it takes a tensor of any shape and returns one of that shape. Its
parameters and constants are 0-d tensors, so that their bits are visible to every exporter.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

# The thermometer's normalization is part of the model that is served, so it is the float32
# nearest to 0.1 (13421773 * 2**-27), also while the parameters are fitted in float64.
SCALE = torch.tensor(0.1, dtype=torch.float32).item()


def _parameter(value: float) -> nn.Parameter:
    return nn.Parameter(torch.tensor(value, dtype=torch.float64))


class Thermometer(nn.Module):
    """t_c = w·(0.1·t_u) + b, from °F to °C."""

    def __init__(self) -> None:
        super().__init__()
        self.w = _parameter(1.0)
        self.b = _parameter(0.0)
        self.scale: Tensor
        self.register_buffer("scale", torch.tensor(SCALE, dtype=torch.float64))

    def forward(self, t_u: Tensor) -> Tensor:
        """Return °C for °F."""
        return self.w * (self.scale * t_u) + self.b


class Cubic(nn.Module):
    """y = a + b·x + c·x² + d·x³."""

    def __init__(self) -> None:
        super().__init__()
        self.a = _parameter(0.0)
        self.b = _parameter(0.0)
        self.c = _parameter(0.0)
        self.d = _parameter(0.0)

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate the polynomial."""
        return ((self.d * x + self.c) * x + self.b) * x + self.a


class DynamicNet(Cubic):
    """A cubic, plus e·x⁴ at order 4, plus e·x⁴ + e·x⁵ at order 5: the terms share e."""

    def __init__(self, order: int = 5) -> None:
        super().__init__()
        self.e = _parameter(0.0)
        self.order = order

    def at(self, order: int) -> DynamicNet:
        """Return the net at a fixed order, sharing this one's parameters."""
        twin = DynamicNet(order)
        for name, parameter in self.named_parameters():
            setattr(twin, name, parameter)
        return twin

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate the polynomial of this order."""
        if self.order == 5:
            top = (self.e * x + self.e) * x + self.d
        elif self.order == 4:
            top = self.e * x + self.d
        else:
            top = self.d
        return ((top * x + self.c) * x + self.b) * x + self.a

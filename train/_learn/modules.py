"""The models as torch modules. Every ``forward`` is in Horner form, with only + - *.

Parameters and constants are 0-d tensors, so that their bits are visible to every exporter. A
``forward`` takes a tensor of any shape and returns one of that shape (with two features: without
the last axis).

``partials`` are the derivatives of the output by each parameter, derived by hand. Like ``forward``
they only use operators, so that a recipe can also run them on numpy, with any object that has the
parameters as attributes in place of ``self``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from train._learn.recipes import DType

# The thermometer's normalization. It is part of the served model, so a fit rounds it to that dtype
# (see ``round_constants``).
SCALE = 0.1


def _parameter(value: float) -> nn.Parameter:
    return nn.Parameter(torch.tensor(value, dtype=torch.float64))


def values(module: nn.Module) -> dict[str, Tensor]:
    """Return a module's parameters by the names of the formula, each a 0-d tensor."""
    named: Any = getattr(module, "named_values", module.named_parameters)
    return dict(named())


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

    def partials(self, t_u: Any) -> dict[str, Any]:
        """Return the derivatives of the output by w and b."""
        return {"w": self.scale * t_u, "b": 1.0}


class Line(nn.Module):
    """y = w·x + b."""

    def __init__(self) -> None:
        super().__init__()
        self.w = _parameter(0.0)
        self.b = _parameter(0.0)

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate the line."""
        return self.w * x + self.b

    def partials(self, x: Any) -> dict[str, Any]:
        """Return the derivatives of the output by w and b."""
        return {"w": x, "b": 1.0}


class Plane(nn.Module):
    """y = w0·x0 + w1·x1 + b over the last axis."""

    def __init__(self) -> None:
        super().__init__()
        self.w0 = _parameter(0.0)
        self.w1 = _parameter(0.0)
        self.b = _parameter(0.0)

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate the plane."""
        return self.w0 * x[..., 0] + self.w1 * x[..., 1] + self.b


class LinearPlane(nn.Module):
    """The plane as ``nn.Linear(2, 1)``, with that layer's own random start."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 1)

    def named_values(self) -> dict[str, Tensor]:
        """Return the layer's parameters by the names of the formula."""
        w0, w1 = self.linear.weight[0]
        return {"w0": w0, "w1": w1, "b": self.linear.bias[0]}

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate the plane with the layer."""
        return self.linear(x).squeeze(-1)  # type: ignore[no-any-return]


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

    def partials(self, x: Any) -> dict[str, Any]:
        """Return the derivatives of the output by a, b, c and d."""
        return {"a": 1.0, "b": x, "c": x * x, "d": x * x * x}

    def string(self) -> str:
        """Return the fitted formula as text."""
        a, b, c, d = (self.a.item(), self.b.item(), self.c.item(), self.d.item())
        return f"y = {a:.6g} + {b:.6g}·x + {c:.6g}·x² + {d:.6g}·x³"


class LinearCubic(nn.Module):
    """The cubic as a linear layer over (x, x², x³), with that layer's own random start."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 1)
        self.layers = nn.Sequential(self.linear, nn.Flatten(0, 1))

    def named_values(self) -> dict[str, Tensor]:
        """Return the layer's parameters by the names of the formula."""
        b, c, d = self.linear.weight[0]
        return {"a": self.linear.bias[0], "b": b, "c": c, "d": d}

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate the polynomial with the layer; x is of shape (n,)."""
        return self.layers(torch.stack((x, x * x, x * x * x), -1))  # type: ignore[no-any-return]


class DynamicNet(nn.Module):
    """A cubic, plus e·x⁴ at order 4, plus e·x⁴ + e·x⁵ at order 5: the terms share e."""

    def __init__(self, order: int = 5) -> None:
        super().__init__()
        self.a = _parameter(0.0)
        self.b = _parameter(0.0)
        self.c = _parameter(0.0)
        self.d = _parameter(0.0)
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


class LegendreP3(torch.autograd.Function):
    """P3(z) = ½(5z³ − 3z) with a derivative of its own, 1.5·(5z² − 1)."""

    @staticmethod
    def forward(ctx: Any, z: Tensor) -> Tensor:
        """Return P3(z)."""
        ctx.save_for_backward(z)
        return 0.5 * (5 * z**3 - 3 * z)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """Return the gradient by z."""
        (z,) = ctx.saved_tensors
        slope: Tensor = 1.5 * (5 * z**2 - 1)
        return gradient * slope


class Legendre(nn.Module):
    """y = a + b·P3(c + d·x), the Legendre polynomial P3(z) = ½(5z³ − 3z)."""

    def __init__(self) -> None:
        super().__init__()
        self.a = _parameter(0.0)
        self.b = _parameter(-1.0)
        self.c = _parameter(0.0)
        self.d = _parameter(0.3)

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate in Horner form; 2.5 and 1.5 are exact in binary."""
        z = self.d * x + self.c
        return self.b * ((2.5 * (z * z) - 1.5) * z) + self.a

    def through_function(self, x: Tensor) -> Tensor:
        """Evaluate through the custom function, as the tutorial does."""
        p3: Tensor = LegendreP3.apply(self.c + self.d * x)  # type: ignore[no-untyped-call]
        return self.a + self.b * p3


def round_to(value: float, dtype: DType) -> float:
    """Round a double once to a dtype, ties to even, overflow to infinity."""
    return torch.tensor(value, dtype=torch.float64).to(getattr(torch, dtype)).item()


def round_constants(module: nn.Module, dtype: DType) -> None:
    """Round a module's constants to the dtype that it is served in, even to train in a wider one.

    The optimum depends on them: that of float32's 0.1 differs from that of float64's.
    """
    for buffer in module.buffers():
        buffer.copy_(buffer.to(getattr(torch, dtype)))


def set_values(module: nn.Module, numbers: Mapping[str, float]) -> None:
    """Set parameters or constants of a module by name; those of submodules have dots."""
    tensors = dict((*module.named_parameters(), *module.named_buffers()))
    with torch.no_grad():
        for name, number in numbers.items():
            tensors[name].fill_(number)

"""Fitted curves as torch modules, in the form in which they are served."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, fx, nn


class _Curve(nn.Module):
    """Coefficients c0, c1, ..., and for each feature a shift, as 0-d tensors."""

    def __init__(
        self,
        coefficients: Sequence[float],
        shift: Sequence[float],
        scale: float | None,
        dtype: torch.dtype,
    ) -> None:
        super().__init__()
        self.degree = len(coefficients) - 1
        for power, value in enumerate(coefficients):
            # Without a constant there is no step that adds one.
            if power or value:
                self.register_parameter(f"c{power}", nn.Parameter(torch.tensor(value, dtype=dtype)))
        for index, value in enumerate(shift):
            name = f"shift{index}" if len(shift) > 1 else "shift"
            self.register_buffer(name, torch.tensor(value, dtype=dtype))
        if scale is not None:
            self.register_buffer("scale", torch.tensor(scale, dtype=dtype))

    def value(self, name: str) -> Tensor:
        """Return a parameter or buffer."""
        tensor: Tensor = getattr(self, name)
        return tensor

    def _plus_constant(self, y: Tensor) -> Tensor:
        return y + self.value("c0") if hasattr(self, "c0") else y


class _Polynomial(_Curve):
    """A polynomial of u = (x - shift)·scale, or of x itself, in Horner form."""

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate elementwise."""
        u = x - self.value("shift") if hasattr(self, "shift") else x
        u = u * self.value("scale") if hasattr(self, "scale") else u
        y = self.value(f"c{self.degree}") * u
        for power in range(self.degree - 1, 0, -1):
            y = (y + self.value(f"c{power}")) * u if hasattr(self, f"c{power}") else y * u
        return self._plus_constant(y)


class _Hyperplane(_Curve):
    """Σ c_i·(x_i - shift_i) + c0 over the last axis, or without the shifts."""

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate; the last axis goes away."""
        terms = []
        for index in range(self.degree):
            u = x[..., index]
            if hasattr(self, f"shift{index}"):
                u = u - self.value(f"shift{index}")
            terms.append(self.value(f"c{index + 1}") * u)
        y = terms[0]
        for term in terms[1:]:
            y = y + term
        return self._plus_constant(y)


def curve_module(
    coefficients: Sequence[float],
    shift: Sequence[float] | None,
    scale: float | None,
    *,
    features: int,
    dtype: str,
) -> nn.Module:
    """Return a curve as a module whose forward is one straight line of steps.

    Args:
        coefficients: lowest power first; with several features the constant, then one a feature.
        shift: subtracted from each feature, or None.
        scale: what x - shift is multiplied by, or None.
        features: length of the input's last axis; with one the module works elementwise.
        dtype: "float32" or "float64".
    """
    kind = _Polynomial if features == 1 else _Hyperplane
    curve = kind(coefficients, shift or (), scale, getattr(torch, dtype))
    # Tracing unrolls the loops, which TorchScript cannot do by itself. Of the traced module only
    # its forward is taken: TorchScript warns about how fx's own class is written.
    graph = fx.symbolic_trace(curve)
    for node in graph.graph.nodes:
        node.type = None  # annotations are text here, and TorchScript takes tensors anyway
    graph.recompile()
    straight = type("Curve", (nn.Module,), {"forward": type(graph).forward, "__module__": __name__})
    module: nn.Module = straight()
    for name, parameter in curve.named_parameters():
        module.register_parameter(name, parameter)
    for name, buffer in curve.named_buffers():
        module.register_buffer(name, buffer)
    return module.eval()

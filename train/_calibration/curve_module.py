"""Fitted curves as torch modules, in the form in which they are served."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn


class _Curve(nn.Module):
    """Coefficients c0, c1, ..., and a shift for each feature, as 0-d tensors."""

    def __init__(
        self,
        evaluate: Callable[[Any, Any], Any],
        coefficients: Sequence[float],
        shift: Sequence[float],
        scale: float | None,
        dtype: torch.dtype,
    ) -> None:
        super().__init__()
        self._evaluate = evaluate
        for power, value in enumerate(coefficients):
            # Without a constant there is no step that adds one.
            if power or value:
                self.register_parameter(f"c{power}", nn.Parameter(torch.tensor(value, dtype=dtype)))
        for index, value in enumerate(shift):
            name = f"shift{index}" if len(shift) > 1 else "shift"
            self.register_buffer(name, torch.tensor(value, dtype=dtype))
        if scale is not None:
            self.register_buffer("scale", torch.tensor(scale, dtype=dtype))

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate the curve."""
        y: Tensor = self._evaluate(self, x)
        return y


def curve_module(
    evaluate: Callable[[Any, Any], Any],
    coefficients: Sequence[float],
    shift: Sequence[float] | None,
    scale: float | None,
    *,
    dtype: str,
) -> nn.Module:
    """Return a curve as a module whose forward is one straight line of steps.

    Args:
        evaluate: the steps, see ``Family.evaluate``.
        coefficients: the constant first.
        shift: subtracted from each feature, or None.
        scale: what x - shift is multiplied by, or None.
        dtype: "float32" or "float64".
    """
    curve = _Curve(evaluate, coefficients, shift or (), scale, getattr(torch, dtype))
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

"""Which kind of container a value is: the one place that decides it."""

from __future__ import annotations

import sys

from infer._containers import nested
from infer._containers.arrays import array_of, real_array
from infer._errors import InputError

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any, Protocol

    import torch
    from numpy.typing import NDArray

    from infer._ieee.floats import DType

    class Ways(Protocol):
        """How to compute on each kind of container; each method returns the same kind."""

        @property
        def name(self) -> str:
            """The model's name, for errors."""

        @property
        def features(self) -> int | None:
            """Length of the last axis, None if there is none."""

        def on_number(self, x: float) -> Any:
            """Compute on a number, if there is no axis of features."""

        def on_list(self, x: list[Any] | tuple[Any, ...]) -> Any:
            """Compute on a nested list."""

        def on_array(self, x: NDArray[Any]) -> Any:
            """Compute on an array of real numbers."""

        def on_scalar(self, x: NDArray[Any]) -> Any:
            """Compute on an array of shape (), and return what numpy calls a scalar."""

        def on_tensor(self, x: torch.Tensor) -> Any:
            """Compute on a dense tensor of real numbers."""


def dispatch(ways: Ways, x: Any, dtype: DType) -> Any:
    """Compute on x in the way for its kind; a number is rounded to the dtype first.

    Raises:
        InputError: x is not a container of real numbers, or lacks the axis of features.
    """
    if isinstance(x, nested.Sequence):
        return ways.on_list(x)
    # Only a caller who has imported a library can hold one of its objects.
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if numpy is not None and isinstance(x, numpy.ndarray):
        return ways.on_array(real_array(x))
    if torch is not None and isinstance(x, torch.Tensor):
        if x.is_complex() or x.is_quantized or x.layout != torch.strided:
            raise InputError(f"expected a dense tensor of real numbers, found {x.dtype} {x.layout}")
        return ways.on_tensor(x.detach())
    if hasattr(type(x), "__array__"):
        array = real_array(array_of(x))
        is_scalar = numpy is not None and isinstance(x, numpy.generic)
        return ways.on_scalar(array) if is_scalar else ways.on_array(array)
    value = nested.to_float(x, dtype)  # what is wrong with x itself comes first
    if ways.features is not None:
        raise _wrong_axis(ways, "a single number")
    return ways.on_number(value)


def answer_shape(ways: Ways, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of the answers to inputs of a shape: without the axis of features.

    Raises:
        InputError: it lacks that axis.
    """
    if ways.features is None:
        return shape
    if not shape or shape[-1] != ways.features:
        raise _wrong_axis(ways, f"shape {tuple(shape)}")
    return shape[:-1]


def _wrong_axis(ways: Ways, found: str) -> InputError:
    return InputError(
        f"{ways.name} takes {ways.features} features: expected a last axis of {ways.features}, "
        f"found {found}"
    )

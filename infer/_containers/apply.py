"""One computation on whatever it is called with: a number, a list, an array or a tensor.

This is for what is computed in doubles. ``Model.__call__`` has ways of its own, made for speed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from infer._containers import nested
from infer._containers.dispatch import answer_shape, dispatch
from infer._errors import InputError
from infer._ieee.floats import DType

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

# Rows computed at a time: the terms of so many lie in cache, and memory does not grow with more.
# Where a row takes many numbers, fewer rows hold so many together.
_PIECE = 1 << 14
_FEWEST = 1 << 10
_NUMBERS = 1 << 22


class Computation(NamedTuple):
    """What is computed for each value, or for each row of features.

    Attributes:
        name: the model's name, for errors.
        features: length of the last axis, None if there is none.
        results: how many numbers are computed.
        row: computes them from as many floats as there are features, or from one.
        columns: computes as many arrays from one array per feature; None to go row by row.
        dtype: of the results.
        held: how many numbers a row takes while columns are computed.
    """

    name: str
    features: int | None
    results: int
    row: Callable[..., tuple[float, ...]]
    columns: Callable[..., tuple[Any, ...]] | None
    dtype: DType
    held: int = 1

    def on_number(self, x: float) -> tuple[float, ...]:
        """Compute one float."""
        return self.row(x)

    def on_list(self, x: list[Any] | tuple[Any, ...]) -> tuple[Any, ...]:
        """Compute a nested list."""
        flat, shape = nested.flatten(x, "float64")
        shape = answer_shape(self, shape)
        return tuple(nested.unflatten(result, shape) for result in self._by_row(flat, shape))

    def on_scalar(self, x: NDArray[Any]) -> tuple[Any, ...]:
        """Compute an array of shape ()."""
        return tuple(result[()] for result in self.on_array(x))

    def on_tensor(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Compute a tensor."""
        import torch

        arrays = self.on_array(x.cpu().double().numpy())
        return tuple(torch.from_numpy(array).to(x.device) for array in arrays)

    def on_array(self, x: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        """Compute an array of real numbers."""
        import numpy as np

        shape = answer_shape(self, x.shape)
        if self.columns is None:
            flat = x.astype("float64", copy=False).reshape(-1).tolist()
            lists = self._by_row(flat, shape)
            return tuple(np.array(result, self.dtype).reshape(shape) for result in lists)
        rows = x.reshape(-1, self.features or 1)
        arrays = [np.empty(len(rows), self.dtype) for _ in range(self.results)]
        with np.errstate(all="ignore"):  # inf and nan are answers here, not accidents
            size = min(_PIECE, max(_FEWEST, _NUMBERS // self.held))
            for start in range(0, len(rows), size):
                piece = rows[start : start + size].astype("float64")
                for array, result in zip(arrays, self.columns(*piece.T), strict=True):
                    array[start : start + size] = result
        return tuple(array.reshape(shape) for array in arrays)

    def _by_row(self, flat: list[float], shape: tuple[int, ...]) -> list[list[float]]:
        width = self.features or 1
        results: list[list[float]] = [[] for _ in range(self.results)]
        for start in range(0, len(flat), width):
            try:
                values = self.row(*flat[start : start + width])
            except InputError as error:
                place = _place(start // width, shape)
                raise InputError(f"at {place}: {error}" if place else str(error)) from None
            for result, value in zip(results, values, strict=True):
                result.append(value)
        return results


def apply(computation: Computation, x: Any) -> tuple[Any, ...]:
    """Compute each value of x; give each result in a container of the same kind and shape.

    The axis of features goes. A value that cannot be computed is named by its place.

    Raises:
        InputError: as ``Model.__call__``, or as the computation does.
    """
    if type(x) is float and computation.features is None:
        return computation.row(x)
    results: tuple[Any, ...] = dispatch(computation, x, "float64")
    return results


def _place(index: int, shape: tuple[int, ...]) -> str:
    """Return an index into the flattened values as one into the shape: [1][3]."""
    place = ""
    for length in reversed(shape):
        index, within = divmod(index, length)
        place = f"[{within}]{place}"
    return place

"""One computation on whatever it is called with: a number, a list, an array or a tensor.

This is for what is computed in doubles. ``Model.__call__`` has ways of its own, made for speed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from infer._containers import nested
from infer._containers.arrays import array_of, real_array
from infer._errors import InputError
from infer._ieee.floats import DType

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Rows computed at a time: the terms of so many lie in cache, and memory does not grow with more.
# Where a row takes many numbers, fewer rows hold so many together.
_PIECE = 1 << 14
_FEWEST = 1 << 10
_NUMBERS = 1 << 22


class Computation(NamedTuple):
    """What is computed for each value, or for each row of features.

    Attributes:
        features: length of the last axis, None if there is none.
        wrong_axis: what to say about something without that axis, given a name for it.
        results: how many numbers are computed.
        row: computes them from as many floats as there are features, or from one.
        columns: computes as many arrays from an array a feature; None to go row by row.
        dtype: of the results.
        held: how many numbers a row takes while columns are computed.
    """

    features: int | None
    wrong_axis: Callable[[str], str]
    results: int
    row: Callable[..., tuple[float, ...]]
    columns: Callable[..., tuple[Any, ...]] | None
    dtype: DType
    held: int = 1


def apply(computation: Computation, x: Any) -> tuple[Any, ...]:
    """Compute each value of x; give each result in a container of the same kind and shape.

    An axis of features goes. A value that cannot be computed is named by its place.

    Raises:
        InputError: as ``Model.__call__``, or as the computation does.
    """
    if type(x) is float and computation.features is None:
        return computation.row(x)
    # Only a caller who has imported a library can hold one of its objects.
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if isinstance(x, nested.Sequence):
        return _on_list(computation, x)
    if numpy is not None and isinstance(x, numpy.ndarray):
        return _on_array(computation, x)
    if torch is not None and isinstance(x, torch.Tensor):
        if x.is_complex() or x.is_quantized or x.layout != torch.strided:
            raise InputError(f"expected a dense tensor of real numbers, found {x.dtype} {x.layout}")
        arrays = _on_array(computation, x.detach().cpu().double().numpy())
        return tuple(torch.from_numpy(array).to(x.device) for array in arrays)
    if hasattr(type(x), "__array__"):
        array = array_of(x)
        results = _on_array(computation, array)
        return tuple(result[()] for result in results) if not array.ndim else results
    value = nested.to_float(x, "float64")
    if computation.features is not None:
        raise InputError(computation.wrong_axis("a single number"))
    return computation.row(value)


def _on_list(computation: Computation, x: Any) -> tuple[Any, ...]:
    flat, shape = nested.flatten(x, "float64")
    shape = _without_features(computation, shape)
    results = _by_row(computation, flat, shape)
    return tuple(nested.unflatten(result, shape) for result in results)


def _on_array(computation: Computation, x: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    import numpy as np

    x = real_array(x)
    shape = _without_features(computation, x.shape)
    if computation.columns is None:
        flat = x.astype("float64", copy=False).reshape(-1).tolist()
        lists = _by_row(computation, flat, shape)
        return tuple(np.array(result, computation.dtype).reshape(shape) for result in lists)
    rows = x.reshape(-1, computation.features or 1)
    arrays = [np.empty(len(rows), computation.dtype) for _ in range(computation.results)]
    with np.errstate(all="ignore"):  # inf and nan are answers here, not accidents
        size = min(_PIECE, max(_FEWEST, _NUMBERS // computation.held))
        for start in range(0, len(rows), size):
            piece = rows[start : start + size].astype("float64")
            for array, result in zip(arrays, computation.columns(*piece.T), strict=True):
                array[start : start + size] = result
    return tuple(array.reshape(shape) for array in arrays)


def _without_features(computation: Computation, shape: tuple[int, ...]) -> tuple[int, ...]:
    if computation.features is None:
        return shape
    if not shape or shape[-1] != computation.features:
        raise InputError(computation.wrong_axis(f"shape {shape}"))
    return shape[:-1]


def _by_row(
    computation: Computation, flat: list[float], shape: tuple[int, ...]
) -> list[list[float]]:
    width = computation.features or 1
    results: list[list[float]] = [[] for _ in range(computation.results)]
    for start in range(0, len(flat), width):
        try:
            values = computation.row(*flat[start : start + width])
        except InputError as error:
            place = _place(start // width, shape)
            raise InputError(f"at {place}: {error}" if place else str(error)) from None
        for result, value in zip(results, values, strict=True):
            result.append(value)
    return results


def _place(index: int, shape: tuple[int, ...]) -> str:
    """Return an index into the flattened values as one into the shape: [1][3]."""
    place = ""
    for length in reversed(shape):
        index, within = divmod(index, length)
        place = f"[{within}]{place}"
    return place

"""A call of a model: a number, a nested list, an array or a tensor in, the same out."""

from __future__ import annotations

import sys

from infer._containers import nested
from infer._containers.arrays import real_array
from infer._containers.dispatch import answer_shape, dispatch
from infer._errors import InputError

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any

    import numpy as np
    import torch
    from numpy.typing import NDArray

    from infer._artifact.card import ModelCard
    from infer._runtimes._evaluator import Evaluator

# From this length a list of floats is computed on an array if numpy is loaded; from the second
# length numpy is loaded for it, which takes as long as a hundred thousand floats.
_ARRAY_FROM = 32
_IMPORT_FROM = 1 << 18

# Rows computed at a time into ``out``: what has to be converted on the way does not grow with them.
_PIECE = 1 << 22


class Caller:
    """Converts whatever a model is called with to what an evaluator computes on, and back."""

    def __init__(self, card: ModelCard, runtime: str, evaluator: Evaluator) -> None:
        """Keep what a call needs.

        Args:
            card: the model's.
            runtime: the name that the user asked for; "auto" may choose anew for each call.
            evaluator: computes.
        """
        self._card = card
        self.name = card.name
        self.features = card.features
        self._runtime = runtime
        self._evaluator = evaluator
        self._elementwise = card.features is None
        # The dtype, by numpy's letter, of flat arrays that the evaluator takes as they are.
        takes_arrays = self._elementwise and evaluator.carrier != "torch"
        self._ready = {"float32": "f", "float64": "d"}[card.dtype] if takes_arrays else ""

    def call(self, x: Any, *, out: Any = None) -> Any:
        """See ``Model.__call__``."""
        numpy = sys.modules.get("numpy")  # without it, nobody has an array
        if numpy is not None and isinstance(x, numpy.ndarray):
            if type(x) is numpy.ndarray and out is None and self._is_ready(x):
                return self._evaluator.run(x)
            return self.on_array(real_array(x), out)
        if out is not None:
            raise InputError(f"out goes with an ndarray, found {type(x).__name__}")
        return dispatch(self, x, self._card.dtype)

    def on_number(self, x: float) -> float:
        """Compute one float."""
        return self._run_floats([x])[0]

    def on_scalar(self, x: NDArray[Any]) -> Any:
        """Compute an array of shape ()."""
        return self.on_array(x)[()]

    def on_list(self, x: list[Any] | tuple[Any, ...]) -> Any:
        """Compute a nested list."""
        if self._elementwise and len(x) >= _ARRAY_FROM and self._on_array(len(x)):
            from infer._containers.lists import as_array

            doubles = as_array(x, self._card.dtype)
            if doubles is not None:
                return self.on_array(doubles).tolist()
        flat, shape = nested.flatten(x, self._card.dtype)
        return nested.unflatten(self._run_floats(flat), answer_shape(self, shape))

    def _run_floats(self, flat: list[float]) -> list[float]:
        if not flat or not self._on_array(len(flat)):
            from_floats: list[float] = self._evaluator.run(flat) if flat else []
            return from_floats
        import numpy as np

        array = np.array(flat, "float64")
        if self._card.features is not None:
            array = array.reshape(-1, self._card.features)
        from_array: list[float] = self.on_array(array).tolist()
        return from_array

    def _on_array(self, count: int) -> bool:
        """Return whether that many floats are computed on an array."""
        if self._evaluator.carrier != "any":
            return count > 0
        # "python" was asked for by name: its floats stay floats.
        return self._runtime == "auto" and _worth_an_array(count)

    def on_array(self, x: NDArray[Any], out: Any = None) -> NDArray[np.floating[Any]]:
        """Compute an array of real numbers, into ``out`` if there is one."""
        import numpy as np

        shape = answer_shape(self, x.shape)
        rows = x.reshape(-1) if self.features is None else x.reshape(-1, self.features)
        if out is not None:
            target = self._checked(out, shape)
            if np.may_share_memory(rows, target):
                rows = rows.copy()  # an answer must not overwrite an input that is still needed
            for start in range(0, len(rows), _PIECE):
                piece = slice(start, start + _PIECE)
                self._run_rows(rows[piece], target[piece])
            return out  # type: ignore[no-any-return]  # checked to be an array
        if not len(rows):
            return np.empty(shape, self._card.dtype)
        return self._run_rows(rows, None).reshape(shape)

    def _is_ready(self, x: NDArray[Any]) -> bool:
        """Return whether an array can go to the evaluator as it is."""
        dtype = x.dtype
        return (
            dtype.char == self._ready
            and dtype.isnative
            and x.ndim == 1
            and x.size > 0
            and x.flags.c_contiguous
        )

    def _checked(self, out: Any, shape: tuple[int, ...]) -> NDArray[Any]:
        """Return the array that takes the answers, flat.

        Raises:
            InputError: it cannot take them.
        """
        import numpy as np

        dtype = self._card.dtype
        if isinstance(out, np.ndarray) and out.flags.c_contiguous and out.flags.writeable:
            if (out.shape, out.dtype) == (shape, np.dtype(dtype)):
                return out.reshape(-1)
            found = f"{out.dtype} {out.shape}"
        else:
            found = "a read-only or strided array" if isinstance(out, np.ndarray) else repr(out)
        raise InputError(
            f"out: expected a writable C-contiguous array of {dtype} and shape {shape}, "
            f"found {found}"
        )

    def _run_rows(self, rows: NDArray[Any], out: Any) -> NDArray[np.floating[Any]]:
        """Round rows to the model's dtype and compute them."""
        import numpy as np

        dtype, evaluator = rows.dtype, self._evaluator
        if dtype != self._card.dtype or not dtype.isnative or not rows.flags.c_contiguous:
            with np.errstate(all="ignore"):  # too large for the dtype is infinity (IEEE-754)
                rows = np.asarray(rows, self._card.dtype, order="C")
        if evaluator.carrier != "torch":
            answers: NDArray[np.floating[Any]] = evaluator.run(rows, out)
            return answers
        import torch

        if not rows.flags.writeable:
            rows = rows.copy()  # torch has no read-only tensors and warns of them
        target = None if out is None else torch.from_numpy(out)
        tensor: torch.Tensor = evaluator.run(torch.from_numpy(rows), target)
        return tensor.numpy()

    def on_tensor(self, x: torch.Tensor) -> torch.Tensor:
        """Compute a tensor, on its device."""
        import torch

        features, shape = self.features, answer_shape(self, x.shape)
        flat = x.to(getattr(torch, self._card.dtype)).contiguous()
        flat = flat.reshape(-1) if features is None else flat.reshape(-1, features)
        if not len(flat):
            return flat.new_empty(shape)
        if self._evaluator.carrier == "numpy":
            answers = torch.from_numpy(self._evaluator.run(flat.cpu().numpy())).to(x.device)
        else:
            answers = self._evaluator.run(flat)
        return answers.reshape(shape)


def _worth_an_array(count: int) -> bool:
    """Return whether that many floats are faster on numpy, even if it must be imported first."""
    if "numpy" in sys.modules:
        return count >= _ARRAY_FROM
    if count < _IMPORT_FROM:
        return False
    from importlib.util import find_spec

    return find_spec("numpy") is not None

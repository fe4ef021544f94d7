"""A model ready to be called, whatever it is called with."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, overload

from infer import _nested
from infer._card import ModelCard
from infer._errors import InputError
from infer._runtimes import Evaluator, list_runtimes, load_runtime
from infer._store import Artifact, find

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray


class Model:
    """A model on a runtime; call it with a number, a nested list, an array or a tensor.

    Safe to call from many threads at once.
    """

    def __init__(self, artifact: Artifact, runtime: str, device: str) -> None:
        """Use ``infer.load``; this is for the package itself."""
        self._card = artifact.card
        self._runtime = runtime
        self._evaluator: Evaluator = load_runtime(
            _fastest(device) if runtime == "auto" else runtime, artifact, device
        )
        # One float on the python runtime needs no container at all.
        elementwise = artifact.card.features is None
        self._scalar = getattr(self._evaluator, "floats", None) if elementwise else None

    @property
    def name(self) -> str:
        """The model's full name, with its variant."""
        return self._card.name

    @property
    def runtime(self) -> str:
        """The runtime that was asked for."""
        return self._runtime

    @property
    def card(self) -> ModelCard:
        """What ``model.json`` says."""
        return self._card

    def __repr__(self) -> str:
        """Name, runtime and formula."""
        return f"<Model {self.name!r} on {self.runtime!r}: {self._card.formula}>"

    @overload
    def __call__(self, x: float) -> float: ...
    @overload
    def __call__(self, x: NDArray[Any]) -> NDArray[np.floating[Any]]: ...
    @overload
    def __call__(self, x: torch.Tensor) -> torch.Tensor: ...
    @overload
    def __call__(self, x: Any) -> Any: ...

    def __call__(self, x: Any) -> Any:
        """Compute the model; every runtime returns the same bits.

        Args:
            x: in the card's unit. For an elementwise model a real number, a nested list, an
                ndarray or a Tensor of any shape, () and (0,) included. For a model with k
                features, the last axis has length k. Any real dtype is rounded once to the
                model's dtype.

        Returns:
            The same kind of container in the model's dtype and the input's shape, without the
            last axis for a model with features: a float for a number (or for a list of k
            features), nested lists for lists, an ndarray for an ndarray, a Tensor on its device
            for a Tensor.

        Raises:
            InputError: x is complex, text, ragged, or lacks the axis of features.
        """
        if type(x) is float and self._scalar is not None:
            return self._scalar(x)
        if isinstance(x, _nested.Sequence):
            return self._call_list(x)
        # Only a caller who has imported a library can hold one of its objects.
        numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
        if torch is not None and isinstance(x, torch.Tensor):
            return self._call_tensor(x)
        if numpy is not None and isinstance(x, numpy.ndarray):
            return self._call_array(x)
        if numpy is not None and isinstance(x, numpy.generic):
            return self._call_array(numpy.asarray(x))[()]
        if hasattr(type(x), "__array__"):
            import numpy as np

            return self._call_array(np.asarray(x))
        if self._card.features is not None:
            _nested.to_float(x, self._card.dtype)  # what is wrong with x itself comes first
            raise InputError(self._wrong_axis("a single number"))
        return self._run_floats([_nested.to_float(x, self._card.dtype)])[0]

    def _wrong_axis(self, found: str) -> str:
        features = self._card.features
        return (
            f"{self.name} takes {features} features: expected a last axis of {features}, "
            f"found {found}"
        )

    def _call_list(self, x: Any) -> Any:
        flat, shape = _nested.flatten(x, self._card.dtype)
        features = self._card.features
        if features is not None:
            if shape[-1] != features:
                raise InputError(self._wrong_axis(f"shape {shape}"))
            shape = shape[:-1]
        return _nested.unflatten(self._run_floats(flat), shape)

    def _run_floats(self, flat: list[float]) -> list[float]:
        if self._evaluator.carrier == "any" or not flat:
            from_floats: list[float] = self._evaluator.run(flat) if flat else []
            return from_floats
        import numpy as np  # a runtime without floats of its own has brought it

        array = np.array(flat, "float64")
        if self._card.features is not None:
            array = array.reshape(-1, self._card.features)
        from_array: list[float] = self._call_array(array).tolist()
        return from_array

    def _call_array(self, x: NDArray[Any]) -> NDArray[np.floating[Any]]:
        import numpy as np

        if isinstance(x, np.ma.MaskedArray):
            raise InputError("expected a plain array, found a masked one; type x.filled(nan)")
        if x.dtype.kind not in "biuf":
            raise InputError(f"expected an array of real numbers, found dtype {x.dtype}")
        features, shape = self._card.features, x.shape
        if features is not None:
            if not shape or shape[-1] != features:
                raise InputError(self._wrong_axis(f"shape {shape}"))
            shape = shape[:-1]
        with np.errstate(all="ignore"):  # too large for the dtype is infinity, as IEEE-754 says
            flat = np.asarray(x, self._card.dtype, order="C")
        flat = flat.reshape(-1) if features is None else flat.reshape(-1, features)
        if not len(flat):
            return np.empty(shape, self._card.dtype)
        if self._evaluator.carrier == "torch":
            import torch

            if not flat.flags.writeable:
                flat = flat.copy()  # torch has no read-only tensors and warns of them
            flat_answers = self._evaluator.run(torch.from_numpy(flat)).numpy()
        else:
            flat_answers = self._evaluator.run(flat)
        answers: NDArray[np.floating[Any]] = flat_answers.reshape(shape)
        return answers

    def _call_tensor(self, x: torch.Tensor) -> torch.Tensor:
        import torch

        if x.is_complex() or x.is_quantized or x.layout != torch.strided:
            raise InputError(f"expected a dense tensor of real numbers, found {x.dtype} {x.layout}")
        features, shape = self._card.features, x.shape
        if features is not None:
            if not shape or shape[-1] != features:
                raise InputError(self._wrong_axis(f"shape {tuple(shape)}"))
            shape = shape[:-1]
        flat = x.detach().to(getattr(torch, self._card.dtype)).contiguous()
        flat = flat.reshape(-1) if features is None else flat.reshape(-1, features)
        if not len(flat):
            return flat.new_empty(shape)
        if self._evaluator.carrier == "numpy":
            answers = torch.from_numpy(self._evaluator.run(flat.cpu().numpy())).to(x.device)
        else:
            answers = self._evaluator.run(flat)
        return answers.reshape(shape)


def _fastest(device: str) -> str:
    """Return the runtime that ``auto`` means; it may choose freely, because the bits agree.

    On the CPU the program beats both others on a float (no container), and on an array (blocks
    that stay in cache; onnxruntime and TorchScript write every intermediate to memory).
    """
    if device == "cpu":
        return "python"
    return "torchscript" if "torchscript" in list_runtimes() else "onnxruntime"


def load(
    name_or_path: str | os.PathLike[str], *, runtime: str = "auto", device: str = "cpu"
) -> Model:
    """Load a model.

    Args:
        name_or_path: a name of ``list_models()`` (a bare ``model`` means its default variant), or
            the path of an artifact's folder; anything with a path separator is a path.
        runtime: one of ``list_runtimes()``, or "auto".
        device: where "torchscript" and "onnxruntime" compute: "cpu" or "cuda".

    Raises:
        ModelNotFoundError: no such model; suggests the nearest names.
        ArtifactError: the artifact is damaged; says which file and key.
        RuntimeUnavailableError: no such runtime or device here; says what to install.
    """
    return Model(find(name_or_path), runtime, device)

"""A model ready to be called, whatever it is called with."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, overload

from infer import _nested
from infer._arrays import real_array
from infer._card import ModelCard
from infer._compile import compile_call
from infer._errors import InputError
from infer._runtimes import Evaluator, list_runtimes, load_runtime
from infer._store import Artifact, find
from infer._zeros import without_idle_zeros

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from infer._interval import Band, Interval, Kind
    from infer._inverse import Inverse
    from infer._inverse_interval import Finder


# A list of so many floats is computed on an array, if numpy is loaded; of so many more, numpy is
# loaded for it: that takes as long as a hundred thousand floats.
_ARRAY_FROM = 32
_IMPORT_FROM = 1 << 18

# What "auto" means on a device: the first that is usable, else the last.
_ON_DEVICES = ("torchscript", "torchexport")

# Rows computed at a time into ``out``: what has to be converted on the way does not grow with them.
_PIECE = 1 << 22


class Model:
    """A model on a runtime; call it with a number, a nested list, an array or a tensor.

    Safe to call from many threads at once.
    """

    def __init__(self, card: ModelCard, runtime: str, evaluator: Evaluator) -> None:
        """Use ``infer.load``; this is for the package itself."""
        self._card = card
        self._runtime = runtime
        self._evaluator = evaluator
        self._elementwise = card.features is None
        # The dtype, by numpy's letter, of flat arrays that the evaluator takes as they are.
        takes_arrays = self._elementwise and evaluator.carrier != "torch"
        self._ready = {"float32": "f", "float64": "d"}[card.dtype] if takes_arrays else ""
        # One float on the python runtime needs no container at all.
        self._floats = getattr(evaluator, "floats", None) if self._elementwise else None
        # What an inverse needs to know about the curve is worked out once.
        self._inverse: Inverse | None = None
        self._finders: dict[Band, Finder] = {}

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
    def __call__(
        self, x: NDArray[Any], *, out: NDArray[Any] | None = None
    ) -> NDArray[np.floating[Any]]: ...
    @overload
    def __call__(self, x: torch.Tensor) -> torch.Tensor: ...
    @overload
    def __call__(self, x: Any) -> Any: ...

    def __call__(self, x: Any, *, out: Any = None) -> Any:
        """Compute the model; every runtime returns the same bits.

        Args:
            x: in the card's unit. For an elementwise model a real number, a nested list, an
                ndarray or a Tensor of any shape, () and (0,) included. For a model with k
                features, the last axis has length k. Any real dtype is rounded once to the
                model's dtype.
            out: for an ndarray, where to put the answers: a writable C-contiguous array of the
                model's dtype and the answers' shape, a memory-mapped file for example.

        Returns:
            The same kind of container in the model's dtype and the input's shape, without the
            last axis for a model with features: a float for a number (or for a list of k
            features), nested lists for lists, an ndarray for an ndarray, a Tensor on its device
            for a Tensor.

        Raises:
            InputError: x is complex, text, ragged, or lacks the axis of features; or out does not
                fit.
        """
        return self._call(x, out)

    def _call(self, x: Any, out: Any) -> Any:
        if type(x) is float and self._floats is not None and out is None:
            return self._floats(x)
        # Only a caller who has imported a library can hold one of its objects.
        numpy = sys.modules.get("numpy")
        if numpy is not None and isinstance(x, numpy.ndarray):
            if type(x) is numpy.ndarray and out is None and self._is_ready(x):
                return self._evaluator.run(x)
            return self._call_array(x, out)
        if out is not None:
            raise InputError(f"out goes with an ndarray, found {type(x).__name__}")
        if isinstance(x, _nested.Sequence):
            return self._call_list(x)
        torch = sys.modules.get("torch")
        if torch is not None and isinstance(x, torch.Tensor):
            return self._call_tensor(x)
        if numpy is not None and isinstance(x, numpy.generic):
            return self._call_array(numpy.asarray(x))[()]
        if hasattr(type(x), "__array__"):
            from infer._arrays import array_of

            return self._call_array(array_of(x))
        if self._card.features is not None:
            _nested.to_float(x, self._card.dtype)  # what is wrong with x itself comes first
            raise InputError(self._wrong_axis("a single number"))
        return self._run_floats([_nested.to_float(x, self._card.dtype)])[0]

    def interval(
        self,
        x: Any,
        level: float = 0.95,
        kind: Kind = "prediction",
        sigma: float | None = None,
    ) -> Interval:
        """Return where the truth lies with a probability, by Student's t.

        It is centred on the exact fit, computed in doubles from the card's ``uncertainty``; x is
        taken as the double that it is, not rounded to the model's dtype. The same bits on
        every machine, in every container.

        Args:
            x: as for a call.
            level: the probability, between 0 and 1.
            kind: "prediction" is where a new reading lies, "confidence" where the curve itself.
            sigma: for a prediction, the standard uncertainty of the new reading, in the unit that
                the fit was weighted in; the readings' typical one for None (1 without weights).

        Returns:
            ``Interval(low, high)``, each a double, or a container like x's of doubles in the
            shape of the answers.

        Raises:
            InputError: x is not what a call takes, the model has no uncertainty, the level is not
                between 0 and 1, or there is no such kind.
        """
        from infer._interval import interval

        return interval(self._card, self._wrong_axis, x, level, kind, sigma)

    def inverse(self, y: Any) -> Any:
        """Return the input in the domain for which the model answers y.

        The program's constants define an exact polynomial. First comes its real root, the place
        in the domain where it is y. Among the value of the model's dtype that is nearest to the
        root and 64 neighbours on either side (none beyond the domain), the result is the one
        whose served answer is nearest to y, of several the one nearest to the root, of two as near
        the lower one. So ``model(model.inverse(model(x)))`` has the bits of ``model(x)``, but for
        flat places, where 64 neighbours are not enough to outweigh the answer's rounding.

        A y beyond the curve's range by no more than the answer's rounding belongs to the end.

        Args:
            y: a real number, a nested list, an ndarray or a Tensor; taken as the doubles that
                they are.

        Returns:
            The same kind of container, in the model's dtype and in y's shape.

        Raises:
            InputError: y is reached at several places of the domain (tells where) or never (tells
                the range), or is not a real number; or the model has several features or is
                constant.
        """
        from infer._containers import Computation, apply

        inverse = self.ready_inverse()
        computation = Computation(None, str, 1, lambda y: (inverse(y),), None, self._card.dtype)
        return apply(computation, y)[0]

    def inverse_interval(
        self,
        y: Any,
        level: float = 0.95,
        kind: Kind = "prediction",
        sigma: float | None = None,
    ) -> Interval:
        """Return the inputs around ``inverse(y)`` whose interval contains y (Fieller's method).

        The ends are where ``interval`` has y as one of its own ends; where it still contains y at
        an end of the domain, that end is the result.

        Args:
            y: as for ``inverse``.
            level: as for ``interval``, like kind and sigma.
            kind: "prediction" if y is a reading, "confidence" if y is the true value.
            sigma: the standard uncertainty of the reading y.

        Returns:
            ``Interval(low, high)`` in the input's unit, each a double, or a container like y's.

        Raises:
            InputError: as ``inverse`` and ``interval``.
        """
        from infer._containers import Computation, apply
        from infer._interval import Interval, band

        inverse = self.ready_inverse()
        chosen = band(self._card, level, kind, sigma)
        find = self._finders.get(chosen)
        if find is None:
            from infer._inverse_interval import inverse_interval

            find = inverse_interval(chosen, inverse, *self._card.domain[0])
            self._finders[chosen] = find
        return Interval(*apply(Computation(None, str, 2, find, None, "float64"), y))

    def beyond(self) -> Model:
        """Return the model with ten times its domain on either side; for the package itself."""
        from dataclasses import replace

        domain = tuple((a - 10 * (b - a), b + 10 * (b - a)) for a, b in self._card.domain)
        return Model(replace(self._card, domain=domain), self._runtime, self._evaluator)

    def ready_inverse(self) -> Inverse:
        """Return what ``inverse`` asks; for the package itself, which wants its errors first."""
        if self._inverse is None:  # two threads may both make it, and make the same
            from infer._inverse import Inverse

            self._inverse = Inverse(self._card)
        return self._inverse

    def _wrong_axis(self, found: str) -> str:
        features = self._card.features
        return (
            f"{self.name} takes {features} features: expected a last axis of {features}, "
            f"found {found}"
        )

    def _call_list(self, x: Any) -> Any:
        if self._elementwise and len(x) >= _ARRAY_FROM and self._on_array(len(x)):
            from infer._lists import as_array

            doubles = as_array(x, self._card.dtype)
            if doubles is not None:
                return self._call_array(doubles).tolist()
        flat, shape = _nested.flatten(x, self._card.dtype)
        features = self._card.features
        if features is not None:
            if shape[-1] != features:
                raise InputError(self._wrong_axis(f"shape {shape}"))
            shape = shape[:-1]
        return _nested.unflatten(self._run_floats(flat), shape)

    def _run_floats(self, flat: list[float]) -> list[float]:
        if not flat or not self._on_array(len(flat)):
            from_floats: list[float] = self._evaluator.run(flat) if flat else []
            return from_floats
        import numpy as np

        array = np.array(flat, "float64")
        if self._card.features is not None:
            array = array.reshape(-1, self._card.features)
        from_array: list[float] = self._call_array(array).tolist()
        return from_array

    def _on_array(self, count: int) -> bool:
        """Tell whether so many floats are computed on an array."""
        if self._evaluator.carrier != "any":
            return count > 0
        # "python" was asked for by name: its floats stay floats.
        return self._runtime == "auto" and _worth_an_array(count)

    def _call_array(self, x: NDArray[Any], out: Any = None) -> NDArray[np.floating[Any]]:
        import numpy as np

        x = real_array(x)
        features, shape = self._card.compiled.features, x.shape
        if features is not None:
            if not shape or shape[-1] != features:
                raise InputError(self._wrong_axis(f"shape {shape}"))
            shape = shape[:-1]
        rows = x.reshape(-1) if features is None else x.reshape(-1, features)
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
        """Tell whether an array can go to the evaluator as it is."""
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


def _worth_an_array(count: int) -> bool:
    """Tell whether so many floats are computed faster on numpy, imported for them if need be."""
    if "numpy" in sys.modules:
        return count >= _ARRAY_FROM
    from importlib.util import find_spec

    return count >= _IMPORT_FROM and find_spec("numpy") is not None


def _fastest(device: str) -> str:
    """Return the runtime that ``auto`` means; it may choose freely, because the bits agree.

    On the CPU the program beats both others on a float (no container), and on an array (blocks
    that stay in cache; onnxruntime and TorchScript write every intermediate to memory).
    """
    if device == "cpu":
        return "python"
    usable = list_runtimes()
    return next((name for name in _ON_DEVICES if name in usable), "onnxruntime")


def open_model(artifact: Artifact, runtime: str = "auto", device: str = "cpu") -> Model:
    """Make an artifact ready to be called; see ``load``."""
    chosen = _fastest(device) if runtime == "auto" else runtime
    evaluator = load_runtime(chosen, artifact, device)
    kind: type[Model] = Model
    if evaluator.carrier == "any" and (method := _quick_call(artifact)) is not None:
        method.__doc__ = Model.__call__.__doc__
        kind = type("Model", (Model,), {"__call__": method, "__module__": __name__})
    return kind(artifact.card, runtime, evaluator)


def _quick_call(artifact: Artifact) -> Callable[..., Any] | None:
    return compile_call(without_idle_zeros(artifact.card.compiled))


def load(
    name_or_path: str | os.PathLike[str], *, runtime: str = "auto", device: str = "cpu"
) -> Model:
    """Load a model.

    Args:
        name_or_path: a name of ``list_models()`` (a bare ``model`` means its default variant), or
            the path of an artifact's folder; anything with a path separator is a path.
        runtime: one of ``list_runtimes()``, or "auto".
        device: where "torchscript", "torchexport" and "onnxruntime" compute: "cpu" or "cuda".

    Raises:
        ModelNotFoundError: no such model; suggests the nearest names.
        ArtifactError: the artifact is damaged; says which file and key.
        RuntimeUnavailableError: no such runtime or device here; says what to install.
    """
    return open_model(find(name_or_path), runtime, device)

"""A model ready to be called, whatever it is called with."""

from __future__ import annotations

import os

from infer._artifact.store import find
from infer._containers.caller import Caller
from infer._program.idle_zeros import without_idle_zeros
from infer._program.on_floats import compile_call
from infer._runtimes._registry import list_runtimes, load_runtime

TYPE_CHECKING = False

if TYPE_CHECKING:
    from inspect import Signature
    from typing import Any, overload

    import numpy as np
    import torch
    from numpy.typing import NDArray

    from infer._artifact.card import ModelCard
    from infer._artifact.store import Artifact
    from infer._curve.interval import Band, Interval, Kind
    from infer._curve.inverse import Inverse
    from infer._curve.inverse_interval import Finder
    from infer._runtimes._evaluator import Evaluator


# What "auto" means on a device: the first that is usable, else the last.
_ON_DEVICES = ("torchscript", "torchexport")

_CALL = """Compute the model; every runtime returns the same bits.

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


class _Signature:
    """What ``inspect.signature`` asks a model for; Python 3.12 does not look into the slot."""

    def __get__(self, model: Model | None, owner: type[Model]) -> Signature:
        if model is None:
            raise AttributeError  # the class has the signature of its constructor
        from inspect import signature

        return signature(model.__call__)


class Model:
    """A model on a runtime; call it with a number, a nested list, an array or a tensor.

    Safe to call from many threads at once. It never changes, so a copy is the model itself. It
    can be pickled: see ``__reduce__``.
    """

    # Each model answers with a function of its own, made from its program and kept in the slot
    # ``__call__``: a method that looks for that function first takes an eighth longer for a float.
    __slots__ = {
        "__call__": _CALL,
        "__weakref__": "",
        "_artifact": "the card, and the folder it was read from",
        "_device": "the device that was asked for",
        "_evaluator": "computes",
        "_finders": "what inverse_interval made ready, by its arguments",
        "_inverse": "what inverse made ready",
        "_runtime": "the runtime that was asked for",
    }

    __signature__ = _Signature()

    if TYPE_CHECKING:

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
        def __call__(self, x: Any, *, out: Any = None) -> Any: ...

    def __init__(self, artifact: Artifact, runtime: str, device: str, evaluator: Evaluator) -> None:
        """Use ``infer.load``; this is for the package itself."""
        self._artifact = artifact
        self._runtime = runtime
        self._device = device
        self._evaluator = evaluator
        answer = Caller(artifact.card, runtime, evaluator).call
        if evaluator.carrier == "any":
            answer = compile_call(without_idle_zeros(self.card.compiled), answer) or answer
        self.__call__ = answer  # type: ignore[method-assign]
        # What an inverse needs to know about the curve is worked out once.
        self._inverse: Inverse | None = None
        self._finders: dict[Band, Finder] = {}

    @property
    def name(self) -> str:
        """The model's full name, with its variant."""
        return self.card.name

    @property
    def runtime(self) -> str:
        """The runtime that was asked for."""
        return self._runtime

    @property
    def card(self) -> ModelCard:
        """What ``model.json`` says."""
        return self._artifact.card

    def __repr__(self) -> str:
        """Name, runtime and formula."""
        return f"<Model {self.name!r} on {self.runtime!r}: {self.card.formula}>"

    def __copy__(self) -> Model:
        """Return the model itself, which never changes."""
        return self

    def __deepcopy__(self, memo: Any) -> Model:
        """Return the model itself, which never changes."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the card, the runtime's name, the device, and the artifact's absolute path.

        The runtime "python" needs no more than that, and gives the same bits where the artifact
        does not exist. The others read their file again, at that path, and refuse it unless
        it has the size and the hash that the card says.
        """
        artifact = self._artifact
        if artifact.folder:
            artifact = artifact._replace(folder=os.path.abspath(artifact.folder))
        return open_model, (artifact, self._runtime, self._device)

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
        from infer._curve.interval import interval

        return interval(self.card, x, level, kind, sigma)

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
            InputError: y is reached at several places of the domain (the message lists them) or
                never (the message gives the range), or is not a real number; or the model has
                several features or is constant.
        """
        from infer._containers.apply import Computation, apply

        inverse = self.ready_inverse()
        computation = Computation(
            self.name, None, 1, lambda y: (inverse(y),), None, self.card.dtype
        )
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
        from infer._containers.apply import Computation, apply
        from infer._curve.interval import Interval, band

        inverse = self.ready_inverse()
        chosen = band(self.card, level, kind, sigma)
        find = self._finders.get(chosen)
        if find is None:
            from infer._curve.inverse_interval import inverse_interval

            find = inverse_interval(chosen, inverse, *self.card.domain[0])
            self._finders[chosen] = find
        return Interval(*apply(Computation(self.name, None, 2, find, None, "float64"), y))

    def beyond(self) -> Model:
        """Return the model with ten times its domain on either side; for the package itself."""
        import sys

        most = sys.float_info.max
        domain = tuple(
            (max(a - 10 * (b - a), -most), min(b + 10 * (b - a), most)) for a, b in self.card.domain
        )
        artifact = self._artifact._replace(card=self.card._replace(domain=domain))
        return Model(artifact, self._runtime, self._device, self._evaluator)

    def ready_inverse(self) -> Inverse:
        """Return what ``inverse`` asks; for the package itself, which wants its errors first."""
        if self._inverse is None:  # two threads may both make it, and make the same
            from infer._curve.inverse import Inverse

            self._inverse = Inverse(self.card)
        return self._inverse


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
    return Model(artifact, runtime, device, evaluator)


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

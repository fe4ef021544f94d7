"""Plots of a fit: the data with the curve, the losses, an animation, a live window."""

from __future__ import annotations

import io
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from train._errors import TrainError
from train._learn.datasets import Dataset, load_dataset
from train._learn.fit import Fit, fitted_module
from train._learn.loop import Epoch
from train._learn.recipes import Recipe
from train._learn.spec import ModelSpec

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL.Image import Image

# More points than this would only overlap.
_MOST_POINTS = 2000
# Frames of an animation, and how long each is shown.
FRAMES = 60
_FRAME_MILLISECONDS = 100
_LIVE_SECONDS = 0.1


def figure(fit: Fit) -> Figure:
    """Draw the data with the fitted curve, and the losses with the best possible one."""
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(11, 4.5), layout="constrained")
    left, right = drawing.subplots(1, 2)
    _draw_curve(left, _scene(fit), fit.parameters)
    _draw_losses(right, fit.history, fit)
    return drawing


def frames(fit: Fit) -> Iterator[Image]:
    """Yield frames of the curve and the loss during the fit.

    They are denser at the beginning, where more happens.
    """
    from matplotlib.figure import Figure
    from PIL import Image

    last = len(fit.history)
    numbers = sorted({round(last ** (i / (FRAMES - 1))) for i in range(FRAMES)} | {last})
    for number in numbers:
        drawing = Figure(figsize=(9, 4))
        drawing.subplots_adjust(left=0.08, right=0.98, bottom=0.14, wspace=0.25)
        left, right = drawing.subplots(1, 2)
        _draw_curve(left, _scene(fit), fit.history[number - 1].parameters)
        _draw_losses(right, fit.history[:number], fit)
        left.set_title(f"{fit.name}, {fit.recipe.name}: epoch {number:,}")
        image = io.BytesIO()
        drawing.savefig(image, format="png", dpi=80)
        yield Image.open(image).convert("P")


def to_gif(pictures: Iterable[Image]) -> bytes:
    """Return frames as an endless animated GIF."""
    first, *others = pictures
    buffer = io.BytesIO()
    first.save(
        buffer,
        format="GIF",
        save_all=True,
        append_images=others + (others or [first])[-1:] * 10,  # pauses at the end
        duration=_FRAME_MILLISECONDS,
        loop=0,
    )
    return buffer.getvalue()


def live(model: ModelSpec, recipe: Recipe, dtype: str = "float32") -> Callable[[Epoch], None]:
    """Open a window and return a function that redraws curve and loss after an epoch.

    The points are the model's fixed sample, even if the recipe draws new ones.

    Raises:
        TrainError: there is no display.
    """
    from matplotlib import pyplot
    from matplotlib.backends.registry import BackendFilter, backend_registry

    windows = backend_registry.list_builtin(BackendFilter.INTERACTIVE)  # type: ignore[no-untyped-call]
    if pyplot.get_backend().lower() not in map(str.lower, windows):
        raise TrainError(
            "no display (matplotlib cannot open a window here); use --gif FILE to get "
            "an animation instead"
        )
    fixed = load_dataset(model.dataset) if isinstance(model.dataset, str) else model.dataset
    scene = _Scene(model, recipe.constants, dtype, fixed, None)
    window, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
    pyplot.show(block=False)
    epochs: list[Epoch] = []
    drawn = 0.0

    def redraw(epoch: Epoch) -> None:
        nonlocal drawn
        epochs.append(epoch)
        if time.monotonic() - drawn < _LIVE_SECONDS:
            return
        left.clear()
        right.clear()
        _draw_curve(left, scene, epoch.parameters)
        left.set_title(f"{model.name}, {recipe.name}: epoch {epoch.number:,}")
        _draw_losses(right, epochs, None)
        window.canvas.draw_idle()
        window.canvas.flush_events()
        drawn = time.monotonic()

    return redraw


class _Scene(NamedTuple):
    """What does not change between frames: the model, its constants and dtype, the points."""

    model: ModelSpec
    constants: Mapping[str, float]
    dtype: str
    dataset: Dataset
    validation: Dataset | None


def _scene(fit: Fit) -> _Scene:
    return _Scene(fit.model, fit.recipe.constants, fit.dtype, fit.dataset, fit.validation)


def _draw_curve(axes: Axes, scene: _Scene, parameters: Mapping[str, float]) -> None:
    numbers = {**scene.constants, **parameters}
    step = max(1, scene.dataset.rows // _MOST_POINTS)
    x, y = scene.dataset.x[::step], scene.dataset.y[::step]
    dots: dict[str, Any] = {"marker": "o", "linestyle": "", "color": "0.6", "label": "Observation"}
    dots["markersize"] = 6 if len(y) <= 100 else 2
    if x.ndim == 1:
        axes.plot(x, y, **dots)
        shown = [scene.dataset] if scene.validation is None else [scene.dataset, scene.validation]
        left, right = min(d.x.min() for d in shown), max(d.x.max() for d in shown)
        bottom, top = min(d.y.min() for d in shown), max(d.y.max() for d in shown)
        dtype = getattr(torch, scene.dtype)
        grid = torch.linspace(float(left), float(right), 400, dtype=dtype)
        for variant, style in zip(scene.model.variants, ("-", "--", ":"), strict=False):
            module = fitted_module(scene.model, numbers, variant, dtype)
            label = f"Prediction {variant.name}".strip()
            axes.plot(grid.numpy(), module(grid).numpy(), style, label=label)
        axes.set_xlabel(_label(scene.model.input.meaning, scene.model.input.unit))
        axes.set_ylabel(_label(scene.model.output.meaning, scene.model.output.unit))
        margin = 0.1 * float(top - bottom) or 1.0
        axes.set_ylim(float(bottom) - margin, float(top) + margin)
    else:
        # With several features, the prediction against the observation.
        module = fitted_module(scene.model, numbers, scene.model.variants[-1], torch.float64)
        axes.plot(y, module(torch.tensor(x)).numpy(), **dots)
        axes.plot([y.min(), y.max()], [y.min(), y.max()], label="Prediction = observation")
        axes.set_xlabel("Observation")
        axes.set_ylabel("Prediction")
    if scene.validation is not None and scene.validation.x.ndim == 1:
        axes.plot(scene.validation.x, scene.validation.y, "s", color="tab:red", label="Validation")
    axes.set_title(f"{scene.model.name}: {scene.model.variants[-1].formula}")
    axes.legend()


def _draw_losses(axes: Axes, epochs: Sequence[Epoch], fit: Fit | None) -> None:
    from matplotlib.ticker import MaxNLocator

    numbers = [epoch.number for epoch in epochs]
    marker = "o" if len(numbers) <= 30 else ""
    axes.plot(numbers, [epoch.loss for epoch in epochs], marker=marker, label="Training loss")
    if epochs and epochs[0].validation_loss is not None:
        losses = [float(epoch.validation_loss or 0.0) for epoch in epochs]
        axes.plot(numbers, losses, marker=marker, label="Validation loss")
    if fit is not None:
        best = f"Best possible {fit.best_loss:.6g}"
        axes.axhline(fit.best_loss, linestyle="--", color="black", label=best)
        axes.set_title(f"Recipe {fit.recipe.name}, learning rate {fit.recipe.learning_rate:g}")
        axes.set_ylabel(f"Loss ({fit.recipe.loss} of squared errors)")
        axes.set_xlim(0.5, fit.epochs + 0.5)
    if any(0.0 < epoch.loss < math.inf for epoch in epochs):
        axes.set_yscale("log")
    axes.set_xlabel("Epoch")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axes.legend()


def _label(meaning: str, unit: str) -> str:
    text = meaning[:1].upper() + meaning[1:]
    return text if unit == "1" else f"{text} ({unit})"

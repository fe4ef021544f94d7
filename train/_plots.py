"""Pictures of a fit: the data with the curve, the loss with the best possible one, an animation."""

from __future__ import annotations

import io
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from train._errors import TrainError
from train._fit import Fit, fitted_module
from train._loop import Epoch

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# More points than this only blacken the paper.
_MOST_POINTS = 2000
_FRAMES = 60
_FRAME_MILLISECONDS = 100
_LIVE_SECONDS = 0.1


def figure(fit: Fit) -> Figure:
    """Draw the data with the fitted curve, and the losses with the best possible one."""
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(11, 4.5), layout="constrained")
    left, right = drawing.subplots(1, 2)
    _draw_fit(left, fit, fit.parameters)
    _draw_losses(right, fit.history, fit)
    return drawing


def animate(fit: Fit) -> bytes:
    """Return a GIF of the curve and the loss as the fit went on.

    The frames lie denser at the beginning, where more happens.
    """
    from matplotlib.figure import Figure
    from PIL import Image

    last = len(fit.history)
    numbers = sorted({round(last ** (i / (_FRAMES - 1))) for i in range(_FRAMES)} | {last})
    frames = []
    for number in numbers:
        drawing = Figure(figsize=(9, 4), layout="constrained")
        left, right = drawing.subplots(1, 2)
        _draw_fit(left, fit, fit.history[number - 1].parameters)
        _draw_losses(right, fit.history[:number], fit)
        left.set_title(f"{fit.name}, {fit.recipe.name}: epoch {number:,}")
        image = io.BytesIO()
        drawing.savefig(image, format="png", dpi=80)
        frames.append(Image.open(image).convert("P"))
    buffer = io.BytesIO()
    frames[0].save(
        buffer,
        format="GIF",
        save_all=True,
        append_images=frames[1:] + [frames[-1]] * 10,  # rests on the end before it starts again
        duration=_FRAME_MILLISECONDS,
        loop=0,
    )
    return buffer.getvalue()


def live(title: str) -> Callable[[Epoch], None]:
    """Open a window and return what redraws it as epochs go by.

    Raises:
        TrainError: there is no display to draw on.
    """
    from matplotlib import pyplot
    from matplotlib.backends.registry import BackendFilter, backend_registry

    windows = backend_registry.list_builtin(BackendFilter.INTERACTIVE)  # type: ignore[no-untyped-call]
    if pyplot.get_backend().lower() not in map(str.lower, windows):
        raise TrainError(
            "no display to draw on (matplotlib found no windows here); type --gif FILE to keep "
            "the same as an animation"
        )
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
        for name in epoch.parameters:
            left.plot([e.parameters[name] for e in epochs], label=name)
        left.set_title(f"{title}: parameters, epoch {epoch.number:,}")
        left.legend()
        _draw_losses(right, epochs, None)
        window.canvas.draw_idle()
        window.canvas.flush_events()
        drawn = time.monotonic()

    return redraw


def _draw_fit(axes: Axes, fit: Fit, parameters: Mapping[str, float]) -> None:
    numbers = {**fit.recipe.constants, **parameters}
    step = max(1, fit.dataset.rows // _MOST_POINTS)
    x, y = fit.dataset.x[::step], fit.dataset.y[::step]
    dots: dict[str, Any] = {"marker": "o", "linestyle": "", "color": "0.6", "label": "Observation"}
    dots["markersize"] = 6 if len(y) <= 100 else 2
    if x.ndim == 1:
        axes.plot(x, y, **dots)
        shown = [fit.dataset] if fit.validation is None else [fit.dataset, fit.validation]
        left, right = min(d.x.min() for d in shown), max(d.x.max() for d in shown)
        bottom, top = min(d.y.min() for d in shown), max(d.y.max() for d in shown)
        grid = torch.linspace(float(left), float(right), 400)
        for variant, style in zip(fit.model.variants, ("-", "--", ":"), strict=False):
            module = fitted_module(fit.model, numbers, variant, torch.float32)
            label = f"Prediction {variant.name}".strip()
            axes.plot(grid.numpy(), module(grid).numpy(), style, label=label)
        axes.set_xlabel(_label(fit.model.input.meaning, fit.model.input.unit))
        axes.set_ylabel(_label(fit.model.output.meaning, fit.model.output.unit))
        margin = 0.1 * float(top - bottom) or 1.0
        axes.set_ylim(float(bottom) - margin, float(top) + margin)
    else:
        # Several features have no axis of their own: the prediction against the observation.
        module = fitted_module(fit.model, numbers, fit.model.variants[-1], torch.float64)
        axes.plot(y, module(torch.tensor(x)).numpy(), **dots)
        axes.plot([y.min(), y.max()], [y.min(), y.max()], label="Prediction = observation")
        axes.set_xlabel("Observation")
        axes.set_ylabel("Prediction")
    if fit.validation is not None and fit.validation.x.ndim == 1:
        axes.plot(fit.validation.x, fit.validation.y, "s", color="tab:red", label="Validation")
    axes.set_title(f"{fit.name}: {fit.model.variants[-1].formula}")
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
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend()


def _label(meaning: str, unit: str) -> str:
    text = meaning[:1].upper() + meaning[1:]
    return text if unit == "1" else f"{text} ({unit})"

"""What a fit leaves for people and machines: a record, its history, a plot, a few lines."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from train._fit import Fit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def as_record(fit: Fit) -> dict[str, Any]:
    """Return the facts of a fit as JSON values."""
    return {
        "model": fit.name,
        "recipe": fit.recipe.name,
        "settings": fit.recipe.settings(),
        "device": fit.device,
        "dataset": {
            "name": fit.dataset.name,
            "rows": fit.dataset.rows,
            "sha256": fit.dataset.sha256,
        },
        "epochs": fit.epochs,
        "loss": fit.loss,
        "best_loss": fit.best_loss,
        "parameters": dict(fit.parameters),
        "optimum": dict(fit.optimum),
        "differing_bits": fit.differing_bits,
    }


def as_text(fit: Fit) -> str:
    """Return a few lines for people."""
    units = f" {fit.model.output.unit}²" if fit.model.output.unit != "1" else ""
    lines = [
        f"{fit.name}: recipe {fit.recipe.name}, {fit.epochs:,} epochs on {fit.device}, "
        f"{fit.dataset.rows:,} rows of {fit.dataset.name}",
        f"  {'loss':14}{fit.loss:>16.9g}{units}   ({fit.recipe.loss} of squared errors)",
        f"  {'best possible':14}{fit.best_loss:>16.9g}{units}",
    ]
    for name, value in fit.parameters.items():
        lines.append(f"  {name:14}{value:>16.9g}   optimum {fit.optimum[name]:.9g}")
    bits = fit.differing_bits
    verdict = "the optimum's bits" if not bits else f"{bits} bits from the optimum's"
    lines.append(f"  judge: {verdict}")
    return "\n".join(lines)


def figure(fit: Fit) -> Figure:
    """Draw the data with the fitted curve, and the loss with the best possible one."""
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(11, 4.5), layout="constrained")
    left, right = drawing.subplots(1, 2)
    _draw_curve(left, fit)
    _draw_loss(right, fit)
    return drawing


def _draw_curve(axes: Axes, fit: Fit) -> None:
    import torch

    (low, high), *_ = fit.dataset.domain
    grid = torch.linspace(low, high, 400)
    many = fit.dataset.rows > 100
    axes.plot(
        fit.dataset.x,
        fit.dataset.y,
        "." if many else "o",
        markersize=2 if many else 6,
        color="tab:orange",
        label="Observation",
    )
    for variant in fit.model.variants:
        label = f"Prediction {variant.name}".strip()
        axes.plot(grid.numpy(), fit.module(variant)(grid).numpy(), label=label)
    axes.set_title(f"{fit.name}: {fit.model.variants[-1].formula}")
    axes.set_xlabel(_axis(fit.model.input.meaning, fit.model.input.unit))
    axes.set_ylabel(_axis(fit.model.output.meaning, fit.model.output.unit))
    axes.legend()


def _draw_loss(axes: Axes, fit: Fit) -> None:
    axes.plot(range(1, fit.epochs + 1), fit.losses, label="Training loss")
    axes.axhline(
        fit.best_loss, linestyle="--", color="black", label=f"Best possible {fit.best_loss:.6g}"
    )
    axes.set_yscale("log")
    axes.set_title(f"Recipe {fit.recipe.name}, learning rate {fit.recipe.learning_rate:g}")
    axes.set_xlabel("Epoch")
    axes.set_ylabel(f"Loss ({fit.recipe.loss} of squared errors)")
    axes.legend()


def _axis(meaning: str, unit: str) -> str:
    text = meaning[:1].upper() + meaning[1:]
    return text if unit == "1" else f"{text} ({unit})"


def write(fit: Fit, folder: Path) -> None:
    """Write ``fit.json``, ``history.csv`` and ``fit.png`` into a folder, made if need be.

    Each file is written beside and renamed, so that it is never half there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    record = json.dumps(as_record(fit), indent=2, sort_keys=True, ensure_ascii=False)
    history = io.StringIO()
    rows = csv.writer(history, lineterminator="\n")
    rows.writerow(["epoch", "loss"])
    rows.writerows(enumerate(fit.losses, start=1))
    _replace(folder / "fit.json", lambda path: path.write_text(record + "\n", encoding="utf-8"))
    _replace(folder / "history.csv", lambda path: path.write_text(history.getvalue()))
    _replace(folder / "fit.png", lambda path: figure(fit).savefig(path, format="png", dpi=120))


def _replace(path: Path, write_to: Callable[[Path], Any]) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write_to(beside)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)

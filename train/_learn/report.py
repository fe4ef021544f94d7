"""Output of a fit: a JSON record, a text summary, its history and a plot."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

from infer._files.replace import replace_files
from train._learn import checkpoint, plots
from train._learn.fit import Fit
from train._learn.verdicts import advice, verdict


def as_record(fit: Fit) -> dict[str, Any]:
    """Return a fit as JSON values; numbers that are not finite become None."""
    return {
        "model": fit.name,
        "recipe": fit.recipe.name,
        "settings": {
            name: _finite(value) if isinstance(value, float) else value
            for name, value in fit.recipe.settings().items()
        },
        "dtype": fit.dtype,
        "device": fit.device,
        "seed": fit.recipe.seed if fit.recipe.is_random else None,
        "dataset": {
            "name": fit.dataset.name,
            "rows": fit.dataset.rows,
            "sha256": fit.dataset.sha256,
        },
        "epochs": fit.epochs,
        "loss": _finite(fit.loss),
        "validation_loss": _finite(fit.validation_loss),
        "best_loss": fit.best_loss,
        "gradient": None if fit.gradient is None else _all_finite(fit.gradient),
        "parameters": _all_finite(fit.parameters),
        "optimum": None if fit.optimum is None else dict(fit.optimum),
        "differing_bits": fit.differing_bits,
        "verdict": verdict(fit),
        "diverged_at": fit.diverged_at,
        "stopped": fit.stopped,
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _all_finite(values: Any) -> dict[str, float | None]:
    return {name: _finite(value) for name, value in values.items()}


def as_text(fit: Fit) -> str:
    """Return a text summary."""
    units = f" {fit.model.output.unit}²" if fit.model.output.unit != "1" else ""
    seed = f", seed {fit.recipe.seed}" if fit.recipe.is_random else ""
    # Enough digits to distinguish any two numbers of the dtype.
    digits = 9 if fit.dtype == "float32" else 17
    width = digits + 7
    lines = [
        f"{fit.name}: recipe {fit.recipe.name}, {fit.epochs:,} epochs on {fit.device}, "
        f"{fit.dataset.rows:,} rows of {fit.dataset.name}{seed}",
        f"  {'loss':14}{fit.loss:>{width}.9g}{units}   ({fit.recipe.loss} of squared errors)",
        f"  {'best possible':14}{fit.best_loss:>{width}.9g}{units}",
    ]
    if fit.validation_loss is not None:
        lines.append(f"  {'validation':14}{fit.validation_loss:>{width}.9g}{units}")
    for name, value in fit.parameters.items():
        optimum = "" if fit.optimum is None else f"   optimum {fit.optimum[name]:.{digits}g}"
        lines.append(f"  {name:14}{value:>{width}.{digits}g}{optimum}")
    for name, value in (fit.gradient or {}).items():
        lines.append(f"  {'gradient ' + name:14}{value:>{width}.9g}")
    exact = "the optimum's bits"
    lines.append(f"  judge: {exact if fit.differing_bits == 0 else verdict(fit)}")
    lines += [f"  {sentence}" for sentence in advice(fit)]
    return "\n".join(lines)


def as_csv(fit: Fit) -> str:
    """Return the history: epoch, loss, validation_loss and each parameter, one epoch per row."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["epoch", "loss", "validation_loss", *fit.parameters])
    for epoch in fit.history:
        validation = "" if epoch.validation_loss is None else epoch.validation_loss
        rows.writerow([epoch.number, epoch.loss, validation, *epoch.parameters.values()])
    return text.getvalue()


def plot(fit: Fit, kind: str) -> bytes:
    """Return the plot of a fit as "png" or "svg"."""
    image = io.BytesIO()
    plots.figure(fit).savefig(image, format=kind, dpi=120)
    return image.getvalue()


def write(fit: Fit, folder: Path, *, resumed: bool = False) -> None:
    """Write ``fit.json``, ``history.csv`` and ``fit.png``; of a stopped fit, a checkpoint too.

    The files always belong to one fit: even if the process is killed, ``fit.json`` exists only
    together with its files. A checkpoint of another fit is removed with the old ``fit.json``; the
    one that this fit was resumed from, once all new files exist.

    Args:
        fit: what to write.
        folder: created if needed.
        resumed: whether the fit was resumed from the checkpoint in the folder.

    Raises:
        OSError: a file cannot be written.
    """
    record = json.dumps(
        as_record(fit), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False
    )
    files = {
        "history.csv": as_csv(fit).encode(),
        "fit.png": plot(fit, "png"),
        "fit.json": f"{record}\n".encode(),
    }
    if fit.stopped:
        replace_files(folder, {checkpoint.FILE: checkpoint.to_bytes(fit), **files})
        return
    replace_files(folder, files, without=() if resumed else (checkpoint.FILE,))
    (folder / checkpoint.FILE).unlink(missing_ok=True)

"""The plot of a calibration: readings and curve with its bands, the residuals below."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from export._cards.description import formula, kind, names
from export._cards.words import labelled
from infer._artifact.card import Uncertainty
from infer._curve.interval import Band
from train._calibration.result import Calibration

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Doubles = NDArray[np.float64]

# More dots than this would overlap: their density is drawn instead.
_MOST_DOTS = 3000
# Residuals beyond this many residual standard deviations are marked with their row.
_FAR = 3.0
_GRID = 400
_LONGEST_TITLE = 90
_CURVE, _DOTS, _MARK = "tab:blue", "0.45", "tab:red"


class Bands(NamedTuple):
    """The curve at some inputs, all of shape (n,).

    Attributes:
        curve: the exact fit.
        confidence: half the width of the curve's interval.
        prediction: half the width of a reading's interval.
    """

    curve: Doubles
    confidence: Doubles
    prediction: Doubles


def bands(calibration: Calibration, x: Doubles, t: float) -> Bands:
    """Return the curve with its intervals, as docs/artifact-format.md defines them.

    Args:
        calibration: the calibration.
        x: inputs of shape (n, k), or (n,) for one feature.
        t: quantile of Student's distribution.
    """
    found = Uncertainty(**calibration.uncertainty._asdict())
    columns = x.reshape(len(x), -1).T
    scale = t * found.residual_sd
    curve, confidence = Band(found, scale, 0.0).curve_and_half(*columns)
    _, prediction = Band(found, scale, found.typical_sigma**2).curve_and_half(*columns)
    return Bands(curve, confidence, prediction)


def figure(calibration: Calibration, t: float, level: float = 0.95) -> Figure:
    """Draw a calibration.

    Args:
        calibration: with some of its readings.
        t: quantile of Student's distribution for the level.
        level: of the intervals, for the legend.
    """
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(8, 7), layout="constrained")
    upper, lower = drawing.subplots(2, 1, height_ratios=(3, 1.4), sharex=True)
    scene = _scene(calibration, t)
    _draw_bands(upper, lower, calibration, t, level)
    _draw_readings(upper, scene, scene.y, "reading", 40)
    _draw_readings(lower, scene, scene.y - scene.at.curve, None, 18)
    _mark_largest(upper, lower, calibration)
    lower.axhline(0.0, color=_CURVE, zorder=3)
    inputs, y = names(calibration)
    # With several features, the axis is the prediction.
    below = (inputs[0], calibration.unit_x)
    if calibration.features:
        below = (f"{y} by the plane", calibration.unit_y)
    lower.set_xlabel(_text(labelled(*below)))
    upper.set_ylabel(_text(labelled(y, calibration.unit_y)))
    lower.set_ylabel(_text(labelled("residual", calibration.unit_y)))
    upper.set_title(_text(_title(calibration)), fontsize="medium")
    upper.legend(loc="best", fontsize="small")
    for axes in (upper, lower):
        axes.grid(alpha=0.25)
        axes.margins(x=0.03)
    drawing.align_ylabels()
    return drawing


class _Scene(NamedTuple):
    """Coordinates of the readings, their uncertainty, and the curve at them."""

    across: Doubles
    y: Doubles
    sigma: Doubles | None
    at: Bands
    total: int


def _scene(calibration: Calibration, t: float) -> _Scene:
    y = np.asarray(calibration.y, dtype=np.float64)
    x = np.asarray(calibration.x, dtype=np.float64).reshape(len(y), -1)
    at = bands(calibration, x, t)
    across = at.curve if calibration.features else x[:, 0]
    return _Scene(across, y, calibration.sigma, at, calibration.n)


def _title(calibration: Calibration) -> str:
    text = formula(calibration, 6)
    return f"{calibration.name}: {text if len(text) <= _LONGEST_TITLE else kind(calibration)}"


def _draw_bands(upper: Axes, lower: Axes, calibration: Calibration, t: float, level: float) -> None:
    """Draw the curve and its intervals; below, where they are visible, around zero."""
    if calibration.features:
        low, high = _reach(calibration)
        grid = np.array([low, high])
        upper.plot(grid, grid, color=_CURVE, label="plane", zorder=3)
        return
    ((low, high),) = calibration.domain
    grid = np.linspace(low, high, _GRID)
    at = bands(calibration, grid[:, None], t)
    dense = calibration.n > _MOST_DOTS
    for half, alpha, what in (
        (at.prediction, 0.13, "a reading"),
        (at.confidence, 0.35, "the curve"),
    ):
        label = f"{level:.0%} interval of {what}"
        for axes, middle in ((upper, at.curve), (lower, np.zeros_like(grid))):
            band = (middle - half, middle + half)
            shown = label if axes is upper else None
            axes.fill_between(grid, *band, color=_CURVE, alpha=alpha, linewidth=0, label=shown)
            if dense:  # the readings' density covers what lies below it
                for edge in band:
                    axes.plot(grid, edge, "--", color=_CURVE, linewidth=0.8, zorder=3)
    upper.plot(grid, at.curve, color=_CURVE, label="curve", zorder=3)


def _reach(calibration: Calibration) -> tuple[float, float]:
    x = np.asarray(calibration.x, dtype=np.float64)
    curve = bands(calibration, x, 0.0).curve
    return float(curve.min()), float(curve.max())


def _draw_readings(
    axes: Axes, scene: _Scene, height: Doubles, label: str | None, cells: int
) -> None:
    count = len(height)
    if count > _MOST_DOTS:
        from matplotlib.colors import LogNorm

        axes.hexbin(
            scene.across,
            height,
            gridsize=(70, cells),
            cmap="Greys",
            norm=LogNorm(vmin=0.3),
            mincnt=1,
            linewidths=0,
            zorder=2,
        )
        if label is not None:
            shown = f"{scene.total:,} readings"
            if count < scene.total:
                shown += f", {count:,} of them drawn"
            axes.plot([], [], "h", color=_DOTS, label=shown)
        return
    dots: dict[str, Any] = {"linestyle": "", "color": _DOTS, "zorder": 2.5, "label": label}
    dots |= {"marker": "o", "markersize": 5 if count <= 100 else 2.5, "alpha": 0.8}
    if scene.sigma is None:
        axes.plot(scene.across, height, **dots)
    else:
        axes.errorbar(scene.across, height, yerr=scene.sigma, elinewidth=1, capsize=2, **dots)


def _mark_largest(upper: Axes, lower: Axes, calibration: Calibration) -> None:
    """Mark the largest residuals with their row numbers."""
    far = [row for row in calibration.largest_residuals if abs(row.standardized) > _FAR]
    if not far:
        return
    x = np.array([row.x for row in far], dtype=np.float64)
    curve = bands(calibration, x, 0.0).curve
    across = curve if calibration.features else x[:, 0]
    residuals = np.array([row.residual for row in far])
    ring: dict[str, Any] = {"marker": "o", "markersize": 9, "linestyle": "", "color": _MARK}
    ring |= {"fillstyle": "none", "zorder": 4}
    upper.plot(across, curve + residuals, label="largest residuals", **ring)
    lower.plot(across, residuals, **ring)
    if calibration.n > _MOST_DOTS:  # the drawn sample may lack them
        for axes, height in ((upper, curve + residuals), (lower, residuals)):
            axes.plot(across, height, ".", markersize=3, color=_MARK, zorder=4)
    for turn, index in enumerate(np.argsort(across).tolist()):
        row, place, residual = far[index], across[index], residuals[index]
        lower.annotate(
            f"{row.row:,}",
            (place, residual),
            xytext=(7, 7 if turn % 2 else -7),  # neighbours keep apart
            textcoords="offset points",
            fontsize="small",
            color=_MARK,
            va="center",
        )


def _text(text: str) -> str:
    """Return text with $ escaped, which would start a formula in matplotlib."""
    return text.replace("$", r"\$")

"""Samples of readings that the page of ``infer`` plots.

The card of a user's model holds its sample. Those of the shipped models are part of the page: their
cards hold only the digest of the data, by which the page finds the sample, so that it never shows
data that a model was not fitted to.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

import infer
from infer._files.replace import replace_file
from train._exact.sample import Rows, Sample
from train._learn.datasets import DATASETS, Dataset, load_dataset

PATH = Path(infer.__file__).with_name("page") / "readings.json"

# Largest number of rows of a dataset: evenly spread, the first and the last included.
MOST = 80
# Digits that a chart can show.
_DIGITS = 5


def render() -> bytes:
    """Return the file: by digest of the data, rows of x (one number, or one per feature) and y."""
    lines = []
    for name in DATASETS:
        data = load_dataset(name)
        count = min(MOST, data.rows)
        rows = [i * (data.rows - 1) // (count - 1) for i in range(count)]
        x = [_rounded(row) for row in data.x[rows].tolist()]
        y = [_rounded(value) for value in data.y[rows].tolist()]
        text = json.dumps({"x": x, "y": y}, separators=(",", ":"))
        lines.append(f'"{data.sha256}":{text}')
    return ("{" + ",\n".join(lines) + "}\n").encode()


def sample(dataset: Dataset) -> Rows | None:
    """Return the sample for a card; None for data whose sample is part of the page."""
    if dataset.sha256 in json.loads(PATH.read_text("utf-8")):
        return None
    drawn = Sample(dataset.x.shape[1] if dataset.x.ndim > 1 else 1)
    drawn.add(list(dataset.x.reshape(dataset.rows, -1).T), dataset.y)
    rows = drawn.rows()
    if rows is not None and dataset.x.shape[1:] == (1,):
        return Rows(np.reshape(rows.x, (-1, 1)).tolist(), rows.y)
    return rows


def write() -> None:
    """Write the file."""
    replace_file(PATH, render())


def _rounded(value: float | list[float]) -> float | list[float]:
    if isinstance(value, list):
        return [float(f"{item:.{_DIGITS}g}") for item in value]
    return float(f"{value:.{_DIGITS}g}")

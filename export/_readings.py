"""A sample of the readings behind the shipped models, for the page of ``infer`` to draw.

A card holds only the digest of its data. The page finds the sample by that digest, so that it never
shows data to which a model was not fitted.
"""

from __future__ import annotations

import json
from pathlib import Path

import infer
from train._datasets import DATASETS, load_dataset

PATH = Path(infer.__file__).with_name("page") / "readings.json"

# At most so many rows of a dataset, evenly spread over it, the first and the last included.
MOST = 80
# Digits that a chart can show.
_DIGITS = 5


def render() -> bytes:
    """Return the file: by digest of the data, rows of x (a number, or one a feature) and y."""
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


def write() -> None:
    """Write the file beside its place and put it there."""
    staging = PATH.with_suffix(".new")
    staging.write_bytes(render())
    staging.replace(PATH)


def _rounded(value: float | list[float]) -> float | list[float]:
    if isinstance(value, list):
        return [float(f"{item:.{_DIGITS}g}") for item in value]
    return float(f"{value:.{_DIGITS}g}")

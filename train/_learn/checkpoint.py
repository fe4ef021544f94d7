"""Checkpoint files: a stopped fit, with everything to resume it to the same bits."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from train._errors import TrainError
from train._learn.fit import Fit
from train._learn.models import find_model, find_recipe
from train._learn.recipes import Recipe

FILE = "checkpoint.pt"

# What the command line can override in a recipe of the table.
_OVERRIDES = ("learning_rate", "epochs", "seed", "validation_fraction")


class Checkpoint(NamedTuple):
    """A stopped fit.

    Attributes:
        model: name of the model.
        recipe: its recipe, overrides included.
        dtype: the dtype that it is served in.
        device: the device that it ran on.
        state: for ``train.fit(resume=…)``.
    """

    model: str
    recipe: Recipe
    dtype: str
    device: str
    state: Mapping[str, Any]


def to_bytes(fit: Fit) -> bytes:
    """Return the content of a checkpoint file."""
    buffer = io.BytesIO()
    content = {
        "model": fit.name,
        "recipe": fit.recipe.name,
        "overrides": {name: getattr(fit.recipe, name) for name in _OVERRIDES},
        "dtype": fit.dtype,
        "device": fit.device,
        "state": dict(fit.checkpoint),
    }
    torch.save(content, buffer)
    return buffer.getvalue()


def read(folder: Path) -> Checkpoint:
    """Read the checkpoint in a folder.

    Raises:
        TrainError: there is no checkpoint, or it cannot be read.
    """
    path = folder / FILE
    if not path.is_file():
        raise TrainError(f"no {FILE} in {str(folder)!r}: no fit was stopped there")
    try:
        content = torch.load(path, weights_only=True, map_location="cpu")
        recipe = find_recipe(find_model(content["model"]), content["recipe"])
        return Checkpoint(
            content["model"],
            replace(recipe, **content["overrides"]),
            content["dtype"],
            content["device"],
            dict(content["state"]),
        )
    except TrainError:
        raise
    except Exception as error:  # torch's unpickler raises nearly anything
        raise TrainError(f"{path} is damaged; start the fit again") from error

"""Metadata of the server and its models, as JSON documents."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from infer._serve._catalog import ServedModel
from infer._serve._tensors import OF_DTYPE

EXTENSIONS = ["binary_tensor_data", "model_configuration", "model_repository(index)"]
# In the form of the protocol: "<project>_<format>".
PLATFORM = "samebits_program"


def server() -> dict[str, Any]:
    """Return the server's metadata."""
    from importlib.metadata import version

    return {"name": "samebits", "version": version("samebits"), "extensions": EXTENSIONS}


def server_live() -> dict[str, Any]:
    """Return that the server is live."""
    return {"live": True}


def server_ready() -> dict[str, Any]:
    """Return that the server is ready.

    The specification calls the key "live" here too, but all implementations use "ready".
    """
    return {"ready": True, "live": True}


def model_ready(served: ServedModel) -> dict[str, Any]:
    """Return that a model is ready."""
    return {"name": served.card.name, "ready": True}


def facts(served: ServedModel) -> dict[str, str]:
    """Return the properties that the protocol has no field for, as scalars by name.

    In shapes, as in the card, dots stand for any number of leading axes.
    """
    card = served.card
    return {
        "title": card.title,
        "formula": card.formula,
        "input_unit": card.input.unit,
        "output_unit": card.output.unit,
        "input_shape": ", ".join(map(str, card.input.shape)),
        "output_shape": ", ".join(map(str, card.output.shape)),
        "domain": json.dumps(card.domain),
        "digest": card.digest,
    }


def model(served: ServedModel) -> dict[str, Any]:
    """Return a model's metadata.

    -1 means any length. The protocol cannot express any number of axes, which a model accepts, so
    the shapes here have one axis of values; ``facts`` has the full shapes.
    """
    card = served.card
    datatype = OF_DTYPE[card.dtype]
    return {
        "name": card.name,
        "versions": [served.version],
        "platform": PLATFORM,
        "inputs": [{"name": card.input.name, "datatype": datatype, "shape": _shape(served)}],
        "outputs": [{"name": card.output.name, "datatype": datatype, "shape": [-1]}],
        "parameters": facts(served),
    }


def config(served: ServedModel) -> dict[str, Any]:
    """Return a model's configuration, as in Triton's extension."""
    card = served.card
    data_type = f"TYPE_{OF_DTYPE[card.dtype]}"
    return {
        "name": card.name,
        "platform": PLATFORM,
        "max_batch_size": 0,
        "input": [{"name": card.input.name, "data_type": data_type, "dims": _shape(served)}],
        "output": [{"name": card.output.name, "data_type": data_type, "dims": [-1]}],
        "parameters": {name: {"string_value": value} for name, value in facts(served).items()},
    }


def index(models: Iterable[ServedModel]) -> list[dict[str, str]]:
    """Return the repository index; ``reason`` is why a replacement could not be loaded."""
    return [
        {
            "name": served.card.name,
            "version": served.version,
            "state": "READY",
            "reason": served.problem,
        }
        for served in models
    ]


def _shape(served: ServedModel) -> list[int]:
    features = served.card.features
    return [-1] if features is None else [-1, features]

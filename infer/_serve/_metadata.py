"""What the protocol tells about the server and its models, as JSON documents."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from infer._serve._catalog import Served
from infer._serve._tensors import OF_DTYPE

EXTENSIONS = ["binary_tensor_data", "model_configuration", "model_repository(index)"]


def server() -> dict[str, Any]:
    """Return the server's metadata."""
    from importlib.metadata import version

    return {"name": "samebits", "version": version("samebits"), "extensions": EXTENSIONS}


def model(served: Served) -> dict[str, Any]:
    """Return a model's metadata.

    -1 stands for any length. The protocol has no word for any number of axes, which is what a
    model takes.
    """
    card = served.card
    datatype = OF_DTYPE[card.dtype]
    return {
        "name": card.name,
        "versions": [served.version],
        "platform": "samebits",
        "inputs": [{"name": card.input.name, "datatype": datatype, "shape": _shape(served)}],
        "outputs": [{"name": card.output.name, "datatype": datatype, "shape": [-1]}],
        "parameters": {
            "title": card.title,
            "formula": card.formula,
            "input_unit": card.input.unit,
            "output_unit": card.output.unit,
            "domain": [list(pair) for pair in card.domain],
            "digest": card.digest,
        },
    }


def config(served: Served) -> dict[str, Any]:
    """Return a model's configuration, as Triton's extension has it."""
    card = served.card
    data_type = f"TYPE_{OF_DTYPE[card.dtype]}"
    return {
        "name": card.name,
        "platform": "samebits",
        "max_batch_size": 0,
        "input": [{"name": card.input.name, "data_type": data_type, "dims": _shape(served)}],
        "output": [{"name": card.output.name, "data_type": data_type, "dims": [-1]}],
    }


def index(models: Iterable[Served]) -> list[dict[str, str]]:
    """Return the repository's index; a reason tells of a replacement that is refused."""
    return [
        {
            "name": served.card.name,
            "version": served.version,
            "state": "READY",
            "reason": served.problem,
        }
        for served in models
    ]


def _shape(served: Served) -> list[int]:
    features = served.card.features
    return [-1] if features is None else [-1, features]

"""Checks of a request against its model, for HTTP and gRPC.

Arguments may be any parsed JSON values.
"""

from __future__ import annotations

import sys
from typing import Any

from infer._artifact.card import ModelCard
from infer._serve._errors import RequestError, show
from infer._serve._tensors import DATATYPES

# numpy 1 supports no more axes.
_MOST_AXES = 32
# numpy computes the bytes of an empty array without its axes of length 0. An element has up to 8
# bytes; twice that is safe.
_MOST_EXTENT = sys.maxsize // 16


def check_input(card: ModelCard, name: Any, datatype: Any, shape: Any, most: int) -> int:
    """Check the input tensor; return how many numbers it has.

    Args:
        card: of the model.
        name: of the tensor.
        datatype: should be a key of ``DATATYPES``.
        shape: should be a list of lengths.
        most: how many numbers a request may have.

    Raises:
        RequestError: 400 if the model does not accept the tensor, 413 if it is too large.
    """
    if name != card.input.name:
        raise RequestError(
            400, f"{card.name} has one input, {card.input.name!r}; found {show(name)}"
        )
    if type(datatype) is not str or datatype not in DATATYPES:
        raise RequestError(
            400, f"expected one of {', '.join(DATATYPES)} at 'datatype', found {show(datatype)}"
        )
    count = _count(shape, most)
    features = card.features
    if features is not None and (not shape or shape[-1] != features):
        raise RequestError(
            400,
            f"{card.name} takes {features} features: expected a last axis of {features}, "
            f"found shape {show(shape)}",
        )
    return count


def check_output(card: ModelCard, name: Any) -> None:
    """Check the name of the requested output.

    Raises:
        RequestError: 400 if the model has no such output.
    """
    if name != card.output.name:
        raise RequestError(
            400, f"{card.name} has one output, {card.output.name!r}; found {show(name)}"
        )


def _count(shape: Any, most: int) -> int:
    if type(shape) is not list or len(shape) > _MOST_AXES:
        raise RequestError(400, f"expected a list of at most {_MOST_AXES} lengths at 'shape'")
    count = extent = 1
    for length in shape:
        if type(length) is not int or length < 0:
            raise RequestError(400, f"expected whole numbers at 'shape', found {show(length)}")
        count *= length
        extent *= length or 1
    if count > most or any(length > most for length in shape):
        raise RequestError(413, f"expected at most {most:,} values, shape {show(shape)} has more")
    if extent > _MOST_EXTENT:
        raise RequestError(
            400, f"shape {show(shape)} has no values, but longer axes than an array can have"
        )
    return count

"""Conversion between arrays and the protocol's two forms of tensors, JSON and binary.

A decimal in JSON is rounded once to the datatype of the tensor, not first to a double, so JSON and
binary tensors are the same. The model then rounds once to its own dtype.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from infer._ieee.floats import beside
from infer._serve._errors import RequestError, show
from infer._text import outline, shortened

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# The protocol's datatypes as little-endian numpy types. BYTES is text, which no model accepts.
DATATYPES = {
    "BOOL": "?",
    "UINT8": "<u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "<i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}
OF_DTYPE = {"float32": "FP32", "float64": "FP64"}

# A JSON parser reads -0 as an integer, which loses the sign.
_MINUS_ZERO = re.compile(rb"-0(?![.0-9eE])")
# Integers up to this are exact as doubles.
_EXACT = 1 << 53
# Accepted Python types by kind of numpy dtype; the other kinds accept integers.
_ALLOWED: dict[str, set[type]] = {"b": {bool}, "f": {int, float}}


class _Format(NamedTuple):
    """A binary format narrower than double.

    Attributes:
        dropped: how many fewer significand bits it has.
        smallest_normal: below this, values are equally spaced.
        spacing: the distance of these values.
    """

    dropped: int
    smallest_normal: float
    spacing: float


_NARROW = {"FP16": _Format(42, 2.0**-14, 2.0**-24), "FP32": _Format(29, 2.0**-126, 2.0**-149)}


def loads(data: bytes | bytearray | memoryview) -> Any:
    """Parse JSON that may contain NaN, Infinity and -Infinity, as Python and Triton do.

    An integer of more than 64 bits becomes a float. The last value of a duplicate key counts.

    Raises:
        RequestError: it is not valid JSON.
    """
    import orjson

    raw = bytes(data) if isinstance(data, memoryview) else data
    try:
        if b"-0" not in raw or _MINUS_ZERO.search(raw) is None:
            return orjson.loads(raw)
    except orjson.JSONDecodeError:
        pass  # possibly because of a NaN
    try:
        return json.loads(raw.decode(), parse_int=_integer)
    except (ValueError, RecursionError) as error:
        raise RequestError(400, f"expected a body in JSON: {error}") from None


def loads_text(data: bytes | bytearray | memoryview) -> Any:
    """Parse JSON that ``loads`` has parsed, but keep numbers as text."""
    return json.loads(bytes(data).decode(), parse_int=str, parse_float=str)


def _integer(text: str) -> int | float:
    """Parse an integer as orjson does, except for minus zero."""
    if text == "-0":
        return -0.0
    if len(text) <= 20 and -(1 << 63) <= (value := int(text)) < 1 << 64:
        return value
    return float(text)


def dumps(document: Any) -> bytes:
    """Serialize JSON with NaN, Infinity and -Infinity."""
    import orjson

    try:
        text = orjson.dumps(document)
    except TypeError:  # text with a lone surrogate
        text = b"null"
    # orjson writes null for non-finite numbers; nothing else here is ever null.
    return text if b"null" not in text else json.dumps(document, separators=(",", ":")).encode()


def from_json(
    data: Any, datatype: str, shape: list[int], count: int, reread: Callable[[], Any]
) -> NDArray[Any]:
    """Return the tensor of a JSON list, flat or nested.

    Args:
        data: value of "data".
        datatype: a key of DATATYPES.
        shape: value of "shape".
        count: how many numbers the shape implies.
        reread: returns the same data with numbers as text; called only if the double of a number
            is not enough to round it correctly.

    Raises:
        RequestError: it is not a list, contains anything but numbers of the datatype, or their
            count does not match the shape.
    """
    import numpy as np

    flat = _flatten(data, shape)
    if len(flat) != count:
        raise RequestError(
            400, f"shape {show(shape)} takes {count:,} values, found {len(flat):,} in 'data'"
        )
    kinds = {*map(type, flat)}
    dtype = np.dtype(DATATYPES[datatype])
    allowed = _ALLOWED.get(dtype.kind, {int})
    if not kinds <= allowed:
        wrong = next(value for value in flat if type(value) not in allowed)
        raise RequestError(400, f"expected values of {datatype} in 'data', found {_show(wrong)}")
    if dtype.kind == "f":
        doubles = np.array(flat, "<f8")
        if datatype in _NARROW:
            doubtful = [
                index
                for index in _halfway(doubles, _NARROW[datatype]).tolist()
                if type(flat[index]) is float or not -_EXACT <= flat[index] <= _EXACT
            ]
            if doubtful:
                texts = _flatten(reread(), shape)
                chosen = [texts[index] for index in doubtful]
                doubles[doubtful] = beside(chosen, doubles[doubtful].tolist())
        with np.errstate(over="ignore"):  # too large for the dtype is infinity (IEEE-754)
            return doubles.astype(dtype, copy=False).reshape(shape)
    if flat and dtype.kind != "b":
        limits = np.iinfo(dtype)
        for value in (min(flat), max(flat)):
            if not limits.min <= value <= limits.max:
                raise RequestError(400, f"{_show(value)} in 'data' is not a valid {datatype}")
    return np.array(flat, dtype).reshape(shape)


def _halfway(doubles: NDArray[np.float64], narrow: _Format) -> NDArray[np.intp]:
    """Return where doubles lie halfway between two values of a narrower format."""
    import numpy as np

    top = 1 << (narrow.dropped - 1)
    mask = np.uint64(2 * top - 1)
    halfway = (doubles.view("<u8") & mask) == np.uint64(top)
    magnitudes = np.abs(doubles)
    small = np.flatnonzero((magnitudes < narrow.smallest_normal) & (magnitudes > 0))
    if len(small):
        steps = magnitudes[small] / (narrow.spacing / 2)
        halfway[small] = steps % 2 == 1
    return np.flatnonzero(halfway)


def from_binary(data: memoryview, datatype: str, shape: list[int], count: int) -> NDArray[Any]:
    """Return the tensor of little-endian bytes, without a copy.

    Raises:
        RequestError: the number of bytes does not match the shape.
    """
    import numpy as np

    dtype = np.dtype(DATATYPES[datatype])
    if len(data) != count * dtype.itemsize:
        raise RequestError(
            400,
            f"shape {show(shape)} of {datatype} takes {count * dtype.itemsize:,} bytes, found "
            f"{len(data):,}",
        )
    if dtype.kind == "b":  # any byte may arrive, but a bool is 0 or 1
        return np.not_equal(np.frombuffer(data, np.uint8), 0).reshape(shape)
    array: NDArray[Any] = np.frombuffer(data, dtype)
    return array.reshape(shape)


def to_binary(answers: NDArray[Any]) -> memoryview:
    """Return the little-endian bytes of answers, without a copy if possible."""
    import numpy as np

    little = np.ascontiguousarray(answers, answers.dtype.newbyteorder("<"))
    return little.reshape(-1).view(np.uint8).data


def _flatten(data: Any, shape: list[int]) -> list[Any]:
    """Flatten nested lists, whose lengths must match the shape."""
    if type(data) is not list:
        raise RequestError(400, f"expected a list at 'data', found {_show(data)}")
    flat: list[Any] = data
    if list not in {*map(type, flat)}:
        return flat
    if not shape or len(flat) != shape[0]:
        raise RequestError(400, f"nested 'data' does not have the shape {show(shape)}")
    for length in shape[1:]:
        if not all(type(item) is list and len(item) == length for item in flat):
            raise RequestError(400, f"nested 'data' does not have the shape {show(shape)}")
        flat = [value for item in flat for value in item]
    return flat


def _show(value: Any) -> str:
    """Return an excerpt of a value for an error message, in JSON."""
    return shortened(json.dumps(outline(value)))

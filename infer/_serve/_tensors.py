"""Numbers in the protocol's two forms, JSON and binary, to arrays and back.

A tensor has the datatype that it says. A decimal in JSON is rounded once to that, not first to a
double: the same as a client sends in binary. The model then rounds once to its own dtype.
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

# By the protocol's name: numpy's little-endian type. BYTES is text, which no model takes.
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

# JSON's -0 is an integer to a parser, and an integer has no minus zero.
_MINUS_ZERO = re.compile(rb"-0(?![.0-9eE])")
# Integers up to here are doubles.
_EXACT = 1 << 53
# By numpy's kind of dtype; integers are the rest.
_ALLOWED: dict[str, set[type]] = {"b": {bool}, "f": {int, float}}


class _Format(NamedTuple):
    """A binary format narrower than double.

    Attributes:
        dropped: significand bits that a double has more.
        smallest_normal: below it the values are equally spaced.
        spacing: their distance.
    """

    dropped: int
    smallest_normal: float
    spacing: float


_NARROW = {"FP16": _Format(42, 2.0**-14, 2.0**-24), "FP32": _Format(29, 2.0**-126, 2.0**-149)}


def loads(data: bytes | bytearray | memoryview) -> Any:
    """Parse JSON, where NaN, Infinity and -Infinity are numbers, as Python and Triton have it.

    An integer of more than 64 bits becomes a float. Of a key that is there twice, the last counts.

    Raises:
        RequestError: it is not JSON.
    """
    import orjson

    raw = bytes(data) if isinstance(data, memoryview) else data
    try:
        if b"-0" not in raw or _MINUS_ZERO.search(raw) is None:
            return orjson.loads(raw)
    except orjson.JSONDecodeError:
        pass  # perhaps for a NaN
    try:
        return json.loads(raw.decode(), parse_int=_integer)
    except (ValueError, RecursionError) as error:
        raise RequestError(400, f"expected a body in JSON: {error}") from None


def loads_text(data: bytes | bytearray | memoryview) -> Any:
    """Parse JSON that ``loads`` has parsed, with each number as the text that stands there."""
    return json.loads(bytes(data).decode(), parse_int=str, parse_float=str)


def _integer(text: str) -> int | float:
    """Read an integer as orjson does, but for minus zero."""
    if text == "-0":
        return -0.0
    if len(text) <= 20 and -(1 << 63) <= (value := int(text)) < 1 << 64:
        return value
    return float(text)


def dumps(document: Any) -> bytes:
    """Write JSON; what is not finite is written as NaN, Infinity, -Infinity."""
    import orjson

    try:
        text = orjson.dumps(document)
    except TypeError:  # text that is no Unicode, half of a surrogate pair
        text = b"null"
    # orjson writes null for them; nothing else here is ever null.
    return text if b"null" not in text else json.dumps(document, separators=(",", ":")).encode()


def from_json(
    data: Any, datatype: str, shape: list[int], count: int, reread: Callable[[], Any]
) -> NDArray[Any]:
    """Return the tensor of a JSON list, flat or nested.

    Args:
        data: what stands at "data".
        datatype: a key of DATATYPES.
        shape: what stands at "shape".
        count: how many numbers that makes.
        reread: returns the same data with each number as text; called only for a number that its
            double does not tell enough of.

    Raises:
        RequestError: it is no list, holds something else than numbers of the datatype, or more or
            fewer of them than the shape says.
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
                raise RequestError(400, f"{_show(value)} in 'data' is no {datatype}")
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
        RequestError: there are more or fewer bytes than the shape says.
    """
    import numpy as np

    dtype = np.dtype(DATATYPES[datatype])
    if len(data) != count * dtype.itemsize:
        raise RequestError(
            400,
            f"shape {show(shape)} of {datatype} takes {count * dtype.itemsize:,} bytes, found "
            f"{len(data):,}",
        )
    if dtype.kind == "b":  # any byte may come, but a bool is 0 or 1
        return np.not_equal(np.frombuffer(data, np.uint8), 0).reshape(shape)
    array: NDArray[Any] = np.frombuffer(data, dtype)
    return array.reshape(shape)


def to_binary(answers: NDArray[Any]) -> memoryview:
    """Return the little-endian bytes of answers, without a copy where they are so already."""
    import numpy as np

    little = np.ascontiguousarray(answers, answers.dtype.newbyteorder("<"))
    return little.reshape(-1).view(np.uint8).data


def _flatten(data: Any, shape: list[int]) -> list[Any]:
    """Return nested lists as one; each level must be as long as the shape says."""
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
    """Return how an error repeats a value: as JSON spells it, cut short."""
    return shortened(json.dumps(outline(value)))

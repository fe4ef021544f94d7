"""From the typed contents of a tensor to an array."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infer._runtimes._memory import empty
from infer._serve._errors import RequestError
from infer._serve._tensors import DATATYPES

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The field for the values of each datatype. FP16 has none: it must be sent raw.
FIELDS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
}
# How many bytes are decoded at a time: decoding needs several times their memory.
_BLOCK = 1 << 18


def from_contents(
    contents: dict[str, Any], datatype: str, shape: list[int], count: int
) -> NDArray[Any]:
    """Return the tensor of typed contents, as read by ``wire``.

    Raises:
        RequestError: the field does not match the datatype, a value is out of range, or the number
            of values does not match the shape.
    """
    import numpy as np

    name = FIELDS.get(datatype)
    if name is None:
        raise RequestError(400, f"{datatype} has no typed contents; send raw_input_contents")
    for other, parts in contents.items():
        if other != name and any(len(part) for part in parts):
            raise RequestError(
                400, f"expected the values of {datatype} in {name!r}, found some in {other!r}"
            )
    data = np.frombuffer(b"".join(contents.get(name, [])), np.uint8)
    dtype = np.dtype(DATATYPES[datatype])
    if dtype.kind == "f":
        _check_count(len(data) // dtype.itemsize, count, name, shape)
        return aligned(data.view(dtype)).reshape(shape)
    ends = np.count_nonzero(data < 0x80)  # each number's last byte
    _check_count(int(ends), count, name, shape)
    found = np.empty(count, dtype)
    at = done = 0
    while at < len(data):
        stop = min(at + _BLOCK, len(data))
        while data[stop - 1] >= 0x80 and stop > at + _BLOCK - 10:
            stop -= 1  # not in the middle of a number
        values = _varints(data[at:stop], name)
        found[done : done + len(values)] = _checked(values, dtype, datatype, name)
        at, done = stop, done + len(values)
    return found.reshape(shape)


def aligned(x: NDArray[Any]) -> NDArray[Any]:
    """Return the array in aligned memory; copies it only if needed."""
    import numpy as np

    if x.flags.aligned:
        return x
    copy = empty(x.size, x.dtype).reshape(x.shape)
    np.copyto(copy, x)
    return copy


def _check_count(found: int, count: int, name: str, shape: list[int]) -> None:
    if found != count:
        raise RequestError(
            400, f"shape {shape} takes {count:,} values, found {found:,} in {name!r}"
        )


def _varints(data: NDArray[Any], name: str) -> NDArray[Any]:
    """Decode complete varints to uint64."""
    import numpy as np

    ends = np.flatnonzero(data < 0x80)
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    longest = int(lengths.max(initial=0))
    if longest > 10:
        raise RequestError(400, f"a number in {name!r} has more than ten bytes")
    values = np.zeros(len(ends), np.uint64)
    for index in range(longest):
        some = np.flatnonzero(lengths > index)
        bits = (data[starts[some] + index] & 0x7F).astype(np.uint64)
        values[some] |= bits << np.uint64(7 * index)
    return values


def _checked(values: NDArray[Any], dtype: Any, datatype: str, name: str) -> NDArray[Any]:
    """Check that the numbers fit into their dtype."""
    import numpy as np

    if dtype.kind == "b":
        truth: NDArray[Any] = np.not_equal(values, 0)
        return truth
    wide: NDArray[Any] = values if dtype.kind == "u" else values.view(np.int64)
    limits = np.iinfo(dtype)
    wrong = (wide < limits.min) | (wide > limits.max)
    if wrong.any():
        raise RequestError(400, f"{wide[wrong][0]:,} in {name!r} is not a valid {datatype}")
    return wide

"""Protocol Buffers' wire format to plain values and back, by the tables of ``messages``.

A message is a dict of the fields that are set. A repeated field of numbers is read as a list of
memoryviews, which together are its packed form; ``numbers`` converts them to an array once their
number has been checked. Text is str, bytes are memoryviews, a map is a dict.

The rules are the published ones (https://protobuf.dev/programming-guides/encoding/): the last value
of a duplicate field counts, duplicate messages are merged, and unknown fields are skipped, as are
known ones with another wire type.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from infer._files.varint import varint
from infer._serve._errors import RequestError
from infer._serve._grpc.messages import MessageField, schema

# Limit of fields in a message, including nested ones. A normal message has about ten.
_MOST_FIELDS = 1 << 14
_MOST_GROUPS = 100

_VARINT, _FIXED64, _LENGTH, _START, _END, _FIXED32 = range(6)
_SIZES = {_FIXED64: 8, _FIXED32: 4}
# Wire types by kind; enumerations are varints too, messages have a length.
_WIRE = {
    "bool": _VARINT,
    "int32": _VARINT,
    "int64": _VARINT,
    "uint32": _VARINT,
    "uint64": _VARINT,
    "double": _FIXED64,
    "float": _FIXED32,
    "string": _LENGTH,
    "bytes": _LENGTH,
}
_BITS = {"int32": 32, "int64": 64, "uint32": 32, "uint64": 64}


def decode(data: bytes, message: str) -> dict[str, Any]:
    """Return the fields of a message.

    Raises:
        RequestError: the bytes are not such a message, or have too many fields.
    """
    found: dict[str, Any] = {}
    _MessageReader(data).read(message, 0, len(data), found)
    return found


def integers(parts: list[memoryview]) -> list[int]:
    """Return a short repeated field of int64.

    Raises:
        RequestError: a number has more than ten bytes.
    """
    data = b"".join(parts)
    at, found = 0, []
    while at < len(data):
        value, at = _varint(data, at)
        found.append(_signed(value, 64))
    return found


def encode(values: dict[str, Any], message: str) -> bytes:
    """Serialize a message; values without a field are left out.

    A repeated field of numbers is a list of integers, or its packed form as a memoryview; a message
    is a dict, or bytes.
    """
    known = schema()
    parts: list[bytes | memoryview] = []

    def put(number: int, kind: int, *payload: bytes | memoryview) -> None:
        parts.append(_to_varint(number << 3 | kind))
        if kind == _LENGTH:
            parts.append(_to_varint(sum(len(part) for part in payload)))
        parts.extend(payload)

    for field in known.messages[message].values():
        value = values.get(field.name)
        if value is None or not (value or field.oneof):  # a default is not written
            continue
        wire = _wire(field)
        if field.label == "map":
            for key, item in value.items():
                inner = encode(item, field.kind)
                text = key.encode()
                entry = (b"\x0a", _to_varint(len(text)), text, b"\x12", _to_varint(len(inner)))
                put(field.number, _LENGTH, *entry, inner)
        elif field.label and wire != _LENGTH:
            packed = value if isinstance(value, memoryview) else b"".join(map(_to_varint, value))
            put(field.number, _LENGTH, packed)
        else:
            for item in value if field.label else [value]:
                put(field.number, wire, _payload(item, field.kind))
    return b"".join(parts)


def _payload(value: Any, kind: str) -> bytes | memoryview:
    known = schema()
    if kind in known.messages:
        return value if isinstance(value, bytes) else encode(value, kind)
    if kind in known.enums:
        return _to_varint(known.enums[kind][value])
    if kind == "double":
        return struct.pack("<d", value)
    if kind == "string":
        return str(value).encode()
    if kind == "bytes":
        return memoryview(value)
    return _to_varint(int(value))


class _MessageReader:
    """Reads one message and counts its fields."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._view = memoryview(data)
        self._left = _MOST_FIELDS

    def read(self, message: str, start: int, end: int, found: dict[str, Any]) -> None:
        """Read the fields between two offsets and merge them into those found before."""
        known = schema().messages[message]
        for number, wire, begin, stop in self._fields(start, end):
            field = known.get(number)
            if field is None:
                continue
            expected = _wire(field)
            if field.label == "map" and wire == _LENGTH:
                key, value = self._entry(field.kind, begin, stop)
                found.setdefault(field.name, {})[key] = value
            elif field.label == "repeated" and expected != _LENGTH:
                if wire in (_LENGTH, expected):
                    self._check_whole(expected, begin, stop)
                    found.setdefault(field.name, []).append(self._view[begin:stop])
            elif wire != expected:
                continue
            elif field.label:
                found.setdefault(field.name, []).append(self._value(field.kind, begin, stop, {}))
            else:
                before = found.get(field.name, {})
                if field.oneof:
                    for other in known.values():
                        if other.oneof == field.oneof:
                            found.pop(other.name, None)
                found[field.name] = self._value(field.kind, begin, stop, before)

    def _value(self, kind: str, begin: int, stop: int, before: dict[str, Any]) -> Any:
        """Return a single value; a message is merged into the previous one."""
        if kind in schema().messages:
            self.read(kind, begin, stop, before)
            return before
        if kind == "string":
            return self._text(begin, stop)
        if kind == "bytes":
            return self._view[begin:stop]
        if kind == "double":
            return struct.unpack_from("<d", self._data, begin)[0]
        value, _ = _varint(self._data, begin)
        if kind == "bool":
            return value != 0
        bits = _BITS.get(kind, 32)
        return value & ((1 << bits) - 1) if kind.startswith("u") else _signed(value, bits)

    def _check_whole(self, wire: int, begin: int, stop: int) -> None:
        """Check that a packed field does not end within a number."""
        cut_off = begin < stop and self._data[stop - 1] >= 0x80
        if cut_off if wire == _VARINT else (stop - begin) % _SIZES[wire]:
            raise _malformed("a number is cut off")

    def _text(self, begin: int, stop: int) -> str:
        try:
            return self._data[begin:stop].decode()
        except UnicodeDecodeError:
            raise _malformed("text is not UTF-8") from None

    def _entry(self, kind: str, start: int, end: int) -> tuple[str, dict[str, Any]]:
        """Return key and value of a map entry."""
        key, value = "", dict[str, Any]()
        for number, wire, begin, stop in self._fields(start, end):
            if number == 1 and wire == _LENGTH:
                key = self._text(begin, stop)
            elif number == 2 and wire == _LENGTH:
                self.read(kind, begin, stop, value)
        return key, value

    def _fields(self, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
        """Yield number and wire type of each field, and start and end of its payload."""
        groups: list[int] = []
        while at < end:
            tag, at = _varint(self._data, at)
            number, wire = tag >> 3, tag & 7
            self._left -= 1
            if self._left < 0:
                raise RequestError(
                    413, f"expected at most {_MOST_FIELDS:,} fields; send repeated numbers packed"
                )
            if not 0 < number < 1 << 29 or wire > _FIXED32:
                raise _malformed(f"no field has number {number} and wire type {wire}")
            begin = at
            if wire == _VARINT:
                _, at = _varint(self._data, at)
            elif wire in _SIZES:
                at += _SIZES[wire]
            elif wire == _LENGTH:
                size, begin = _varint(self._data, at)
                at = begin + size
            elif wire == _START:
                groups.append(number)
                if len(groups) > _MOST_GROUPS:
                    raise _malformed("groups are nested too deeply")
            elif not groups or groups.pop() != number:
                raise _malformed("a group ends that did not begin")
            if at > end:
                raise _malformed("it ends too early")
            # No message here has groups, so the fields in one are unknown.
            if not groups and wire != _END:
                yield number, wire, begin, at
        if groups:
            raise _malformed("a group does not end")


def _wire(field: MessageField) -> int:
    return _WIRE.get(field.kind, _VARINT if field.kind in schema().enums else _LENGTH)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number at an offset, and the offset after it."""
    try:
        byte = data[at]
        if byte < 0x80:
            return byte, at + 1
        value = byte & 0x7F
        for shift in range(7, 70, 7):
            at += 1
            byte = data[at]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & 0xFFFFFFFFFFFFFFFF, at + 1
    except IndexError:
        raise _malformed("it ends too early") from None
    raise _malformed("a number has more than ten bytes")


def _to_varint(value: int) -> bytes:
    """Encode a varint; a negative number is encoded as its 64 bits."""
    return varint(value & 0xFFFFFFFFFFFFFFFF)


def _signed(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def _malformed(problem: str) -> RequestError:
    return RequestError(400, f"the message cannot be read: {problem}")

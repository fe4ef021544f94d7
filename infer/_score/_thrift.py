"""Thrift's compact protocol, as far as Parquet's footers need it.

A struct becomes a dictionary from field number to ``Field``; nothing in it has a name here, so
what a newer version of Parquet adds survives. Source:
https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)
_INTEGERS = (I16, I32, I64)


class Field(NamedTuple):
    """A value with its type, one of the numbers above. A list's value is a ``List``."""

    type: int
    value: Any


class List(NamedTuple):
    """The values of a list or set, all of one type."""

    type: int
    values: list[Any]


Struct = dict[int, Field]


class _Reader:
    def __init__(self, data: bytes, at: int) -> None:
        self.data = data
        self.at = at

    def varint(self) -> int:
        result = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            result |= (byte & 0x7F) << shift
            if byte < 0x80:
                return result
            shift += 7

    def integer(self) -> int:
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

    def take(self, count: int) -> bytes:
        self.at += count
        if self.at > len(self.data):
            raise IndexError
        return self.data[self.at - count : self.at]

    def value(self, kind: int) -> Any:
        if kind in _INTEGERS:
            return self.integer()
        if kind == BINARY:
            return self.take(self.varint())
        if kind == STRUCT:
            return self.struct()
        if kind in (LIST, SET):
            return self.list()
        if kind in (TRUE, FALSE, BYTE):  # in a list, a boolean is a byte
            return self.take(1)
        if kind == DOUBLE:
            return self.take(8)
        raise ValueError(f"type {kind}")  # Parquet has no maps

    def list(self) -> List:
        head = self.take(1)[0]
        count = head >> 4
        if count == 15:
            count = self.varint()
        kind = head & 15
        return List(kind, [self.value(kind) for _ in range(count)])

    def struct(self) -> Struct:
        fields: Struct = {}
        number = 0
        while head := self.take(1)[0]:
            number = number + (head >> 4) if head >> 4 else self.integer()
            kind = head & 15
            fields[number] = Field(kind, None if kind in (TRUE, FALSE) else self.value(kind))
        return fields


def decode(data: bytes) -> Struct:
    """Return the struct that some bytes begin with.

    Raises:
        ValueError: they do not begin with one.
    """
    try:
        return _Reader(data, 0).struct()
    except IndexError:
        raise ValueError("it ends in the middle") from None


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _integer(value: int) -> bytes:
    return _varint(value << 1 if value >= 0 else (-value << 1) - 1)


def _encode_value(kind: int, value: Any, out: bytearray) -> None:
    if kind in _INTEGERS:
        out += _integer(value)
    elif kind == BINARY:
        out += _varint(len(value)) + value
    elif kind == STRUCT:
        _encode_struct(value, out)
    elif kind in (LIST, SET):
        count = len(value.values)
        out += struct.pack("B", min(count, 15) << 4 | value.type)
        if count >= 15:
            out += _varint(count)
        for item in value.values:
            _encode_value(value.type, item, out)
    elif kind not in (TRUE, FALSE) or value is not None:
        out += value


def _encode_struct(fields: Struct, out: bytearray) -> None:
    last = 0
    for number in sorted(fields):
        kind, value = fields[number]
        step = number - last
        if 1 <= step <= 15:
            out.append(step << 4 | kind)
        else:
            out.append(kind)
            out += _integer(number)
        _encode_value(kind, value, out)
        last = number
    out.append(0)


def encode(fields: Struct) -> bytes:
    """Return the bytes of a struct."""
    out = bytearray()
    _encode_struct(fields, out)
    return bytes(out)

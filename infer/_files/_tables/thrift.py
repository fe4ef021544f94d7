"""Thrift's compact protocol, as far as Parquet's footers need it.

A struct becomes a dictionary from field number to ``Field``; nothing in it has a name here, so
what a newer version of Parquet adds survives. Source:
https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

from infer._files._tables.damage import FormatError
from infer._files.varint import varint

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)
_INTEGERS = (I16, I32, I64)
# A footer of a hundred thousand column chunks has about as many; each takes memory.
MOST_VALUES = 1 << 22
_DEEPEST = 64
_HIGHEST_FIELD = (1 << 15) - 1


class CutShortError(FormatError):
    """The bytes end before the value does."""


class Field(NamedTuple):
    """A value with its type, one of the numbers above. A list's value is a ``List``."""

    type: int
    value: Any


class List(NamedTuple):
    """The values of a list or set, all of one type."""

    type: int
    values: list[Any]


Struct = dict[int, Field]
_new = tuple.__new__  # what a NamedTuple's own does, without a call of Python


class _Reader:
    """Reads values one after the other. Any bytes give values or a FormatError."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data = data
        self.at = at
        self.depth = 0
        self.left = MOST_VALUES

    def varint(self) -> int:
        data, at = self.data, self.at
        result = data[at]
        at += 1
        if result > 0x7F:
            result &= 0x7F
            for shift in range(7, 70, 7):
                byte = data[at]
                at += 1
                result |= (byte & 0x7F) << shift
                if byte < 0x80:
                    break
            else:
                raise FormatError("a number takes more than ten bytes")
            if result >> 64:
                raise FormatError("a number has more than 64 bits")
        self.at = at
        return result

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
        raise FormatError(f"a value is of type {kind}")  # Parquet has no maps

    def count(self, more: int) -> None:
        """Account for values before any room is made for them."""
        self.left -= more
        if self.left < 0:
            raise FormatError(f"it holds more than {MOST_VALUES:,} values")

    def list(self) -> List:
        head = self.take(1)[0]
        count = head >> 4
        if count == 15:
            count = self.varint()
        if count > len(self.data) - self.at:  # each takes a byte or more
            raise IndexError
        self.count(count)
        kind = head & 15
        self._enter()
        values = [self.value(kind) for _ in range(count)]
        self.depth -= 1
        return List(kind, values)

    def struct(self) -> Struct:
        # Small numbers and texts, nearly all there is, are read without a call: twice as fast.
        data, at = self.data, self.at
        fields: Struct = {}
        number = 0
        self._enter()
        while head := data[at]:
            at += 1
            kind, step = head & 15, head >> 4
            value: Any = None
            if step:
                number += step
            else:
                self.at = at
                number = self.integer()
                at = self.at
            if not 0 < number <= _HIGHEST_FIELD:
                raise FormatError(f"a field has number {number:,}")
            if kind in _INTEGERS and data[at] < 0x80:
                value = (data[at] >> 1) ^ -(data[at] & 1)
                at += 1
            elif kind not in (TRUE, FALSE):
                self.at = at
                value = self.value(kind)
                at = self.at
            fields[number] = _new(Field, (kind, value))
        self.at = at + 1
        self.depth -= 1
        self.count(len(fields))
        return fields

    def _enter(self) -> None:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise FormatError(f"it holds values within values, more than {_DEEPEST} deep")


def decode(data: bytes) -> Struct:
    """Return the struct that some bytes begin with.

    Raises:
        FormatError: they do not begin with one.
    """
    return decode_at(data, 0)[0]


def decode_at(data: bytes, at: int) -> tuple[Struct, int]:
    """Return the struct at some place, and where it ends.

    Raises:
        CutShortError: the bytes end before the struct does.
        FormatError: there is none.
    """
    reader = _Reader(data, at)
    try:
        return reader.struct(), reader.at
    except IndexError:
        raise CutShortError("it ends in the middle") from None


def structs(fields: Struct, number: int) -> list[Struct]:
    """Return the structs of a list in a field.

    Raises:
        FormatError: the field holds no such list.
    """
    found = fields.get(number)
    if found is None or found.type != LIST or (found.value.values and found.value.type != STRUCT):
        raise FormatError(f"field {number} holds no list of structs")
    values: list[Struct] = found.value.values
    return values


def value(fields: Struct, number: int, kind: int) -> Any:
    """Return the value in a field.

    Raises:
        FormatError: there is none, or one of another type.
    """
    found = fields.get(number)
    if found is None or found.type != kind:
        raise FormatError(f"field {number} is missing, or of another type")
    return found.value


def _integer(value: int) -> bytes:
    return varint(value << 1 if value >= 0 else (-value << 1) - 1)


def _encode_value(kind: int, value: Any, out: bytearray) -> None:
    if kind in _INTEGERS:
        out += _integer(value)
    elif kind == BINARY:
        out += varint(len(value)) + value
    elif kind == STRUCT:
        _encode_struct(value, out)
    elif kind in (LIST, SET):
        count = len(value.values)
        out += struct.pack("B", min(count, 15) << 4 | value.type)
        if count >= 15:
            out += varint(count)
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

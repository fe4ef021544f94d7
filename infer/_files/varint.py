"""Variable-length integers (LEB128), as protocol buffers, Thrift and Parquet write them."""

from __future__ import annotations


def varint(value: int) -> bytes:
    """Return a whole number of at least 0, seven bits to a byte, the lowest first."""
    digits = bytearray()
    while value > 0x7F:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    digits.append(value)
    return bytes(digits)

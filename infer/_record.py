"""Named tuples for the modules that every command loads when it starts.

Type checkers take a ``Record`` for a ``typing.NamedTuple``, and it is one in everything but its
making: to import ``typing`` takes as long as a fifth of ``f2c 98.6``.
"""

from __future__ import annotations

from collections import namedtuple

__all__ = ["Record"]

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import NamedTuple as Record
else:

    class _RecordType(type):
        """Makes a named tuple of a class; its annotations are the fields."""

        def __new__(cls, name, bases, members):
            fields = members.get("__annotations__")
            if fields is None:  # the base itself
                return super().__new__(cls, name, bases, members)
            defaults = [members.pop(field) for field in fields if field in members]
            base = namedtuple(name, fields, defaults=defaults)
            return type(name, (base,), {"__slots__": (), **members})

    class Record(metaclass=_RecordType):
        """The base of a named tuple: ``class Point(Record): x: float``."""

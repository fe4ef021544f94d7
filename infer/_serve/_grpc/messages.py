"""The messages of ``open_inference.proto`` as tables."""

from __future__ import annotations

import os
import re
from functools import cache
from typing import NamedTuple

_PATH = os.path.join(os.path.dirname(__file__), "open_inference.proto")
_OPENS = re.compile(r"(service|message|oneof|enum) (\w+) \{")
_FIELD = re.compile(r"(?:(repeated) |(map)<string, )?(\w+)>? (\w+) = (\d+);")
_ENUM = re.compile(r"(\w+) = (\d+);")


class MessageField(NamedTuple):
    """A field of a message.

    Attributes:
        number: on the wire.
        name: in the message.
        kind: a scalar type, or the name of a message or an enumeration.
        label: "repeated", "map" (with string keys), or empty.
        oneof: the name of its oneof group, or empty.
    """

    number: int
    name: str
    kind: str
    label: str
    oneof: str


class Schema(NamedTuple):
    """All messages, by name and field number, and all enumerations, by name."""

    messages: dict[str, dict[int, MessageField]]
    enums: dict[str, dict[str, int]]


@cache
def schema() -> Schema:
    """Parse the file."""
    found = Schema({}, {})
    within: list[tuple[str, str]] = []
    with open(_PATH, encoding="utf-8") as file:
        for line in map(str.strip, file):
            if opens := _OPENS.fullmatch(line):
                kind, name = opens.groups()
                within.append((kind, name))
                if kind == "message":
                    found.messages[name] = {}
                elif kind == "enum":
                    found.enums[name] = {}
            elif line == "}":
                within.pop()
            elif field := _FIELD.fullmatch(line):
                repeated, mapped, kind, name, number = field.groups()
                message = next(name for kind, name in reversed(within) if kind == "message")
                oneof = within[-1][1] if within[-1][0] == "oneof" else ""
                label = repeated or mapped or ""
                found.messages[message][int(number)] = MessageField(
                    int(number), name, kind, label, oneof
                )
            elif value := _ENUM.fullmatch(line):
                found.enums[within[-1][1]][value[1]] = int(value[2])
    return found

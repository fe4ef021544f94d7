"""What the input is called in the files of torch, which are Python to it."""

from __future__ import annotations

import re

_RESERVED = frozenset(
    "and as assert async await break class continue def del elif else except finally for from "
    "fx_pytree global if import in is lambda nonlocal not or pass pytree raise return self torch "
    "try while with yield".split()
)
# What torch.export calls the result of a step.
_STEP = re.compile(r"(add|mul|neg|rsub|select|sub)(_[0-9]+)?")


def argument(name: str) -> str:
    """Return a card's name of the input, with an underscore behind it if the name is taken."""
    return f"{name}_" if name in _RESERVED or _STEP.fullmatch(name) else name

"""The name of the input in torch's files, which must be a valid Python name."""

from __future__ import annotations

import re

from infer._program.operations import OPERATIONS

# Python keywords, and names that torch uses in the code that it generates from a file.
_RESERVED = re.compile(
    "and|as|assert|async|await|break|class|continue|def|del|elif|else|except|finally|for|from|"
    "fx_pytree|global|if|import|in|is|lambda|nonlocal|not|or|pass|pytree|raise|return|self|torch|"
    "try|while|with|yield"
)
# Names that torch.export gives to the results of steps: the part of the overload before its dot.
_OVERLOADS = {
    overload.partition(".")[0]
    for row in OPERATIONS.values()
    for overload in (row.torchexport, row.torchexport_reversed)
    if isinstance(overload, str)
}
_STEP = re.compile(rf"({'|'.join(_OVERLOADS)})(_[0-9]+)?")


def input_name(name: str) -> str:
    """Return the input's name in the card, with an underscore appended if it is reserved."""
    return f"{name}_" if _RESERVED.fullmatch(name) or _STEP.fullmatch(name) else name

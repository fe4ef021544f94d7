"""The name of the input in torch's files, where Python's rules for names hold."""

from __future__ import annotations

import re

from infer._program.operations import OPERATIONS

# Keywords of Python, and what torch itself uses in the code that it makes of a file.
_RESERVED = re.compile(
    "and|as|assert|async|await|break|class|continue|def|del|elif|else|except|finally|for|from|"
    "fx_pytree|global|if|import|in|is|lambda|nonlocal|not|or|pass|pytree|raise|return|self|torch|"
    "try|while|with|yield"
)
# Names that torch.export gives to the results of steps: what comes before the overload's dot.
_OVERLOADS = {
    overload.partition(".")[0]
    for row in OPERATIONS.values()
    for overload in (row.torchexport, row.torchexport_reversed)
    if isinstance(overload, str)
}
_STEP = re.compile(rf"({'|'.join(_OVERLOADS)})(_[0-9]+)?")


def input_name(name: str) -> str:
    """Return the card's name of the input, followed by an underscore if torch cannot use it."""
    return f"{name}_" if _RESERVED.fullmatch(name) or _STEP.fullmatch(name) else name

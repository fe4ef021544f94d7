"""Entry point of the command ``calibrate``; see ``infer._entry``."""

from __future__ import annotations

from infer._commands.interrupts import enter
from infer._entry import run

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import NoReturn


def calibrate() -> NoReturn:
    """Run the command ``calibrate``."""
    enter()
    from export._calibrate_cli import main

    run(main, "calibrate")

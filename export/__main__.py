"""``python -m export``."""

from infer._commands.interrupts import enter
from infer._entry import run

enter()

from export._cli import main  # noqa: E402 - Ctrl-C is taken care of first

run(main, "python -m export")

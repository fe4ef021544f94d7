"""``python -m train``."""

from infer._commands.interrupts import enter
from infer._entry import run

enter()

from train._cli import main  # noqa: E402 - Ctrl-C is taken care of first

run(main, "python -m train")

"""``python -m train``."""

from infer._entry import enter, run

enter()

from train._cli import main  # noqa: E402 - Ctrl-C is taken care of first

run(main, "python -m train")

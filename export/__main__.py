"""``python -m export``."""

from infer._entry import enter, run

enter()

from export._cli import main  # noqa: E402 - Ctrl-C is taken care of first

run(main, "python -m export")

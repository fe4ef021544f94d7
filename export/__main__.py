"""``python -m export``."""

from export._cli import main

main(prog_name="python -m export")

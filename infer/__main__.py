"""``python -m infer``."""

from infer._cli import main

main(prog_name="python -m infer")

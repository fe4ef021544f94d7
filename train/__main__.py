"""``python -m train``."""

from train._cli import main

main(prog_name="python -m train")

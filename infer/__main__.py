"""``python -m infer``."""

from infer._entry import infer

infer("python -m infer")

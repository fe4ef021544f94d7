"""The one reader of delimited text, for ``calibrate``, ``infer score`` and folders.

It finds the table in a file, its names and units, and how its numbers are written. What it cannot
know it refuses with ``TextError``, and names the option that decides. Standard library only.
"""

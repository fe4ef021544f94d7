"""The kinds of curve: one file per kind, and the table that lists them.

To add a kind, copy ``plane.py`` and add a row to ``table.py``.
"""

"""What can go wrong while exporting."""

from __future__ import annotations


class ExportError(Exception):
    """A fit cannot be written as an artifact; says what stands in the way."""

    exit_code = 1

"""Errors of exporting."""

from __future__ import annotations


class ExportError(Exception):
    """A fit cannot be written as an artifact; the message says why."""

    exit_code = 1

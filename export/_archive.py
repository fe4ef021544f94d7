"""Zip archives, the way torch reads them, with the same bytes wherever they are written."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping


def pack(records: Mapping[str, bytes]) -> bytes:
    """Return an archive: sorted records, a fixed date, no compression.

    What deflate gives depends on the version of zlib, and torch maps what is stored.

    Args:
        records: content by name.
    """
    result = io.BytesIO()
    with zipfile.ZipFile(result, "w") as archive:
        for name, data in sorted(records.items()):
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            info.create_system = 3  # else it says which system wrote it
            info.external_attr = 0o644 << 16
            archive.writestr(info, data)
    return result.getvalue()


def unpack(archive: bytes) -> dict[str, bytes]:
    """Return the records of an archive, by name."""
    with zipfile.ZipFile(io.BytesIO(archive)) as source:
        return {name: source.read(name) for name in source.namelist()}

"""Every page that is not the protocol's: the one table where they are mounted."""

from __future__ import annotations

import json

from infer._serve._catalog import Catalog
from infer._serve._openapi import document, page

# Content type, content.
Page = tuple[str, bytes]


def pages(catalog: Catalog) -> dict[str, Page]:
    """Return the static pages by path. They are made once, before the first request."""
    described = document(catalog)
    return {
        "/docs": ("text/html; charset=utf-8", page(described).encode()),
        "/openapi.json": ("application/json", json.dumps(described).encode()),
    }

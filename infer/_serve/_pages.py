"""Every page that is not the protocol's: the one table where they are mounted."""

from __future__ import annotations

import json

from infer._errors import InferError
from infer._serve._catalog import Catalog
from infer._serve._openapi import document, page
from infer._site import INDEX, files
from infer._store import Artifact

# Content type, content.
Page = tuple[str, bytes]


class Pages:
    """The pages by path. The one to try models on follows the catalog, as it embeds the cards."""

    def __init__(self, catalog: Catalog) -> None:
        """Make the pages of a catalog."""
        described = document(catalog)
        self._catalog = catalog
        self._fixed: dict[str, Page] = {
            "/docs": ("text/html; charset=utf-8", page(described).encode()),
            "/openapi.json": ("application/json", json.dumps(described).encode()),
        }
        self._versions: list[str] = []
        self._site: dict[str, Page] = {}
        self.get("/")

    def get(self, path: str) -> Page | None:
        """Return the page at a path, None if there is none."""
        if (fixed := self._fixed.get(path)) is not None:
            return fixed
        served = list(self._catalog)
        versions = [one.version for one in served]
        if versions != self._versions:
            try:
                found = files([Artifact(one.folder, one.card) for one in served])
            except InferError:
                # A folder that was damaged since it was read: the last good page stays.
                return self._site.get(path)
            self._site = {
                f"/{name}": (file.content_type, file.data) for name, file in found.items()
            }
            self._site["/"] = self._site[f"/{INDEX}"]
            self._versions = versions
        return self._site.get(path)

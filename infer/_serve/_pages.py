"""The table of all pages that are not part of the protocol."""

from __future__ import annotations

import json
from collections.abc import Callable

from infer._artifact.store import Artifact
from infer._serve._catalog import Catalog, ServedModel
from infer._serve._openapi import document, page
from infer._site import INDEX, files
from infer._text import shortened

# Content type, content.
Page = tuple[str, bytes]


class Pages:
    """The pages by path. They show the cards, so they change with the catalog."""

    def __init__(self, catalog: Catalog, report: Callable[[str], None] = lambda _: None) -> None:
        """Create the pages of a catalog.

        Args:
            catalog: the models.
            report: called with the reason if a page cannot be created. Nothing else depends on
                a page.
        """
        self._catalog = catalog
        self._report = report
        self._versions: list[str] = []
        self._pages: dict[str, Page] = {}
        self.refresh()

    def get(self, path: str) -> Page | None:
        """Return the page at a path, or None; does not block."""
        return self._pages.get(path)

    def refresh(self) -> None:
        """Recreate the pages if the models have changed; ``get`` may be called meanwhile.

        A model that the page cannot show is left out.
        """
        served = list(self._catalog)
        versions = [one.version for one in served]
        if versions == self._versions:
            return
        problems: list[str] = []
        found = {**self._pages, **_attempt(_described, served, problems)}
        site = _attempt(_site, served, problems)
        if not site:
            good = [one for one in served if _attempt(_site, [one], [])]
            site = _attempt(_site, good, problems) if good else {}
        self._pages = {**found, **site}
        self._versions = [] if problems else versions
        for problem in problems:
            self._report(problem)


def _attempt(
    make: Callable[[list[ServedModel]], dict[str, Page]],
    served: list[ServedModel],
    problems: list[str],
) -> dict[str, Page]:
    """Return pages; if that fails, return none and append the reason."""
    try:
        return make(served)
    except Exception as error:  # noqa: BLE001 - no card may stop the server
        text = f"a page cannot be created: {type(error).__name__}: {error}"
        problems.append(shortened(text, 500))
        return {}


def _described(served: list[ServedModel]) -> dict[str, Page]:
    described = document(served)
    return {
        "/docs": ("text/html; charset=utf-8", page(described).encode()),
        "/openapi.json": ("application/json", json.dumps(described).encode()),
    }


def _site(served: list[ServedModel]) -> dict[str, Page]:
    found = files([Artifact(one.folder, one.card) for one in served])
    pages = {f"/{name}": (file.content_type, file.data) for name, file in found.items()}
    return {**pages, "/": pages[f"/{INDEX}"]}

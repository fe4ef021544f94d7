"""Every page that is not the protocol's: the one table where they are mounted."""

from __future__ import annotations

import json
from collections.abc import Callable

from infer._artifact.store import Artifact
from infer._serve._catalog import Catalog, ServedModel
from infer._serve._errors import cut
from infer._serve._openapi import document, page
from infer._site import INDEX, files

# Content type, content.
Page = tuple[str, bytes]


class Pages:
    """The pages by path. They follow the catalog, as they show the cards."""

    def __init__(self, catalog: Catalog, tell: Callable[[str], None] = lambda _: None) -> None:
        """Make the pages of a catalog.

        Args:
            catalog: of the models.
            tell: is told why a page cannot be made. Nothing else depends on a page.
        """
        self._catalog = catalog
        self._tell = tell
        self._versions: list[str] = []
        self._pages: dict[str, Page] = {}
        self.refresh()

    def get(self, path: str) -> Page | None:
        """Return the page at a path, None if there is none. It takes no time."""
        return self._pages.get(path)

    def refresh(self) -> None:
        """Make the pages again if the models have changed; may run beside ``get``.

        A model whose page cannot be made is left out.
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
            self._tell(problem)


def _attempt(
    make: Callable[[list[ServedModel]], dict[str, Page]],
    served: list[ServedModel],
    problems: list[str],
) -> dict[str, Page]:
    """Return pages, or none and add why."""
    try:
        return make(served)
    except Exception as error:  # noqa: BLE001 - whatever a card holds, the server goes on
        problems.append(cut(f"a page cannot be made: {type(error).__name__}: {error}", 500))
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

"""The page at / follows the models that are served."""

import json

from infer import _site
from infer._artifact.format import render
from infer._artifact.store import find
from infer._serve._catalog import Catalog
from infer._serve._pages import Pages


def test_the_page_has_every_file_and_stands_at_the_root(line, write):
    folder = write(line())
    pages = Pages(Catalog((str(folder),)))
    files = _site.files([find(folder)])
    for path, file in files.items():
        assert pages.get(f"/{path}") == file
    assert pages.get("/") == files["index.html"]
    assert pages.get("/docs")[0] == "text/html; charset=utf-8"
    assert pages.get("/index.htm") is None


def test_a_replaced_model_is_in_the_next_page_and_a_damaged_one_is_not(line, write):
    folder = write(line())
    catalog = Catalog((str(folder),))
    pages = Pages(catalog)
    path = "/models/own_line/model.json"
    (folder / "new").write_bytes(render(line(title="Another")))
    (folder / "new").replace(folder / "model.json")
    catalog.refresh()
    pages.refresh()
    assert json.loads(pages.get(path)[1])["title"] == "Another"
    assert b"Another" in pages.get("/")[1]
    (folder / "model.json").write_bytes(b"{")
    catalog.refresh()
    pages.refresh()
    assert json.loads(pages.get(path)[1])["title"] == "Another"
    # Replaced, but not read yet by the catalog: what is computed with is what is shown.
    (folder / "model.json").write_bytes(render(line(title="A third")))
    assert json.loads(pages.get(path)[1])["title"] == "Another"

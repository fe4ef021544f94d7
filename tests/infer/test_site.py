"""The page as files: what is in it, that a card cannot break out of it, and how it is written."""

import json
import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

import infer
from infer import _site
from infer._artifact.format import render
from infer._artifact.store import find
from infer._cli import main
from infer._curve.student_t import quantile
from infer._errors import ArtifactError, InputError

SCRIPTS = ("evaluate.js", "bits.js", "calls.js", "card.js", "inputs.js", "page.js", "plot.js")


@pytest.fixture
def page():
    """Return a function from names of models, or folders, to the page's files."""
    return lambda *names, **options: _site.files([find(name) for name in names], **options)


@pytest.fixture
def site():
    """Return a function that runs ``infer site``."""

    def run(*arguments):
        result = CliRunner().invoke(main, ["site", *map(str, arguments)])
        return result.exit_code, result.output

    return run


def scripts(files):
    """Return what the JSON elements of the page hold: the cards, and the rest."""
    text = files["index.html"].data.decode()
    element = r'<script type="application/json" ([^>]*)>(.*?)</script>'
    found = re.findall(element, text, re.DOTALL)
    cards = [content for kind, content in found if kind == "data-model"]
    (facts,) = [content for kind, content in found if kind == 'id="site"']
    return cards, json.loads(facts)


def test_every_file_has_its_type_and_each_card_is_a_file(page, shipped):
    files = page(*infer.list_models())
    types = {path: file.content_type for path, file in files.items() if "/" not in path}
    assert types == {
        "index.html": "text/html; charset=utf-8",
        "page.css": "text/css; charset=utf-8",
        **dict.fromkeys(SCRIPTS, "text/javascript; charset=utf-8"),
    }
    cards, _ = scripts(files)
    for name, text in zip(infer.list_models(), cards, strict=True):
        written = (shipped / name / "model.json").read_bytes()
        assert files[f"models/{name}/model.json"] == ("application/json", written)
        assert json.loads(text) == json.loads(written)


def test_the_page_loads_nothing_from_elsewhere(page):
    files = page("f2c")
    for path in ("index.html", "page.css", *SCRIPTS):
        text = files[path].data.decode()
        loaded = re.findall(r'(?:src|href)="([^"#]+)', text)
        assert all(one.startswith("data:") or one in files for one in loaded)
        assert bool(loaded) == (path == "index.html")
        assert not re.search(r"@import|url\((?!#plot)", text)
        addresses = set(re.findall(r"https?://[^/\s'\"`)]+", text))
        assert addresses <= {"http://www.w3.org", "http://127.0.0.1:8000"}
    # No script that a Content-Security-Policy without 'unsafe-inline' would stop.
    html = files["index.html"].data.decode()
    assert not re.search(
        r"<script(?![^>]*(?:src=|application/json))|<style|\son\w+=|\sstyle=", html
    )
    assert "script-src 'self'" in html


def test_quantiles_are_those_of_the_intervals(page):
    _, facts = scripts(page("f2c", "sin_cubic"))
    assert facts["reach"] == {"f2c": {str(p): quantile(p / 100, 9) for p in (80, 90, 95, 99)}}


def test_readings_are_there_for_the_models_that_were_fitted_to_them(page, line, write):
    own = write(line())
    _, facts = scripts(page("f2c", own))
    assert list(facts["readings"]) == [find("f2c").card.training.dataset.sha256]
    _, facts = scripts(page(own))
    assert facts["readings"] == {}


def test_readings_of_a_card_go_where_the_card_goes(page, line, write):
    readings = {"x": [0.5, 1], "y": [-2, 1e300]}
    cards, facts = scripts(page("f2c", write(line(readings=readings))))
    assert [json.loads(card).get("readings") for card in cards] == [None, readings]
    assert len(facts["readings"]) == 1


def test_the_page_knows_by_what_calls_find_a_model(page, line, write):
    _, facts = scripts(page("f2c", "dynamic_net", write(line())))
    found = {"f2c": "f2c", "dynamic_net.order5": "dynamic_net.order5", "own_line": "./own_line"}
    assert facts["found"] == found


def test_the_page_knows_whether_there_is_a_server(page):
    assert scripts(page("f2c"))[1]["server"] is True
    assert scripts(page("f2c", server=False))[1]["server"] is False


def test_a_card_cannot_end_its_element(page, line, write):
    hostile = "</script><script>alert(1)</script><!-- <script> ]]> &lt; \u00e9"
    files = page(write(line(title=hostile, description="<!-- data -->")))
    cards, _ = scripts(files)
    assert [json.loads(card)["title"] for card in cards] == [hostile]
    assert files["index.html"].data.decode().count("</script>") == len(SCRIPTS) + 2


def test_models_are_one_or_more_and_differ_in_name(page, line, write, tmp_path):
    with pytest.raises(InputError, match="no model to show"):
        page()
    one, other = write(line(), tmp_path / "a"), write(line(), tmp_path / "b")
    with pytest.raises(InputError, match="two models are named 'own_line'"):
        page(one, other)


def test_a_card_that_was_damaged_or_replaced_since_is_refused(line, write):
    artifact = find(write(line()))
    path = Path(artifact.folder, "model.json")
    path.write_bytes(path.read_bytes().replace(b"0.5", b"0.75"))
    with pytest.raises(ArtifactError, match="digest"):
        _site.files([artifact])
    path.write_bytes(render(line(title="Another")))
    with pytest.raises(ArtifactError, match="was replaced while it was read"):
        _site.files([artifact])


def test_the_command_writes_and_replaces_its_own_folder(site, tmp_path):
    out = tmp_path / "deep" / "site"
    assert site(out, "f2c", "line") == (0, f"wrote {out / 'index.html'}\n")
    assert {path.name for path in (out / "models").iterdir()} == {"f2c", "line"}
    assert site(out, "plane")[0] == 0
    assert {path.name for path in (out / "models").iterdir()} == {"plane"}
    assert [path.name for path in out.parent.iterdir()] == ["site"]
    assert scripts({"index.html": _site.File("", (out / "index.html").read_bytes())})[1] == {
        **scripts(_site.files([find("plane")]))[1],
        "server": False,
    }


def test_the_command_shows_all_models_unless_told(site, tmp_path):
    assert site(tmp_path / "site")[0] == 0
    assert {path.name for path in (tmp_path / "site/models").iterdir()} == {*infer.list_models()}


def test_the_command_replaces_nothing_else(site, tmp_path):
    foreign = tmp_path / "thesis"
    foreign.mkdir()
    assert site(foreign, "f2c")[0] == 0  # empty: nothing is lost
    (foreign / "chapter1.tex").write_text("precious")
    code, output = site(foreign, "f2c")
    assert code == 2
    assert "contains 'chapter1.tex', which `infer site` did not write" in output
    assert "--force" in output
    assert (foreign / "chapter1.tex").read_text() == "precious"
    assert site(foreign, "f2c", "--force")[0] == 0
    assert not (foreign / "chapter1.tex").exists()


def test_somebody_elses_page_of_the_same_file_names_is_kept(site, tmp_path):
    (tmp_path / "index.html").write_text("<!doctype html>mine")
    code, output = site(tmp_path, "f2c")
    assert code == 2
    assert "contains 'index.html'" in output
    file = tmp_path / "file"
    file.write_text("mine")
    code, output = site(file, "f2c")
    assert code == 2
    assert "is not a folder" in output


def test_what_cannot_be_written_leaves_the_old_page(site, tmp_path, monkeypatch):
    out = tmp_path / "site"
    assert site(out, "f2c")[0] == 0
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    code, output = site(out, "line")
    assert (code, output) == (1, f"Error: {out}: No space left on device\n")
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_an_unknown_model_is_told_before_anything_is_written(site, tmp_path):
    code, output = site(tmp_path / "site", "f2x")
    assert code == 2
    assert "Did you mean 'f2c'?" in output
    assert not (tmp_path / "site").exists()

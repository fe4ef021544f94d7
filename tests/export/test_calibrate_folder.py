"""``calibrate`` on a folder: which files, what it says of them, the same bits as from one file."""

import io
import json
import re

import pytest
from click.testing import CliRunner

import infer
from export import _calibrate_cli
from export._calibrate import files
from infer._engines.local import LocalEngine

ROWS = [(i / 4, i / 2 + 1 + (i * 7 % 5) / 16) for i in range(60)]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Return the current folder, with one file, and with the same readings in a folder of files."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "big" / "deep").mkdir(parents=True)
    (tmp_path / "all.csv").write_text(text(ROWS))
    (tmp_path / "big" / "a.csv").write_text(text(ROWS[:20]))
    (tmp_path / "big" / "b.TXT").write_text(text([row[::-1] for row in ROWS[20:30]], "true\traw"))
    (tmp_path / "big" / "deep" / "c.xlsx").write_bytes(workbook(ROWS[30:]))
    return tmp_path


def text(rows, header="raw,true"):
    separator = "," if "," in header else "\t"
    return "".join(f"{line}\n" for line in [header, *(separator.join(map(str, r)) for r in rows)])


def workbook(rows):
    import openpyxl

    book, sink = openpyxl.Workbook(), io.BytesIO()
    for row in [("raw", "true"), *rows]:
        book.active.append(row)
    book.save(sink)
    return sink.getvalue()


def run(*arguments, code=0):
    result = CliRunner().invoke(_calibrate_cli.main, [*arguments])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def processes(monkeypatch):
    """Return what the engine of processes is asked to do; it does it."""
    asked = []
    original = LocalEngine.map
    monkeypatch.setattr(
        LocalEngine, "map", lambda *arguments: asked.append(1) or original(*arguments)
    )
    return asked


@pytest.mark.parametrize(("small", "passes"), [(1 << 24, 0), (0, 2)], ids=["here", "in processes"])
def test_a_folder_gives_the_card_of_one_file(small, passes, here, processes, monkeypatch):
    monkeypatch.setattr(files, "_SMALL_BYTES", small)
    common = ("--x", "raw", "--y", "true", "--name", "probe", "--degree", "auto", "--quiet")
    run("all.csv", *common, "--out", "one")
    run("big", *common, "--out", "many")
    cards = [(here / out / "probe" / "model.json").read_bytes() for out in ("one", "many")]
    assert cards[0] == cards[1]
    assert len(processes) == passes  # a single file is read here


def test_what_is_said_of_a_folder(here):
    (here / "big" / "_SUCCESS").touch()
    (here / "big" / ".hidden.csv").write_text("rubbish")
    (here / "big" / "_tmp").mkdir()
    (here / "big" / "_tmp" / "part.csv").write_text("rubbish")
    (here / "big" / "readme.md").write_text("no data")
    with (here / "big" / "a.csv").open("a") as file:
        file.write("5,99\n6,\n")
    result = run("big/", "--skip-invalid", "--report", "r.html")
    assert result.stderr == (
        "note: left out: big/readme.md\n"
        "big/: 3 files, the first of them a.csv: UTF-8, 2 columns separated by commas, header "
        "'raw', 'true'; x is column 'raw', y is column 'true'\n"
    )
    assert re.search(r"\n +file +line or row +raw +true +residual +in sd\n", result.stdout)
    assert re.search(r"\n +a\.csv +22 +5 +99 ", result.stdout)
    left_out = "left out 1 row:\n  a.csv, line or row 23: column 'true': missing\n"
    assert f"\n{left_out}" in result.stdout
    # The folder's own name is taken, by the folder.
    assert "\nwrote big_curve, r.html\n" in result.stdout
    assert infer.load("./big_curve").card.training.dataset.rows == 61
    page = (here / "r.html").read_text("utf-8")
    assert "big (3 files, the first of them a.csv: UTF-8" in page
    assert '<td>a.csv</td><td class="right">23</td><td>column &#x27;true&#x27;: missing' in page
    record = json.loads(run("big", "--skip-invalid", "--json", "--quiet", "--force").stdout)
    assert list(record["largest_residuals"][0])[:2] == ["file", "row"]
    assert record["largest_residuals"][0]["file"] == "a.csv"
    assert record["left_out"]["rows"] == [
        {"file": "a.csv", "row": 23, "reason": "column 'true': missing"}
    ]


def test_a_single_file_has_no_name_beside_its_rows(here):
    record = json.loads(run("all.csv", "--skip-invalid", "--json", "--quiet").stdout)
    assert "file" not in record["largest_residuals"][0]
    (here / "big" / "a.csv").unlink()
    (here / "big" / "b.TXT").unlink()
    result = run("big", "--name", "other")
    assert result.stderr.startswith("big: 1 file, deep/c.xlsx: Excel, ")
    assert "deep/c.xlsx" in result.stdout  # a folder of one file is a folder


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (["none"], "none: holds no file whose name ends with .csv, .tsv, ", 2),
        (
            ["other"],
            "other/b.csv: expected the same columns as in other/a.csv, found no 'y', 'z'.",
            2,
        ),
        (["big", "--engine", "rey"], "no engine named 'rey'. Did you mean 'ray'?", 1),
        (["big", "--address", "10.0.0.1:6379"], "cannot join a cluster; type: --engine ray", 1),
        (["-", "--engine", "ray"], "--engine ray takes a file or a folder that all machines ", 2),
        (["big", "--x", "row"], "big/a.csv: --x 'row': no such column. Did you mean 'raw'?", 2),
    ],
)
def test_what_is_wrong_says_what_to_type(arguments, message, code, here):
    (here / "none").mkdir()
    (here / "none" / "readme.md").write_text("no data")
    (here / "other").mkdir()
    (here / "other" / "a.csv").write_text("x,y\n1,2\n")
    (here / "other" / "b.csv").write_text("x,z\n1,2\n")
    before = sorted(here.rglob("*"))
    result = CliRunner().invoke(_calibrate_cli.main, arguments, input=text(ROWS))
    assert result.exit_code == code
    assert message in result.stderr.replace("\n", " ")
    assert result.stdout == ""
    assert sorted(here.rglob("*")) == before


def test_an_error_in_another_process_is_told_like_one_here(here, monkeypatch):
    (here / "big" / "b.TXT").write_text("raw,true\n1,2\n3,off\n")
    here_ = run("big", code=2)
    monkeypatch.setattr(files, "_SMALL_BYTES", 0)
    there = run("big", code=2)
    assert there.stderr == here_.stderr
    assert "big/b.TXT, line 3, column 'true': text 'off', expected a number." in here_.stderr


def test_the_folder_it_stands_in_has_a_name(here, monkeypatch):
    monkeypatch.chdir(here / "big")
    assert "wrote big_curve\n" in run(".").stdout


def test_the_report_names_the_current_folder(here, monkeypatch):
    monkeypatch.chdir(here / "big")
    run(".", "--x", "raw", "--y", "true", "--out", str(here), "--report", str(here / "a.html"))
    assert ">big (3 files, " in (here / "a.html").read_text()

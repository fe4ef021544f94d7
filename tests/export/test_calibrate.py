"""``calibrate``: from a file of readings to an artifact, and all that can be wrong on the way."""

import json
import os
import re
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import export
import infer
import train
from export import _artifact
from export._calibrate.report import drawing
from export._calibrate_cli import main
from export._cards import of_calibration
from infer._artifact.store import find
from infer._checks.integrity import check_integrity
from infer._checks.parity import check_parity
from infer._writers import torchscript
from train._calibration.from_files import artifact_name, variables

OZONE = Path(__file__).resolve().parent.parent.parent / "docs" / "ozone.csv"
LINE = "raw,true\n" + "".join(f"{i},{2 * i + 1 + (i * 7 % 5) / 10}\n" for i in range(20))


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Return an empty folder that is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(here):
    """Return a function that runs the command in that folder, on a file with some content."""

    def call(*arguments, content=None, file="readings.csv", stdin=None):
        if content is not None:
            data = content.encode() if isinstance(content, str) else content
            (here / file).write_bytes(data)
        return CliRunner().invoke(main, [file, *arguments], input=stdin)

    return call


def succeed(result):
    assert result.exit_code == 0, result.output
    return result


def refuse(result, message, *, code=2):
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert message in re.sub(r"\s+", " ", result.stderr)
    return result


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# What it writes and prints.


def test_a_file_becomes_an_artifact_that_every_runtime_serves(run, here):
    result = succeed(run("--x", "raw", "--y", "true", "--name", "probe7", content=LINE))
    artifact = find(here / "probe7")
    assert check_integrity(artifact) == []
    assert all(p.compared and not p.differing for p in check_parity(artifact, 500))
    model = infer.load("./probe7")
    assert model.name == "probe7"
    assert model(10.0) == pytest.approx(21.2, abs=0.1)
    low, high = model.interval(10.0)
    assert low < 21.2 < high
    assert model.inverse(model(10.0)) == pytest.approx(10.0)
    assert result.stdout.startswith("probe7: a line, true from raw\n\n  true = ")
    assert "wrote probe7\n\n  infer run ./probe7 9.5 --interval 95\n  infer invert ./probe7 " in (
        result.stdout
    )
    assert result.stderr == (
        "readings.csv: UTF-8, 2 columns separated by commas, header 'raw', 'true'\n"
    )


def test_json_prints_beside_writing(run, here):
    result = succeed(run("--json", "--quiet", content="1.1,1\n2.1,2\n3.1,3.5\n4.1,4\n"))
    record = json.loads(result.stdout)
    assert result.stdout.count("\n") == 1
    assert result.stderr == ""
    assert (record["name"], record["degree"], record["n"]) == ("readings", 1, 4)
    assert record["domain"] == [[1.1, 4.1]]
    # By hand: slope Σ(x - 2.6)(y - 2.625)/5 = 5.25/5, on the decimals that are in the file.
    slope = Fraction(105, 100)
    constant = Fraction(2625, 1000) - slope * Fraction(26, 10)
    assert [(row["term"], row["value"]) for row in record["coefficients"]] == [
        ("1", float(constant)),
        ("x", float(slope)),
    ]
    squares = Fraction(1 + 4 + 12.25 + 16) - 4 * Fraction(2625, 1000) ** 2 - slope**2 * 5
    assert record["residual_sd"] == pytest.approx(float(squares / 2) ** 0.5, rel=1e-15)
    assert set(record) >= {"r2", "largest_residuals", "warnings", "data_sha256", "folder"}
    assert infer.load(here / "readings").card.training.dataset.sha256 == record["data_sha256"]


def test_the_card_says_how_it_was_made(run, here):
    succeed(run("--unit-x", "°F", "--unit-y", "°C", content=LINE, file="Probe 7 (°F).csv"))
    card = infer.load(here / "probe_7_f").card
    assert card.title == "true from raw: a line through 20 readings"
    assert (card.input.name, card.input.unit) == ("raw", "°F")
    assert (card.output.name, card.output.unit) == ("true", "°C")
    assert card.domain == ((0.0, 19.0),)
    assert card.training.recipe == "exact least squares"
    assert card.training.settings["degree"] == 1
    assert card.training.dataset.rows == 20
    assert card.default_variant
    assert f"at most {card.evaluation_error.absolute:.2g} °C" in card.description
    assert 0 < card.evaluation_error.ulp < 10
    assert card.uncertainty.degrees_of_freedom == 18


def test_the_card_holds_the_readings(run, here):
    succeed(run(content="raw,true\n2.5,2\n1.1,1\n4,3.9\n1.1,1\n"))
    readings = infer.load(here / "readings").card.readings
    assert readings == ((1.1, 1.1, 2.5, 4.0), (1.0, 1.0, 2.0, 3.9))
    content = "a,b,z\n1,2,3\n2,5,9.5\n3,1,4\n2,1,1\n"
    succeed(run("--features", "b,a", "--y", "z", "--force", content=content))
    readings = infer.load(here / "readings").card.readings
    assert readings == (((1.0, 2.0), (1.0, 3.0), (2.0, 1.0), (5.0, 2.0)), (1.0, 4.0, 3.0, 9.5))


def test_it_holds_none_if_so_asked(run, here):
    succeed(run("--no-readings", content=LINE))
    assert infer.load(here / "readings").card.readings is None
    assert b"readings" not in (here / "readings" / "model.json").read_bytes().replace(
        b"20 readings", b""
    ).replace(b'"name": "readings"', b"")


def test_the_order_of_the_rows_does_not_change_a_byte(run, here, monkeypatch):
    from train._readings import text as _text

    rows = [f"{i % 300 / 4},{i * 2}.{i * 7 % 10}\n" for i in range(1000)]
    succeed(run(content="x,y\n" + "".join(rows)))
    before = files(here / "readings")
    card = json.loads(before["model.json"])
    assert len(card["readings"]["y"]) == 200
    monkeypatch.setattr(_text, "BLOCK_ROWS", 64)
    np.random.default_rng(3).shuffle(rows)
    succeed(run("--force", content="x,y\n" + "".join(rows)))
    assert files(here / "readings") == before


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("degree", "options"), [(1, {}), (3, {}), (2, {"intercept": False}), (1, {"features": "abc"})]
)
def test_the_loss_is_that_of_what_is_served(degree, options, dtype):
    generator = np.random.default_rng(5)
    x = generator.uniform(100.0, 130.0, (40, 3) if "features" in options else 40)
    y = 5.0 + x.reshape(40, -1).sum(axis=1) ** degree + generator.normal(0.0, 1e-3, 40)
    calibration = train.calibrate(x, y, degree=degree, dtype=dtype, **options)
    served, features = calibration.served, x.reshape(40, -1).shape[1]

    def value(row):
        """Evaluate what is served, without rounding."""
        shift = served.shift or (0.0,) * features
        u = [Fraction(a) - Fraction(b) for a, b in zip(row, shift, strict=True)]
        c = list(map(Fraction, served.coefficients))
        if features > 1:
            return c[0] + sum(a * b for a, b in zip(c[1:], u, strict=True))
        return sum(a * (u[0] * Fraction(served.scale or 1)) ** k for k, a in enumerate(c))

    rows = x.reshape(40, -1).tolist()
    loss = sum((value(row) - Fraction(t)) ** 2 for row, t in zip(rows, y.tolist(), strict=True))
    assert calibration.loss == float(loss)
    best = calibration.residual_sd**2 * calibration.degrees_of_freedom
    assert calibration.best_loss == pytest.approx(best, rel=1e-14)
    assert calibration.best_loss <= calibration.loss


@pytest.mark.parametrize(
    ("options", "formula"),
    [
        ({}, r"y = c0 \+ c1·x"),
        ({"degree": 2}, r"y = c0 \+ c1·x \+ c2·x²"),
        ({"intercept": False}, r"y = c1·x"),
        ({"shift": 1e6, "degree": 2}, r"y = c0 \+ c1·u \+ c2·u², u = \(x - shift\)·scale"),
        ({"features": 2}, r"y = c0 \+ c1·x0 \+ c2·x1"),
        ({"features": 2, "shift": 1e6}, r"y = c0 \+ c1·\(x0 - shift0\) \+ c2·\(x1 - shift1\)"),
    ],
)
def test_the_formula_is_the_program(options, formula):
    options = dict(options)
    shift, features = options.pop("shift", 0.0), options.pop("features", 0)
    x = np.random.default_rng(1).uniform(0, 1, (30, features) if features else 30) + shift
    y = np.random.default_rng(2).uniform(0, 1, 30)
    calibration = train.calibrate(x, y, **options)
    card = of_calibration.document(calibration, "probe", calibration.served.module(), {})
    assert re.fullmatch(formula, card["formula"])


def test_several_features_make_a_plane(run, here):
    rows = [(a, b) for a in range(5) for b in range(4)]
    content = "a,b,z\n" + "".join(
        f"{a},{b},{2 * a - 3 * b + 1 + (a * b) % 3 / 10}\n" for a, b in rows
    )
    result = succeed(run("--features", "b, a", "--y", "z", "--json", content=content))
    record = json.loads(result.stdout)
    assert record["features"] == ["b", "a"]
    assert [row["term"] for row in record["coefficients"]] == ["1", "b", "a"]
    model = infer.load("./readings")
    assert model([1.0, 2.0]) == pytest.approx(2.0, abs=0.2)
    # Not "b": b[1] would be a.
    assert (model.card.input.name, model.card.formula) == ("x", "z = c0 + c1·x0 + c2·x1")


def test_uncertainties_weigh(run):
    content = "x,y,u\n0,0,0.1\n1,1,0.1\n2,2,0.1\n3,9,100\n"
    record = json.loads(succeed(run("--sigma", "u", "--json", content=content)).stdout)
    assert record["coefficients"][1]["value"] == pytest.approx(1.0, abs=1e-4)
    assert record["weighted"]
    text = succeed(run("--sigma", "u", "--force")).stdout
    assert "times the stated uncertainties, 2 degrees of freedom" in text


def test_auto_shows_the_degrees_and_says_why(run):
    content = "".join(f"{i},{3 + i * i + (i * 7 % 5) / 10}\n" for i in range(30))
    result = succeed(run("--degree", "auto", content=content))
    assert re.search(r"^  degree +residual sd +leave-one-out +AICc$", result.stdout, re.M)
    assert re.search(r"^ +2 .*chosen: the lowest degree", result.stdout, re.M)
    assert "readings: a parabola, y from x" in result.stdout
    assert infer.load("./readings").card.training.settings["chosen"] is True


def test_no_intercept_goes_through_the_origin(run):
    result = succeed(run("--no-intercept", content="1,2\n2,4.1\n3,6\n"))
    assert "readings: a line through the origin, y from x\n\n  y = 2.0" in result.stdout
    assert infer.load("./readings")(0.0) == 0.0
    assert "warning: single readings dominate the curve (leverage above 0.5): line 3 " in (
        result.stdout
    )


def test_rows_are_those_of_the_file(run):
    lines = [f"{i},{i}.{i % 3}" for i in range(30)]
    lines[17] = "17,99"
    content = "# from the lab\nraw,true\n" + "\n".join(lines) + "\n"
    record = json.loads(succeed(run("--json", content=content)).stdout)
    assert record["largest_residuals"][0]["row"] == 20
    assert record["largest_residuals"][0]["y"] == 99.0


def test_standard_input_is_read(run, here):
    result = succeed(run("--degree", "1", file="-", stdin=LINE.encode()))
    assert "standard input: UTF-8" in result.stderr
    assert infer.load(here / "calibration").name == "calibration"


def test_the_folder_can_lie_elsewhere(run, here):
    result = succeed(run("--out", "deep/er", content=LINE))
    assert "wrote deep/er/readings\n\n  infer run deep/er/readings " in result.stdout
    assert infer.load(here / "deep" / "er" / "readings").name == "readings"


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("Probe-7 (new)", "probe_7_new"),
        ("2024", "calibration_2024"),
        ("°", "calibration"),
        ("", "calibration"),
        ("a.b", "a_b"),
    ],
)
def test_a_name_is_made_of_the_files(stem, name):
    assert artifact_name(stem) == name


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        (("raw", "true"), ("raw", "true")),
        (("Raw °F", "RAW-C"), ("raw_f", "raw_c")),
        (("s1", "c0"), ("x_s1", "y_c0")),
        (("Scale", "shift"), ("x_scale", "y_shift")),
        (("raw", "RAW"), ("raw", "raw_out")),
        (("", "µ"), ("x", "y")),
        (("y", ""), ("y", "y_out")),
        (("2nd", "1st"), ("x_2nd", "y_1st")),
        (("Fühler (Ω)", "wärme"), ("fuhler", "warme")),
    ],
)
def test_any_column_has_a_name_in_the_program(columns, names):
    assert variables(*columns) == names
    train.calibrate([1.0, 2.0, 3.0], [1.0, 2.0, 4.0], x_name=names[0], y_name=names[1])


def test_repeated_rows_are_told(run):
    result = succeed(run(content="1,1\n2,2.1\n3,3\n2,2.1\n2.0,2.10\n"))
    assert "note: 2 rows repeat another digit for digit (line 4 repeats line 2)" in result.stdout
    content = "1,1\n1,1.1\n2,2\n2,2.1\n3,2.1\n3,3\n"
    assert "digit for digit" not in succeed(run("--force", content=content)).stdout


def test_what_is_left_out_is_counted_and_listed(run):
    content = LINE + "x,1\n" * 12 + "1,\n"
    result = succeed(run("--skip-invalid", content=content))
    assert "left out 13 rows:\n  line 22: column 'raw': text 'x', expected a number\n" in (
        result.stdout
    )
    assert "  and 3 more; --json" in result.stdout
    record = json.loads(succeed(run("--skip-invalid", "--json", "--force")).stdout)
    assert record["left_out"]["count"] == 13
    assert record["left_out"]["rows"][-1] == {"row": 34, "reason": "column 'true': missing"}
    assert record["n"] == 20


def test_a_curve_that_turns_has_no_inverse_to_type(run):
    content = "".join(f"{i},{(i - 5) ** 2}.1\n" for i in range(12))
    assert "infer invert" not in succeed(run("--degree", "2", content=content)).stdout


def test_a_file_longer_than_memory_gives_the_same_bits(run, here, monkeypatch):
    from train._readings import passes
    from train._readings import text as _text

    content = "".join(f"{i},{i * 2}.{i * 7 % 10}\n" for i in range(1000))
    once = json.loads(succeed(run("--json", "--degree", "auto", content=content)).stdout)
    monkeypatch.setattr(_text, "BLOCK_ROWS", 64)
    monkeypatch.setattr(passes, "MOST_KEPT", 100)
    twice = json.loads(succeed(run("--json", "--degree", "auto", "--force")).stdout)
    assert once == twice


# The plot and the report.


class Page(HTMLParser):
    """Collects the tags and the text of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [v for k, v in attrs if k in ("src", "href", "xlink:href", "action", "data")]

    def handle_data(self, data):
        self.text += data


def test_the_report_holds_all_and_needs_nothing_else(run, here):
    content = LINE + "off,1\n"
    succeed(run("--skip-invalid", "--report", "r.html", "--degree", "auto", content=content))
    text = (here / "r.html").read_text("utf-8")
    page = Page(text)
    card = infer.load(here / "readings").card
    record = json.loads(succeed(run("--skip-invalid", "--json", "--force")).stdout)
    for part in (
        *(repr(row["value"]) for row in record["coefficients"]),
        record["data_sha256"],
        card.digest,
        "samebits ",
        f"torch {card.training.versions['torch']}",
        "column 'raw': text 'off', expected a number",
        "infer run ./readings",
        "chosen: ",
        "Largest residuals",
    ):
        assert part in page.text, part
    assert all(link.startswith("#") for link in page.links)
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert "url(http" not in text
    assert "default-src 'none'" in text
    for query in ("@media print", "prefers-color-scheme: dark", "width=device-width"):
        assert query in text
    ET.fromstring(text[text.index("<svg") : text.index("</svg>") + 6])  # noqa: S314 - our own


HOSTILE = "<script>alert(1)</script>"


def test_what_comes_from_a_file_does_not_run(run, here):
    rows = "".join(f"{i},{i * i % 7},{i % 5}.{i}\n" for i in range(12))
    header = f'{HOSTILE},"--><img src=x onerror=alert(2)>",$x^2$\n'
    bad = '"<b onclick=""alert(3)"">",1,1\n'
    result = succeed(
        run(
            "--features", "1,2", "--report", "r.html", "--skip-invalid",
            "--unit-x", "<i>", "--unit-y", "\"'><u>", content=header + rows + bad,
        )
    )  # fmt: skip
    page = Page((here / "r.html").read_text("utf-8"))
    assert not {"script", "img", "b", "i", "u"} & set(page.tags)
    assert HOSTILE in page.text
    assert "<b onclick=" in page.text
    assert result.exit_code == 0


def test_control_characters_do_not_reach_the_terminal(run):
    result = succeed(run(content=LINE.replace("raw", "r\x1b[31m").replace("true", "t\u202eu")))
    assert "\x1b" not in result.output
    assert "\u202e" not in result.output


def test_a_plot_is_written(run, here):
    succeed(run("--plot", "deep/a.PNG", content=LINE))
    assert (here / "deep" / "a.PNG").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(("kind", "begin"), [("png", b"\x89PNG"), ("svg", b"<?x"), ("pdf", b"%PD")])
def test_a_plot_has_the_same_bytes_each_time(kind, begin):
    calibration = train.calibrate([1.0, 2.0, 3.0, 4.0], [1.0, 2.5, 2.9, 4.2])
    image = drawing(calibration, 4.3, kind)
    assert image.startswith(begin)
    assert image == drawing(calibration, 4.3, kind)


# What is wrong with a call.

CALLS = {
    "degree 0": (["--degree", "0"], "expected a whole number from 1 to 100, or auto"),
    "degree text": (["--degree", "two"], "'two': expected a whole number"),
    "name": (["--name", "Probe 7"], "--name 'Probe 7': expected lowercase letters"),
    "name hint": (["--name", "Probe 7"], "such as probe_7."),
    "no column": (["--x", "rew", "--y", "true"], "--x 'rew': no such column. Did you mean 'raw'?"),
    "x and features": (["--x", "1", "--features", "1,2"], "give one of them"),
    "one feature": (["--features", "raw"], "--features takes two columns or more"),
    "empty feature": (["--features", "raw,"], "--features takes two columns or more"),
    "plane of degree 2": (["--features", "1,2", "--degree", "2"], "which is of degree 1"),
    "plot": (["--plot", "a.bmp"], "expected a name that ends in .png or .svg or .pdf"),
    "report": (["--report", "a.pdf"], "expected a name that ends in .html"),
    "unit": (["--unit-x", ""], "expected a unit such as °C, or 1 for none"),
    "unit that controls": (["--unit-y", "\x1b"], "expected a unit such as °C"),
    "dtype": (["--dtype", "float16"], "'float16' is not one of 'float32', 'float64'"),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_wrong_call_says_what_to_type(call, run, here):
    arguments, message = CALLS[call]
    refuse(run(*arguments, content=LINE), message)
    assert [path.name for path in here.iterdir()] == ["readings.csv"]


def test_a_file_that_is_not_there_has_a_near_one(run, here):
    (here / "readings.csv").write_text(LINE)
    refuse(run(file="raedings.csv"), "'raedings.csv': no such file. Did you mean 'readings.csv'?")


# What is wrong with the readings. (How rows are told from a file:
# tests/train/readings/test_readings.py.)

READINGS = {
    "missing": ("1,2\n3,\n", "readings.csv, line 2, column 2: missing"),
    "text": ("a,b\n1,2\nthree,4\n", "line 3, column 'a': text 'three', expected a number"),
    "nan": ("1,2\nnan,4\n", "line 2, column 1: nan, not a number"),
    "infinite": ("1,2\n3,-inf\n", "line 2, column 2: infinite"),
    "ragged": ("1,2\n3,4\n5,6,7\n", "line 3: 3 cells, expected 2"),
    "empty": ("", "found an empty file"),
    "only a header": ("raw,true\n", "readings.csv holds no readings, only a header"),
    "one row": ("1,2\n", "1 reading cannot determine 2 coefficients"),
    "two rows": ("1,2\n2,3\n", "2 readings cannot determine 2 coefficients"),
    "constant": ("5,1\n5,2\n5,3\n5,4\n", "x is 5 in every reading"),
    "binary": (bytes(range(256)), "found binary data of another kind"),
    "huge number": ("1,2\n1e999,3\n", "1e999 is too large for a double"),
}


@pytest.mark.parametrize("readings", READINGS)
def test_bad_readings_are_named_and_nothing_is_written(readings, run, here):
    content, message = READINGS[readings]
    refuse(run("--report", "r.html", content=content), message)
    assert [path.name for path in here.iterdir()] == ["readings.csv"]


def test_numbers_beyond_float32_are_told(run):
    content = "1,1e{0}\n2,2.1e{0}\n3,3e{0}\n"
    refuse(run(content=content.format(100)), "too large for float32; use float64")
    refuse(run(content=content.format(300)), "readings.csv: the numbers are too large or too small")


def test_nothing_is_left_when_all_is_left_out(run):
    refuse(run("--skip-invalid", content="a,b\nx,y\nz,w\n"), "all 2 were left out")


def test_a_zero_uncertainty_is_named(run):
    refuse(
        run("--sigma", "u", content="x,y,u\n1,2,1\n2,3,0\n"),
        "line 3, column 'u': a standard uncertainty must be above 0, found 0",
    )


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="may read anything")
def test_a_file_without_permission_is_told(run, here):
    (here / "readings.csv").write_text(LINE)
    (here / "readings.csv").chmod(0)
    refuse(run(), "Permission denied", code=1)


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="Linux")
def test_a_file_that_cannot_be_read_is_told(run):
    result = run("--name", "probe", file="/proc/self/mem")
    assert result.exit_code == 1
    assert "Traceback" not in result.stderr


# An artifact that is there.


def test_an_artifact_is_not_replaced_unless_asked(run, here):
    succeed(run(content=LINE))
    before = files(here / "readings")
    # Refused before the file is looked at.
    (here / "readings.csv").write_text("rubbish")
    refuse(run(), "readings already exists; replace it with --force")
    assert files(here / "readings") == before
    succeed(run("--force", "--degree", "2", content=LINE))
    assert files(here / "readings") != before


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_something_else_is_never_replaced(force, run, here):
    (here / "readings").mkdir()
    (here / "readings" / "thesis.txt").write_text("all of it")
    refuse(run(*force, content=LINE), "which is not part of an artifact")
    assert (here / "readings" / "thesis.txt").read_text() == "all of it"
    (here / "readings" / "thesis.txt").unlink()
    (here / "readings").rmdir()
    (here / "readings").write_text("a file")
    refuse(run(*force), "is in the way: expected a folder, or nothing")


def test_one_that_appears_in_the_meantime_is_not_replaced(run, here, monkeypatch):
    prove = _artifact._prove

    def other_was_faster(*arguments):
        prove(*arguments)
        (here / "readings").mkdir()
        (here / "readings" / "model.json").write_text("somebody else's")

    monkeypatch.setattr(_artifact, "_prove", other_was_faster)
    refuse(run(content=LINE), "readings was written by another process in the meantime", code=1)
    assert files(here / "readings") == {"model.json": b"somebody else's"}
    assert sorted(path.name for path in here.iterdir()) == ["readings", "readings.csv"]


def test_what_is_not_the_same_everywhere_is_not_written(run, here, monkeypatch):
    succeed(run(content=LINE))
    before = files(here / "readings")
    monkeypatch.setattr(torchscript, "render", lambda card: b"not TorchScript")
    refuse(run("--force", "--degree", "3"), "readings was not written", code=1)
    assert files(here / "readings") == before
    assert sorted(path.name for path in here.iterdir()) == ["readings", "readings.csv"]


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_killed_run_leaves_the_artifact_whole(run, here):
    succeed(run(content=LINE))
    before = files(here / "readings")
    code = (
        "import sys, time; from export import _artifact\n"
        "prove = _artifact._prove\n"
        "def slow(*a): prove(*a); print('proven', flush=True); time.sleep(60)\n"
        "_artifact._prove = slow\n"
        "from export._calibrate_cli import main; main(sys.argv[1:])"
    )
    arguments = ["readings.csv", "--degree", "2", "--force", "--quiet"]
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE
    ) as child:
        assert child.stdout.readline() == b"proven\n"
        child.send_signal(signal.SIGKILL)
    assert files(here / "readings") == before
    succeed(run("--degree", "2", "--force"))
    assert files(here / "readings") != before
    assert sorted(path.name for path in here.iterdir()) == ["readings", "readings.csv"]


# From Python.


def test_a_calibration_is_saved_to_its_own_folder(here):
    calibration = train.calibrate([1.0, 2.0, 3.0, 4.0], [1.0, 2.5, 2.9, 4.2], name="probe7")
    assert export.save(calibration, here / "anything") == [here / "anything"]
    assert infer.load(here / "anything").name == "probe7"
    before = files(here / "anything")
    assert export.save(calibration, str(here / "anything")) == [here / "anything"]
    assert files(here / "anything") == before
    with pytest.raises(export.ExportError, match="already exists; replace it with --force"):
        export.save(calibration, here / "anything", replace=False)
    with pytest.raises(export.ExportError, match="a calibration has no variants"):
        export.save(calibration, here / "other", variants=("",))
    assert not (here / "other").exists()


def test_a_calibration_without_a_name_takes_the_folders(here, monkeypatch):
    calibration = train.calibrate([1.0, 2.0, 3.0], [1.0, 2.5, 2.9])
    export.save(calibration, here / "probe7.spring")
    export.save(calibration, here / "No Name")
    assert infer.load(here / "probe7.spring").name == "probe7.spring"
    assert infer.load(here / "No Name").name == "calibration"
    monkeypatch.setenv("SAMEBITS_ARTIFACTS", str(here))
    assert infer.load("probe7")(2.0) == infer.load(here / "No Name")(2.0)


# The real data set of docs/calibrate.md.


def test_norris_certified_values_come_out_of_the_command(run):
    record = json.loads(succeed(run("--json", file=str(OZONE))).stdout)
    # NIST's certified values, 15 digits.
    certified = [(-0.262323073774029, 0.232818234301152), (1.00211681802045, 0.429796848199937e-3)]
    for row, (value, error) in zip(record["coefficients"], certified, strict=True):
        assert row["value"] == pytest.approx(value, rel=1e-14)
        assert row["standard_error"] == pytest.approx(error, rel=1e-14)
    assert record["residual_sd"] == pytest.approx(0.884796396144373, rel=1e-14)
    assert record["r2"] == pytest.approx(0.999993745883712, rel=1e-14)


def test_the_command_is_quick_to_help():
    code = (
        "import sys; from export._calibrate_cli import main\n"
        "main(['--help'], standalone_mode=False); print(*sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "calibrate" not in result.stderr
    assert not {"torch", "numpy", "pyarrow", "matplotlib"} & set(result.stdout.split())


def test_the_command_does_not_load_torchs_compiler(here):
    (here / "r.csv").write_text("x,y\n1,2\n2,4.1\n3,5.9\n4,8.2\n")
    code = (
        "import sys; from export._calibrate_cli import main\n"
        "main(sys.argv[1:], standalone_mode=False); print(*sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, "r.csv"],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(result.stdout.splitlines()[-1].split())
    assert {"torch", "onnxruntime"} <= loaded
    assert not {"sympy", "torch._dynamo", "torch._inductor"} & loaded

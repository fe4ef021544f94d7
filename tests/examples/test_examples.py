"""Each example runs as a user would run it, and prints what an independent computation gives."""

import ast
import hashlib
import json
import math
import os
import re
import runpy
import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy import stats

import infer

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
TESTED = {
    "browser_page.py",
    "calibrate.ipynb",
    "calibrate_and_deploy.py",
    "own_module.py",
    "score_parquet.py",
    "serve_and_ask.py",
}


@pytest.fixture
def run(tmp_path, warm):
    """Return a function that runs an example into tmp_path and returns what it prints."""

    def run_example(name, *arguments, python=warm / "python"):
        environment = {key: os.environ[key] for key in os.environ if key != "SAMEBITS_ARTIFACTS"}
        result = subprocess.run(
            [python, "-W", "error", EXAMPLES / name, *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env=environment | {"PYTHONIOENCODING": "utf-8"},
            cwd=tmp_path,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout

    return run_example


def constants(name):
    """Return the globals of an example, without running it."""
    return runpy.run_path(str(EXAMPLES / name), run_name="example")


class Exact:
    """A least-squares fit in fractions, by the normal equations."""

    def __init__(self, design, y):
        design = [[Fraction(value) for value in row] for row in design]
        y = [Fraction(value) for value in y]
        size = len(design[0])
        pick = range(size)
        rows = [
            [
                *(sum(r[i] * r[j] for r in design) for j in pick),
                sum(r[i] * t for r, t in zip(design, y, strict=True)),
                *(Fraction(int(i == j)) for j in pick),
            ]
            for i in pick
        ]
        for k in pick:
            rows[k] = [value / rows[k][k] for value in rows[k]]
            for i in pick:
                if i != k:
                    rows[i] = [a - rows[i][k] * b for a, b in zip(rows[i], rows[k], strict=True)]
        self.coefficients = [row[size] for row in rows]
        self.inverse = [row[size + 1 :] for row in rows]
        self.squares = sum((t - self.at(r)) ** 2 for r, t in zip(design, y, strict=True))
        self.free = len(y) - size
        self.sd = math.sqrt(self.squares / self.free)
        self.errors = [self.sd * math.sqrt(self.inverse[k][k]) for k in pick]

    def at(self, terms):
        return sum(c * Fraction(value) for c, value in zip(self.coefficients, terms, strict=True))

    def prediction(self, terms, level=0.95):
        """Return the interval of a new reading."""
        terms = [Fraction(value) for value in terms]
        h = sum(
            a * entry * b
            for a, row in zip(terms, self.inverse, strict=True)
            for entry, b in zip(row, terms, strict=True)
        )
        half = stats.t.ppf((1 + level) / 2, self.free) * self.sd * math.sqrt(1 + h)
        return float(self.at(terms)) - half, float(self.at(terms)) + half


def program(document, x):
    """Run the program of a model.json on the rows of x, in numpy's float32."""
    x = np.asarray(x, "float32")
    values = {**document["parameters"], **document["constants"]}
    at = {name: np.float32(value) for name, value in values.items()}
    at[document["inputs"][0]["name"]] = x
    for line in document["program"]:
        target, expression = line.split(" = ")
        if pick := re.fullmatch(r"(\w+)\[(\d+)\]", expression):
            at[target] = at[pick[1]][..., int(pick[2])]
            continue
        left, operator, right = expression.split()
        operation = {"+": np.add, "-": np.subtract, "*": np.multiply}[operator]
        at[target] = operation(at[left], at[right])
    return at[document["outputs"][0]["name"]]


def card(folder):
    return json.loads((folder / "model.json").read_text("utf-8"))


def f2c(fahrenheit, shipped=EXAMPLES.parent / "artifacts" / "f2c"):
    return program(card(shipped), fahrenheit)


def test_every_example_is_tested_and_listed():
    files = {path.name for path in EXAMPLES.iterdir() if path.name != "__pycache__"}
    assert files == {*TESTED, "README.md"}
    index = (EXAMPLES / "README.md").read_text("utf-8")
    listed = re.findall(r"^\| \[([\w.]+)\]\(\1\)", index, re.MULTILINE)
    assert sorted(listed) == sorted(TESTED)
    for target in re.findall(r"\]\(([^)]+)\)", index):
        assert (EXAMPLES / target).is_file(), target


def test_calibrate_and_deploy(run, tmp_path):
    data = constants("calibrate_and_deploy.py")
    exact = Exact([(1, x) for x in data["COUNTS"]], data["KILOPASCAL"])
    constant, slope = map(float, exact.coefficients)
    document = tmp_path / "sensor" / "model.json"
    printed = run("calibrate_and_deploy.py", tmp_path, python=sys.executable)
    zeros = re.sub(rb'("digest": ")[0-9a-f]{64}', rb"\g<1>" + b"0" * 64, document.read_bytes())
    low, high = exact.prediction((1, 1000))
    assert printed.splitlines() == [
        f"kPa = {constant:.6g} + {slope:.6g}·counts, residual sd {exact.sd:.3g} kPa",
        f"1000 counts: {float(exact.at((1, 1000))):.2f} kPa, "
        f"95 % of new readings from {low:.2f} to {high:.2f}",
        f"50 kPa: {(50 - constant) / slope:.1f} counts",
        f"digest {hashlib.sha256(zeros).hexdigest()[:12]}, torch loaded: False",
    ]
    x = np.linspace(0, 2000, 10_001)
    expected = program(card(document.parent), x)
    assert infer.load(document.parent)(x).tobytes() == expected.tobytes()


def test_serve_and_ask(run):
    x = np.linspace(-3, 3, 1_000_000, dtype="float32")
    y = program(card(EXAMPLES.parent / "artifacts" / "sin_cubic"), x)
    assert run("serve_and_ask.py").splitlines() == [
        f"f2c: 50 °F is {f2c(50):.3f} °C",
        f"sin_cubic: 1,000,000 answers, at most {np.abs(y - np.sin(x)).max():.3f} from the sine",
    ]


@pytest.mark.needs("chromium")
def test_browser_page(run, tmp_path):
    from playwright.sync_api import sync_playwright

    page_file = tmp_path / "thermometer.html"
    assert run("browser_page.py", tmp_path).splitlines()[-1] == f"open {page_file}"
    complaints = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text))
        page.goto(page_file.as_uri())
        shown = page.locator("#celsius")
        assert np.float32(shown.text_content()) == f2c(50)
        for text in ("98.6", "-40", "1e-3", "451.07", "0.1"):
            page.fill("#fahrenheit", text)
            assert np.float32(shown.text_content()) == f2c(float(text))
        page.fill("#fahrenheit", "1,5")
        assert shown.text_content() == "–"
        browser.close()
    assert complaints == []


def test_score_parquet(run, tmp_path):
    printed = run("score_parquet.py", tmp_path).splitlines()
    source = pq.read_table(tmp_path / "day.parquet")
    scored = pq.read_table(tmp_path / "scored.parquet")
    assert scored.drop_columns("temp_c").equals(source)
    fahrenheit = source["temp_f"].to_numpy()
    present = ~np.isnan(fahrenheit)
    celsius = f2c(fahrenheit[present])
    assert scored["temp_c"].is_null().to_numpy().tolist() == (~present).tolist()
    assert scored["temp_c"].drop_null().to_numpy().tobytes() == celsius.tobytes()
    station = source["station"].to_numpy()[present]
    assert printed == [
        "200,000 rows in 1 file, 200 without a value",
        "columns: station, temp_f, temp_c; temp_c is float",
        *(
            f"{name}: mean {celsius[station == name].mean(dtype='float64'):.2f} °C"
            for name in ("Basel", "Zürich")
        ),
    ]


def test_own_module(run, tmp_path):
    data = constants("own_module.py")
    exact = Exact([(1, u, Fraction(u) * Fraction(t)) for u, t in data["U_AND_T"]], data["BAR"])
    printed = run("own_module.py", tmp_path)
    found = card(tmp_path / "pressure")
    # The promise of a fit: each parameter is the float32 nearest to the exact optimum.
    nearest = [float(np.float32(float(value))) for value in exact.coefficients]
    assert list(found["parameters"].values()) == nearest
    served = program(found, [[2.0, 30.0], [2.0, 0.0], [2.0, 40.0]])
    low, high = exact.prediction((1, 2, 60))
    assert printed.splitlines() == [
        f"loss {found['training']['loss']:.6g}, 0 bits from the exact optimum",
        f"2 V at 30 °C: {served[0]:.3f} bar, new readings from {low:.2f} to {high:.2f}",
        f"2 V at 0 °C and at 40 °C, by onnxruntime: {served[1]:.3f} and {served[2]:.3f} bar",
    ]
    assert found["training"]["loss"] == pytest.approx(float(exact.squares), rel=1e-6)


def test_the_notebook(tmp_path, monkeypatch, capsys):
    notebook = json.loads((EXAMPLES / "calibrate.ipynb").read_text("utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
    monkeypatch.chdir(tmp_path)
    names, shown = {}, {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [], "clear the outputs before you commit a notebook"
            shown[cell["id"]] = execute("".join(cell["source"]), names)
    names["plt"].close(names["figure"])
    assert len(names["figure"].axes) == 2

    exact = Exact([(1, x, Fraction(x) ** 2) for x in names["millivolts"]], names["celsius"])
    x = np.linspace(0.01, 4.28, 200)
    y = program(card(tmp_path / "thermocouple"), x)
    assert names["y"].tobytes() == y.tobytes()
    answer = program(card(tmp_path / "thermocouple"), 2.25)
    low, high = exact.prediction((1, 2.25, 2.25**2))
    c, b, a = map(float, exact.coefficients)
    inverse = (-b + math.sqrt(b * b - 4 * a * (c - 55))) / (2 * a)
    assert capsys.readouterr().out.splitlines() == [
        *(
            f"{term:4}{float(value):12.6f} ± {error:.6f}"
            for term, value, error in zip(
                ("1", "x", "x^2"), exact.coefficients, exact.errors, strict=True
            )
        ),
        f"degree 2, residual standard deviation {exact.sd:.3f} °C",
        f"2.25 mV: {answer:.2f} °C, 95 % of new readings from {low:.2f} to {high:.2f} °C",
        f"55 °C: {inverse:.4f} mV",
    ]
    assert shown["same"] == {"python": True, "onnxruntime": True, "torchexport": True}


def execute(source, names):
    """Run a cell as a notebook does: the value of a last expression is shown."""
    *statements, last = ast.parse(source).body
    if not isinstance(last, ast.Expr):
        exec(compile(source, "cell", "exec"), names)  # noqa: S102 - ours
        return None
    exec(compile(ast.Module(statements, []), "cell", "exec"), names)  # noqa: S102
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names)  # noqa: S307

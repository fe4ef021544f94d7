"""The page in a real browser: its bits are Python's, and people can use it."""

import json
import random
import re
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

import export
import infer
import train
from infer import _site
from infer._artifact.store import find
from infer._curve.interval import KINDS, band
from infer._ieee.floats import bits, from_bits, from_text
from infer._ieee.patterns import inputs, random_patterns, specials
from infer._ieee.shortest import shortest
from infer._model import open_model

pytestmark = pytest.mark.needs("chromium")

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# What decimals can look like, those that going by way of a double would round the wrong way, and
# what is at the ends of the formats.
TEXTS = [
    *("98.6", "-5", "0", "-0", "-0.0", "+3.", ".5", "1e3", "2E-3", "123456789123456789"),
    *("inf", "-Infinity", "NaN", "1e39", "-1e400", "1e-45", "1e-46", "5e-324", "16777217"),
    "16777217.0000000000001",
    "1.000000059604644775390625",
    "1.0000000596046447753906250000000000000000000000000000001",
    "1.0000000596046447753906249999999999999999999999999999999",
    "3.40282356779733661637539395458142568447e38",
    "3.40282356779733661637539395458142568448e38",
    "7.0064923216240853546186479164495806564013097093825788587853e-46",
    "7.0064923216240853546186479164495806564013097093825788587854e-46",
]
NO_NUMBERS = [
    "",
    " ",
    "x",
    "1,5",
    "1_000",
    "1__0",
    "_1",
    "1_",
    "0x10",
    "1e",
    "e1",
    "--1",
    ".",
    "1 2",
    "∞",
]


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        yield found
        found.close()


@pytest.fixture
def visit(browser):
    """Return a function that opens an address; at the end nothing must have gone wrong there.

    No request may have left for elsewhere, and the browser may not have complained of anything.
    """
    contexts, complaints, requests = [], [], []

    def open_address(address, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        home = address.split("#", maxsplit=1)[0].rpartition("/")[0] + "/"
        context.on("request", lambda request: requests.append((home, request.url)))
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.goto(address)
        return page

    def leave():
        """Close the pages, so that none asks a server that is about to end."""
        for context in contexts:
            context.close()
        contexts.clear()

    open_address.complaints = complaints
    open_address.leave = leave
    yield open_address
    leave()
    assert complaints == []
    assert requests
    assert [url for home, url in requests if not url.startswith((home, "data:"))] == []


@pytest.fixture
def static(tmp_path):
    """Return a function that writes the page and gives its address as a file."""

    def write(*names):
        artifacts = [find(name) for name in names or infer.list_models()]
        _site.write(str(tmp_path / "site"), _site.files(artifacts, server=False))
        return (tmp_path / "site" / "index.html").as_uri()

    return write


@pytest.fixture
def models(plane, line, write):
    """Return what is computed: every shipped model, and what none of them has."""
    wide = {"dtype": "float64"}
    documents = [
        plane(),
        plane(name="own_plane_double", parameters={"u": 0.1, "v": -3.4}, **wide),
        line(name="own_line_double", parameters={"a": 0.1, "b": 1 / 3}, **wide),
        line(
            name="plus_zero", parameters={"a": 0.0, "b": 1.0}, program=["s1 = x + a", "y = s1 * b"]
        ),
    ]
    for document in documents:
        for port in (*document["inputs"], *document["outputs"]):
            port["dtype"] = document["dtype"]
    return [*infer.list_models(), *(write(document) for document in documents)]


@contextmanager
def serving(folder, *arguments):
    """Run ``infer serve`` and give its address."""
    command = [sys.executable, "-m", "infer", "serve", "--port", "0", "--no-access-log"]
    process = subprocess.Popen(
        [*command, *map(str, arguments)], stdout=subprocess.PIPE, text=True, cwd=folder
    )
    try:
        yield process.stdout.readline().split()[-1].rstrip("/") + "/"
    finally:
        process.send_signal(signal.SIGTERM)
        process.stdout.close()
        process.wait(10)


def patterns(values, dtype):
    return [f"{bits(value, dtype):0{8 if dtype == 'float32' else 16}x}" for value in values]


# Values travel as bits: what the page's own functions do is all that is tested.
DRIVER = """
const view = new DataView(new ArrayBuffer(8));
const value = (hex) => {
  view.setBigUint64(0, BigInt("0x" + hex.padEnd(16, "0")));
  return hex.length === 8 ? view.getFloat32(0) : view.getFloat64(0);
};
"""


def test_the_bits_of_every_model_are_those_of_python(models, static, visit):
    artifacts = [find(model) for model in models]
    page = visit(static(*models))
    for artifact in artifacts:
        card = artifact.card
        rows = inputs(1000, card.dtype, card.features, seed=6)
        # Doubles too, which are rounded first.
        rows += inputs(100, "float64", card.features, seed=6)
        found = page.evaluate(
            f"""([name, rows]) => {{ {DRIVER}
            const model = models.find((model) => model.card.name === name);
            return rows.map((row) =>
              samebits.bits(model.compute(row.map(value)).answer, model.card.dtype)); }}""",
            [card.name, [patterns(row, "float64") for row in rows]],
        )
        answers = open_model(artifact, "python", "cpu")(
            rows if card.features else [row[0] for row in rows]
        )
        assert len(found) > 1000
        assert found == patterns(answers, card.dtype)


def test_intervals_have_the_bits_of_python_too(static, visit):
    page = visit(static())
    cards = [find(name).card for name in infer.list_models()]
    generator = random.Random(6)  # noqa: S311
    for card in (card for card in cards if card.uncertainty):
        rows = [[generator.uniform(-99, 99) for _ in card.domain] for _ in range(50)]
        rows += [[value] * len(card.domain) for value in specials("float64")]
        for percent in _site.LEVELS:
            for kind in KINDS:
                found = page.evaluate(
                    f"""([name, level_, kind, rows]) => {{ {DRIVER}
                    show(name); level = level_;
                    const pair = (row) => ends(row.map(value), kind);
                    return rows.map((row) =>
                      pair(row).map((end) => samebits.bits(end, "float64"))); }}""",
                    [card.name, str(percent), kind, [patterns(row, "float64") for row in rows]],
                )
                expected = [band(card, percent / 100, kind, None).ends(*row) for row in rows]
                assert found == [patterns(ends, "float64") for ends in expected]


def test_decimals_are_read_and_written_as_python_does(static, visit):
    page = visit(static("f2c"))
    generator = random.Random(7)  # noqa: S311
    halves = [from_bits(generator.getrandbits(35) << 28 | 1 << 28, "float64") for _ in range(500)]
    texts = TEXTS + [repr(value) for value in random_patterns(500, "float64", 8)]
    # Between two float32 values there is one with more digits than a double holds.
    for low in random_patterns(300, "float32", 9):
        pattern = bits(low, "float32")
        if low - low == 0 and abs(low) < 1e30 and pattern & 0x7FFFFFFF:
            middle = (low + from_bits(pattern + 1, "float32")) / 2
            exact = f"{middle:.150f}".rstrip("0")
            texts += [exact, exact + "0001", f"{exact[:-1]}49999"]
    read = """([texts, dtype]) => texts.map((text) => {
        const found = samebits.fromText(text, dtype);
        return found === undefined ? null : samebits.bits(found, dtype); })"""
    for dtype in ("float32", "float64"):
        expected = patterns([from_text(text, dtype) for text in texts], dtype)
        assert page.evaluate(read, [texts, dtype]) == expected
        assert page.evaluate(read, [NO_NUMBERS, dtype]) == [None] * len(NO_NUMBERS)
        powers = [from_bits(e << (23 if dtype == "float32" else 52), dtype) for e in range(255)]
        values = specials(dtype) + random_patterns(2000, dtype, 10) + powers
        values += halves if dtype == "float64" else []
        values += [from_text(f"{generator.uniform(0, 100):.{n % 6}f}", dtype) for n in range(200)]
        written = page.evaluate(
            f"""([all, dtype]) => {{ {DRIVER}
            return all.map((hex) => samebits.shortest(value(hex), dtype)); }}""",
            [patterns(values, dtype), dtype],
        )
        assert written == [shortest(value, dtype) for value in values]


TYPE = """(rows) => rows.map((row) => {
    row.forEach((text, j) => {
        const field = document.getElementById(`x${j}`);
        field.value = text;
        field.dispatchEvent(new Event("input"));
    });
    const shown = (where) => document.querySelector(where).textContent;
    return [shown("#answer"), shown("#bits .hex"), shown("#note").includes("outside the range")];
})"""


def test_what_is_put_into_the_field_is_answered(static, visit):
    page = visit(static())
    for name in infer.list_models():
        page.click(f"nav a[href='#{name}']")
        model = infer.load(name, runtime="python")
        card = model.card
        generator = random.Random(name)  # noqa: S311
        texts = [*TEXTS, *(f"{generator.uniform(-4, 4):.3f}" for _ in TEXTS)]
        rows = [generator.choices(texts, k=len(card.domain)) for _ in range(25)]
        expected = []
        for row in rows:
            values = [from_text(text, card.dtype) for text in row]
            answer = model(values if card.features else values[0])
            within = [a <= float(x) <= b for x, (a, b) in zip(row, card.domain, strict=True)]
            hexes = f"0x{patterns([answer], card.dtype)[0]}"
            expected.append([shortest(answer, card.dtype), hexes, not all(within)])
        assert page.evaluate(TYPE, rows) == expected
        steps = page.locator("#steps tbody tr").all_inner_texts()
        assert [step.split("\t")[0] for step in steps] == list(card.program)
        assert steps[-1].split("\t")[1:] == [expected[-1][0], expected[-1][1][2:]]
        assert page.inner_text("#verdict") == "No server here: only this page computed."


def test_the_address_keeps_the_input(static, visit):
    page = visit(static("f2c", "plane") + "#plane")
    page.fill("#x0", "1.25")
    page.fill("#x1", "-0.0")
    page.wait_for_url("**#plane=1.25,-0.0")
    answer = page.inner_text("#answer")
    page.reload()
    assert [page.input_value(f"#x{j}") for j in (0, 1)] == ["1.25", "-0.0"]
    assert page.inner_text("#answer") == answer


def test_what_is_no_number_is_told(static, visit):
    page = visit(static("f2c") + "#f2c=50")
    answer = page.inner_text("#answer")
    page.fill("#x0", "98,6")
    assert "“98,6” is not a number; expected one such as 98.6" in page.inner_text("#problem")
    assert page.get_attribute("#x0", "aria-invalid") == "true"
    assert page.inner_text("#answer") == "–"
    page.fill("#x0", "50")
    assert page.inner_text("#problem") == ""
    assert page.inner_text("#answer") == answer == "9.533812"


def test_the_number_that_is_proposed_is_one(static, visit, line, write):
    page = visit(static(write(line(domain=[[-2e9, -1.5e9]]))))
    page.fill("#x0", "much")
    *_, proposed = page.inner_text("#problem").split()
    page.fill("#x0", proposed)
    assert page.inner_text("#problem") == ""
    assert float(proposed) == -1.5e9


@pytest.mark.parametrize("fragment", ["f2x=1", "f2c=%E0%A4%A", "f2c=<b>", "=", "f2c=1,2,3", "%"])
def test_any_address_opens(fragment, static, visit):
    page = visit(static("f2c", "line") + f"#{fragment}")
    assert page.inner_text("h1").startswith("Fahrenheit")


def test_readings_and_intervals_are_drawn(static, visit, measured, write):
    own = write(measured())
    page = visit(static("f2c", "sin_cubic", own) + "#f2c=60")
    assert page.inner_text("#data") == "All 11 readings that it was fitted to."
    assert page.get_attribute(".dots", "d").count("M") == 11
    low, high = infer.load("f2c").interval(60.0, 0.95)
    assert page.inner_text("#ends") == f"{low:.3f} to {high:.3f} °C"
    page.select_option("[aria-label='Level of the interval']", "80")
    page.select_option("[aria-label='Kind of interval']", "confidence")
    low, high = infer.load("f2c").interval(60.0, 0.8, "confidence")
    assert page.inner_text("#ends") == f"{low:.3f} to {high:.3f} °C"
    assert page.get_attribute(".shade", "d").count("L") > 100
    page.select_option("#what", "difference")
    assert "t_c less the model over t_u" in page.get_attribute("#chart svg", "aria-label")
    page.goto(page.url.split("#")[0] + "#sin_cubic")
    assert page.inner_text("#data") == "80 of the 2,000 points that it was fitted to."
    assert "No interval" in page.inner_text("#interval")
    page.goto(page.url.split("#")[0] + "#own_line")
    assert page.inner_text("#data") == (
        "The 11 readings that it was fitted to are not part of the model."
    )
    assert page.get_attribute(".dots", "d") == ""


def test_readings_of_several_features_are_drawn(static, visit, plane, write):
    readings = {"x": [[-1, 0], [0.5, 4], [1, 2]], "y": [-2, 12.5, 4.75]}
    page = visit(static(write(plane(readings=readings))))
    assert page.get_attribute(".dots", "d").count("M") == 3
    page.focus("#x1")
    found = page.evaluate("onSlice([0.25, 9])")
    # The model is -(2·x0 - 3.4·x1): residuals -4, -0.1 and -0.05 beside it at x0 = 0.25.
    expected = [[0, -0.5 - 4], [4, 13.1 - 0.1], [2, 6.3 - 0.05]]
    assert found == [pytest.approx(point, rel=1e-6) for point in expected]
    assert "Moved along the model to x[0] = " in page.inner_text("#data")


def test_readings_that_hide_behind_the_curve_are_told(static, visit, line, write):
    readings = {"x": [0.0, 1.0, 2.0], "y": [-3.0001, -2.5, -1.9999]}
    page = visit(static(write(line(readings=readings))))
    assert "choose “difference from the model”" in page.inner_text("#data")
    page.select_option("#what", "difference")
    assert "choose" not in page.inner_text("#data")
    assert page.get_attribute(".dots", "d").count("M") == 3


@pytest.mark.parametrize("y", [1.7e308, -1e300, 5e-324])
def test_odd_readings_are_drawn(y, static, visit, measured, write):
    document = measured()
    document["readings"] = {"x": [-1.7e308, 0.5, 0.5], "y": [1.0, y, -0.0]}
    page = visit(static(write(document)))
    for what in ("answer", "difference"):
        page.select_option("#what", what)
        assert not re.search("NaN|Infinity", page.inner_html("#chart"))
    assert page.inner_text("#answer") != "–"


ODD = {
    "one_point": {"domain": [[5.0, 5.0]]},
    "zero": {"domain": [[0.0, 0.0]]},
    "flat": {"parameters": {"a": 0.0, "b": -3.0}},
    "small": {"domain": [[1e-30, 1.25e-30]]},
    "large": {"domain": [[-3e38, 3e38]]},
    "overflows": {"parameters": {"a": 2.0**127, "b": -3.0}, "domain": [[-3e38, 3e38]]},
    "beyond": {"domain": [[-1.7e308, 1.7e308]]},
}


def test_odd_domains_are_drawn(static, visit, line, measured, write):
    folders = [write(line(name=name, **change)) for name, change in ODD.items()]
    page = visit(static(*folders, write(measured())))
    for name in [*ODD, "own_line"]:
        page.click(f"nav a[href='#{name}']")
        for text in ("5", "-1e300", "nan", "inf", "1e-31"):
            page.fill("#x0", text)
            assert not re.search("NaN|Infinity", page.inner_html("#chart"))
        cannot = "cannot be drawn" in page.inner_text("#chart")
        assert cannot is (name == "beyond")


def test_a_hostile_card_is_text(static, visit, line, write):
    hostile = "</script><script>alert(1)</script><img src=x onerror=alert(2)><!-- <script>"
    document = line(title=hostile, formula=hostile, description=hostile)
    document["readings"] = {"x": [0, 1], "y": [-3, 2]}
    for port in (*document["inputs"], *document["outputs"]):
        port["unit"] = hostile
    own = write(document)
    page = visit(static(own))
    assert page.inner_text("h1") == hostile
    assert page.inner_text("#unit").strip() == hostile
    assert page.locator("#chart text").last.text_content() == f"y ({hostile})"
    assert page.get_attribute(".dots", "d").count("M") == 2
    assert page.locator("main img, main script").count() == 0


def test_calls_give_the_same_answer(static, visit, command, tmp_path):
    page = visit(static() + "#f2c=-98.6")
    shell, python, _ = page.locator("#calls pre").all_inner_texts()
    name, *arguments = shell.split()
    out = command(name, *arguments, "--quiet").stdout.split()
    assert out[0].decode() == page.inner_text("#answer")
    assert len(out) == 3
    space = {}
    *lines, interval = python.splitlines()
    exec("\n".join(lines), space)  # noqa: S102 - it is what the page tells people to run
    assert shortest(eval(lines[-1], space), "float32") == page.inner_text("#answer")  # noqa: S307
    low, high = eval(interval, space)  # noqa: S307
    assert page.inner_text("#ends").replace("−", "-") == f"{low:.2f} to {high:.2f} °C"
    page.fill("#x0", "inf")
    assert "neither infinities nor nan" in page.locator("#calls pre").all_inner_texts()[2]


def test_calls_find_a_model_of_ones_own(static, visit, command, line, write, tmp_path):
    folder = write(line()).rename(tmp_path / "cwd" / "it's a 'probe'")
    page = visit(static(folder) + "#own_line=0.1")
    shell, python, _ = page.locator("#calls pre").all_inner_texts()
    result = subprocess.run(
        ["bash", "-c", shell.replace("infer", f"'{sys.executable}' -m infer", 1)],
        capture_output=True,
        cwd=folder.parent,
        check=True,
    )
    assert result.stdout.decode().strip() == page.inner_text("#answer")
    assert """infer.load("./it's a 'probe'")""" in python


# ---- With a server ----


def test_the_server_returns_the_same_bits(visit, tmp_path):
    asked = {
        "f2c": ["98.6", "-0.0", "inf", "nan", "1e39", "1e-45"],
        "plane": ["1.5,-2", "-0.0,0", "inf,1"],
        "sin_cubic": ["1e30", "-inf"],
    }
    with serving(tmp_path, *asked) as address:
        page = visit(address)
        for name, texts in asked.items():
            for text in texts:
                page.goto(f"{address}#{name}={text}")
                page.wait_for_selector(".verdict.same")
                assert page.inner_text("#verdict") == "✓ the server returned the same 32 bits"
                here, there = page.locator("#bits .hex").all_inner_texts()
                assert here == there
        page.goto(f"{address}#f2c=98.6")
        curl = page.locator("#calls pre").all_inner_texts()[2]
        result = subprocess.run(
            ["bash", "-c", curl.replace("curl ", "curl -s ")], capture_output=True, check=True
        )
        (output,) = json.loads(result.stdout)["outputs"]
        assert shortest(output["data"][0], "float32") == page.inner_text("#answer") == "35.620926"
        visit.leave()


def test_a_calibration_shows_its_readings_beside_the_same_bits(visit, tmp_path):
    generator = random.Random(8)  # noqa: S311
    x = [round(generator.uniform(2, 50), 2) for _ in range(1000)]
    y = [round(0.98 * value + 1.5 + generator.gauss(0, 3), 1) for value in x]
    for name, rows in (("few", 7), ("many", 1000)):
        found = train.calibrate(x[:rows], y[:rows], name=name, unit_y="</script>°C")
        export.save(found, tmp_path / name)
    with serving(tmp_path, "./few", "./many") as address:
        page = visit(address)
        for name, shown, text in (("few", 7, "All 7"), ("many", 200, "200 of the 1,000")):
            page.goto(f"{address}#{name}=12.5")
            page.wait_for_selector(".verdict.same")
            assert page.inner_text("#data").startswith(f"{text} readings that it was fitted to.")
            answer = infer.load(tmp_path / name)(12.5)
            assert page.inner_text("#answer") == shortest(answer, "float32")
            dots = page.get_attribute(".dots", "d")
            points = re.findall(r"M([\d.]+) ([\d.]+)h0", dots)
            assert len(points) == dots.count("M") == shown
            # The first and the last one lie at the ends of the domain.
            ends = re.findall(r"H([\d.]+)V|ZM([\d.]+) ", page.get_attribute(".outside", "d"))
            assert [float(points[0][0]), float(points[-1][0])] == pytest.approx(
                [float(ends[0][0]), float(ends[1][1])], abs=0.06
            )
        visit.leave()


def test_a_double_has_64_bits(visit, line, write, tmp_path):
    document = line(dtype="float64", parameters={"a": 0.1, "b": 1 / 3})
    for port in (*document["inputs"], *document["outputs"]):
        port["dtype"] = "float64"
    with serving(tmp_path, write(document)) as address:
        page = visit(address + "#own_line=0.1")
        page.wait_for_selector(".verdict.same")
        assert page.inner_text("#verdict") == "✓ the server returned the same 64 bits"
        assert page.locator("#bits .cells i").count() == 128


def test_other_bits_are_told(visit, line, write, tmp_path):
    """A model was replaced after the page was loaded; a new page has the new model."""
    folder = write(line())
    with serving(tmp_path, folder) as address:
        page = visit(address + "#own_line=1")
        page.wait_for_selector(".verdict.same")
        new = Path(write(line(parameters={"a": 0.75, "b": -3.0}), tmp_path / "new"))
        (new / "model.json").replace(folder / "model.json")
        page.wait_for_timeout(1200)
        page.fill("#x0", "2")
        page.wait_for_selector(".verdict.other")
        assert "other bits" in page.inner_text("#verdict")
        assert page.locator("#bits .wrong").count() > 0
        page.wait_for_url("**#own_line=2")
        page.reload()
        page.wait_for_selector(".verdict.same")
        assert page.inner_text("#answer") == "-1.5"
    page.fill("#x0", "3")
    page.wait_for_selector(".verdict.other")
    assert "did not answer" in page.inner_text("#verdict")
    assert "ERR_CONNECTION_REFUSED" in visit.complaints.pop()


def test_any_web_server_will_do(visit, static):
    folder = Path(static("f2c", "plane").removeprefix("file://")).parent

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        page = visit(f"http://127.0.0.1:{server.server_port}/")
        assert page.inner_text("#verdict") == "No server here: only this page computed."
        with page.expect_download() as download:
            page.click("#file")
        assert (
            Path(download.value.path()).read_bytes()
            == Path(find("f2c").path("model.json")).read_bytes()
        )
        server.shutdown()


# ---- People ----


def test_the_keyboard_is_enough(static, visit):
    page = visit(static("f2c", "plane", "sin_cubic"))
    press = page.keyboard.press
    focus = "document.activeElement"
    press("Tab")
    assert page.evaluate(f"{focus}.textContent") == "To the input"
    for _ in range(2):
        press("Tab")
    press("Enter")  # the second model
    assert page.inner_text("h1") == "A plane over two features"
    assert page.inner_text("nav [aria-current=page]").startswith("plane")
    while page.evaluate(f"{focus}.id") != "x0":
        press("Tab")
    press("Control+a")
    page.keyboard.type("-1.5")
    first = page.inner_text("#answer")
    press("Tab")
    press("ArrowRight")  # the slider
    assert page.input_value("#x0") == "-1.49"
    assert page.inner_text("#answer") != first
    press("Tab")
    assert page.evaluate(f"{focus}.id") == "x1"
    assert page.locator("#chart text").last.text_content() == "y"
    assert "x[1]" in page.locator("#chart text").all_text_contents()  # the axis follows
    seen = []
    while page.evaluate(f"{focus}.tagName") != "BODY" and len(seen) < 40:
        seen.append(
            page.evaluate(
                f"{focus}.ariaLabel || {focus}.textContent || {focus}.labels[0].textContent"
            )
        )
        outline = page.evaluate(f"getComputedStyle({focus}).outlineStyle")
        assert outline != "none" or seen[-1].startswith("x[1]")  # the field has its line
        press("Tab")
    assert {"Level of the interval", "Copy the curl call", "Download model.json"} <= {*seen}


def test_copying_works_and_says_so(static, visit):
    page = visit(static("f2c") + "#f2c=50", permissions=["clipboard-read", "clipboard-write"])
    page.click("[aria-label='Copy the shell call']")
    page.wait_for_selector("text=Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "f2c 50 --interval 95"
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(); }")
    page.click("[aria-label='Copy the Python call']")
    page.wait_for_selector("text=Ctrl+C")
    assert page.evaluate("getSelection().toString()").startswith("import infer")


def test_sliding_and_touching_the_chart_set_the_input(static, visit):
    page = visit(static("f2c") + "#f2c=50")
    box = page.locator("#chart").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + 60)
    page.mouse.up()
    assert 65 < float(page.input_value("#x0")) < 80
    assert page.input_value("#x0") == page.input_value("input[type=range]")
    assert page.inner_text("#answer") == shortest(
        infer.load("f2c")(float(page.input_value("#x0"))), "float32"
    )


def test_answers_are_announced_once_they_settle(static, visit):
    page = visit(static("f2c"))
    page.fill("#x0", "98.6")
    page.wait_for_selector("#live:has-text('35.620926 °C')", state="attached")
    assert "outside the range" in page.text_content("#live")
    assert page.get_attribute("#live", "aria-live") == "polite"


def test_long_units_and_numbers_fit_a_phone(static, visit, measured, write):
    document = measured(curve=[5e13, 1.0])
    document.update(domain=[[0.0, 3.63e5]], parameters={"a": 2.0**26, "b": 2.0**43})
    for port in (*document["inputs"], *document["outputs"]):
        port["unit"] = "parts of a whole per cubic metre"
    page = visit(static(write(document)), viewport={"width": 390, "height": 844})
    inside = "(e) => e.scrollWidth <= e.clientWidth"
    assert page.evaluate(f"({inside})(document.documentElement)")
    assert all(panel.evaluate(inside) for panel in page.locator(".panel").all())
    assert page.locator("#x0").bounding_box()["width"] > 100
    chart = page.locator("#chart").bounding_box()
    assert {"400000", "2e13"} <= {*page.locator("#chart text").all_text_contents()}
    for text in page.locator("#chart text").all():
        box = text.bounding_box()
        assert chart["x"] <= box["x"]
        assert box["x"] + box["width"] <= chart["x"] + chart["width"] + 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_and_fits_a_phone(scheme, static, visit):
    page = visit(
        static() + "#f2c=98.6", color_scheme=scheme, viewport={"width": 390, "height": 844}
    )
    for name in infer.list_models():
        page.goto(page.url.split("#")[0] + f"#{name}")
        assert page.evaluate("document.documentElement.scrollWidth") == 390
    colours = page.evaluate(
        """() => Object.fromEntries(["paper", "panel", "well", "ink", "soft", "accent", "warm",
        "good", "bad"].map((name) =>
          [name, getComputedStyle(document.documentElement).getPropertyValue(`--${name}`)]))"""
    )
    light = {name: luminance(colour.strip()) for name, colour in colours.items()}
    assert (light["paper"] > 0.5) == (scheme == "light")
    for text in ("ink", "soft", "accent", "warm", "good", "bad"):
        for ground in ("paper", "panel", "well"):
            low, high = sorted([light[text], light[ground]])
            assert (high + 0.05) / (low + 0.05) >= 4.5, f"{text} on {ground}"
    # Everything that can be operated has a name, and a finger finds it.
    for element in page.locator("main input, main select, main button").all():
        name = element.evaluate("(e) => e.ariaLabel || (e.labels[0] || {}).textContent")
        assert name
        assert element.bounding_box()["height"] >= 32


def luminance(colour):
    """Return the relative luminance of #rgb or #rrggbb, as WCAG 2 defines it."""
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

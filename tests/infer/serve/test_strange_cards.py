"""Whatever a card holds: health, readiness, metrics and metadata answer, start-up is orderly."""

import http.client
import json
import math
import subprocess
import sys
from contextlib import closing

import pytest

from infer._artifact.format import render
from infer._errors import ArtifactError, InferError
from infer._serve import _catalog, _metadata
from infer._serve._catalog import Catalog
from infer._serve._openapi import document
from infer._serve._pages import Pages
from infer._serve._tensors import dumps

HUGE = 1.7e308
PATHS = (
    "/v2/health/live",
    "/v2/health/ready",
    "/v2/models/own_line",
    "/v2/models/own_line/ready",
    "/v2/models/own_line/config",
    "/metrics",
    "/openapi.json",
    "/docs",
)


def put(folder, document):
    (folder / "new").write_bytes(render(document))
    (folder / "new").replace(folder / "model.json")


@pytest.fixture
def strange(line, measured):
    """Return cards that are odd in one place; whether a reader refuses them is its affair."""
    return {
        "degrees of freedom": measured(degrees_of_freedom=HUGE),
        "residual": measured(residual_sd=HUGE, typical_sigma=5e-324),
        "center": measured(center=[HUGE], half_width=[5e-324]),
        "domain": line(domain=[[HUGE, HUGE]]),
        "whole domain": line(domain=[[-HUGE, HUGE]]),
        "parameters": line(parameters={"a": 3.4028234663852886e38, "b": 1e-45}),
        "directions": line(title="\u202egnp.exe\u2066", description="\u2028\u200b\ufeff"),
        "long": line(title="t" * 100_000, formula="f" * 100_000),
        "loss": line(
            training={**line()["training"], "loss": HUGE, "best_loss": 5e-324},
            evaluation_error={"absolute": HUGE, "ulp": HUGE},
        ),
    }


def strict(text):
    """Parse JSON as a browser does, without NaN and Infinity."""

    def refuse(word):
        raise AssertionError(word)

    return json.loads(text, parse_constant=refuse)


def test_a_strange_replacement_does_not_reach_health(start, line, strange, write, wait):
    folder = write(line())
    server = start(folder)
    seen = server.metric("samebits_reloads_total", model="own_line", result="replaced")
    for number, card in enumerate(strange.values(), 1):
        put(folder, card)

        def looked(number=number):
            results = ("replaced", "refused")
            counts = [
                server.metric("samebits_reloads_total", model="own_line", result=result)
                for result in results
            ]
            return sum(counts) >= seen + number

        wait(10, looked)
        assert {path: server.ask("GET", path)[0] for path in PATHS} == dict.fromkeys(PATHS, 200)
        strict(server.ask("GET", "/openapi.json")[2])
        strict(server.ask("GET", "/v2/models/own_line")[2])
    put(folder, line(title="Ordinary again"))
    wait(10, lambda: b"Ordinary again" in server.ask("GET", "/")[2])
    assert server.stop() == 0
    assert not [row for row in server.log() if row["event"] == "library" or "traceback" in row]


def test_start_up_with_a_strange_card_serves_or_says_one_sentence(strange, tmp_path):
    for number, card in enumerate(strange.values()):
        folder = tmp_path / str(number) / "own_line"
        folder.mkdir(parents=True)
        (folder / "model.json").write_bytes(render(card))
        try:
            catalog = Catalog((str(folder),))
        except InferError:
            continue
        pages = Pages(catalog)
        (served,) = catalog
        for text in (_metadata.model(served), _metadata.config(served), document(catalog)):
            strict(dumps(text))
        assert pages.get("/docs") is not None
        strict(pages.get("/openapi.json")[1])


def test_the_command_refuses_a_strange_card_with_one_sentence(measured, write):
    folder = write(measured(degrees_of_freedom=HUGE))
    found = subprocess.run(
        [sys.executable, "-m", "infer", "serve", "--port", "0", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (found.returncode, found.stdout, found.stderr.count("\n")) == (1, "", 1)
    assert found.stderr.startswith("Error: ")
    assert "'uncertainty.degrees_of_freedom'" in found.stderr


def test_what_a_card_provokes_is_an_error_of_the_package(line, write, monkeypatch):
    # No such card is known; the next runtime or reader may bring one.
    folder = write(line())
    catalog = Catalog((str(folder),))

    def fail(*_):
        raise ZeroDivisionError("by a card")

    monkeypatch.setattr(_catalog, "open_model", fail)
    with pytest.raises(ArtifactError, match="cannot be made ready: ZeroDivisionError: by a card"):
        Catalog((str(folder),))
    put(folder, line(title="Another"))
    (changed,) = catalog.refresh()
    assert "ZeroDivisionError: by a card" in changed.problem
    assert changed.card.title == "A line"


def test_a_page_that_cannot_be_made_leaves_out_its_model_and_is_told(line, plane, write):
    told = []
    good, gone = write(line()), write(plane())
    catalog = Catalog((str(good), str(gone)))
    card = (gone / "model.json").read_bytes()
    (gone / "model.json").unlink()
    pages = Pages(catalog, told.append)
    assert b"own_line" in pages.get("/")[1]
    assert pages.get("/models/own_plane/model.json") is None
    assert len(told) == 1
    assert "own_plane" in told[0]
    (gone / "model.json").write_bytes(card)
    pages.refresh()
    assert pages.get("/models/own_plane/model.json")[1] == card
    assert len(told) == 1


def test_without_any_page_the_rest_is_there(line, write):
    told = []
    folder = write(line())
    catalog = Catalog((str(folder),))
    (folder / "model.json").unlink()
    pages = Pages(catalog, told.append)
    assert pages.get("/") is None
    assert pages.get("/docs") is not None
    assert len(told) == 1


def test_the_description_follows_a_replaced_model(line, write):
    folder = write(line())
    catalog = Catalog((str(folder),))
    pages = Pages(catalog)
    put(folder, line(domain=[[HUGE, HUGE]]))
    catalog.refresh()
    pages.refresh()
    paths = strict(pages.get("/openapi.json")[1])["paths"]
    content = paths["/v2/models/{model}/infer"]["post"]["requestBody"]["content"]
    (example,) = content["application/json"]["examples"].values()
    assert math.isclose(example["value"]["inputs"][0]["data"][0], HUGE)


FAILING = """
import sys
from infer._cli import main
from infer._errors import ArtifactError
from infer._serve import _catalog

def fail(x, *, out=None):
    raise ArtifactError("model.onnx: the runtime failed at the call")

def open_failing(*arguments, open_model=_catalog.open_model):
    model = open_model(*arguments)
    model.__call__ = fail
    return model

_catalog.open_model = open_failing
main(["serve", "--port", "0", *sys.argv[1:]])
"""


@pytest.mark.parametrize("option", ["--access-log", "--no-access-log"])
@pytest.mark.parametrize("values", [1, 30_000])
def test_a_runtime_that_fails_is_a_line_of_the_log_and_no_traceback(values, option, tmp_path):
    log = tmp_path / "log"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-c", FAILING, "f2c", option], stdout=subprocess.PIPE, stderr=errors
        )
    with process:
        try:
            address = process.stdout.readline().decode().rpartition("http://")[2].strip()
            tensor = {"name": "t_u", "shape": [values], "datatype": "FP32", "data": [1.5] * values}
            body = json.dumps({"inputs": [tensor]})
            with closing(http.client.HTTPConnection(address, timeout=20)) as connection:
                connection.request("POST", "/v2/models/f2c/infer", body)
                answer = connection.getresponse()
                told = {"error": "f2c failed; see the server's log"}
                assert (answer.status, json.loads(answer.read())) == (500, told)
                connection.request("GET", "/v2/health/ready")
                answer = connection.getresponse()
                assert (answer.status, json.loads(answer.read())["ready"]) == (200, True)
        finally:
            process.terminate()
            process.wait(20)
    rows = [json.loads(row) for row in log.read_text("utf-8").splitlines()]
    (failure,) = (row for row in rows if row["event"] == "failure")
    assert failure["model"] == "f2c"
    assert failure["error"] == "model.onnx: the runtime failed at the call"
    assert not [row for row in rows if "traceback" in row]

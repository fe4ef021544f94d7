"""What a fit leaves on disk and on screen."""

import csv
import io
import json
import math
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import train
from train._learn import report

# The list of what --json holds, and what else there is.
KEYS = {
    *("model", "recipe", "device", "seed", "epochs", "loss", "validation_loss", "best_loss"),
    *("gradient", "parameters", "diverged_at", "dtype"),
    *("settings", "dataset", "optimum", "differing_bits", "verdict", "stopped"),
}


@pytest.fixture(scope="module")
def short():
    """Return a fit that is off the optimum, with a history of few epochs."""
    return train.fit("f2c", recipe=train.Recipe("short", "SGD", 1e-2, 20, "mean"))


@pytest.fixture(scope="module")
def diverged(recipe):
    """Return a function from a rate to what is left of a fit at that rate."""

    def at(rate, **changes):
        with pytest.raises(train.DivergedError) as caught:
            train.fit("f2c", recipe=recipe("f2c", "raw", learning_rate=rate, **changes))
        return caught.value.fit

    return at


# The record.


@pytest.mark.parametrize("name", train.list_models())
def test_a_record_survives_json(fitted, name):
    fit = fitted(name)
    record = report.as_record(fit)
    assert set(record) == KEYS
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert (record["model"], record["recipe"], record["device"]) == (name, "lbfgs", "cpu")
    # What it is served in, and what it was trained in.
    assert (record["dtype"], record["settings"]["dtype"]) == ("float32", "float64")
    assert record["parameters"] == dict(fit.parameters)
    assert record["settings"]["optimizer"] == "LBFGS"
    assert record["dataset"]["sha256"] == fit.dataset.sha256
    assert record["dataset"]["rows"] == fit.dataset.rows
    assert (record["loss"], record["best_loss"]) == (fit.loss, fit.best_loss)
    assert record["differing_bits"] == (None if name == "sin_legendre" else 0)
    assert record["optimum"] == (None if name == "sin_legendre" else dict(fit.parameters))
    assert record["verdict"] == "at the optimum"
    for missing in ("seed", "validation_loss", "gradient", "diverged_at"):
        assert record[missing] is None
    assert record["stopped"] is False


def test_a_float64_fit_shows_all_its_digits(fitted):
    fit = fitted("f2c", dtype="float64")
    assert report.as_record(fit)["dtype"] == "float64"
    lines = report.as_text(fit).splitlines()
    for name, line in zip("wb", lines[3:5], strict=True):
        shown, value, word, optimum = line.split()
        assert (shown, word) == (name, "optimum")
        assert float(value) == float(optimum) == fit.parameters[name]
    ends = [
        line.index(text) + len(text)
        for line, text in zip(
            lines[1:5],
            [f"{fit.loss:.9g}"] * 2 + [f"{fit.parameters[n]:.17g}" for n in "wb"],
            strict=True,
        )
    ]
    assert len(set(ends)) == 1  # one column
    assert lines[5] == "  judge: the optimum's bits"


def test_a_record_holds_what_a_recipe_has_more(recipe):
    split = report.as_record(train.fit("f2c", recipe=recipe("f2c", "split", epochs=2)))
    assert split["validation_loss"] == pytest.approx(122.372032, rel=1e-6)
    assert split["gradient"] is None
    raw = report.as_record(train.fit("f2c", recipe=recipe("f2c", "raw", epochs=1)))
    assert raw["gradient"] == pytest.approx({"w": 4517.2964, "b": 82.6}, rel=1e-6)
    # The seed, where it matters.
    assert (raw["seed"], raw["epochs"]) == (None, 1)
    line = report.as_record(train.fit("line", recipe=recipe("line", "manual", epochs=2)))
    assert line["seed"] == 1000
    held_out = train.fit("f2c", validation_fraction=0.2, seed=4)
    assert report.as_record(held_out)["seed"] == 4


def test_the_record_of_a_divergence(diverged):
    fit = diverged(1e-2)
    record = report.as_record(fit)
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert (record["diverged_at"], record["epochs"]) == (11, 11)
    assert record["verdict"] == "diverged at epoch 11"
    assert record["best_loss"] == pytest.approx(2.92764557)


@pytest.mark.parametrize("rate", [1e38, math.inf, math.nan])
def test_what_is_not_finite_is_null(diverged, rate):
    # One epoch, of a finite loss, and a step to nowhere.
    record = report.as_record(diverged(rate, epochs=1, validation_fraction=0.2))
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record["settings"]["learning_rate"] == (rate if math.isfinite(rate) else None)
    assert record["parameters"] == {"w": None, "b": None}
    assert record["loss"] is None
    assert record["differing_bits"] is None
    assert record["diverged_at"] == 2
    assert record["validation_loss"] > 0
    assert all(map(math.isfinite, record["gradient"].values()))


# The text.


def test_the_text_shows_loss_best_loss_units_and_verdict(fitted, short):
    lines = report.as_text(fitted("f2c")).splitlines()
    assert lines[0].startswith("f2c: recipe lbfgs, ")
    assert lines[0].endswith(" epochs on cpu, 11 rows of thermometer")
    assert lines[1].split() == ["loss", "2.92764557", "°C²", *["(mean", "of", "squared", "errors)"]]
    assert lines[2].split() == ["best", "possible", "2.92764557", "°C²"]
    assert lines[3].split() == ["w", "5.36771917", "optimum", "5.36771917"]
    assert lines[4].split() == ["b", "-17.3047848", "optimum", "-17.3047848"]
    assert lines[5:] == ["  judge: the optimum's bits"]
    assert "²" not in report.as_text(fitted("sin_cubic"))  # a sine has no unit
    judged, advice = report.as_text(short).splitlines()[-2:]
    assert judged == "  judge: underfit, 9.59 times the best"
    assert advice.startswith("  Underfit: the training loss 28.07")


def test_the_text_of_a_model_without_a_table_of_bits(fitted):
    text = report.as_text(fitted("sin_legendre"))
    assert "optimum " not in text.replace("at the optimum", "")
    assert text.endswith("judge: at the optimum")


def test_the_text_shows_what_a_recipe_has_more(fitted, recipe):
    lines = report.as_text(fitted("f2c", recipe="split")).splitlines()
    assert lines[0].endswith("9 rows of thermometer, training rows")
    assert lines[3].split() == ["validation", "5.21346617", "°C²"]
    assert lines[-3:] == [
        "  judge: near the optimum, +0.00016",
        "  Not underfit: the training loss 2.91163 is within 10% of the best possible 2.91115.",
        "  Not overfit: the validation loss per row 5.21347 (2 rows) is 1.79 times the training "
        "loss per row 2.91163; overfitting is above 2.",
    ]
    lines = report.as_text(train.fit("line", recipe="manual")).splitlines()
    assert lines[0] == (
        "line: recipe manual, 500 epochs on cpu, 16,000 rows of noisy_line, streamed, seed 1000"
    )
    assert [line.split()[:2] for line in lines[5:7]] == [["gradient", "w"], ["gradient", "b"]]


def test_the_text_of_a_divergence(diverged):
    text = report.as_text(diverged(1e-2))
    assert text.endswith("  judge: diverged at epoch 11")
    assert "fit:" not in text  # no advice on under- or overfitting


# The history.


def table(fit):
    head, *rows = csv.reader(io.StringIO(report.as_csv(fit)))
    return head, rows


def test_the_history_has_every_epoch_and_every_digit(short, fitted):
    for fit in (short, fitted("f2c", recipe="split"), fitted("dynamic_net")):
        head, rows = table(fit)
        assert head == ["epoch", "loss", "validation_loss", *fit.parameters]
        assert len(rows) == fit.epochs
        for row, epoch in zip(rows, fit.history, strict=True):
            number, loss, validation, *parameters = row
            assert (int(number), float(loss)) == (epoch.number, epoch.loss)
            assert (float(validation) if validation else None) == epoch.validation_loss
            assert list(map(float, parameters)) == list(epoch.parameters.values())


def test_the_history_of_a_divergence_ends_where_it_ended(diverged):
    _, rows = table(diverged(1e-2))
    assert len(rows) == 11
    assert rows[-1][:3] == ["11", "inf", ""]
    assert rows[-1][3:] == rows[-2][3:]  # the last step was not taken


def test_the_history_is_plain_text(short):
    text = report.as_csv(short)
    assert "\r" not in text
    assert text.endswith("\n")
    assert text.isascii()


# The files.


def test_write_leaves_three_files_and_nothing_else(short, tmp_path):
    folder = tmp_path / "deep" / "down"
    report.write(short, folder)
    assert sorted(p.name for p in folder.iterdir()) == ["fit.json", "fit.png", "history.csv"]
    text = (folder / "fit.json").read_text("utf-8")
    assert json.loads(text) == report.as_record(short)
    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    assert (folder / "history.csv").read_bytes() == report.as_csv(short).encode()
    png = (folder / "fit.png").read_bytes()
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert int.from_bytes(png[16:20], "big") == 1320  # eleven inches of 120 dots


def test_writing_again_replaces(fitted, short, tmp_path):
    report.write(short, tmp_path)
    report.write(fitted("f2c"), tmp_path)
    assert len(list(tmp_path.iterdir())) == 3
    assert json.loads((tmp_path / "fit.json").read_text("utf-8"))["recipe"] == "lbfgs"


def test_a_full_disk_leaves_what_was_there(fitted, short, tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    report.write(short, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        report.write(fitted("f2c"), tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
@pytest.mark.parametrize("every", [29, pytest.param(1, marks=pytest.mark.slow)])
def test_killed_at_any_call_no_record_stands_beside_files_of_another_fit(memory, every):
    writer = Path(__file__).with_name("report_writer.py")
    output = subprocess.run(
        [sys.executable, str(writer), str(memory), str(every)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (output.returncode, output.stderr) == (0, "")
    seen = Counter(json.loads(output.stdout))
    assert seen.pop("old") + seen.pop("new") >= 300 // every
    # In a moment, the record is not there; a checkpoint is never beside another fit's record.
    assert set(seen) <= {"no record"}

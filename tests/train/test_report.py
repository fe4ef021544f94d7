"""What a fit leaves on disk and on screen."""

import csv
import dataclasses
import json

import pytest
from matplotlib.colors import to_rgba

import train
from train import _report


@pytest.fixture(scope="module")
def short():
    """Return a fit that is off the optimum, with a history of few epochs."""
    return train.fit("f2c", recipe=train.Recipe("short", "SGD", 1e-2, 20, "mean"))


def test_a_record_survives_json(fitted):
    for name in ("f2c", "dynamic_net"):
        fit = fitted(name)
        record = _report.as_record(fit)
        assert json.loads(json.dumps(record, allow_nan=False)) == record
        assert record["model"] == name
        assert record["parameters"] == dict(fit.parameters)
        assert record["settings"]["optimizer"] == "LBFGS"
        assert record["dataset"]["sha256"] == fit.dataset.sha256
        assert (record["loss"], record["best_loss"]) == (fit.loss, fit.best_loss)
        assert record["differing_bits"] == 0


def test_the_text_shows_loss_best_loss_units_and_verdict(fitted, short):
    lines = _report.as_text(fitted("f2c")).splitlines()
    assert lines[0].startswith("f2c: recipe lbfgs, ")
    assert lines[0].endswith("11 rows of thermometer")
    assert lines[1].split() == ["loss", "2.92764557", "°C²", *["(mean", "of", "squared", "errors)"]]
    assert lines[2].split() == ["best", "possible", "2.92764557", "°C²"]
    assert lines[-1] == "  judge: the optimum's bits"
    assert "²" not in _report.as_text(fitted("sin_cubic"))  # a sine has no unit
    assert _report.as_text(short).endswith(f"judge: {short.differing_bits} bits from the optimum's")


def test_write_leaves_three_files_and_nothing_else(short, tmp_path):
    folder = tmp_path / "deep" / "down"
    _report.write(short, folder)
    assert sorted(p.name for p in folder.iterdir()) == ["fit.json", "fit.png", "history.csv"]
    assert json.loads((folder / "fit.json").read_text("utf-8")) == _report.as_record(short)
    with (folder / "history.csv").open(newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["epoch", "loss"]
    # Every digit of every loss.
    assert [(int(e), float(loss)) for e, loss in rows] == list(enumerate(short.losses, start=1))
    png = (folder / "fit.png").read_bytes()
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert int.from_bytes(png[16:20], "big") == 1320  # eleven inches of 120 dots


def test_writing_again_replaces(fitted, short, tmp_path):
    _report.write(short, tmp_path)
    _report.write(fitted("f2c"), tmp_path)
    assert len(list(tmp_path.iterdir())) == 3
    assert json.loads((tmp_path / "fit.json").read_text("utf-8"))["recipe"] == "lbfgs"


def test_a_file_is_never_half_there(fitted, short, tmp_path, monkeypatch):
    _report.write(short, tmp_path)
    before = (tmp_path / "fit.png").read_bytes()

    class Full:
        def savefig(self, path, **options):
            path.write_bytes(b"half a pict")
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(_report, "figure", lambda fit: Full())
    with pytest.raises(OSError, match="No space left"):
        _report.write(fitted("f2c"), tmp_path)
    assert (tmp_path / "fit.png").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 3


def test_the_figure_has_readings_and_the_fitted_line(fitted):
    fit = fitted("f2c")
    left, _ = _report.figure(fit).axes
    observation, prediction = left.lines
    assert [text.get_text() for text in left.get_legend().get_texts()] == [
        "Observation",
        "Prediction",
    ]
    assert observation.get_xydata().tolist() == [
        list(pair) for pair in zip(fit.dataset.x, fit.dataset.y, strict=True)
    ]
    assert observation.get_linestyle() == "None"
    assert prediction.get_linestyle() == "-"
    assert to_rgba(observation.get_color()) != to_rgba(prediction.get_color())
    x, y = prediction.get_xdata(), prediction.get_ydata()
    assert (x[0], x[-1]) == pytest.approx(fit.dataset.domain[0])
    w, b = fit.parameters["w"], fit.parameters["b"]
    assert y.tolist() == pytest.approx((w * (0.1 * x) + b).tolist(), rel=1e-5)
    assert left.get_xlabel() == "Reading of the unknown thermometer (°F)"
    assert left.get_ylabel() == "Temperature (°C)"
    assert fit.model.variants[0].formula in left.get_title()


def test_the_figure_has_the_loss_over_the_epochs_and_the_best_one(short):
    _, right = _report.figure(short).axes
    loss, best = right.lines
    assert right.get_yscale() == "log"
    assert loss.get_xdata().tolist() == list(range(1, 21))
    assert loss.get_ydata().tolist() == list(short.losses)
    assert set(best.get_ydata()) == {short.best_loss}
    assert [text.get_text() for text in right.get_legend().get_texts()] == [
        "Training loss",
        f"Best possible {short.best_loss:.6g}",
    ]
    assert right.get_xlabel() == "Epoch"
    assert "mean of squared errors" in right.get_ylabel()


def test_the_figure_has_a_curve_a_variant(fitted):
    left, _ = _report.figure(fitted("dynamic_net")).axes
    assert [text.get_text() for text in left.get_legend().get_texts()] == [
        "Observation",
        "Prediction order3",
        "Prediction order4",
        "Prediction order5",
    ]
    assert left.get_xlabel() == "Angle (rad)"
    assert left.get_ylabel() == "Sine of the angle"  # no unit, no brackets


def test_a_figure_draws_no_more_than_it_is_given(short):
    # One epoch: a history of a single point is still a figure.
    once = dataclasses.replace(short, epochs=1, losses=short.losses[:1])
    _, right = _report.figure(once).axes
    assert right.lines[0].get_xdata().tolist() == [1]

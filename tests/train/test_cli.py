"""``python -m train``. Real processes for what a shell sees, click's runner for the rest."""

import csv
import dataclasses
import io
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from types import MappingProxyType

import matplotlib
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

import train
from train import _cli
from train._cli import interruptible, main, progress
from train._learn import checkpoint, report
from train._learn.tutorials import printed

FILES = ["fit.json", "fit.png", "history.csv"]


@pytest.fixture
def run(tmp_path, warm):
    """Return a function that runs the command in tmp_path; see ``warm``."""

    def run_command(*arguments):
        return subprocess.run(
            [warm / "python", "-W", "error", "-m", "train", *map(str, arguments)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )

    return run_command


def invoke(*arguments):
    """Run the command in this process; what it raises is a message, never a traceback."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def strict(text):
    """Read JSON as the standard has it: no NaN, no Infinity."""

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


# As a shell sees it.


def test_all_as_json_lines_and_nothing_written(run, fitted, tmp_path):
    result = run("--all", "--json")
    assert (result.returncode, result.stderr) == (0, "")
    records = [strict(line) for line in result.stdout.splitlines()]
    assert [record["model"] for record in records] == train.list_models()
    assert names(tmp_path) == []
    # Another process, another folder: the same numbers to the last digit.
    for record in records:
        assert record == report.as_record(fitted(record["model"]))


def test_divergence_says_when_and_what_to_do(run, tmp_path):
    result = run("f2c", "--recipe", "raw-diverges", "--json", "--out", "out")
    assert result.returncode == 1
    assert result.stderr.startswith("Error: f2c: recipe 'raw-diverges' diverged: ")
    assert "the loss of epoch 11 is not finite, at learning rate 0.01" in result.stderr
    assert "Try a smaller rate" in result.stderr
    assert "normalize the inputs" in result.stderr
    assert "Traceback" not in result.stderr
    record = strict(result.stdout)
    assert (record["diverged_at"], record["epochs"]) == (11, 11)
    assert record["verdict"] == "diverged at epoch 11"
    # What --out promised is there, to look at.
    assert names(tmp_path / "out") == FILES
    assert strict((tmp_path / "out" / "fit.json").read_text("utf-8")) == record


def test_no_name_is_a_wrong_call(run, tmp_path):
    result = run()
    assert result.returncode == 2
    assert "Name the models to fit, or use --all, --table or --resume." in result.stderr
    assert result.stderr.startswith("Usage: python -m train ")


# Several models.


def test_several_models_get_a_folder_each_and_one_does_not(tmp_path):
    result = invoke("f2c", "line", "f2c", "--epochs", 400, "--out", tmp_path / "out")
    assert result.exit_code == 0
    assert result.output.count("judge: the optimum's bits") == 2  # naming it twice fits it once
    assert names(tmp_path / "out") == ["f2c", "line"]
    assert names(tmp_path / "out" / "f2c") == names(tmp_path / "out" / "line") == FILES
    record = strict((tmp_path / "out" / "f2c" / "fit.json").read_text("utf-8"))
    assert record["settings"]["epochs"] == 400


def test_one_model_writes_into_the_folder_itself(tmp_path):
    arguments = ["--recipe", "sgd", "--epochs", 3, "--learning-rate", 0.001, "--seed", 5, "--json"]
    result = invoke("f2c", *arguments, "--out", tmp_path / "new")
    assert result.exit_code == 0
    assert names(tmp_path / "new") == FILES
    record = strict(result.output)
    assert record == strict((tmp_path / "new" / "fit.json").read_text("utf-8"))
    assert (record["settings"]["learning_rate"], record["epochs"]) == (0.001, 3)
    assert record["settings"]["seed"] == 5


def test_an_unknown_name_stops_before_the_first_fit(tmp_path):
    result = invoke("f2c", "sin_cubik", "--out", tmp_path)
    assert result.exit_code == 2
    assert result.output.startswith("Error: no model named 'sin_cubik'. Did you mean 'sin_cubic'?")
    result = invoke("--all", "--recipe", "sgd", "--out", tmp_path)
    assert result.exit_code == 2
    assert "no recipe of line named 'sgd'" in result.output
    assert names(tmp_path) == []


@pytest.mark.parametrize("option", ["--history", "--plot", "--gif"])
def test_one_file_cannot_hold_several_models(tmp_path, option):
    result = invoke("f2c", "line", option, tmp_path / "file.png")
    assert result.exit_code == 2
    assert "take one model; type --out DIR" in result.output
    assert names(tmp_path) == []


# Wrong calls.


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["f2c", "--all"], 2, "Name the models to fit, or use --all, --table or --resume."),
        (["--table", "--all"], 2, "Name the models to fit, or use --all"),
        (["f2c", "--table"], 2, "Name the models to fit, or use --all"),
        (["f2c", "--recipe", "sdg"], 2, "Did you mean 'sgd'?"),
        (["f2c", "--device", "cdua"], 2, "Did you mean 'cuda'?"),
        (["f2c", "--learning-rate", "0"], 2, "x>0"),
        (["f2c", "--learning-rate", "-1"], 2, "x>0"),
        (["f2c", "--seed", "-1"], 2, "x>=0"),
        (["f2c", "--recipe", "sgd", "--learning-rate", "nan"], 1, "Try a smaller rate"),
        (["f2c", "--recipe", "sgd", "--learning-rate", "1e38", "--epochs", "1"], 1, "epoch 2"),
        (["f2c", "--epochs", "0"], 2, "x>=1"),
        (["f2c", "--epochs", "1"], 1, "Use more epochs"),
        (["f2c", "--plot", "fit.pdf"], 2, "'fit.pdf': expected a name that ends in .png or .svg"),
        (["f2c", "--plot", "fit"], 2, "'fit': expected a name that ends in .png or .svg"),
        (["--table", "--recipe", "sgd"], 2, "--table runs every recipe as it is"),
        (["--table", "--epochs", "1"], 2, "--table runs every recipe as it is"),
        (["--table", "--json"], 2, "it takes no other option"),
        (["--table", "--dtype", "float64"], 2, "it takes no other option"),
        (["f2c", "--dtype", "float16"], 2, "'float16' is not one of 'float32', 'float64'"),
        (["--table", "--device", "cuda"], 2, "it takes no other option"),
        (["--table", "--out", "folder"], 2, "it takes no other option"),
    ],
)
def test_wrong_calls_say_what_to_type(arguments, code, message):
    result = invoke(*arguments)
    assert result.exit_code == code
    assert message in result.output


def test_a_step_to_nowhere_leaves_nulls():
    arguments = ["--recipe", "raw", "--learning-rate", "1e38", "--epochs", "1", "--json"]
    result = CliRunner().invoke(main, ["f2c", *arguments])
    assert result.exit_code == 1
    record = strict(result.stdout)
    assert record["parameters"] == {"w": None, "b": None}
    assert (record["loss"], record["diverged_at"]) == (None, 2)
    assert result.stderr.startswith("Error: f2c: recipe 'raw' diverged: the loss of epoch 2 is ")


@pytest.mark.parametrize("rate", ["nan", "inf"])
def test_a_rate_that_is_no_number_is_null(tmp_path, rate):
    arguments = ["--recipe", "raw", "--learning-rate", rate, "--json", "--out", str(tmp_path)]
    result = CliRunner().invoke(main, ["f2c", *arguments])
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert strict(result.stdout)["settings"]["learning_rate"] is None
    assert strict((tmp_path / "fit.json").read_text("utf-8")) == strict(result.stdout)


def test_what_is_not_at_the_optimum_is_reported_all_the_same(tmp_path):
    result = invoke("f2c", "--epochs", 1, "--learning-rate", 0.5, "--out", tmp_path)
    assert result.exit_code == 1
    assert "underfit, " in result.output
    assert names(tmp_path) == FILES


@pytest.mark.skipif(torch.cuda.is_available(), reason="is about machines without a GPU")
def test_a_missing_gpu_is_said():
    result = invoke("f2c", "--device", "cuda")
    assert result.exit_code == 1
    assert "type --device cpu" in result.output


def test_a_place_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("in the way")
    arguments = ["f2c", "--recipe", "sgd", "--epochs", "1"]
    for option, name in (("--out", "below"), ("--history", "h.csv"), ("--plot", "p.png")):
        result = invoke(*arguments, option, tmp_path / "file" / name)
        assert result.exit_code == 1
        assert "Error: " in result.output
    result = invoke(*arguments, "--out", tmp_path / "file")
    assert result.exit_code == 2


def test_a_missing_library_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    result = invoke("f2c", "--recipe", "raw", "--plot", "fit.png")
    assert result.exit_code == 1
    assert "Error: " in result.output
    assert "matplotlib" in result.output


# Files on request.


def test_the_history_has_every_epoch(fitted, tmp_path):
    file = tmp_path / "new" / "history.csv"
    assert invoke("f2c", "--recipe", "split", "--epochs", 30, "--history", file).exit_code == 0
    with file.open(newline="") as lines:
        head, *rows = csv.reader(lines)
    assert head == ["epoch", "loss", "validation_loss", "w", "b"]
    assert [int(row[0]) for row in rows] == list(range(1, 31))
    # The tutorial: the first three epochs, and the whole fit's.
    assert [f"{float(row[1]):.4f}" for row in rows[:3]] == ["53.5719", "25.9376", "20.5573"]
    assert [f"{float(row[2]):.3f}" for row in rows[:3]] == ["200.930", "122.372", "97.630"]
    for row, epoch in zip(rows, fitted("f2c", recipe="split").history, strict=False):
        assert [float(cell) for cell in row] == [
            epoch.number,
            epoch.loss,
            epoch.validation_loss,
            *epoch.parameters.values(),
        ]


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_a_plot_is_of_the_kind_of_its_name(tmp_path, kind):
    file = tmp_path / f"fit.{kind}"
    assert invoke("f2c", "--recipe", "raw", "--plot", file).exit_code == 0
    assert names(tmp_path) == [file.name]
    if kind == "png":
        with Image.open(file) as image:
            image.verify()
            assert image.format == "PNG"
    else:
        assert b"<svg" in file.read_bytes()[:1000]


def test_a_gif_moves(tmp_path):
    file = tmp_path / "fit.gif"
    assert invoke("f2c", "--recipe", "raw", "--epochs", 4, "--gif", file).exit_code == 0
    with Image.open(file) as image:
        assert (image.format, image.n_frames) == ("GIF", 4)


def test_live_without_a_display_is_a_clear_error():
    matplotlib.use("agg")
    result = invoke("f2c", "--live")
    assert result.exit_code == 1
    assert result.output.startswith("Error: no display (matplotlib")
    assert "use --gif FILE" in result.output


# Progress.


class Terminal(io.StringIO):
    def isatty(self):
        return True


def epochs(count):
    return [train.Epoch(number, 1.5 * number, None, {}) for number in range(1, count + 1)]


def test_a_terminal_sees_the_loss_go_by(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with progress("f2c", 4) as show:
        for epoch in epochs(4):
            show(epoch)
    shown = sys.stderr.getvalue()
    assert "f2c" in shown
    for number in (1, 2, 3, 4):
        assert f"loss {1.5 * number:.6g}" in shown
    assert "100%" in shown


def test_a_bar_that_goes_on_begins_where_it_was(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with progress("f2c", 4, 2) as show:
        before = sys.stderr.getvalue()
        for epoch in epochs(4)[2:]:
            show(epoch)
    assert "50%" in before
    assert "loss 4.5" in sys.stderr.getvalue()


def test_a_fit_that_is_done_early_is_done(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with progress("f2c", 500) as show:
        show(epochs(1)[0])
    assert "100%" in sys.stderr.getvalue()


def test_nobody_else_sees_anything(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with progress("f2c", 4) as show:
        for epoch in epochs(4):
            show(epoch)
    assert sys.stderr.getvalue() == ""


# Ctrl-C.


def until(found, terminal, deadline=120.0):
    """Read what comes from a pseudo-terminal until something is found, or until it is closed."""
    text, last = b"", time.monotonic() + deadline
    while not (found and found in text):
        assert time.monotonic() < last, text
        try:
            text += os.read(terminal, 4096)
        except OSError:  # the other side is closed
            return text
    return text


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a pseudo-terminal")
def test_ctrl_c_keeps_what_was_promised(recipe, tmp_path):
    arguments = ["f2c", "--recipe", "raw-mean", "--epochs", "400000", "--json", "--out", "out"]
    ours, theirs = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "train", *arguments],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        until(b"loss ", ours)  # a terminal sees the loss go by: the fit is under way
        process.send_signal(signal.SIGINT)
        message = until(None, ours).decode()
        record = strict(process.stdout.read())
    os.close(ours)
    assert process.returncode == 130
    assert "Traceback" not in message
    epoch = record["epochs"]
    assert f"f2c: stopped after epoch {epoch:,} of at most 400,000, at loss " in message
    assert "To resume: python -m train --resume out" in message
    folder = tmp_path / "out"
    assert names(folder) == ["checkpoint.pt", *FILES]
    assert strict((folder / "fit.json").read_text("utf-8")) == record
    assert record["stopped"] is True
    assert len((folder / "history.csv").read_text().splitlines()) == epoch + 1
    # From there it goes on to the bits of a fit that nobody stopped.
    saved = checkpoint.read(folder)
    assert saved.recipe == recipe("f2c", "raw-mean", epochs=400_000)
    longer = dataclasses.replace(saved.recipe, epochs=epoch + 50)
    resumed = train.fit("f2c", recipe=longer, resume=saved.state)
    whole = train.fit("f2c", recipe=longer)
    assert resumed.history == whole.history
    assert resumed.parameters == whole.parameters


@pytest.fixture
def pressed_at(monkeypatch):
    """Return a function that has Ctrl-C pressed after some epoch."""

    def at(number):
        @contextmanager
        def press(label, epochs, done=0):
            yield lambda epoch: epoch.number == number and signal.raise_signal(signal.SIGINT)

        monkeypatch.setattr(_cli, "progress", press)

    return at


def test_ctrl_c_ends_after_the_current_epoch(pressed_at, tmp_path):
    pressed_at(7)
    result = invoke("dynamic_net", "--recipe", "sgd", "--out", tmp_path, "--json")
    assert result.exit_code == 130
    assert "stopped after epoch 7 of at most 30,000" in result.output
    assert names(tmp_path) == ["checkpoint.pt", *FILES]
    # And again, further on: each time from where it stood.
    pressed_at(9)
    result = invoke("--resume", tmp_path)
    assert result.exit_code == 130
    assert "stopped after epoch 9 of at most 30,000" in result.output
    assert f"To resume: python -m train --resume {tmp_path}" in result.output
    assert len((tmp_path / "history.csv").read_text().splitlines()) == 10
    state = checkpoint.read(tmp_path).state
    assert [number for number, *_ in state["epochs"]] == list(range(1, 10))


def test_ctrl_c_without_a_folder_says_what_was_missing(pressed_at):
    pressed_at(2)
    result = invoke("f2c", "--recipe", "sgd")
    assert result.exit_code == 130
    assert "Nothing was saved; with --out DIR a stopped fit can be resumed." in result.output


def test_ctrl_c_ends_the_models_to_come_too(pressed_at, tmp_path):
    pressed_at(2)
    result = invoke("f2c", "line", "--out", tmp_path)
    assert result.exit_code == 130
    assert names(tmp_path) == ["f2c"]
    assert f"--resume {tmp_path / 'f2c'}" in result.output


@pytest.fixture
def usual_ctrl_c():
    """Let SIGINT raise KeyboardInterrupt, also where a shell started the tests with it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def test_a_second_ctrl_c_ends_the_program_as_usual(usual_ctrl_c):
    before = usual_ctrl_c
    with interruptible() as pressed:
        assert not pressed()
        signal.raise_signal(signal.SIGINT)
        assert pressed()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
    with interruptible():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


# The table.

QUICK = [("f2c", "finite-difference"), ("f2c", "raw-diverges"), ("f2c", "raw"), ("plane", "torch")]


def only(keys, **changes):
    rows = {key: printed.PRINTED[key] for key in keys}
    for key, row in changes.items():
        rows["f2c", key] = dataclasses.replace(rows["f2c", key], **row)
    return MappingProxyType(rows)


def test_the_table_is_printed(monkeypatch):
    monkeypatch.setattr(printed, "PRINTED", only(QUICK))
    result = CliRunner().invoke(main, ["--table"])
    assert result.exit_code == 0
    assert result.stderr == ""
    head, _, *rows = result.stdout.splitlines()
    assert head.startswith("model  recipe ")
    assert [tuple(row.split()[:2]) for row in rows] == QUICK
    assert [row.rsplit("  ")[-1] for row in rows[:3]] == ["yes"] * 3
    assert "diverged at epoch 11" in rows[1]


def test_the_table_fails_if_a_number_is_not_reproduced(monkeypatch):
    monkeypatch.setattr(printed, "PRINTED", only(QUICK, raw={"losses": {100: "29.022767"}}))
    result = CliRunner().invoke(main, ["--table"])
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert "no: loss of epoch 100 is 29.0226" in result.stdout


@pytest.mark.slow
def test_the_whole_table_is_reproduced(run, tmp_path):
    result = run("--table")
    assert (result.returncode, result.stderr) == (0, "")
    _, _, *rows = result.stdout.splitlines()
    assert len(rows) == 20
    no = [row for row in rows if "  no: " in row]
    assert [row.split()[:2] for row in no] == [["plane", "scratch"], ["sin_cubic", "tensor"]]
    assert all("of all s" in row for row in no)  # explained, both

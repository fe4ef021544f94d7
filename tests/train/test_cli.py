"""``python -m train``. Real processes for what a shell sees, click's runner for the rest."""

import json
import subprocess
import sys

import pytest
import torch
from click.testing import CliRunner

import train
from train import _report
from train._cli import main

FILES = ["fit.json", "fit.png", "history.csv"]


def run(*arguments, folder):
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "train", *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_all_as_json_lines_and_nothing_written(fitted, tmp_path):
    result = run("--all", "--json", folder=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [record["model"] for record in records] == train.list_models()
    assert names(tmp_path) == []
    # Another process, another folder: the same numbers to the last digit.
    by_model = {record["model"]: record for record in records}
    for name in ("f2c", "sin_cubic", "dynamic_net"):
        assert by_model[name] == _report.as_record(fitted(name))


def test_several_models_get_a_folder_each_and_one_does_not(tmp_path):
    result = run("f2c", "sin_cubic", "f2c", "--epochs", "400", "--out", "out", folder=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.count("judge: the optimum's bits") == 2  # naming it twice fits it once
    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == ["f2c", "sin_cubic"]
    assert names(tmp_path / "out" / "f2c") == names(tmp_path / "out" / "sin_cubic") == FILES
    record = json.loads((tmp_path / "out" / "f2c" / "fit.json").read_text("utf-8"))
    assert record["settings"]["epochs"] == 400


def test_divergence_says_when_and_what_to_do(tmp_path):
    result = run("f2c", "--recipe", "sgd", "--learning-rate", "1", "--out", "out", folder=tmp_path)
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith("Error: f2c: recipe 'sgd' diverged: the loss of epoch ")
    assert "learning rate 1. Try a smaller rate" in result.stderr
    assert "normalize the inputs" in result.stderr
    assert "Traceback" not in result.stderr
    assert names(tmp_path) == []


def test_an_unknown_name_gets_a_suggestion(tmp_path):
    # Before the first fit: f2c is fine, but nothing is fitted.
    result = run("f2c", "sin_cubik", folder=tmp_path)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.startswith("Error: no model named 'sin_cubik'. Did you mean 'sin_cubic'?")
    assert "Traceback" not in result.stderr


def test_no_name_is_a_wrong_call(tmp_path):
    result = run(folder=tmp_path)
    assert result.returncode == 2
    assert "Name the models to fit, or type --all." in result.stderr
    assert result.stderr.startswith("Usage: python -m train ")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["f2c", "--all"], 2, "Name the models to fit, or type --all."),
        (["f2c", "--recipe", "sdg"], 2, "Did you mean 'sgd'?"),
        (["f2c", "--device", "cdua"], 2, "Did you mean 'cuda'?"),
        (["f2c", "--learning-rate", "0"], 2, "x>0"),
        (["f2c", "--learning-rate", "-1"], 2, "x>0"),
        (["f2c", "--recipe", "sgd", "--learning-rate", "nan"], 1, "Try a smaller rate"),
        (["f2c", "--recipe", "sgd", "--learning-rate", "1e38", "--epochs", "1"], 1, "epoch 2"),
        (["f2c", "--epochs", "0"], 2, "x>=1"),
        (["f2c", "--epochs", "2"], 1, "Give it more epochs"),
    ],
)
def test_wrong_calls_say_what_to_type(arguments, code, message):
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == code
    assert isinstance(result.exception, SystemExit)  # a message, and no traceback
    assert message in result.output


@pytest.mark.skipif(torch.cuda.is_available(), reason="is about machines without a GPU")
def test_a_missing_gpu_is_said():
    result = CliRunner().invoke(main, ["f2c", "--device", "cuda"])
    assert result.exit_code == 1
    assert "type --device cpu" in result.output


def test_one_model_writes_into_the_folder_itself(tmp_path):
    arguments = ["f2c", "--recipe", "sgd", "--epochs", "3", "--learning-rate", "0.001", "--json"]
    result = CliRunner().invoke(main, [*arguments, "--out", str(tmp_path / "new")])
    assert result.exit_code == 0
    assert names(tmp_path / "new") == FILES
    record = json.loads(result.output)
    assert record == json.loads((tmp_path / "new" / "fit.json").read_text("utf-8"))
    assert (record["settings"]["learning_rate"], record["epochs"]) == (0.001, 3)


def test_a_place_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("in the way")
    arguments = ["f2c", "--recipe", "sgd", "--epochs", "1"]
    result = CliRunner().invoke(main, [*arguments, "--out", str(tmp_path / "file" / "below")])
    assert result.exit_code == 1
    assert "Error: " in result.output
    assert isinstance(result.exception, SystemExit)

"""A fit that was stopped goes on to the same bits as one that was not."""

import dataclasses
import io
import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

import train
from train._cli import main
from train._learn.checkpoint import FILE, read, to_bytes
from train._learn.models import MODELS

TUTORIALS = [
    pytest.param(name, row, id=f"{name}-{row.name}")
    for name, model in MODELS.items()
    for row in model.recipes
    if row.until == "epochs"
]


def same(resumed, whole):
    """Compare all that a fit found, bit for bit: the numbers are doubles, and none is nan."""
    assert resumed.history == whole.history
    for name in ("parameters", "optimum", "loss", "best_loss", "validation_loss", "gradient"):
        assert getattr(resumed, name) == getattr(whole, name)
    assert resumed.dataset.sha256 == whole.dataset.sha256
    assert (resumed.stopped, resumed.diverged_at) == (False, None)
    return True


def through_a_file(fit, folder):
    """Return the checkpoint of a fit after it was in a file."""
    (folder / FILE).write_bytes(to_bytes(fit))
    return read(folder)


@pytest.mark.parametrize(("name", "row"), TUTORIALS)
def test_every_recipe_goes_on_to_the_same_bits(stopped, tmp_path, name, row):
    # By hand and by optimizer, momentum and running means, random forms, batches, streams, numpy.
    row = dataclasses.replace(row, epochs=6)
    whole = train.fit(name, recipe=row)
    for epoch in (1, row.epochs // 2, row.epochs):
        fit = stopped(name, epoch, recipe=row)
        assert fit.history == whole.history[:epoch]
        assert same(train.fit(name, recipe=row, resume=fit.checkpoint), whole)
        saved = through_a_file(fit, tmp_path)
        assert (saved.model, saved.recipe, saved.device) == (name, row, "cpu")
        assert same(train.fit(name, recipe=saved.recipe, resume=saved.state), whole)


@pytest.mark.parametrize("name", list(MODELS))
def test_the_default_fit_goes_on_to_the_same_bits(fitted, stopped, tmp_path, name):
    whole = fitted(name)
    for epoch in range(1, whole.epochs + 1):
        fit = stopped(name, epoch)
        assert same(train.fit(name, resume=fit.checkpoint), whole)
    saved = through_a_file(stopped(name, whole.epochs - 1), tmp_path)
    assert same(train.fit(name, resume=saved.state), whole)


def test_a_float64_fit_goes_on_as_one(fitted, stopped, tmp_path):
    for name in ("f2c", "sin_legendre"):
        whole = fitted(name, dtype="float64")
        for epoch in (1, whole.epochs - 1, whole.epochs):
            fit = stopped(name, epoch, dtype="float64")
            if name == "f2c":  # nothing is refined before the end
                assert fit.parameters == fit.history[-1].parameters
            saved = through_a_file(fit, tmp_path)
            assert saved.dtype == "float64"
            assert same(train.fit(name, dtype=saved.dtype, resume=saved.state), whole)


def test_a_checkpoint_of_the_other_dtype_is_refused(stopped):
    # Their constants differ: what was done for one says nothing for the other.
    checkpoint = stopped("f2c", 2).checkpoint
    with pytest.raises(train.TrainError, match=r"does not match recipe 'lbfgs' .* for float64"):
        train.fit("f2c", dtype="float64", resume=checkpoint)


def test_a_checkpoint_is_not_used_up(recipe, stopped):
    # An optimizer that went on in the checkpoint's own tensors would spoil it for the second time.
    for name, chosen in (("dynamic_net", "sgd"), ("sin_cubic", "rmsprop"), ("sin_cubic", None)):
        row = recipe(name, chosen) if chosen is None else recipe(name, chosen, epochs=20)
        whole = train.fit(name, recipe=row)
        checkpoint = stopped(name, 2, recipe=row).checkpoint
        for _ in range(3):
            assert same(train.fit(name, recipe=row, resume=checkpoint), whole)


def test_a_fit_can_be_stopped_many_times(recipe):
    row = recipe("dynamic_net", "sgd", epochs=9)
    whole, state = train.fit("dynamic_net", recipe=row), None
    for epoch in range(1, 10):
        with pytest.raises(train.StoppedError) as caught:
            train.fit("dynamic_net", recipe=row, resume=state, watch=lambda _: True)
        assert caught.value.fit.epochs == epoch
        state = caught.value.fit.checkpoint
    assert same(train.fit("dynamic_net", recipe=row, resume=state), whole)


def test_a_finished_fit_can_be_made_longer(recipe):
    short, long = (recipe("line", "manual", epochs=n) for n in (10, 25))
    begun = train.fit("line", recipe=short)
    assert same(
        train.fit("line", recipe=long, resume=begun.checkpoint), train.fit("line", recipe=long)
    )


def test_validation_goes_on_too(recipe, stopped):
    row = recipe("plane", "torch", validation_fraction=0.2, seed=3)
    whole = train.fit("plane", recipe=row)
    fit = stopped("plane", 1, recipe=row)
    resumed = train.fit("plane", recipe=row, resume=fit.checkpoint)
    assert same(resumed, whole)
    assert resumed.validation.sha256 == whole.validation.sha256


@pytest.mark.parametrize(
    ("name", "chosen", "changes"),
    [
        ("sin_cubic", "sgd-like", {}),
        ("f2c", "raw", {}),
        ("f2c", "sgd", {"learning_rate": 2e-2}),
        ("f2c", "sgd", {"seed": 1}),
        ("f2c", "sgd", {"validation_fraction": 0.2}),
    ],
)
def test_a_checkpoint_of_something_else_is_refused(recipe, stopped, name, chosen, changes):
    checkpoint = stopped("f2c", 2, recipe=recipe("f2c", "sgd", epochs=5)).checkpoint
    row = recipe("sin_cubic") if chosen == "sgd-like" else recipe(name, chosen, **changes)
    with pytest.raises(
        train.TrainError, match=r"the checkpoint does not match recipe .* only the number of ep"
    ):
        train.fit(name, recipe=row, resume=checkpoint)
    with pytest.raises(train.TrainError, match="the checkpoint does not match recipe"):
        train.fit(name, recipe=row, resume={})


# The file.


def test_a_checkpoint_holds_no_code(stopped, tmp_path, recipe):
    # weights_only: torch builds tensors and plain containers, and runs nothing.
    fit = stopped("sin_cubic", 3, recipe=recipe("sin_cubic", "module"))
    content = torch.load(io.BytesIO(to_bytes(fit)), weights_only=True)
    assert (content["model"], content["recipe"]) == ("sin_cubic", "module")
    assert content["overrides"]["epochs"] == 2000
    assert [tuple(epoch) for epoch in content["state"]["epochs"]] == list(fit.history)


def test_what_was_overridden_comes_back(stopped, tmp_path, recipe):
    changes = {"learning_rate": 1e-3, "epochs": 7, "seed": 5, "validation_fraction": 0.3}
    row = recipe("f2c", "sgd", **changes)
    assert through_a_file(stopped("f2c", 2, recipe=row), tmp_path).recipe == row


def whole_file(stopped, recipe):
    return to_bytes(stopped("f2c", 2, recipe=recipe("f2c", "sgd", epochs=5)))


@pytest.mark.parametrize("kept", [0, 1, 100, 0.5, 0.99])
def test_a_cut_checkpoint_is_said_to_be_damaged(stopped, recipe, tmp_path, kept):
    data = whole_file(stopped, recipe)
    (tmp_path / FILE).write_bytes(data[: kept if type(kept) is int else int(kept * len(data))])
    with pytest.raises(train.TrainError, match=r"checkpoint\.pt is damaged; start the fit again$"):
        read(tmp_path)


@pytest.mark.parametrize("data", [b"garbage", b"\x00" * 1000, b"\x80\x02.", "ä".encode() * 99])
def test_what_is_no_checkpoint_is_said_to_be_damaged(tmp_path, data):
    (tmp_path / FILE).write_bytes(data)
    with pytest.raises(train.TrainError, match=r"checkpoint\.pt is damaged; start the fit again$"):
        read(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        [],
        5,
        None,
        {},
        {"model": "f2c"},
        {"model": "f2c", "recipe": "sgd", "overrides": {"speed": 1}, "device": "cpu", "state": {}},
        {"model": "f2c", "recipe": "sgd", "overrides": 5, "device": "cpu", "state": {}},
        {"model": "f2c", "recipe": "sgd", "overrides": {}, "device": "cpu", "state": 5},
    ],
)
def test_a_file_of_something_else_is_said_to_be_damaged(tmp_path, content):
    torch.save(content, tmp_path / FILE)
    with pytest.raises(train.TrainError, match=r"checkpoint\.pt is damaged; start the fit again$"):
        read(tmp_path)


class Evil:
    """What runs a command as it is unpickled."""

    def __init__(self, file):
        self._file = file

    def __reduce__(self):
        return Path.touch, (self._file,)


def test_a_file_that_would_run_code_runs_none(tmp_path):
    traces = tmp_path / "traces"
    torch.save({"model": "f2c", "recipe": Evil(traces)}, tmp_path / FILE)
    with pytest.raises(train.TrainError, match=r"checkpoint\.pt is damaged; start the fit again$"):
        read(tmp_path)
    assert not traces.exists()


def test_a_checkpoint_of_an_unknown_model_says_so(tmp_path):
    torch.save({"model": "f2x", "recipe": "sgd"}, tmp_path / FILE)
    with pytest.raises(train.UnknownNameError, match="Did you mean 'f2c'"):
        read(tmp_path)


# The command.


def invoke(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_command_goes_on_and_leaves_what_out_promised(stopped, recipe, tmp_path):
    row = recipe("dynamic_net", "sgd", epochs=30, seed=4)
    through_a_file(stopped("dynamic_net", 11, recipe=row), tmp_path)
    result = invoke("--resume", tmp_path, "--json")
    assert result.exit_code == 0
    fresh = invoke("dynamic_net", "--recipe", "sgd", "--epochs", 30, "--seed", 4, "--json")
    assert result.output == fresh.output
    record = json.loads(result.output)
    assert (record["epochs"], record["seed"], record["stopped"]) == (30, 4, False)
    # Done: there is nothing to go on from any more.
    assert names(tmp_path) == ["fit.json", "fit.png", "history.csv"]
    again = invoke("--resume", tmp_path)
    assert again.exit_code == 1
    assert again.output.startswith("Error: no checkpoint.pt in ")
    assert again.output.endswith("no fit was stopped there\n")


def test_the_command_goes_on_in_float64(stopped, tmp_path):
    through_a_file(stopped("f2c", 2, dtype="float64"), tmp_path)
    result = invoke("--resume", tmp_path, "--json")
    assert result.exit_code == 0
    assert result.output == invoke("f2c", "--dtype", "float64", "--json").output
    record = json.loads(result.output)
    assert (record["dtype"], record["differing_bits"]) == ("float64", 0)


def test_the_command_can_write_elsewhere(stopped, recipe, tmp_path):
    through_a_file(stopped("f2c", 2, recipe=recipe("f2c", "raw", epochs=5)), tmp_path)
    assert invoke("--resume", tmp_path, "--out", tmp_path / "new").exit_code == 0
    assert names(tmp_path) == ["checkpoint.pt", "new"]
    assert names(tmp_path / "new") == ["fit.json", "fit.png", "history.csv"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["f2c"], "Name the models to fit, or use --all, --table or --resume."),
        (["--recipe", "sgd"], "--resume keeps the settings of the fit"),
        (["--dtype", "float32"], "--resume keeps the settings"),
        (["--learning-rate", "1"], "--resume keeps the settings"),
        (["--epochs", "9"], "--resume keeps the settings"),
        (["--seed", "1"], "--resume keeps the settings"),
        (["--validation-fraction", "0.1"], "--resume keeps the settings"),
    ],
)
def test_nothing_can_be_changed_on_the_way(tmp_path, more, message):
    result = invoke("--resume", tmp_path, *more)
    assert result.exit_code == 2
    assert message in result.output


def test_the_command_says_what_is_wrong_with_a_checkpoint(tmp_path):
    (tmp_path / FILE).write_bytes(b"garbage")
    result = invoke("--resume", tmp_path)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert "checkpoint.pt is damaged; start the fit again" in result.output

"""``python -m export``. Real processes for what a shell sees, click's runner for the rest."""

import json
import shutil
import subprocess
import sys

import pytest
from click.testing import CliRunner

from export._cli import main
from infer._program.operations import OPERATIONS


def run(*arguments, folder):
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "export", *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def tree(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_another_process_writes_the_same_bytes(exported, tmp_path):
    result = run("plane", "dynamic_net.order4", "--out", "some/where", folder=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    out = tmp_path / "some" / "where"
    written = ["plane", "dynamic_net.order4"]
    assert result.stdout.splitlines() == [f"wrote some/where/{name}" for name in written]
    # order4 alone: its siblings are not written with it.
    assert sorted(path.name for path in out.iterdir()) == sorted(written)
    for name in written:
        assert tree(out / name) == tree(exported / name)


def test_check_tells_what_drifted_and_writes_nothing(exported, tmp_path, monkeypatch):
    copy = tmp_path / "artifacts"  # what --out is, if it is not given
    for name in ("f2c", "dynamic_net.order3", "dynamic_net.order4"):
        shutil.copytree(exported / name, copy / name)
    card = copy / "f2c" / "model.json"
    text = card.read_text("utf-8").replace('"b": -17.3', '"b": -17.4')
    card.write_text(text, "utf-8")
    onnx = copy / "f2c" / "model.onnx"
    data = bytearray(onnx.read_bytes())
    data[200] ^= 0x10
    onnx.write_bytes(data)
    (copy / "dynamic_net.order3" / "model.pt").unlink()
    before = tree(tmp_path)
    monkeypatch.chdir(tmp_path)

    result = CliRunner().invoke(main, ["--check", "f2c", "dynamic_net"])

    assert (result.exit_code, result.stderr) == (1, "")
    assert tree(tmp_path) == before
    b = json.loads((exported / "f2c" / "model.json").read_text("utf-8"))["parameters"]["b"]
    lines = result.stdout.splitlines()
    assert lines[0] == f"artifacts/f2c/model.json: key 'parameters.b' is {b - 0.1:.16g}, now {b}"
    assert lines[1].startswith(f"artifacts/f2c/model.onnx: {len(data)} bytes, SHA-256 ")
    assert lines[2:] == [
        "artifacts/dynamic_net.order3/model.pt: absent",
        "artifacts/dynamic_net.order4: same bytes",
        "artifacts/dynamic_net.order5: absent",
    ]


def test_check_finds_a_committed_artifact_true(committed):
    # All of them are compared in test_artifact.py, and by this command in .ci/run.
    result = CliRunner().invoke(main, ["--check", "line", "--out", str(committed)])
    assert (result.exit_code, result.output) == (0, f"{committed / 'line'}: same bytes\n")


def test_every_committed_artifact_comes_from_a_model(committed, exported):
    def names(folder):
        return sorted(path.name for path in folder.iterdir() if path.is_dir())

    assert names(committed) == names(exported)


def test_wrong_calls_from_a_shell(tmp_path):
    result = run(folder=tmp_path)
    assert result.returncode == 2
    assert "Name the models to export, or type --all." in result.stderr
    result = run("sin_cubik", folder=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("Error: no model named 'sin_cubik'. Did you mean 'sin_cubic'?")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["f2c", "--all"], "Name the models to export, or type --all."),
        (
            ["f2c", "dynamic_net.ordr4"],
            "no artifact named 'dynamic_net.ordr4'. Did you mean 'dynamic_net.order4'? "
            "Known: dynamic_net, dynamic_net.order3, dynamic_net.order4, dynamic_net.order5.",
        ),
        (["f2c.order4"], "no artifact named 'f2c.order4'. Known: f2c."),
        (["f2c."], "no artifact named 'f2c.'. Did you mean 'f2c'? Known: f2c."),
    ],
)
def test_wrong_names_say_what_to_type(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert message in result.output
    assert list(tmp_path.iterdir()) == []  # names are looked up before the first fit


def test_float64_models_are_written_and_checked_on_request(tmp_path):
    arguments = ["f2c", "--dtype", "float64", "--out", str(tmp_path)]
    result = CliRunner().invoke(main, arguments)
    assert (result.exit_code, result.output) == (0, f"wrote {tmp_path / 'f2c'}\n")
    card = json.loads((tmp_path / "f2c" / "model.json").read_text("utf-8"))
    assert card["dtype"] == "float64"
    assert card["constants"] == {"scale": 0.1}
    result = CliRunner().invoke(main, [*arguments, "--check"])
    assert (result.exit_code, result.output) == (0, f"{tmp_path / 'f2c'}: same bytes\n")
    # Without the option, it is held against float32.
    result = CliRunner().invoke(main, ["f2c", "--out", str(tmp_path), "--check"])
    assert result.exit_code == 1
    assert 'key \'dtype\' is "float64", now "float32"' in result.output


def test_a_variant_named_twice_is_written_once(tmp_path):
    arguments = ["dynamic_net.order3", "dynamic_net.order3", "--out", str(tmp_path)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0
    assert result.output == f"wrote {tmp_path / 'dynamic_net.order3'}\n"


def test_a_refusal_is_a_message_and_an_exit_code(tmp_path, monkeypatch):
    (tmp_path / "f2c").mkdir()
    (tmp_path / "f2c" / "thesis.tex").write_text("years of work")
    result = CliRunner().invoke(main, ["f2c", "--out", str(tmp_path)])
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)  # a message, and no traceback
    assert "holds 'thesis.tex'" in result.output

    monkeypatch.setitem(OPERATIONS, "+", OPERATIONS["+"]._replace(onnx="Sub"))
    result = CliRunner().invoke(main, ["f2c", "--out", str(tmp_path / "new")])
    assert result.exit_code == 1
    assert "Error: f2c was not written: " in result.output
    assert not (tmp_path / "new" / "f2c").exists()

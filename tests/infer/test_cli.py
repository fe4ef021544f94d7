import hashlib
import json
import shutil
import subprocess
import sys

import onnx
import pytest

import infer
from infer._artifact.format import SIBLING_FILES, read_card, render
from infer._writers.siblings import content

RUNTIMES = infer.list_runtimes()
ARRAYS = ["python on numpy", *["python on torch"] * ("torchscript" in RUNTIMES)]


@pytest.fixture
def run(command):
    return lambda *arguments, **options: command("infer", *arguments, **options)


def lines(result):
    return result.stdout.decode().splitlines()


def test_list_shows_every_model(run):
    result = run("list")
    assert (result.returncode, result.stderr) == (0, b"")
    head, _, *rows = lines(result)
    assert head.split("  ")[0] == "name"
    assert [row.split()[0] for row in rows] == infer.list_models()
    f2c = next(row for row in rows if row.startswith("f2c "))
    for part in ("t_c = w·(0.1·t_u) + b", "°F → °C", "[21.8, 81.9]", ", ".join(RUNTIMES)):
        assert part in f2c


def test_list_shows_own_models_with_what_runs_them(run, write, line, tmp_path):
    write(line(), root=tmp_path / "own")
    rows = lines(run("list", SAMEBITS_ARTIFACTS=str(tmp_path / "own")))
    (row,) = [row for row in rows if row.startswith("own_line ")]
    assert row.endswith("  python")


def test_list_goes_on_after_a_damaged_model(run, write, line, tmp_path):
    card = write(line(), root=tmp_path / "own") / "model.json"
    card.write_bytes(card.read_bytes()[:-1])
    result = run("list", SAMEBITS_ARTIFACTS=str(tmp_path / "own"))
    assert result.returncode == 1
    assert len(lines(result)) == 2 + len(infer.list_models())
    assert f"{card}: key 'digest'" in result.stderr.decode()


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_list_survives_a_terminal_without_unicode(run, encoding):
    result = run("list", PYTHONIOENCODING=encoding)
    assert (result.returncode, result.stderr) == (0, b"")


def test_show_tells_all_about_a_model(run):
    result = run("show", "dynamic_net")
    assert result.returncode == 0
    text = result.stdout.decode()
    card = infer.load("dynamic_net").card
    assert text.startswith(f"dynamic_net.order5: {card.title}\n")
    parts = [card.formula, *card.program, *map(repr, card.parameters.values())]
    parts += [
        card.training.recipe,
        card.training.dataset.name,
        "best possible",
        "model.onnx",
        "model.pt2",
    ]
    for part in parts:
        assert part in text


def test_show_counts_the_readings_that_a_card_holds(run, line, write):
    readings = {"x": [0, 1, 2], "y": [1, 2, 3.5]}
    folder = write(line(readings=readings))
    assert "points, 11 rows, 3 of them in the card\n" in run("show", folder).stdout.decode()
    assert "thermometer, 11 rows\n" in run("show", "f2c").stdout.decode()


def test_show_marks_constants(run):
    assert "0.10000000149011612 (fixed)" in run("show", "f2c").stdout.decode()


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_show_json_is_the_file(run, shipped, encoding):
    result = run("show", "f2c", "--json", PYTHONIOENCODING=encoding)
    assert result.stdout == (shipped / "f2c" / "model.json").read_bytes()


def test_names_may_be_paths(run, copied):
    folder = copied()
    assert run("show", folder).returncode == 0
    assert run("run", folder, "50").stdout == run("run", "f2c", "50").stdout


@pytest.mark.parametrize("arguments", [("show", "f2x"), ("run", "f2x", "50"), ("check", "f2x")])
def test_an_unknown_name_suggests_the_nearest(run, arguments):
    result = run(*arguments)
    assert result.returncode == 2
    assert result.stderr.decode().startswith(
        "Error: no model named 'f2x'. Did you mean 'f2c'? Known: "
    )
    assert result.stdout == b""


def test_run_takes_negative_numbers_and_options_anywhere(run):
    result = run("run", "sin_cubic", "-1", "--quiet", "-40", "--digits", "3")
    model = infer.load("sin_cubic")
    assert lines(result) == [f"{model(-1.0):.3f}", f"{model(-40.0):.3f}"]


def test_run_with_a_runtime_that_the_artifact_lacks(run, write, line):
    folder = write(line())
    if "onnxruntime" in RUNTIMES:
        result = run("run", folder, "--runtime", "onnxruntime", "1")
        assert result.returncode == 1
        assert b"which 'own_line' does not have; use runtime='python'" in result.stderr


def test_run_of_a_damaged_artifact(run, copied):
    folder = copied()
    card = folder / "model.json"
    card.write_bytes(card.read_bytes().replace(b"5.36", b"5.37"))
    result = run("run", folder, "50")
    assert result.returncode == 1
    assert result.stderr.decode().startswith(f"Error: {card}: key ")
    assert result.stderr.count(b"\n") == 1


def test_the_variable_must_name_a_folder(run):
    for command in (["list"], ["check"], ["run", "mine", "1"]):
        result = run(*command, SAMEBITS_ARTIFACTS="nowhere")
        assert result.returncode == 1
        assert b"$SAMEBITS_ARTIFACTS is 'nowhere'; expected a folder" in result.stderr


# check


def test_check_compares_every_model_in_every_way(run):
    result = run("check", "--count", "1000")
    assert (result.returncode, result.stderr) == (0, b"")
    title, _, head, _, *rows = lines(result)
    assert title == "Differing bits, compared with python on floats"
    ways = [*ARRAYS, *RUNTIMES[1:]]
    assert head.split("  ")[0] == "model"
    for way in ways:
        assert way in head
    assert [row.split()[0] for row in rows] == infer.list_models()
    for row in rows:
        _, files, inputs, *bits = row.split()
        assert files == "intact"
        assert int(inputs.replace(",", "")) > 1000
        assert bits == ["0"] * len(ways)


def test_check_of_some_models(run, write, line):
    folder = write(line())
    result = run("check", "sin_cubic", folder, "sin_cubic", "--seed", "5", "--count", "7")
    assert (result.returncode, result.stderr) == (0, b"")
    rows = [row.split() for row in lines(result)[4:]]
    assert [row[0] for row in rows] == ["sin_cubic", "own_line", "sin_cubic"]
    # What an artifact does not have is neither right nor wrong.
    assert rows[1][3:] == [*["0"] * len(ARRAYS), *["-"] * len(RUNTIMES[1:])]


def rewrite_card(folder, **changes):
    """Change a card as somebody would who recomputes the digest."""
    path = folder / "model.json"
    path.write_bytes(render({**json.loads(path.read_bytes()), **changes}))


def rewrite_file(folder, file, data):
    """Replace a file as somebody would who puts its new size and hash into the card."""
    (folder / file).write_bytes(data)
    record = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    files = json.loads((folder / "model.json").read_bytes())["files"]
    rewrite_card(folder, files={**files, file: record})


def rename(folder, name):
    """Give an artifact another name, as if it had been exported under that."""
    rewrite_card(folder, name=name)
    card = read_card((folder / "model.json").read_bytes(), name)
    for file in SIBLING_FILES:
        rewrite_file(folder, file, content(file, card))


def flip_a_bit(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def with_another_constant(path):
    model = onnx.load(path)
    (tensor,) = [t for t in model.graph.initializer if t.name == "b"]
    tensor.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor) * 2, "b"))
    return model.SerializeToString()


@pytest.mark.skipif(len(RUNTIMES) < 3, reason="needs every runtime")
def test_check_finds_every_kind_of_tampering(run, shipped, tmp_path):
    own = tmp_path / "own"

    def tampered(name):
        folder = own / name
        shutil.copytree(shipped / "sin_cubic", folder)
        rename(folder, name)
        return folder

    flip_a_bit(tampered("card_flipped") / "model.json")
    rewrite_card(tampered("card_rewritten"), parameters={"a": 0, "b": 0.875, "c": 0, "d": -0.09375})
    (tampered("file_lost") / "model.pt").unlink()
    flip_a_bit(tampered("onnx_flipped") / "model.onnx")
    rewrite_file(tampered("onnx_no_model"), "model.onnx", b"no model")
    folder = tampered("onnx_rewritten")
    rewrite_file(folder, "model.onnx", with_another_constant(folder / "model.onnx"))
    flip_a_bit(tampered("pt2_flipped") / "model.pt2")
    flip_a_bit(tampered("pt_flipped") / "model.pt")
    tampered("untouched")

    names = sorted(path.name for path in own.iterdir())
    result = run("check", "--count", "10", *names, SAMEBITS_ARTIFACTS=str(own))
    assert result.returncode == 1
    rows = {name: rest for name, *rest in (row.split() for row in lines(result)[4:])}
    assert list(rows) == names
    states = {name: row[0] for name, row in rows.items()}
    assert {name for name in names if states[name] == "intact"} == {"untouched"}
    assert {states[name] for name in names if name != "untouched"} == {"damaged"}
    # python on numpy and on torch follow the card; behind them stand the runtimes of the files.
    onnx_bits, torch_bits, pt2_bits = (
        {name: row[-3:][i] for name, row in rows.items()} for i in range(3)
    )
    assert rows["card_flipped"] == ["damaged", "0", "-", "-", "-", "-", "-"]
    assert rows["untouched"][-3:] == ["0", "0", "0"]
    # A file is never run that is not the one that the card accounts for.
    assert rows["card_rewritten"][-3:] == ["failed", "failed", "failed"]
    assert onnx_bits["onnx_rewritten"] == "failed"
    assert torch_bits["onnx_rewritten"] == "0"
    assert onnx_bits["onnx_no_model"] == onnx_bits["onnx_flipped"] == "failed"
    assert torch_bits["file_lost"] == torch_bits["pt_flipped"] == "failed"
    assert pt2_bits["pt2_flipped"] == "failed"
    # Each problem is told once: a damaged file fails its runtime for the reason that is told.
    message = result.stderr.decode()
    assert message.startswith("Error: ")
    problems = message.removeprefix("Error: ").splitlines()
    assert len(problems) == 10
    for problem in (
        f"{own / 'card_flipped' / 'model.json'}: key ",
        *(f"{own / 'card_rewritten' / file}: expected the file that " for file in SIBLING_FILES),
        f"{own / 'file_lost' / 'model.pt'}: expected a readable file",
        f"{own / 'onnx_flipped' / 'model.onnx'}: expected SHA-256 ",
        f"{own / 'onnx_no_model' / 'model.onnx'}: expected the file that ",
        f"{own / 'onnx_rewritten' / 'model.onnx'}: expected the file that ",
        f"{own / 'pt2_flipped' / 'model.pt2'}: expected SHA-256 ",
        f"{own / 'pt_flipped' / 'model.pt'}: expected SHA-256 ",
    ):
        assert sum(line.startswith(problem) for line in problems) == 1, problem


def test_check_by_path_finds_a_damaged_card(run, copied):
    folder = copied()
    flip_a_bit(folder / "model.json")
    result = run("check", folder)
    assert result.returncode == 1
    assert lines(result)[-1].split()[-2:] == ["damaged", "0"]
    assert f"{folder / 'model.json'}: key " in result.stderr.decode()


@pytest.mark.parametrize("arguments", [["--count", "0"], ["--count", "x"], ["--seed", "x"]])
def test_check_refuses_what_is_no_count(run, arguments):
    assert run("check", *arguments).returncode == 2


# The group itself


def test_help_version_and_typing_errors(run):
    help_ = run("--help")
    assert help_.returncode == 0
    for name in ("list", "show", "run", "invert", "check"):
        assert name in help_.stdout.decode()
        assert run(name, "--help").returncode == 0
    assert lines(run("--version")) == ["infer, version 0.1.0"]
    result = run("lst")
    assert result.returncode == 2
    assert b"No such command 'lst'" in result.stderr


def test_the_module_is_the_command(tmp_path):
    result = subprocess.run(
        [sys.executable, "-m", "infer", "run", "f2c", "50"],
        capture_output=True,
        cwd=tmp_path,
        check=True,
    )
    assert result.stdout == b"9.533812\n"
    result = subprocess.run(
        [sys.executable, "-m", "infer", "--help"], capture_output=True, cwd=tmp_path, check=True
    )
    assert result.stdout.startswith(b"Usage: python -m infer ")

import subprocess
import sys

import pytest

import infer
from infer._ieee.shortest import shortest


def test_it_is_the_shipped_thermometer(command):
    result = command("f2c", "98.6")
    assert result.returncode == 0
    assert result.stdout.decode() == f"{shortest(infer.load('f2c')(98.6), 'float32')}\n"
    assert command("infer", "run", "f2c", "98.6").stdout == result.stdout


def test_help_says_what_the_answer_is_not(command):
    result = command("f2c", "--help")
    assert result.returncode == 0
    text = " ".join(result.stdout.decode().split())
    assert text.startswith("Usage: f2c [OPTIONS] [VALUE]... [-]")
    assert "98.6 gives 35.6, where the true scale says 37.0" in text
    assert f"{infer.load('f2c')(98.6):.1f}" == "35.6"
    for option in ("--digits", "--json", "--runtime", "--quiet"):
        assert option in text


def test_an_own_model_of_that_name_does_not_take_its_place(command, write, line, tmp_path):
    write(line(name="f2c"), root=tmp_path / "own")
    result = command("f2c", "50", SAMEBITS_ARTIFACTS=str(tmp_path / "own"))
    assert result.stdout == command("f2c", "50").stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("f2c", "98.6"),
        ("f2c", "-40", "nan", "1e400", "-inf", "1_0", "50"),
        ("f2c", "50", "1,2"),
        ("infer", "run", "f2c", "-40"),
        ("infer", "run", "plane", "1.5,2", "-1,1e9"),
        ("infer", "run", "plane", "1.5,2", "3"),
        ("infer", "run", "plain", "3"),
        ("infer", "run", "./nowhere", "3"),
    ],
)
def test_plain_numbers_are_answered_as_with_an_option(command, arguments):
    plain, parsed = command(*arguments), command(*arguments, "--runtime", "auto")
    assert plain.stdout == parsed.stdout
    assert (plain.returncode, plain.stderr) == (parsed.returncode, parsed.stderr)


@pytest.mark.parametrize("arguments", [["f2c", "98.6"], ["infer", "run", "plane", "1.5,2"]])
def test_plain_numbers_need_no_click(arguments):
    code = (
        "import atexit, sys; from infer import _entry\n"
        "atexit.register(lambda: print(*sys.modules)); getattr(_entry, sys.argv[0])()"
    )
    result = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.argv = {arguments}\n{code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(result.stdout.split())
    assert "infer._program.on_floats" in loaded
    assert not {"click", "typing", "dataclasses", "inspect", "contextlib"} & loaded

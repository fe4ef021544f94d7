"""What a terminal gets to see of names and cards that somebody else chose."""

import json
from unicodedata import category

import pytest

from infer._artifact.format import render

EVIL = "\u202egnp\u2066\u2028\u200b"
ESCAPED = r"\u202egnp\u2066\u2028\u200b"


def obeyed(output):
    """Return the characters that a terminal obeys, but for the end of a line."""
    kinds = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    return {character for character in output.decode() if category(character) in kinds} - {"\n"}


@pytest.fixture
def evil(line, tmp_path):
    """Return a folder of an odd name, with a card of odd texts if the format takes them."""
    folder = tmp_path / f"x{EVIL}\nError: none" / "own_line"
    folder.mkdir(parents=True)
    document = line()
    document["inputs"][0]["unit"] = document["outputs"][0]["unit"] = f"V{EVIL}"
    document |= {"title": f"t{EVIL}", "description": f"d{EVIL}", "formula": f"f{EVIL}"}
    (folder / "model.json").write_bytes(render(document))
    return folder


@pytest.mark.parametrize(
    "arguments",
    [
        ("show",),
        ("run", "1"),
        ("run", "--json", "1"),
        ("run", "99"),
        ("run", "--runtime", "onnxruntime", "1"),
        ("check", "--count", "1"),
        ("invert", "1"),
    ],
)
@pytest.mark.parametrize("damaged", [False, True])
def test_a_command_prints_nothing_that_a_terminal_obeys(damaged, arguments, evil, command):
    if damaged:
        card = evil / "model.json"
        card.write_bytes(card.read_bytes().replace(b'"title"', f'"title{EVIL}"'.encode()))
    verb, *rest = arguments
    result = command("infer", verb, evil, *rest)
    assert obeyed(result.stdout) | obeyed(result.stderr) == set()
    # An error is one line, whatever names it repeats.
    if result.returncode:
        assert result.stderr.count(b"\n") == 1
        assert result.stderr.startswith(b"Error: ")
    if damaged:
        assert result.returncode == 1
        assert rf"x{ESCAPED}\u000aError: none".encode() in result.stderr


def test_models_of_a_folder_are_listed_the_same_way(line, evil, command):
    result = command("infer", "list", SAMEBITS_ARTIFACTS=str(evil.parent))
    assert obeyed(result.stdout) | obeyed(result.stderr) == set()
    assert b"own_line" in result.stdout + result.stderr


def test_a_message_has_a_sane_length(line, write, command):
    folder = write(line())
    document = json.loads((folder / "model.json").read_text("utf-8"))
    document["k" * 500_000] = 1
    (folder / "model.json").write_bytes(render(document))
    result = command("infer", "run", folder, "1")
    assert result.returncode == 1
    assert len(result.stderr) < 5000


def test_a_file_of_an_odd_name_is_named_harmlessly(command, tmp_path):
    source = tmp_path / f"readings{EVIL}\nError: none.csv"
    source.write_text("x\nno number\n")
    result = command("infer", "score", source, tmp_path / "out.csv", "--model", "f2c")
    assert result.returncode == 2
    assert obeyed(result.stderr) == set()
    assert result.stderr.count(b"\n") == 1
    result = command("calibrate", source, "--x", "x", "--y", "y", "--out", tmp_path)
    assert result.returncode
    assert obeyed(result.stderr) == set()

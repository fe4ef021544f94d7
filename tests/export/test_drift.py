"""What ``--check`` finds between two artifacts."""

import json
import shutil

import pytest

from export._drift import differences


@pytest.fixture
def pair(exported, tmp_path):
    """Return a copy of an artifact that may be changed, and the artifact."""
    copy = tmp_path / "f2c"
    shutil.copytree(exported / "f2c", copy)
    return copy, exported / "f2c"


def test_no_line_for_the_same_bytes(pair):
    assert differences(*pair) == []


def test_a_number_in_the_card(pair):
    copy, fresh = pair
    card = json.loads((copy / "model.json").read_text("utf-8"))
    fresh_w = card["parameters"]["w"]
    card["parameters"]["w"] = 5.5
    fresh_torch = card["training"]["versions"]["torch"]
    card["training"]["versions"]["torch"] = "1.0"
    (copy / "model.json").write_text(json.dumps(card), "utf-8")
    assert differences(copy, fresh) == [
        f"{copy / 'model.json'}: key 'parameters.w' is 5.5, now {fresh_w!r}",
        f'{copy / "model.json"}: key \'training.versions.torch\' is "1.0", now "{fresh_torch}"',
    ]


def test_keys_steps_and_ends_of_lists_in_the_card(pair):
    copy, fresh = pair
    card = json.loads((copy / "model.json").read_text("utf-8"))
    card["mood"] = "good"
    card["program"].append("t_c = -t_c")
    del card["title"]
    (copy / "model.json").write_text(json.dumps(card), "utf-8")
    assert [line.partition(": ")[2] for line in differences(copy, fresh)] == [
        "key 'mood' is \"good\", now absent",
        "key 'program[3]' is \"t_c = -t_c\", now absent",
        "key 'title' is absent, now \"Fahrenheit to Celsius, as eleven readings teach it\"",
    ]


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data + b"\n",  # the same values
        lambda data: data[:100],  # no JSON
        lambda data: b"\xff" + data,  # no text
        lambda data: b"",
    ],
)
def test_a_card_whose_values_tell_nothing(pair, change):
    copy, fresh = pair
    data = change((fresh / "model.json").read_bytes())
    (copy / "model.json").write_bytes(data)
    (line,) = differences(copy, fresh)
    assert line.startswith(f"{copy / 'model.json'}: {len(data):,} bytes, SHA-256 ")
    assert ", now " in line


@pytest.mark.parametrize("file", ["model.onnx", "model.pt", "model.pt2"])
def test_a_byte_in_a_file(pair, file):
    copy, fresh = pair
    data = bytearray((copy / file).read_bytes())
    data[100] ^= 1
    (copy / file).write_bytes(data)
    (line,) = differences(copy, fresh)
    assert line.startswith(f"{copy / file}: {len(data):,} bytes, SHA-256 ")


def test_what_is_absent_and_what_is_too_much(pair):
    copy, fresh = pair
    (copy / "model.onnx").unlink()
    (copy / "notes.txt").write_text("mine")
    (copy / "folder").mkdir()
    assert differences(copy, fresh) == [
        f"{copy / 'model.onnx'}: absent",
        f"{copy / 'folder'}: unexpected",
        f"{copy / 'notes.txt'}: unexpected",
    ]


def test_an_artifact_that_is_not_there(pair, tmp_path):
    _, fresh = pair
    assert differences(tmp_path / "none", fresh) == [f"{tmp_path / 'none'}: absent"]
    (tmp_path / "file").write_text("")
    assert differences(tmp_path / "file", fresh) == [f"{tmp_path / 'file'}: absent"]

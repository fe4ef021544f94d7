import copy
import hashlib
import json
import math
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infer._artifact.card import (
    DatasetRecord,
    EvaluationError,
    FileRecord,
    Port,
    ReadingsSample,
    Uncertainty,
)
from infer._artifact.format import MAX_CARD_BYTES, read_card, render
from infer._errors import ArtifactError

ARTIFACTS = Path(__file__).resolve().parents[3] / "artifacts"
NAMES = sorted(path.parent.name for path in ARTIFACTS.glob("*/model.json"))


def seal(data):
    """Fill in the digest that belongs to some bytes: what refuses them is something else."""
    blank = re.sub(rb'"digest": "[0-9a-f]{64}"', b'"digest": "%s"' % (b"0" * 64), data)
    digest = hashlib.sha256(blank).hexdigest().encode()
    return blank.replace(b"0" * 64, digest)


def refusal(data):
    """Return the key and the rest of the message; every refusal names file, key, expectation."""
    with pytest.raises(ArtifactError) as caught:
        read_card(data, "some/model.json")
    match = re.fullmatch(
        r"some/model\.json: key (?:'(.*?)'|\"(.*?)\"): (expected .+, found .+)", str(caught.value)
    )
    assert match is not None, str(caught.value)
    assert len(str(caught.value)) < 500
    return match[1] or match[2], match[3]


@pytest.mark.parametrize("name", NAMES)
def test_shipped_cards_are_read_and_rendered_again(shipped, name):
    data = (shipped / name / "model.json").read_bytes()
    card = read_card(data, name)
    document = json.loads(data)
    assert card.name == name
    assert card.digest == document["digest"]
    assert [str(step) for step in card.compiled.steps] == document["program"]
    assert card.compiled.constants == {**document["parameters"], **document["constants"]}
    # The bytes are the writer's: sorted, indented, nothing else.
    assert render(document) == data


def test_every_field_reaches_the_card(plane):
    size = {"size": 707, "sha256": "ab" * 32}
    document = plane(constants={}, default_variant=False, files={"model.pt": size})
    card = read_card(render(document), "")
    assert card.format_version == 1
    assert (card.title, card.description) == (document["title"], document["description"])
    assert card.formula == document["formula"]
    assert card.default_variant is False
    assert card.dtype == "float32"
    assert card.inputs == (Port("x", "float32", ("...", 2), "m"),)
    assert card.input is card.inputs[0]
    assert card.outputs == (Port("y", "float32", ("...",), "1"),)
    assert card.output is card.outputs[0]
    assert card.features == 2
    assert card.domain == ((-1.0, 1.0), (0.0, 4.0))
    assert card.parameters == document["parameters"]
    assert card.constants == {}
    assert card.program == tuple(document["program"])
    assert card.training.recipe == "lbfgs"
    assert card.training.settings == document["training"]["settings"]
    assert card.training.dataset == DatasetRecord(**document["training"]["dataset"])
    assert (card.training.loss, card.training.best_loss) == (2.5, 2.5)
    assert card.training.versions == {"numpy": "2.0", "torch": "2.9"}
    assert card.files == {"model.pt": FileRecord(707, "ab" * 32)}


def test_the_uncertainty_reaches_the_card(measured):
    document = {**measured(), "evaluation_error": {"absolute": 0.5, "ulp": 2}}
    card = read_card(render(document), "")
    assert card.uncertainty == Uncertainty(
        residual_sd=0.25,
        degrees_of_freedom=1,
        powers=((0,), (1,)),
        center=(0.5,),
        half_width=(2.0,),
        curve=(-2.75, 1.0),
        factor=((0.625, 0.0), (0.125, 0.875)),
        typical_sigma=1.0,
    )
    assert {type(value) for row in card.uncertainty.factor for value in row} == {float}
    assert card.evaluation_error == EvaluationError(0.5, 2.0)


# A change to a valid uncertainty, the key below it that is refused, and what is said about it.
UNCERTAIN = {
    "sd below zero": ({"residual_sd": -1}, "residual_sd", "a number of at least 0"),
    "no degrees": ({"degrees_of_freedom": 0}, "degrees_of_freedom", "at least 1"),
    "half a degree": ({"degrees_of_freedom": 1.5}, "degrees_of_freedom", "a whole number"),
    "no terms": ({"powers": []}, "powers", "a list of 1"),
    "root": ({"powers": [[0], [0.5]]}, r"powers\[1\]\[0\]", "a whole number"),
    "pole": ({"powers": [[0], [-1]]}, r"powers\[1\]\[0\]", "at least 0"),
    "high power": ({"powers": [[0], [101]]}, r"powers\[1\]\[0\]", "up to 100"),
    "two powers": ({"powers": [[0], [1, 1]]}, r"powers\[1\]", r"1 item\(s\), one per feature"),
    "two centers": ({"center": [0, 1]}, "center", r"1 item\(s\), one per feature"),
    "center as text": ({"center": ["0"]}, r"center\[0\]", "a number"),
    "center true": ({"center": [True]}, r"center\[0\]", "a number, found true"),
    "no width": ({"half_width": [0]}, r"half_width\[0\]", "a number above 0"),
    "two widths": ({"half_width": [1, 1]}, "half_width", r"1 item\(s\), one per feature"),
    "short curve": ({"curve": [1]}, "curve", r"2 item\(s\), one per term, found 1"),
    "huge curve": ({"curve": [1, 10**400]}, r"curve\[1\]", "a finite number"),
    "huge negative": ({"curve": [1, -(10**400)]}, r"curve\[1\]", "a finite number"),
    "one row": ({"factor": [[1, 1]]}, "factor", r"2 item\(s\), one per term, found 1"),
    "short row": ({"factor": [[1, 1], [1]]}, r"factor\[1\]", r"2 item\(s\), one per term"),
    "null in a row": ({"factor": [[1, 1], [1, None]]}, r"factor\[1\]\[1\]", "a number"),
    "no sigma": ({"typical_sigma": 0}, "typical_sigma", "a number above 0"),
}


@pytest.mark.parametrize(("changes", "key", "message"), UNCERTAIN.values(), ids=UNCERTAIN)
def test_an_uncertainty_that_makes_no_sense_is_refused(measured, changes, key, message):
    found, text = refusal(render(measured(**changes)))
    assert re.fullmatch(rf"uncertainty\.{key}", found)
    assert re.search(message, text)


def test_the_readings_reach_the_card(line, plane):
    assert read_card(render(line()), "").readings is None
    card = read_card(render(line(readings={"x": [0, -0.5, 0], "y": [1, 2.5, 1]})), "")
    assert card.readings == ReadingsSample(x=(0.0, -0.5, 0.0), y=(1.0, 2.5, 1.0))
    card = read_card(render(plane(readings={"x": [[1, 2], [3, 4]], "y": [5, 6]})), "")
    assert card.readings == ReadingsSample(x=((1.0, 2.0), (3.0, 4.0)), y=(5.0, 6.0))
    assert {type(value) for row in card.readings.x for value in row} == {float}


# The readings of a model with one input, the key below them that is refused, and what is said.
READINGS = {
    "nothing": (None, "", "an object, found null"),
    "a list": ([[1, 2]], "", "an object"),
    "no y": ({"x": [1]}, ".y", "a value, found no such key"),
    "empty": ({"x": [], "y": []}, ".x", "a list of 1 to 10,000"),
    "short x": ({"x": [1], "y": [1, 2]}, ".x", r"2 item\(s\), as many as in y, found 1"),
    "short y": ({"x": [1, 2], "y": [1]}, ".x", r"1 item\(s\), as many as in y, found 2"),
    "more than rows": (
        {"x": [1] * 12, "y": [1] * 12},
        ".y",
        r"at most 11 item\(s\), as training.dataset.rows, found 12",
    ),
    "text": ({"x": ["1"], "y": [1]}, ".x[0]", 'a number, found "1"'),
    "null": ({"x": [1], "y": [None]}, ".y[0]", "a number, found null"),
    "true": ({"x": [1, True], "y": [1, 2]}, ".x[1]", "a number, found true"),
    "huge": ({"x": [1], "y": [-(10**400)]}, ".y[0]", "a finite number"),
    "features": ({"x": [[1, 2]], "y": [1]}, ".x[0]", "a number, found a list of 2"),
    "both": ({"x": [1, [2]], "y": [1, 2]}, ".x[1]", r"a number, found \[2\]"),
    "both, lists first": ({"x": [[1], 2], "y": [1, 2]}, ".x[1]", "a list of 1 to 1,000, found 2"),
    "an extra key": ({"x": [1], "y": [1], "of": 5}, ".of", "only x, y, found an extra key"),
}


@pytest.mark.parametrize(("readings", "key", "message"), READINGS.values(), ids=READINGS)
def test_readings_that_make_no_sense_are_refused(line, readings, key, message):
    found, text = refusal(render(line(readings=readings)))
    assert found == f"readings{key}"
    assert re.search(message, text)


@pytest.mark.parametrize("x", [[[1], [2]], [[1, 2], [1, 2, 3]], [1, 2]])
def test_readings_have_a_number_a_feature(plane, x):
    key, message = refusal(render(plane(readings={"x": x, "y": [1, 2]})))
    assert re.fullmatch(r"readings\.x\[[01]\]", key)
    assert "a list of 2, one per feature, found a" in message


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-1e999"])
def test_readings_are_finite(line, text):
    data = render(line(readings={"x": [1, 2], "y": [1, 123.5]})).replace(b"123.5", text.encode())
    assert "a finite number" in refusal(seal(data))[1]


def test_any_flipped_digit_of_the_readings_is_noticed(line):
    data = render(line(readings={"x": [0.25, 3.5], "y": [1.5, -7.75]}))
    begin, end = data.index(b'"readings"'), data.index(b'"title"')
    digits = [at for at in range(begin, end) if chr(data[at]).isdigit()]
    assert len(digits) == 10
    for at in digits:
        damaged = bytearray(data)
        damaged[at] ^= 1
        assert refusal(bytes(damaged))[0] == "digest"


def test_cards_are_frozen(line):
    card = read_card(render(line()), "")
    with pytest.raises(AttributeError):
        card.name = "other"
    for mapping in (card.parameters, card.training.settings, card.training.versions, card.files):
        with pytest.raises(TypeError):
            mapping["a"] = 1.0


@pytest.mark.parametrize("text", ["-0", "-0.0", "-0e5", "-1e-999"])
def test_minus_zero_is_kept(line, text):
    data = render(line(parameters={"a": 0.5, "b": 1.5})).replace(b"1.5\n", text.encode() + b"\n", 1)
    card = read_card(seal(data), "")
    assert math.copysign(1, card.compiled.constants["b"]) == -1
    assert card.parameters["b"] == 0


@pytest.mark.parametrize("text", ["0.5", "5e-1", "0.50", "0.5000000000000000000001"])
def test_a_number_is_the_nearest_double(line, text):
    data = render(line()).replace(b'"a": 0.5', b'"a": ' + text.encode())
    assert read_card(seal(data), "").parameters["a"] == 0.5


def test_layout_and_order_do_not_matter(line):
    document = {**line(), "digest": "0" * 64}
    text = json.dumps(dict(reversed(document.items())), ensure_ascii=True)
    assert read_card(seal(text.encode()), "").formula == "y = a·x + b"


# A change to a valid card, the key that is refused, and a part of what is said about it.
REFUSED = {
    "version 2": ({"format_version": 2}, "format_version", "expected the number 1, found 2"),
    "version 0": ({"format_version": 0}, "format_version", "the number 1"),
    "version as text": ({"format_version": "1"}, "format_version", 'found "1"'),
    "version true": ({"format_version": True}, "format_version", "found true"),
    "version null": ({"format_version": None}, "format_version", "a number, found null"),
    "version list": ({"format_version": [1]}, "format_version", r"found \[1\]"),
    "name with a path": ({"name": "../f2c"}, "name", "a name such as model"),
    "name in capitals": ({"name": "F2C"}, "name", "a name such as model"),
    "two dots": ({"name": "a.b.c"}, "name", "a name such as model"),
    "default as a number": ({"default_variant": 1}, "default_variant", "true or false, found 1"),
    "empty title": ({"title": ""}, "title", "text without control characters"),
    "line break": ({"title": "a\nb"}, "title", "text without control characters"),
    "terminal command": ({"description": "\x1b[2J"}, "description", "control characters"),
    "C1 control": ({"formula": "\x9b2J"}, "formula", "control characters"),
    "title as a number": ({"title": 1}, "title", "found 1"),
    "dtype float16": ({"dtype": "float16"}, "dtype", '"float32" or "float64"'),
    "no input": ({"inputs": []}, "inputs", "a list of 1"),
    "inputs as an object": ({"inputs": {}}, "inputs", "a list of 1"),
    "no domain": ({"domain": []}, "domain", "a list of 1 to 1,000"),
    "domain of one": ({"domain": [[1.0]]}, r"domain\[0\]", "a list of 2"),
    "domain of text": ({"domain": [["0", 1]]}, r"domain\[0\]\[0\]", 'a number, found "0"'),
    "domain turned round": ({"domain": [[2, 1]]}, r"domain\[0\]", "the smaller value first"),
    "two domains": ({"domain": [[1, 2], [1, 2]]}, "domain", r"1 pair\(s\)"),
    "parameters as a list": ({"parameters": [0.5]}, "parameters", "an object"),
    "no parameter": ({"parameters": {}}, r"program\[0\]", "not 'a'"),
    "parameter as text": ({"parameters": {"a": "0.5"}}, "parameters.a", "a number"),
    "parameter true": ({"parameters": {"a": True}}, "parameters.a", "a number, found true"),
    "parameter null": ({"parameters": {"a": None}}, "parameters.a", "a number, found null"),
    "parameter in capitals": ({"parameters": {"A": 1}}, "parameters.A", "a lower-case name"),
    "no float32": ({"parameters": {"a": 0.1}}, "parameters.a", "of float32, found 0.1"),
    "no float32 int": ({"constants": {"c": 16777217}}, "constants.c", "of float32"),
    "beyond float32": ({"constants": {"c": 1e39}}, "constants.c", "of float32"),
    "below float32": ({"constants": {"c": 1e-46}}, "constants.c", "of float32"),
    "beyond a double": ({"constants": {"c": 10**400}}, "constants.c", "a finite number"),
    "constant like a parameter": ({"constants": {"a": 1}}, "constants.a", "no parameter has"),
    "constant like the input": ({"constants": {"x": 1}}, "constants.x", "no input or output"),
    "constant like the output": ({"constants": {"y": 1}}, "constants.y", "no input or output"),
    "unused constant": ({"constants": {"c": 1}}, r"program\[1\]", "a use of 'c'"),
    "no program": ({"program": []}, "program", "a list of 1 to 10,000"),
    "program as text": ({"program": "y = x + b"}, "program", "a list of 1 to 10,000"),
    "unknown operation": ({"program": ["y = a / x"]}, r"program\[0\]", "a step such as 'y = a"),
    "power": ({"program": ["s = a * x", "y = s ** b"]}, r"program\[1\]", "a step such as"),
    "call": ({"program": ["y = sin(x)"]}, r"program\[0\]", r'found "?.y = sin\(x\)'),
    "undefined": ({"program": ["y = q * x"]}, r"program\[0\]", "defined above, not 'q'"),
    "file outside": ({"files": {"../x": {}}}, r"files\.\.\./x", "a file in this folder"),
    "absolute file": ({"files": {"/etc/passwd": {}}}, "files./etc/passwd", "in this folder"),
    "hidden file": ({"files": {".pt": {}}}, r"files\.\.pt", "in this folder"),
    "other file": (
        {"files": {"model.exe": {}}},
        "files.model.exe",
        "model.onnx, model.pt, model.pt2",
    ),
    "card in files": ({"files": {"model.json": {}}}, "files.model.json", "in this folder"),
    "file as text": ({"files": {"model.pt": "x"}}, "files.model.pt", "an object"),
    "file without hash": ({"files": {"model.pt": {"size": 1}}}, "files.model.pt.sha256", "a value"),
    "uncertainty as text": ({"uncertainty": "1"}, "uncertainty", "an object"),
    "error as a number": ({"evaluation_error": 1}, "evaluation_error", "an object"),
    "error below zero": (
        {"evaluation_error": {"absolute": -1, "ulp": 1}},
        "evaluation_error.absolute",
        "a number of at least 0",
    ),
    "training as null": ({"training": None}, "training", "an object, found null"),
}


@pytest.mark.parametrize(("changes", "key", "message"), REFUSED.values(), ids=REFUSED)
def test_what_the_format_does_not_permit_is_refused(line, changes, key, message):
    found, text = refusal(render(line(**changes)))
    assert re.fullmatch(key, found)
    assert re.search(message, text)


@pytest.mark.parametrize(
    ("size", "message"),
    [(-1, "at least 0"), (1.5, "a whole number"), (True, "a number"), ("1", "a number")],
)
def test_a_size_is_a_whole_number(line, size, message):
    files = {"model.pt": {"size": size, "sha256": "0" * 64}}
    key, text = refusal(render(line(files=files)))
    assert key == "files.model.pt.size"
    assert message in text


@pytest.mark.parametrize("digits", ["0" * 63, "0" * 65, "A" * 64, "g" * 64, "", 0])
def test_a_hash_is_64_hex_digits(line, digits):
    files = {"model.pt": {"size": 1, "sha256": digits}}
    assert refusal(render(line(files=files)))[0] == "files.model.pt.sha256"


def objects(value, path=()):
    """Yield the path of every object in a document."""
    if isinstance(value, dict):
        yield path
        for key, item in value.items():
            yield from objects(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from objects(item, (*path, index))


def test_a_missing_or_an_extra_key_is_refused_at_every_level(measured):
    document = {
        **measured(),
        "readings": {"x": [1], "y": [1]},
        "files": {"model.pt": {"size": 1, "sha256": "0" * 64}},
        "evaluation_error": {"absolute": 0, "ulp": 0},
        "digest": "0" * 64,
    }
    names_are_free = [("parameters",), ("constants",), ("files",)]
    names_are_free += [("training", "settings"), ("training", "versions")]
    fixed = [path for path in objects(document) if path not in names_are_free]
    assert len(fixed) == 9
    for path in fixed:
        target = document
        for part in path:
            target = target[part]
        known = sorted(target)
        for name in {*known} - {"readings"}:
            value = target.pop(name)
            key, message = refusal(json.dumps(document).encode())
            assert key.endswith(name)
            assert message == "expected a value, found no such key"
            target[name] = value
        target["extra"] = 1
        key, message = refusal(render(document))
        assert key.endswith("extra")
        assert message == f"expected only {', '.join(known)}, found an extra key"
        del target["extra"]


@pytest.mark.parametrize("root", [[], None, 1, "x", True])
def test_the_file_holds_an_object(root):
    assert refusal(json.dumps(root).encode())[0] == "(the file)"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_a_constant_is_finite(line, number):
    data = seal(render(line()).replace(b'"a": 0.5', b'"a": ' + number.encode()))
    key, message = refusal(data)
    assert key in ("parameters.a", "(a number)")
    assert "a finite number" in message


@pytest.mark.parametrize("number", ["0x1p3", "1_0", "+1", ".5", "5.", "01", "1e", "٣"])
def test_only_numbers_of_json_are_numbers(line, number):
    data = seal(render(line()).replace(b'"a": 0.5', b'"a": ' + number.encode()))
    assert refusal(data)[0] == "(the file)"


def test_an_integer_with_more_digits_than_python_reads_is_refused(line):
    data = seal(render(line()).replace(b'"a": 0.5', b'"a": ' + b"9" * 5000))
    assert refusal(data) == ("(a number)", "expected a finite number, found one of 5,000 digits")


def test_a_key_twice_is_refused(line):
    data = render(line())
    twice = data.replace(b'"a": 0.5', b'"a": 0.25,\n    "a": 0.5')
    assert refusal(seal(twice)) == ("a", "expected each key once, found it twice")
    twice = data.replace(b'"title"', b'"title": "Other",\n  "title"')
    assert refusal(seal(twice))[0] == "title"


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data.replace("·".encode(), b"\xb7"),  # Latin-1
        lambda data: b"\xef\xbb\xbf" + data,  # a byte order mark
        lambda data: data.decode().encode("utf-16"),
        lambda data: data[:-3],
        lambda data: data + b"{}",
        lambda data: data.replace(b'"title"', b"'title'"),
        lambda data: data.replace(b'"title": "A line"', b'"title": ' + b"[" * 100_000),
        lambda data: data.replace(b'"title": "A line"', b'"title": ' + b'{"a":' * 100_000),
        lambda _: b"",
        lambda _: b"\0" * 100,
    ],
)
def test_what_is_no_json_in_utf_8_is_refused(line, damage):
    key, message = refusal(seal(damage(render(line()))))
    assert key == "(the file)"
    assert "JSON in UTF-8" in message


def test_a_lone_surrogate_is_refused(line):
    data = render(line()).replace(b'"A line"', rb'"A \ud800 line"')
    assert refusal(seal(data))[0] == "title"
    # A pair of them is a character.
    data = render(line()).replace(b'"A line"', rb'"A \ud83d\ude00 line"')
    assert read_card(seal(data), "").title == "A \U0001f600 line"


def test_names_are_shown_without_their_control_characters(line):
    key, message = refusal(seal(render(line()).replace(b'"title"', rb'"\u001b[2J"')))
    assert "\x1b" not in key + message


def test_a_card_that_is_too_large_is_refused(line):
    document = line(description="x" * MAX_CARD_BYTES)
    assert refusal(render(document)) == (
        "(the file)",
        "expected at most 1,048,576 bytes, found more",
    )
    fits = line(description="x" * (MAX_CARD_BYTES - 2000))
    assert read_card(render(fits), "").name == "own_line"


def test_any_flipped_digit_is_noticed(shipped):
    """Every digit of every shipped card, in its program, its hashes and its digest."""
    for name in NAMES:
        data = (shipped / name / "model.json").read_bytes()
        for match in re.finditer(rb"[0-9]", data):
            position = match.start()
            flipped = b"%d" % ((int(match.group()) + 1) % 10)
            refusal(data[:position] + flipped + data[position + 1 :])


def test_any_changed_byte_is_noticed(line):
    data = render(line())

    @given(st.integers(0, len(data) - 1), st.integers(1, 255))
    @settings(deadline=None, max_examples=300)
    def check(position, change):
        refusal(data[:position] + bytes([data[position] ^ change]) + data[position + 1 :])

    check()


def test_the_message_of_the_digest_shows_both(line):
    data = render(line())
    key, message = refusal(data.replace(b"A line", b"a line"))
    assert key == "digest"
    assert json.loads(data)["digest"][:16] in message
    assert "the file was changed since" in message


def test_the_digest_stands_once_and_at_the_top(line):
    document = line()
    document["training"]["settings"]["digest"] = "1" * 64
    key, message = refusal(seal(render(document)))
    assert key == "digest"
    assert "once" in message
    # One that hides in the settings does not vouch for a card whose own is spelled differently.
    data = render(document).replace(b'"digest": "', b'"digest" :"', 1)
    assert refusal(seal(data))[0] == "digest"


def test_text_that_looks_like_a_digest_is_only_text(line):
    title = f'"digest": "{"0" * 64}"'
    assert read_card(render(line(title=title)), "").title == title


def test_render_refuses_what_json_cannot_hold(line):
    with pytest.raises(ValueError):
        render(line(domain=[[math.nan, 1.0]]))
    document = line()
    before = copy.deepcopy(document)
    render(document)
    assert document == before

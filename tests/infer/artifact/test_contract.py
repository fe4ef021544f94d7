"""docs/artifact-format.md and docs/model.schema.json say what the loader does, and the reverse."""

import copy
import itertools
import json
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from infer._artifact.format import read_card, render
from infer._artifact.store import find
from infer._errors import ArtifactError
from infer._ieee.floats import bits
from infer._ieee.patterns import inputs
from infer._model import open_model

ROOT = Path(__file__).resolve().parents[3]
NAMES = sorted(path.parent.name for path in (ROOT / "artifacts").glob("*/model.json"))
PAGE = (ROOT / "docs" / "artifact-format.md").read_text(encoding="utf-8")
SCHEMA = json.loads((ROOT / "docs" / "model.schema.json").read_text(encoding="utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)

BLANK = "0" * 64


def encode(document):
    """Return the bytes of a document, with the digest that belongs to them where there is one."""
    if isinstance(document, dict) and document.get("digest") == BLANK:
        return render(document)
    return json.dumps(document).encode()


def refusal(data):
    """Return what the loader says against some bytes, None if it takes them."""
    try:
        read_card(data, "model.json")
    except ArtifactError as error:
        return str(error)
    return None


# 102 terms of three features whose exponents add up to 10,100 or more.
MANY_EXPONENTS = {
    "powers": [[100, 0, number] for number in range(101)] + [[0, 0, 0]],
    "center": [0, 0, 0],
    "half_width": [1, 1, 1],
    "curve": [1] * 102,
    "factor": [[1] * 102] * 102,
}

# What the schema accepts and the loader refuses, by the label that the page gives it: a change to
# a valid document, or a function of its bytes; and what the loader says.
BEYOND_THE_SCHEMA = {
    "json": [
        (lambda data: b"\xef\xbb\xbf" + data, "JSON in UTF-8"),
        (lambda data: data.replace("·".encode(), b"\xb7"), "JSON in UTF-8"),
        (lambda data: data.replace(b"0.5", b"NaN"), "a finite number, found NaN"),
    ],
    "size": [({"description": "x" * (1 << 20)}, "at most 1,048,576 bytes")],
    "duplicate": [(lambda data: data.replace(b'"a": 0.5', b'"a": 0.5, "a": 0.5'), "each key once")],
    "digest": [({"digest": "1" * 64}, r"the digest of the content when it was written")],
    "digest-text": [
        (lambda data: data.replace(b'"digest": ', b'"digest":'), "once in the file"),
        ({"training": {"settings": {"digest": "1" * 64}}}, "once in the file"),
    ],
    "port-dtype": [
        ({"inputs": [{"dtype": "float64"}]}, r"inputs\[0\].dtype.*the model's dtype"),
        ({"outputs": [{"dtype": "float64"}]}, r"outputs\[0\].dtype.*the model's dtype"),
    ],
    "domain-count": [
        ({"domain": [[0, 1], [0, 1]]}, r"'domain'.*\d pair\(s\), one per feature, found \d"),
        ({"inputs": [{"shape": ["...", 2]}]}, r"'domain'.*\d pair\(s\), one per feature, found \d"),
    ],
    "domain-order": [({"domain": [[2, 1]]}, "the smaller value first")],
    "term-count": [
        ({"uncertainty": {"curve": [1]}}, r"uncertainty\.curve'.*one per term, found \d"),
        ({"uncertainty": {"powers": [[0]]}}, r"uncertainty\.curve'.*one per term, found \d"),
        ({"uncertainty": {"factor": [[1, 2]]}}, r"uncertainty\.factor'.*one per term, found \d"),
        (
            {"uncertainty": {"factor": [[1, 2], [1]]}},
            r"uncertainty\.factor\[\d\]'.*one per term, found \d",
        ),
    ],
    "term-twice": [({"uncertainty": {"powers": [[1], [1]]}}, "each term once, found one twice")],
    "exponent-sum": [({"uncertainty": MANY_EXPONENTS}, "up to at most 10,000, found a sum of")],
    "feature-count": [
        (
            {"uncertainty": {"powers": [[0], [1, 1]]}},
            r"uncertainty\.powers\[\d\]'.*one per feature, found \d",
        ),
        ({"uncertainty": {"center": [1, 2]}}, r"uncertainty\.center'.*one per feature, found \d"),
        (
            {"uncertainty": {"half_width": [1, 2]}},
            r"uncertainty\.half_width'.*one per feature, found \d",
        ),
    ],
    "reading-count": [
        ({"readings": {"x": [1], "y": [1, 2]}}, r"readings\.x'.*as many as in y, found \d"),
        ({"readings": {"x": [1, 2], "y": [1]}}, r"readings\.x'.*as many as in y, found \d"),
    ],
    "reading-rows": [
        (
            {"readings": {"x": [1] * 12, "y": [1] * 12}},
            r"readings\.y'.*at most \d+ item\(s\), as training\.dataset\.rows, found \d",
        )
    ],
    "reading-features": [
        (
            {"readings": {"x": [[1]], "y": [1]}},
            r"readings\.x\[\d\]'.*(a number|one per feature), found a (number|list of \d)",
        )
    ],
    "representable": [
        ({"parameters": {"a": 0.1}}, r"parameters\.\w+'.*a value of float32"),
        ({"constants": {"c": 1e39}}, r"constants\.\w+'.*a value of float32"),
    ],
    "two-meanings": [
        ({"constants": {"a": 1}}, r"constants\.\w+'.*a name that no parameter has"),
        ({"constants": {"x": 1}}, r"constants\.\w+'.*a name that no input or output"),
        ({"parameters": {"y": 1}}, r"parameters\.\w+'.*a name that no input or output"),
        ({"program": ["s1 = a * x", "s1 = s1 + b"]}, r"a new name, not '\w+', which is taken"),
        ({"program": ["a = x * x", "y = a + b"]}, r"a new name, not '\w+', which is taken"),
        ({"outputs": [{"name": "x"}]}, r"the output '\w+' in the last step"),
    ],
    "undefined": [
        ({"program": ["s1 = q * x", "y = s1 + b"]}, r"names that are defined above, not '\w+'"),
        ({"inputs": [{"shape": ["...", 1]}]}, r"names that are defined above, not '\w+'"),
    ],
    "feature": [({"program": ["s1 = x[0]", "y = s1 + b"]}, "a feature that the input has")],
    "constant-step": [
        ({"program": ["s1 = a * b", "y = s1 + x"]}, "an operation that depends on the input")
    ],
    "last-step": [
        ({"program": ["s1 = a * x", "s2 = s1 + b"]}, r"the output '\w+' in the last step")
    ],
    "unused": [({"constants": {"c": 1}}, r"a use of '\w+', which no step mentions")],
}


def merged(document, changes):
    """Apply changes deeply: objects by key, a list of one object as that object, values as such."""
    if isinstance(document, dict) and isinstance(changes, dict):
        both = {key: merged(document.get(key), value) for key, value in changes.items()}
        return {**document, **both}
    if isinstance(document, list) and len(document) == 1 and isinstance(changes[0], dict):
        return [merged(document[0], changes[0])]
    return changes


@pytest.mark.parametrize("label", BEYOND_THE_SCHEMA)
def test_what_the_schema_cannot_say_the_loader_refuses(label, measured):
    for change, message in BEYOND_THE_SCHEMA[label]:
        document = {**measured(), "digest": BLANK}
        data = encode(document if callable(change) else merged(document, change))
        if callable(change):
            assert change(data) != data
            data = change(data)
        text = data.decode("utf-8-sig", errors="replace")
        assert VALIDATOR.is_valid(json.loads(text, parse_constant=lambda _: 0.5))
        assert re.search(message, refusal(data) or "accepted"), change


def test_the_page_lists_what_the_schema_cannot_say():
    section = PAGE.partition("### What the schema cannot say")[2].partition("\n## ")[0]
    assert re.findall(r"^- \*\*([a-z0-9-]+)\*\*:", section, re.MULTILINE) == list(BEYOND_THE_SCHEMA)


@pytest.mark.parametrize("name", NAMES)
def test_the_schema_accepts_what_is_shipped(name):
    Draft202012Validator.check_schema(SCHEMA)
    data = (ROOT / "artifacts" / name / "model.json").read_bytes()
    VALIDATOR.validate(json.loads(data))


def assert_same_verdict(document):
    """Schema and loader agree, but for the rules that the page lists as beyond the schema."""
    data = encode(document)
    message = refusal(data)
    if not VALIDATOR.is_valid(json.loads(data)):
        assert message is not None, f"the schema refuses what the loader takes: {data}"
    elif message is not None:
        known = [text for cases in BEYOND_THE_SCHEMA.values() for _, text in cases]
        assert any(re.search(text, message) for text in known), f"only the loader: {message}"
    return message is None


# One of every kind of JSON value, and what is nearly right in one place or another.
VALUES = [
    *(None, True, False, 0, 1, -1, 2.0, 1.5, -0.0, 101, 1001, 2**24 + 1, 1e300, 10**400),
    *(
        2**53,
        2**53 + 1,
        "a" * 201,
        f"y = {'a' * 201} + b",
        "\u2028",
        "\u202e",
        "\u2066",
        "\u200f",
        "\u200d",
    ),
    *("", "x", "y", "Z", "a.b", "a b", "1", "a\n", "a\x00", "\x85", "é", "float64", "..."),
    *("0" * 64, "F" * 64, "0" * 64 + "\n", "y = -x", "y = x[0]", "y = x + 1", "y = x\n"),
    *([], [[]], [1, 2], ["..."], ["...", 1], ["...", 0], ["...", 1, 1], ["x"], [None]),
    *({}, {"a": 1}, {"A": 1}, {"a\n": 1}, {"": 1}, {"model.pt": {}}),
]


def paths(value, path=()):
    """Yield the path of every value in a document, its own () first."""
    yield path
    if isinstance(value, (dict, list)):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from paths(value[key], (*path, key))


def mutations(document):
    """Yield every document that differs from a valid one in one place."""
    for path in paths(document):
        for value in VALUES:
            yield replaced(document, path, lambda _, value=value: copy.deepcopy(value))
        target = document
        for part in path:
            target = target[part]
        if isinstance(target, dict):
            for key in target:
                yield replaced(document, path, lambda old, key=key: without(old, key))
            for key in ("extra", "c", "Extra", "model.pt", "a\n", "", "é"):
                for value in (1.0, "text"):
                    extra = {key: value}
                    yield replaced(document, path, lambda old, extra=extra: {**old, **extra})
        if isinstance(target, list):
            yield replaced(document, path, lambda old: old[:-1])
            yield replaced(document, path, lambda old: old[1:])
            yield replaced(document, path, lambda old: [*old, old[-1]])
            yield replaced(document, path, lambda old: old[::-1])


def replaced(document, path, change):
    """Return a copy of a document with the value at a path changed."""
    if not path:
        return change(document)
    head, *rest = path
    result = copy.copy(document)
    result[head] = replaced(document[head], rest, change)
    return result


def without(mapping, key):
    return {name: value for name, value in mapping.items() if name != key}


@pytest.fixture
def valid(plane):
    """Return a valid document in which nothing is empty."""
    document = plane(
        digest=BLANK,
        files={
            "model.onnx": {"size": 1, "sha256": BLANK},
            "model.pt": {"size": 2, "sha256": BLANK},
            "model.pt2": {"size": 3, "sha256": BLANK},
        },
        constants={"c": 0.25},
        uncertainty={
            "residual_sd": 0.5,
            "degrees_of_freedom": 3,
            "powers": [[0, 0], [0, 2]],
            "center": [1.5, 2.5],
            "half_width": [0.5, 1],
            "curve": [0, 2.5],
            "factor": [[1, 0], [0.5, 0.25]],
            "typical_sigma": 1,
        },
        evaluation_error={"absolute": 0.5, "ulp": 1},
        readings={"x": [[1, 2.5], [3, 4]], "y": [0.5, 6]},
    )
    document["program"][-1:] = ["s4 = s3 + c", "y = -s4"]
    assert assert_same_verdict(document)
    return document


@pytest.mark.parametrize("every", [11, pytest.param(1, marks=pytest.mark.slow)])
def test_schema_and_loader_agree_on_changes_in_one_place(valid, every):
    changed = itertools.islice(mutations(valid), 0, None, every)
    verdicts = [assert_same_verdict(document) for document in changed]
    # Both verdicts occur: a change of a title is fine, most others are not.
    assert len(verdicts) > 2000 / every
    assert 100 / every < sum(verdicts) < len(verdicts) / 3


json_values = st.recursive(
    st.sampled_from(VALUES)
    | st.text(max_size=5).filter(lambda text: text.isprintable())
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "x", "size", "sha256", "A"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def test_schema_and_loader_agree_on_many_changes_at_once(valid):
    @given(st.data())
    @settings(deadline=None, max_examples=200)
    def check(data):
        document = valid
        for _ in range(data.draw(st.integers(1, 3))):
            path = data.draw(st.sampled_from([path for path in paths(document) if path]))
            value = data.draw(json_values)
            document = replaced(document, path, lambda _, value=value: value)
        assert_same_verdict(document)

    check()


@pytest.mark.parametrize("key", ["title", "name"])
def test_schema_and_loader_agree_on_lone_surrogates(line, key):
    # render cannot write one, but an escape in a file can.
    data = encode(line(digest=BLANK)).replace(
        b'"%s": "' % key.encode(), rb'"%s": "\ud800' % key.encode()
    )
    assert not VALIDATOR.is_valid(json.loads(data))
    assert "expected" in refusal(data)


def keys(schema, prefix=""):
    """Yield the dotted keys of a schema's objects."""
    for name, inner in schema.get("properties", {}).items():
        yield prefix + name
        yield from keys(inner, f"{prefix}{name}.")
    rest = schema.get("additionalProperties")
    if isinstance(rest, dict):
        yield from keys(rest, f"{prefix}*.")


def test_the_page_has_every_key_in_its_tables():
    tables = re.findall(r"(?:^\|.*\n)+", PAGE, re.MULTILINE)
    card, port = [re.findall(r"^\| `([^`]+)`", table, re.MULTILINE) for table in tables]
    assert sorted(card) == sorted(keys(SCHEMA))
    assert sorted(port) == sorted(keys(SCHEMA["$defs"]["port"]))


@pytest.mark.needs("sha256sum")
def test_the_command_of_the_page_verifies_a_digest(copied):
    (command,) = re.findall(r"^\$ (sed .*)$", PAGE, re.MULTILINE)
    for name in NAMES:
        folder = copied(name)

        def run(folder=folder):
            return subprocess.run(
                ["sh", "-c", command], cwd=folder, capture_output=True, text=True, check=False
            ).stdout

        assert run() == "intact\n"
        card = folder / "model.json"
        card.write_bytes(card.read_bytes().replace(b'"title": "', b'"title": "x', 1))
        assert run() == ""


@pytest.mark.needs("node")
@pytest.mark.parametrize("model", [*NAMES, "own_plane", "own_plane in float64"])
def test_the_evaluator_of_the_page_gives_the_same_bits(model, plane, write, tmp_path):
    """The corners and 1,000 random bit patterns, in Node."""
    if model == "own_plane":
        folder = write(plane())
    elif model == "own_plane in float64":
        document = plane(dtype="float64", parameters={"u": 0.1, "v": -3.4})
        document["inputs"][0]["dtype"] = document["outputs"][0]["dtype"] = "float64"
        folder = write(document)
    else:
        folder = ROOT / "artifacts" / model
    artifact = find(folder)
    card = artifact.card
    rows = inputs(1000, card.dtype, card.features, seed=5)
    patterns = [[str(bits(value, card.dtype)) for value in row] for row in rows]
    (code,) = re.findall(r"^```js\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    driver = """
    const [Bits, Floats, read] = card.dtype === "float32"
      ? [Uint32Array, Float32Array, Number] : [BigUint64Array, Float64Array, BigInt];
    const rows = JSON.parse(require("fs").readFileSync(0, "utf8"));
    const answers = rows.map((row) => {
      const values = Array.from(new Floats(Bits.from(row, read).buffer));
      const answer = compute(card.inputs[0].shape.length === 2 ? values : values[0]);
      return isNaN(answer) ? "nan" : String(new Bits(Floats.of(answer).buffer)[0]);
    });
    console.log(JSON.stringify(answers));
    """
    script = tmp_path / "evaluate.cjs"
    script.write_text(code + driver, encoding="utf-8")
    result = subprocess.run(
        ["node", str(script)],
        cwd=folder,
        input=json.dumps(patterns),
        capture_output=True,
        text=True,
        check=True,
    )
    answers = open_model(artifact, "python", "cpu")(rows if card.features else [x for (x,) in rows])
    expected = ["nan" if y != y else str(bits(y, card.dtype)) for y in answers]  # noqa: PLR0124
    assert len(expected) > 1000
    assert json.loads(result.stdout) == expected

"""Mutated inference requests: an answer with the model's bits, or what is wrong with the request.

They go to the function behind the sockets, ``infer._serve._inference.infer``. The reference reads
each request by itself, in rational arithmetic, and calls the model with the array.
"""

import copy
import json
import math
import re
import time
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import infer
from infer._artifact.format import render
from infer._serve import _inference
from infer._serve._catalog import Catalog
from infer._serve._errors import RequestError

SHIPPED = Path(__file__).resolve().parents[2] / "artifacts"
LIMITS = _inference.Limits(max_elements=1 << 20, max_json=1 << 20)
DTYPES = {
    "BOOL": "?",
    "UINT8": "<u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "<i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}
TOKENS = [
    b"NaN", b"Infinity", b"-Infinity", b"-0", b"-0.0", b"1e400", b"-1e-400", b"1E5", b"0.1",
    b"16777217.0", b"16777217.00000000000000000001", b"9" * 30, b"9" * 5000,
    b"18446744073709551615", b"1e-46", b"null", b"true", b"{}", b"[]", b"[[1]]", b'""', b"[" * 1200,
    b"]", b"}", b'"', b",", b":", b"\\ud800", b"\xff", b"\x00", b"\xe2\x80\xae", b"\xef\xbb\xbf",
    b'"shape":[16777216,16777216,16777216,0],', b'"datatype":"FP16",', b'"datatype":"INT64",',
    b'"binary_data_size":4,', b'"id":"",', b'"parameters":{"binary_data_output":true},', b"0", b"1",
    b"2", b"33", b"4294967296",
]  # fmt: skip
NODES = [
    None, True, False, 0, 1, -1, 2, 0.5, -0.0, 1e300, math.nan, math.inf, 1 << 63, 1 << 64, 10**40,
    "", "x", "FP32", "FP64", "INT8", "BOOL", "BYTES", "\u202e", "\ud800", "n" * 5000, [], [[]], [1],
    [[1.0, 2.0]], [0], [2, 1], [16777216, 16777216, 16777216, 0], [1] * 33, {}, {"a": 1},
    {"binary_data_size": 4}, {"binary_data_output": True}, {"shared_memory_region": "r"},
    [{"name": "t_c"}],
]  # fmt: skip


@pytest.fixture(scope="module")
def double(tmp_path_factory):
    """Return the folder of a model in double precision."""
    document = json.loads((SHIPPED / "sin_cubic" / "model.json").read_text("utf-8"))
    port = {"dtype": "float64"}
    document |= {"name": "double_cubic", "dtype": "float64", "files": {}}
    document["inputs"][0] |= port
    document["outputs"][0] |= port
    folder = tmp_path_factory.mktemp("own") / "double_cubic"
    folder.mkdir()
    (folder / "model.json").write_bytes(render(document))
    return folder


class Sample:
    """A right request: the model that it is for, its JSON as a tree, and its binary data."""

    def __init__(self, served, datatype, shape, rng, *, binary_in, binary_out):
        count = math.prod(shape)
        array = values(datatype, count, rng)
        tensor = {"name": served.card.input.name, "shape": shape, "datatype": datatype}
        self.served = served
        self.tail = b""
        if binary_in:
            self.tail = array.tobytes()
            tensor["parameters"] = {"binary_data_size": len(self.tail)}
        else:
            tensor["data"] = array.reshape(shape if shape and rng.random() < 0.5 else -1).tolist()
        self.tree = {"id": "7", "inputs": [tensor], "outputs": [{"name": served.card.output.name}]}
        if binary_out:
            self.tree["parameters"] = {"binary_data_output": True}
        self.binary = binary_in

    def request(self):
        """Return body and size of the JSON."""
        head = json.dumps(self.tree).encode()
        return head + self.tail, len(head) if self.binary else None


def values(datatype, count, rng):
    """Return random values of a datatype, of all magnitudes."""
    dtype = np.dtype(DTYPES[datatype])
    if dtype.kind == "b":
        return rng.integers(0, 2, count).astype(bool)
    if dtype.kind == "f" and rng.random() < 0.7:
        return rng.normal(0, 50, count).astype(dtype)
    return np.frombuffer(rng.bytes(count * dtype.itemsize), dtype)


def samples(catalog, rng):
    found = []
    for served in catalog:
        last = [] if served.card.features is None else [served.card.features]
        for datatype in DTYPES:
            for shape in ([1], [2, 2], []) if datatype.startswith("FP") else ([3],):
                for binary_in in (False, True):
                    flags = {"binary_in": binary_in, "binary_out": rng.random() < 0.3}
                    found.append(Sample(served, datatype, [*shape, *last], rng, **flags))
    return found


def mutate_tree(tree, rng):
    """Change, remove, double or move a node or two of parsed JSON."""
    tree = copy.deepcopy(tree)
    for _ in range(rng.integers(1, 3)):
        holders = [holder for holder in walk(tree) if holder]
        holder = holders[rng.integers(len(holders))]
        keys = list(holder) if isinstance(holder, dict) else range(len(holder))
        key = keys[rng.integers(len(keys))]
        node = copy.deepcopy(NODES[rng.integers(len(NODES))])
        kind = rng.integers(4)
        if kind == 0:
            del holder[key]
        elif kind == 1 and isinstance(holder, list):
            holder.insert(key, holder[key])
        elif kind == 2 and isinstance(holder, dict):
            holder[str(rng.choice(["id", "data", "shape", "parameters", "outputs", "x"]))] = node
        else:
            holder[key] = node
        if not tree:
            break
    return tree


def walk(node):
    if isinstance(node, (dict, list)):
        yield node
        for inner in node.values() if isinstance(node, dict) else node:
            yield from walk(inner)


def mutate_bytes(data, rng):
    """Flip, cut, double, insert, at one to three places."""
    for _ in range(rng.integers(1, 4)):
        at = int(rng.integers(len(data) + 1))
        to = min(len(data), at + int(rng.integers(1, 12)))
        kind = rng.integers(6)
        if kind == 0 and at < len(data):
            data = data[:at] + bytes([data[at] ^ (1 << rng.integers(8))]) + data[at + 1 :]
        elif kind == 1:
            data = data[:at] + data[to:]
        elif kind == 2:
            data = data[:to] + data[at:]
        elif kind == 3:
            data = data[:at] + TOKENS[rng.integers(len(TOKENS))] + data[at:]
        elif kind == 4:
            data = data[:at] + TOKENS[rng.integers(len(TOKENS))] + data[to:]
        else:
            # A number in place of a number is what a parser takes most often.
            digits = [i for i in range(len(data)) if data[i : i + 1].isdigit()]
            if digits:
                place = digits[rng.integers(len(digits))]
                token = TOKENS[rng.integers(15)]
                data = data[:place] + token + data[place + 1 :]
    return data


def mutate_number(sample, rng):
    """Put another number, or other bits, in the place of one."""
    body, size = sample.request()
    if sample.binary:
        at = int(rng.integers(size, len(body)))
        return body[:at] + rng.bytes(1) + body[at + 1 :], size
    start = body.index(b'"data"')
    numbers = [*re.finditer(rb"-?\w[\w.+-]*", body[start + 7 : body.index(b"}", start)])]
    number = numbers[rng.integers(len(numbers))]
    before, after = number.start() + start + 7, number.end() + start + 7
    return body[:before] + TOKENS[rng.integers(15)] + body[after:], size


def mutate_shape(sample, rng):
    """Ask for no values, in a shape of some axes."""
    changed = copy.copy(sample)
    changed.tree, changed.tail = copy.deepcopy(sample.tree), b""
    tensor = changed.tree["inputs"][0]
    lengths = rng.choice([0, 1, 2, 3, 1 << 20, 1 << 24], rng.integers(1, 34))
    tensor["shape"] = [*map(int, lengths), *([2] if sample.served.card.features else [])]
    if sample.binary:
        tensor["parameters"]["binary_data_size"] = 0
    else:
        tensor["data"] = []
    return changed.request()


def mutate(sample, rng):
    """Return a mutated body and size of its JSON."""
    if rng.random() < 0.05:
        return mutate_shape(sample, rng)
    if rng.random() < 0.3:
        return mutate_number(sample, rng)
    changed = copy.copy(sample)
    if rng.random() < 0.5:
        changed.tree = mutate_tree(sample.tree, rng)
    body, size = changed.request()
    if rng.random() < 0.5 or changed.tree is sample.tree:
        head = body[:size]
        mutated = mutate_bytes(head, rng)
        body, size = mutated + body[len(head) :], None if size is None else len(mutated)
    if rng.random() < 0.1:
        size = [None, 0, len(body), len(body) + 1, max(0, (size or 0) - 1)][rng.integers(5)]
    if rng.random() < 0.1:
        body = mutate_bytes(body, rng)
    return body, size


def reference(served, body, size):
    """Return what a request that was answered asks for: its tree and the answers' array."""
    raw = (body if size is None else body[:size]).decode()
    tree = json.loads(raw, parse_float=Number, parse_int=Number, parse_constant=Number)
    (tensor,) = tree["inputs"]
    shape = [int(length) for length in tensor["shape"]]
    dtype = np.dtype(DTYPES[tensor["datatype"]])
    if "data" not in tensor:
        array = np.frombuffer(body[size:], "u1" if dtype.kind == "b" else dtype)
        return tree, served.model((array != 0 if dtype.kind == "b" else array).reshape(shape))
    flat = list(leaves(tensor["data"]))
    array = np.array([rounded(value, dtype) for value in flat], dtype)
    return tree, served.model(array.reshape(shape))


class Number(str):
    """The text of a number."""

    __slots__ = ()


def leaves(data):
    for item in data:
        if isinstance(item, list):
            yield from leaves(item)
        else:
            yield item


def rounded(value, dtype):
    """Return the value of a dtype that is nearest to a decimal, ties to even."""
    if dtype.kind == "b":
        assert isinstance(value, bool)
        return value
    assert isinstance(value, Number)
    if dtype.kind != "f":
        return int(value)
    near = float(value)
    if dtype.itemsize == 8 or not math.isfinite(near) or near == 0:
        return near
    exact, kind = Fraction(Decimal(value)), dtype.type
    with np.errstate(over="ignore"):
        start = kind(near)
        around = {np.nextafter(start, kind(side)) for side in (-math.inf, math.inf)} | {start}
    step = Fraction(float(np.finfo(kind).max)) - Fraction(
        float(np.nextafter(np.finfo(kind).max, kind(0)))
    )

    def rank(candidate):
        if math.isinf(candidate):
            top = Fraction(float(np.finfo(kind).max)) + step
            place = top if candidate > 0 else -top
        else:
            place = Fraction(float(candidate))
        return abs(place - exact), int(candidate.view(f"u{dtype.itemsize}")) & 1

    best = min(around, key=rank)
    return kind(math.copysign(best, near))


def check(served, body, size):
    """Answer a request; return whether there was an answer, with the right bits."""
    began = time.perf_counter()
    refusal = answer = None
    try:
        answer = _inference.infer(served, body, size, LIMITS)
    except RequestError as error:
        refusal = error
    assert time.perf_counter() - began < 10
    if refusal is not None:
        assert 400 <= refusal.status < 500
        assert 0 < len(str(refusal)) < 400
        json.dumps({"error": str(refusal)}).encode()
        return False
    tree, expected = reference(served, body, size)
    document = json.loads(answer.head)
    assert document.get("id") == tree.get("id")
    (output,) = document["outputs"]
    unsigned = f"u{expected.dtype.itemsize}"
    if answer.tail is None:
        found = np.array([float(value) for value in output["data"]], "f8").astype(expected.dtype)
    else:
        assert output["parameters"]["binary_data_size"] == len(answer.tail)
        found = np.frombuffer(answer.tail, expected.dtype)
    expected = np.asarray(expected)
    assert output["shape"] == [*expected.shape]
    flat = expected.reshape(-1)
    assert found.shape == flat.shape
    assert (
        (found.view(unsigned) == flat.view(unsigned)) | (np.isnan(found) & np.isnan(flat))
    ).all()
    return True


@pytest.mark.parametrize(
    ("seed", "count"), [(1, 500), pytest.param(2, 10_000, marks=pytest.mark.slow)]
)
def test_a_mutated_request_is_answered_right_or_refused(seed, count, double):
    rng = np.random.default_rng(seed)
    catalog = Catalog(("f2c", "plane", str(double)))
    originals = samples(catalog, rng)
    for sample in originals:
        assert check(sample.served, *sample.request())
    answered = 0
    for number in range(count):
        sample = originals[rng.integers(len(originals))]
        body, size = mutate(sample, rng)
        try:
            answered += check(sample.served, body, size)
        except Exception as error:
            shown = (body[:2000], size)
            raise AssertionError(f"mutation {number} of seed {seed}: {shown}") from error
    assert infer.load("f2c").name == "f2c"
    # Most must be refused, but the proof is in those that are not.
    assert count / 20 < answered < count / 2

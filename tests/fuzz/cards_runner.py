"""A process that reads mutated cards and asks what they accept, for test_cards.py to outlive.

    python tests/fuzz/cards_runner.py FIRST LAST

For each seed a card is changed, its digest repaired. Prints the seed and "refused", "accepted", or
what should not have happened.
"""

import contextlib
import copy
import io
import json
import math
import random
import re
import signal
import struct
import sys
import tempfile
import warnings
from pathlib import Path

import click
import numpy as np

import infer
from infer._artifact.format import read_card, render
from infer._artifact.sha256 import sha256
from infer._artifact.store import Artifact
from infer._cli import main as command
from infer._ieee.patterns import inputs
from infer._model import open_model

ARTIFACTS = Path(__file__).resolve().parents[2] / "artifacts"
SECONDS = 10

NUMBERS = [
    *(0, 1, -1, 2, 7, 64, 100, 101, 300, 1000, 1001, 10_000, 1 << 24, 1 << 53, 1 << 60, 10**30),
    *(0.0, -0.0, 0.5, 1e-300, 5e-324, 1e300, 1.7976931348623157e308, -1.7e308, 1e39, 2.0**-149),
]
VALUES = [
    *(None, True, False, "", "x", "y", "t_c", "1", "\u202e", "float64", "float32", "..."),
    *([], {}, [[]], [0], [[0, 1]], ["..."], ["...", 2], ["...", 1000], "y = x + x", "9" * 50),
]


def paths(value, path=()):
    """Yield the path of every value in a document."""
    yield path
    if isinstance(value, (dict, list)):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from paths(value[key], (*path, key))


def reached(document, path):
    for part in path:
        document = document[part]
    return document


def number(chance, dtype):
    """Return a number, often one that the dtype has."""
    kind = chance.randrange(4)
    if kind == 0:
        return chance.choice(NUMBERS)
    if kind == 1:
        return chance.uniform(-10, 10)
    value = struct.unpack("<d", chance.randbytes(8))[0]
    value = value if math.isfinite(value) else 1.5
    if kind == 2:
        value = chance.choice([1, -1]) * 2.0 ** chance.randint(-20, 20) * chance.randint(1, 999)
    if dtype == "float32":
        with np.errstate(all="ignore"):
            value = float(np.float32(value))
    return value if math.isfinite(value) else 1.5


def change_a_value(document, chance):
    path = chance.choice([path for path in paths(document) if path])
    parent, old = reached(document, path[:-1]), reached(document, path)
    if isinstance(old, (int, float)) and chance.random() < 0.8:
        parent[path[-1]] = number(chance, document.get("dtype"))
    elif isinstance(old, str) and chance.random() < 0.5:
        parent[path[-1]] = "".join(chance.sample(old, len(old)))
    else:
        parent[path[-1]] = copy.deepcopy(chance.choice([*VALUES, *NUMBERS]))


def change_a_number(document, chance):
    """Change a number that answers depend on."""
    places = [
        path
        for path in paths(document)
        if path
        and path[0] in ("parameters", "constants", "domain", "uncertainty")
        and isinstance(reached(document, path), (int, float))
    ]
    if places:
        path = chance.choice(places)
        value = number(chance, document.get("dtype"))
        if "powers" in path or "degrees_of_freedom" in path:
            value = chance.choice([0, 1, 2, 3, 5, 20, 32, 33, 64, 100, 101])
        elif "half_width" in path:
            value = abs(value) or 1.0
        reached(document, path[:-1])[path[-1]] = value
    for pair in document["domain"] if isinstance(document.get("domain"), list) else ():
        with contextlib.suppress(TypeError, AttributeError):
            pair.sort()


def change_a_list(document, chance):
    places = [path for path in paths(document) if isinstance(reached(document, path), list)]
    target = reached(document, chance.choice(places))
    if target and chance.random() < 0.5:
        target.pop(chance.randrange(len(target)))
    elif target:
        target.extend(copy.deepcopy([chance.choice(target)]) * chance.choice([1, 1, 2, 50]))
    else:
        target.append(0)


def change_a_key(document, chance):
    places = [path for path in paths(document) if isinstance(reached(document, path), dict)]
    target = reached(document, chance.choice(places))
    if target and chance.random() < 0.5:
        target.pop(chance.choice(list(target)))
    else:
        target[chance.choice(["extra", "x", "c", "A", "model.pt", "a" * 300])] = 1.0


def write_a_program(document, chance):
    """Write another program, often one that is valid."""
    source, target = document["inputs"][0], document["outputs"][0]
    names = {**document["parameters"], **document["constants"]}
    known, lines = [source["name"]], []
    if len(source["shape"]) == 2:
        known = [f"q{index}" for index in range(source["shape"][1])]
        lines = [f"q{index} = {source['name']}[{index}]" for index in range(source["shape"][1])]
    unused = list(names)
    count = chance.choice([1, 2, 3, 5, 9, 20, 60]) + len(unused)
    squares = chance.random() < 0.3
    for number_ in range(count):
        name = target["name"] if number_ == count - 1 else f"z{number_}"
        one = chance.choice(known[-3:] if chance.random() < 0.7 else known)
        other = unused.pop() if unused else chance.choice([*known, *names])
        if squares and number_ > len(names):
            other = one
        if chance.random() < 0.1 and other not in names:
            lines.append(f"{name} = -{one}")
        else:
            lines.append(f"{name} = {one} {chance.choice('+-**')} {other}")
        known.append(name)
    document["program"] = lines


CHANGES = [
    *([change_a_number] * 4),
    *([write_a_program] * 3),
    change_a_value,
    change_a_list,
    change_a_key,
]


def changed_bytes(data, chance):
    data = bytearray(data)
    for _ in range(chance.choice([1, 1, 2, 8])):
        at, kind = chance.randrange(len(data)), chance.randrange(4)
        if kind == 0:
            data[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            data[at : at + chance.choice([1, 3, 50])] = b""
        elif kind == 2:
            data[at:at] = chance.choice([b"9" * 30, b"[" * 2000, b'"', b",", b"-", b"0", b"e9"])
        else:
            end = at + chance.choice([1, 20, 300])
            data[at:at] = data[at:end] * chance.choice([1, 2, 40])
    return bytes(data)


def repaired(data):
    """Return bytes with the digest that belongs to them."""
    blank = re.sub(rb'"digest": "[0-9a-f]{64}"', b'"digest": "%s"' % (b"0" * 64), data)
    return blank.replace(b"0" * 64, sha256(blank).encode())


def mutated(documents, seed):
    """Return the bytes of a changed card."""
    chance = random.Random(seed)  # noqa: S311
    document = copy.deepcopy(chance.choice(documents))
    if chance.random() < 0.2:
        return repaired(changed_bytes(render(document), chance))
    for _ in range(chance.choice([1, 1, 1, 2, 4])):
        with contextlib.suppress(TypeError, KeyError, IndexError, AttributeError, ValueError):
            chance.choice(CHANGES)(document, chance)
    try:
        return render(document)
    except (TypeError, ValueError):  # no longer JSON, or text that has no bytes
        return b"{}"


def bit_patterns(values, dtype):
    with np.errstate(over="ignore"):  # too large for the dtype is infinity
        array = np.array(values, dtype)
    array[np.isnan(array)] = np.nan
    return array.view("uint32" if dtype == "float32" else "uint64").tolist()


def asked(method, *arguments):
    """Ask a model something that it may refuse."""
    with contextlib.suppress(infer.InferError):
        return method(*arguments)
    return None


def outcome(data, folder):
    """Return what comes of a card."""
    try:
        card = read_card(data, "model.json")
    except infer.ArtifactError as error:
        return "refused" if len(str(error)) < 500 else f"a message of {len(str(error))} characters"
    model = open_model(Artifact("", card), "python")
    rows = inputs(20, card.dtype, card.features, seed=1)
    for _ in range(3):
        rows = [*rows[-60:], [low / 2 + high / 2 for low, high in card.domain]]
    values = rows if card.features else [row[0] for row in rows]
    floats = bit_patterns([model(value) for value in values], card.dtype)
    if floats != bit_patterns(model(values), card.dtype):
        return "the answers to a list differ"
    if floats != bit_patterns(model(np.array(values, "float64")), card.dtype):
        return "the answers to an array differ"
    middle = values[-1]
    answer = model(middle)
    for kind in ("prediction", "confidence"):
        asked(model.interval, middle, 0.9, kind)
        asked(model.interval, np.array([middle]), 0.9, kind)
    found = asked(model.inverse, answer)
    if found is not None and not isinstance(found, float):
        return f"the inverse is {found!r}"
    asked(model.inverse_interval, answer)
    asked(model.inverse, 0.5)
    (folder / "model.json").write_bytes(data)
    for words in (("show",), ("invert", "0.5"), ("invert", "0.5", "--interval", "95")):
        out = io.StringIO()
        with (
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(out),
            contextlib.suppress(click.ClickException),
        ):
            command([words[0], str(folder), *words[1:]], standalone_mode=False)
    return "accepted"


class TooSlowError(BaseException):
    """Nothing but this file may catch it."""


def too_slow(*_):
    raise TooSlowError


def main(first, last):
    warnings.simplefilter("error")
    signal.signal(signal.SIGALRM, too_slow)
    documents = [json.loads(path.read_bytes()) for path in sorted(ARTIFACTS.glob("*/model.json"))]
    for document in documents:
        document["files"] = {}
    for document in [copy.deepcopy(one) for one in documents]:
        document["dtype"] = document["inputs"][0]["dtype"] = "float64"
        document["outputs"][0]["dtype"] = "float64"
        documents.append(document)
    with tempfile.TemporaryDirectory() as name:
        for seed in range(first, last):
            data = mutated(documents, seed)
            signal.alarm(SECONDS)
            try:
                found = outcome(data, Path(name))
            except TooSlowError:
                found = "too slow"
            except BaseException as error:  # noqa: BLE001 - to be shown, whatever it is
                found = repr(error).replace("\n", " ")[:300]
            signal.alarm(0)
            sys.stdout.write(f"{seed} {found}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

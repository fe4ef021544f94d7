"""Cards made to cost time or memory: each is refused at once, or answers like any other."""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import infer
from infer._artifact.format import render
from infer._runtimes import _pieces
from infer._runtimes._registry import RUNTIMES
from infer._writers.siblings import content

RUNNER = Path(__file__).with_name("hostile_runner.py")

# What a refusal may take, and what an answer may: seconds of processor time, and MiB. An operation
# may read or write 65,536 rows of a thousand features, or import torch.
REFUSAL = (1.0, 100.0)
ANSWER = (15.0, 800.0)

OPERATIONS = (
    *("find", "load", "call", "array", "interval", "intervals", "inverse", "inverse_interval"),
    *("show", "invert", "site"),
)
# The others refuse what has no uncertainty, or no inverse.
ALWAYS = {"find", "load", "call", "array", "show", "site", "check"}


def seal(text):
    """Return the bytes of a card as short as they can be, with the digest that belongs to them."""
    data = text.replace('"digest":"', '"digest": "').encode()
    blank = b'"digest": "' + b"0" * 64
    return data.replace(blank, b'"digest": "' + hashlib.sha256(data).hexdigest().encode())


def compact(document):
    document = {**document, "digest": "0" * 64}
    return seal(json.dumps(document, ensure_ascii=False, separators=(",", ":")))


def short(number):
    """Return a number in base 36: names take most of a card."""
    digits = ""
    while True:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
        if not number:
            return digits


@pytest.fixture
def program(line):
    """Return a function from steps to a document."""

    def make(lines, constants=(), *, features=None, dtype="float64", **changes):
        document = line(program=lines, parameters={}, constants=dict(constants), dtype=dtype)
        for port in (document["inputs"][0], document["outputs"][0]):
            port["dtype"] = dtype
        if features is not None:
            document["inputs"][0]["shape"] = ["...", features]
            document["domain"] = [[0, 1]] * features
        return {**document, **changes}

    return make


@pytest.fixture
def polynomial(program):
    """Return a function from coefficients, constant first, to a document of its Horner form."""

    def make(coefficients, **changes):
        *lower, highest = [f"c{power}" for power in range(len(coefficients))]
        lines = [f"p = {highest} * x"]
        for power in range(len(lower) - 1, 0, -1):
            lines += [f"s{power} = p{power if lines[1:] else ''} + {lower[power]}"]
            lines += [f"p{power - 1} = s{power} * x"]
        lines.append(f"y = {lines[-1].partition(' ')[0]} + c0")
        names = dict(zip([*lower, highest], coefficients, strict=True))
        return program([*map(str, lines)], names, **changes)

    return make


@pytest.fixture(scope="module")
def runner():
    """Return a process that measures: a fork for each operation, so that it stays as it was."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, RUNNER], **pipes) as process:
        yield process
        process.stdin.close()
        assert process.wait(20) == 0


@pytest.fixture
def measure(tmp_path, runner):
    """Return a function that measures operations on a card: [(operation, end, seconds, MiB)]."""

    def run(data, *operations, deadline=120):
        folder = tmp_path / "card"
        folder.mkdir()
        (folder / "model.json").write_bytes(data)
        runner.stdin.write(json.dumps([deadline, operations, str(folder)]) + "\n")
        runner.stdin.flush()
        return [tuple(row) for row in json.loads(runner.stdout.readline())]

    return run


def many_keys():
    names = [f'"{short(number)}":0' for number in range(120_000)]
    return f"{{{','.join([*names, names[-1]])}}}".encode()


def with_text(line, old, new):
    text = json.dumps({**line(), "digest": "0" * 64}, separators=(",", ":"))
    assert old in text
    return seal(text.replace(old, new))


REFUSED = {
    "many keys": (lambda line: many_keys(), "expected each key once, found it twice"),
    "many brackets": (
        lambda line: with_text(line, '"A line"', "[" * 500_000 + "]" * 500_000),
        "expected JSON in UTF-8",
    ),
    "hundreds of brackets": (
        lambda line: with_text(line, '"A line"', "[" * 900 + "]" * 900),
        "'title': expected text",
    ),
    "many digits": (
        lambda line: with_text(line, '"loss":2.5', '"loss":' + "9" * 900_000),
        "expected a finite number, found one of 900,000 digits",
    ),
    "a long key": (
        lambda line: with_text(line, '"title":', f'"{"a" * 900_000}":1,"title":'),
        "an extra key",
    ),
    "a long name": (
        lambda line: compact(line(program=[f"y = x * {'c' * 9000}"], parameters={"c" * 9000: 1.0})),
        "a name of at most 200 characters, found 9,000",
    ),
    "many steps": (
        lambda line: compact(line(program=[f"s{short(n)} = x + x" for n in range(45_000)])),
        "'program': expected a list of 1 to 10,000",
    ),
    "many terms": (
        lambda line: compact(
            line(
                uncertainty={
                    "residual_sd": 1,
                    "degrees_of_freedom": 1,
                    "powers": [[1]] * 690,
                    "center": [0],
                    "half_width": [1],
                    "curve": [1] * 690,
                    "factor": [[1] * 690] * 690,
                    "typical_sigma": 1,
                }
            )
        ),
        "'uncertainty.powers': expected a list of 1 to 300",
    ),
    "infinitely many degrees of freedom": (
        lambda line: compact(
            line(
                uncertainty={
                    "residual_sd": 1,
                    "degrees_of_freedom": int(1.7e308),
                    "powers": [[1]],
                    "center": [0],
                    "half_width": [1],
                    "curve": [1],
                    "factor": [[1]],
                    "typical_sigma": 1,
                }
            )
        ),
        "degrees_of_freedom': expected a whole number up to 9,007,199,254,740,992",
    ),
    "many readings": (
        lambda line: compact(line(readings={"x": [0] * 200_000, "y": [0] * 200_000})),
        "'readings.x': expected a list of 1 to 10,000",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_at_once(name, line, measure):
    make, message = REFUSED[name]
    data = make(line)
    assert len(data) <= 1 << 20, "the size alone would be enough to refuse it"
    ((_, end, seconds, grown),) = measure(data, "find")
    assert end.startswith("refused: ")
    assert message in end
    assert len(end) < 600
    assert seconds < REFUSAL[0]
    assert grown < REFUSAL[1]


def chebyshev(degree):
    """Return coefficients of a polynomial that turns as often as it can between -1 and 1."""
    before, last = [1], [0, 1]
    for _ in range(degree - 1):
        following = [0, *(2 * value for value in last)]
        for power, value in enumerate(before):
            following[power] -= value
        before, last = last, following
    return [float(value) for value in last]


def uncertainty(powers, **changes):
    terms, features = len(powers), len(powers[0])
    return {
        "residual_sd": 0.5,
        "degrees_of_freedom": 7,
        "powers": powers,
        "center": [0.0] * features,
        "half_width": [1.0] * features,
        "curve": [1.25] * terms,
        "factor": [[0.5 + row * 0.125] * terms for row in range(terms)],
        "typical_sigma": 1.0,
        **changes,
    }


def squarings(last, *more):
    """Return steps that square a constant again and again."""
    steps = ["s0 = x - x", "s1 = s0 + c"]
    steps += [f"s{n} = s{n - 1} * s{n - 1}" for n in range(2, last + 1)]
    return [*steps, *more, f"s = s{last} * x", "y = s + x"]


def wide(count):
    """Return steps of which half are needed until the end."""
    sums = [f"t{short(n)} = t{short(n - 1)} + a{short(n + 1)}" for n in range(1, count - 1)]
    values = [f"a{short(n)} = x + x" for n in range(count)]
    return [*values, "t0 = a0 + a1", *sums, f"y = t{short(count - 2)} + x"]


def chain(count):
    steps = [f"a{short(n)} = a{short(n - 1)} * d" for n in range(1, count - 1)]
    return ["a0 = x + c", *steps, f"y = a{short(count - 2)} + c"]


# A document by name, from the fixtures ``program`` and ``polynomial``.
ACCEPTED = {
    "constants squared": lambda p, _: p(squarings(40), {"c": 1.5}),
    "constants squared a little": lambda p, _: p(squarings(9), {"c": 1.1}),
    "powers of two squared": lambda p, _: p(squarings(60), {"c": 2.0}),
    "constants squared in vain": lambda p, _: p(squarings(40, "s1x = x + x"), {"c": -1.0}),
    "many values at once": lambda p, _: p(wide(4_900), dtype="float32"),
    "many steps": lambda p, _: p(chain(10_000), {"c": 1.5, "d": 1.0}, dtype="float32"),
    "steps that nobody needs": lambda p, _: p(
        [*(f"s{short(n)} = x * x" for n in range(9_999)), "y = x + x"], dtype="float32"
    ),
    "many steps of a high degree": lambda p, _: p(
        [
            "s1 = x + c",
            *(f"s{2 * n} = s{n} * s{n}" for n in (1, 2, 4, 8, 16)),
            *(f"t{short(n)} = s32 * s{(1, 2, 4, 8, 16, 32)[n % 6]}" for n in range(9_000)),
            "y = t0 + t1",
        ],
        {"c": 0.1},
    ),
    "many features": lambda p, _: p(["y = x[999]"], features=1_000, dtype="float32"),
    "many terms": lambda p, _: p(
        ["y = x[0]"],
        features=200,
        uncertainty=uncertainty([[int(i == j) for j in range(200)] for i in range(200)]),
    ),
    "high powers of many features": lambda p, _: p(
        ["y = x[0]"], features=50, uncertainty=uncertainty([[100] * 50, [99] * 50])
    ),
    "as many turns as there can be": lambda _, q: q(
        chebyshev(64), domain=[[-1, 1]], uncertainty=uncertainty([[n] for n in range(101)])
    ),
    "as many turns of the interval as there can be": lambda _, q: q(
        [0.0, 2.0**20, 2.0**-20],
        domain=[[-1, 1]],
        uncertainty=uncertainty(
            [[n] for n in range(33)],
            curve=chebyshev(32),
            factor=[chebyshev(max(n, 1)) + [0] * (32 - max(n, 1)) for n in range(33)],
        ),
    ),
    "no width in binary": lambda _, q: q(
        [0.0, 1.0], uncertainty=uncertainty([[0], [32]], half_width=[5e-324])
    ),
    "an infinite interval": lambda _, q: q(
        [0.0, 1.0], uncertainty=uncertainty([[0], [1]], residual_sd=1.7e308, typical_sigma=1.7e308)
    ),
    "numbers that overflow": lambda _, q: q(
        [0.0, 1.0],
        uncertainty=uncertainty([[0], [1]], curve=[1.7e308, -1.7e308], factor=[[1.7e308] * 2] * 2),
    ),
    "most degrees of freedom": lambda _, q: q(
        [0.0, 1.0], uncertainty=uncertainty([[0], [1]], degrees_of_freedom=1 << 53)
    ),
    **{
        f"domain {low} to {high}": (
            lambda _, q, low=low, high=high: q(
                [-3.0, 0.5], domain=[[low, high]], uncertainty=uncertainty([[0], [1]])
            )
        )
        for low, high in (
            *((-1.7e308, 1.7e308), (1e308, 1.7e308), (1e308, 1.0000000000000002e308)),
            *((0.0, 5e-324), (5e-324, 1e-323), (-0.0, 0.0), (1.0, 1.0)),
        )
    },
    "a cubic over all doubles": lambda _, q: q(
        [1.0, 1e-300, 0.0, 1e-308], domain=[[-1e308, 1e308]]
    ),
}


# To compile a long program takes a second: of these, what is special about each.
LONG = {
    "many values at once": ("array",),
    "many steps": ("inverse", "show"),
    "steps that nobody needs": ("array",),
    "many steps of a high degree": ("inverse",),
    "many features": ("call", "array"),
    "many terms": ("interval", "intervals"),
}


def assert_answers(name, program, polynomial, measure, operations):
    document = ACCEPTED[name](program, polynomial)
    found = measure(compact(document), *operations)
    assert len(found) == len(operations)
    for operation, end, seconds, grown in found:
        assert re.match("answered|refused: ", end), (operation, end)
        assert end == "answered" or operation not in ALWAYS, (operation, end)
        assert seconds < ANSWER[0], (operation, end)
        assert grown < ANSWER[1], (operation, end)


@pytest.mark.parametrize("name", ACCEPTED)
def test_it_answers_like_any_other(name, program, polynomial, measure):
    assert_answers(name, program, polynomial, measure, LONG.get(name, OPERATIONS))


@pytest.mark.slow
@pytest.mark.parametrize("name", ACCEPTED)
def test_it_answers_everything_like_any_other(name, program, polynomial, measure):
    assert_answers(name, program, polynomial, measure, (*OPERATIONS, "check"))


def all_at_once(count):
    """Return steps whose results are all needed after the last of them is computed."""
    rising = [f"a{short(n)} = a{short(n - 1)} + x" for n in range(1, count)]
    falling = [
        f"t{short(n)} = t{short(n - 1)} + a{short(count - 1 - n)}" for n in range(1, count - 1)
    ]
    return [
        *("a0 = x + x", *rising),
        *(f"t0 = a{short(count - 1)} + x", *falling, f"y = t{short(count - 2)} + x"),
    ]


@pytest.mark.parametrize("runtime", [name for name in infer.list_runtimes() if name != "python"])
def test_every_runtime_computes_many_values_at_once(program, write, runtime, monkeypatch):
    document = program(all_at_once(200), dtype="float32")
    folder = write(document)
    row = next(row for row in RUNTIMES if row.name == runtime)
    data = bytes(content(row.file, infer.load(folder).card))
    (folder / row.file).write_bytes(data)
    size = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (folder / "model.json").write_bytes(render({**document, "files": {row.file: size}}))
    values = np.linspace(-300, 300, 1000, dtype="float32")
    expected = infer.load(folder, runtime="python")(values)
    monkeypatch.setattr(_pieces, "_BYTES", 200 * 4 * 77)
    model = infer.load(folder, runtime=runtime)
    assert type(model._evaluator) is _pieces.InPieces
    given = np.empty_like(values)
    assert model(values, out=given) is given
    for answers in (model(values), model(values[:50]), model(torch.from_numpy(values)), given):
        np.testing.assert_array_equal(np.asarray(answers), expected[: len(answers)])
    assert model(values.tolist()) == expected.tolist()

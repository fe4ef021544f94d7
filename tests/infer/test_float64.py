"""Models in float64 keep the contract of those in float32: the same bits from every runtime."""

import json
import math
import shutil
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import export
import infer
import train
from infer._artifact.store import find
from infer._checks.integrity import check_integrity
from infer._checks.parity import check_parity
from infer._cli import main
from infer._ieee.patterns import inputs, random_patterns, specials
from infer._ieee.shortest import shortest

# A constant, two features, literals in the forward, and the longest program.
NAMES = ["f2c", "plane", "sin_legendre", "dynamic_net.order5"]
BLOCK = 1 << 20


@pytest.fixture(scope="session")
def doubles(tmp_path_factory):
    """Return a function from a name to the folder of that model in float64."""
    out = tmp_path_factory.mktemp("float64")

    def folder(name):
        if not (out / name).exists():
            model, _, variant = name.partition(".")
            export.save(train.fit(model, dtype="float64"), out, variants=(variant,))
        return out / name

    return folder


def same(found, expected):
    """Compare bits; any nan equals any nan."""
    assert found.dtype == expected.dtype == np.float64
    unlike = found.view(np.uint64) != expected.view(np.uint64)
    return not (unlike & ~(np.isnan(found) & np.isnan(expected))).any()


def rows(generator, count, features):
    """Return random bit patterns as doubles."""
    shape = (count, features) if features else count
    return generator.integers(0, 1 << 64, shape, np.uint64).view(np.float64)


def ways(folder):
    """Return every way to compute an array but python on numpy, by name."""
    result = {name: infer.load(folder, runtime=name) for name in infer.list_runtimes()}
    python = result.pop("python")
    return {
        **result,
        "python on floats": lambda x: np.array(python(x.tolist())),
        "python on torch": lambda x: python(torch.from_numpy(x)).numpy(),
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_million_inputs_give_the_same_bits(doubles, name):
    folder = doubles(name)
    card = infer.load(folder).card
    assert card.dtype == "float64"
    corners = np.array(inputs(1, "float64", card.features, seed=5)[:-1])
    x = rows(np.random.default_rng(4), 1_000_000, card.features)
    x = np.concatenate([corners if card.features else corners[:, 0], x])
    expected = infer.load(folder, runtime="python")(x)
    for way, run in ways(folder).items():
        assert same(run(x), expected), way
    # The comparison is not empty, and no step was taken in single precision.
    assert np.isfinite(expected).mean() > 0.1
    finite = expected[np.isfinite(expected) & (np.abs(expected) < 1e30) & (expected != 0)]
    assert (finite.astype(np.float32) != finite).mean() > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sin_cubic", "dynamic_net.order5"])
def test_a_hundred_million_inputs_give_the_same_bits(doubles, name):
    folder = doubles(name)
    numpy = infer.load(folder, runtime="python")
    others = ways(folder)
    generator = np.random.default_rng(20_264)
    corners = np.array(specials("float64"))
    assert all(same(run(corners), numpy(corners)) for run in others.values())
    compared = 0
    while compared < 100_000_000:
        x = rows(generator, BLOCK, None)
        expected = numpy(x)
        for way, run in others.items():
            assert same(run(x), expected), way
        compared += BLOCK


@pytest.mark.parametrize("name", NAMES)
def test_infer_check_compares_doubles(doubles, name):
    artifact = find(doubles(name))
    assert check_integrity(artifact) == []
    found = check_parity(artifact, 1000)
    assert len(found) == 5
    for parity in found:
        assert (parity.differing, parity.failed) == (0, False)
        assert parity.compared > 1000


def test_infer_check_sees_the_last_bit_of_a_double(doubles, tmp_path):
    folder = Path(shutil.copytree(doubles("f2c"), tmp_path / "f2c"))
    card = json.loads((folder / "model.json").read_text("utf-8"))
    card["parameters"]["b"] = math.nextafter(card["parameters"]["b"], 0)
    (folder / "model.json").write_bytes(infer._artifact.format.render(card))
    found = {parity.way: parity for parity in check_parity(find(folder), 1000)}
    assert found["python on numpy"].differing == 0
    for runtime in ("onnxruntime", "torchscript"):
        assert found[runtime].failed
        assert "expected the file that samebits writes for this card" in found[runtime].example


def test_an_exhaustive_check_says_what_to_type_instead(doubles):
    result = CliRunner().invoke(main, ["check", "--exhaustive", str(doubles("f2c"))])
    assert result.exit_code == 2
    assert isinstance(result.exception, SystemExit)
    assert "f2c has float64: too many inputs to try them all" in result.output
    assert "type infer check --count" in result.output


@pytest.mark.parametrize("runtime", infer.list_runtimes())
def test_answers_are_doubles_whatever_comes_in(doubles, runtime):
    model = infer.load(doubles("f2c"), runtime=runtime)
    w, b = model.card.parameters["w"], model.card.parameters["b"]
    assert model.card.constants == {"scale": 0.1}
    expected = w * (0.1 * 98.6) + b
    assert model(98.6) == expected
    assert model(Decimal("98.6")) == model(Fraction("98.6")) == expected
    assert model([[98.6], (98.6,)]) == [[expected], [expected]]
    third = float(np.float32(98.6))
    for value in (np.float32(98.6), torch.tensor(98.6)):
        # Rounded to float32 by whoever made it, and widened here.
        assert float(model(value)) == w * (0.1 * third) + b
    for answers in (model(np.array([98.6])), model(torch.tensor([98.6], dtype=torch.float64))):
        assert str(answers.dtype).endswith("float64")
        assert answers.tolist() == [expected]
    assert model(np.array([98.6], ">f8")).tolist() == [expected]
    assert model(np.array([1 << 53], "int64")).tolist() == [w * (0.1 * 2.0**53) + b]
    # An integer that no double holds is rounded once.
    odd = (1 << 60) + 129
    assert model(odd) == model(np.array([odd]))[0] == model(torch.tensor([odd]))[0].item()
    assert model(10**400) == math.inf
    out = np.empty(1)
    assert model(np.array([98.6]), out=out) is out
    assert out.tolist() == [expected]
    assert math.copysign(1.0, infer.load(doubles("sin_legendre"), runtime=runtime)(-0.0)) == 1.0


def answer(folder, *arguments, stdin=None):
    result = CliRunner().invoke(main, ["run", str(folder), "--quiet", *arguments], input=stdin)
    assert result.exit_code == 0, result.output
    return result.output


def test_text_gets_the_shortest_decimal_with_the_same_bits(doubles):
    folder = doubles("f2c")
    model = infer.load(folder)
    assert answer(folder, "98.6") == f"{model(98.6)!r}\n"
    values = random_patterns(2000, "float64", seed=8)
    lines = answer(folder, "-", stdin="".join(f"{value!r}\n" for value in values)).splitlines()
    assert lines == [shortest(y, "float64") for y in model(values)]
    (record,) = map(json.loads, answer(folder, "--json", "0.1").splitlines())
    assert (record["input"], record["output"]) == (0.1, model(0.1))
    # More digits than a double has: rounded once, to the nearest one.
    hair = "0.1000000000000000055511151231257827021181583404541015625" + "0" * 30 + "1"
    assert answer(folder, hair) == answer(folder, "0.1")
    # Both features count, at their full range.
    pair = answer(doubles("plane"), "--", "-0.1,1e308")
    assert pair == f"{infer.load(doubles('plane'))([-0.1, 1e308])!r}\n"

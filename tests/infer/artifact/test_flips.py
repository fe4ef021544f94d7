"""A damaged artifact is refused: every bit flipped, every byte lost or doubled, every length.

The default run tries a sample; ``pytest -m slow`` tries them all. There the digests are made
consistent again, too, as after an attack or a fault in whatever wrote the file, so that the runtime
itself has to cope.
"""

import hashlib
import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import infer
from infer._artifact.format import CARD_FILE, read_card
from infer._artifact.store import SHIPPED
from infer._errors import ArtifactError
from infer._program.on_floats import compile_floats
from infer._runtimes._registry import RUNTIMES

MODEL = "f2c"
FILES = sorted(path.name for path in Path(SHIPPED, MODEL).iterdir())
RUNTIME = {row.file or CARD_FILE: row.name for row in RUNTIMES}
SERVED = [file for file in FILES if RUNTIME[file] in infer.list_runtimes()]
RUNNER = Path(__file__).with_name("resealed_runner.py")

# A prime, so that a sample meets each bit of a byte.
STRIDE = 29


def flipped(data, bit):
    copy = bytearray(data)
    copy[bit // 8] ^= 1 << bit % 8
    return bytes(copy)


def damaged(data, stride=1):
    """Yield what was done to some bytes, and what is left of them."""
    for bit in range(0, 8 * len(data), stride):
        yield "flipped", flipped(data, bit)
    for at in range(0, len(data), stride):
        yield "cut", data[:at]
        yield "lost", data[:at] + data[at + 1 :]
        yield "doubled", data[: at + 1] + data[at:]


def refusal(folder, runtime):
    """Return what a load says against an artifact, nothing if it takes it."""
    try:
        infer.load(folder, runtime=runtime)
    except ArtifactError as error:
        return str(error)
    return ""


def count_refused(folder, file, variants):
    """Load each variant of a file, and count by what was done to it; all must be refused."""
    path, tried = folder / file, Counter()
    for number, (what, data) in enumerate(variants):
        path.write_bytes(data)
        message = refusal(folder, RUNTIME[file])
        assert message.startswith(f"{path}: "), f"{what}, number {number}: {message or 'loaded'}"
        tried[what] += 1
    return dict(tried)


def test_every_file_is_looked_at():
    assert {CARD_FILE, "model.onnx", "model.pt"} <= set(FILES) <= set(RUNTIME)


@pytest.mark.parametrize("file", SERVED)
def test_a_sample_of_damage_is_refused(file, copied):
    folder = copied(MODEL)
    data = (folder / file).read_bytes()
    tried = count_refused(folder, file, damaged(data, STRIDE))
    assert set(tried) == {"flipped", "cut", "lost", "doubled"}


@pytest.mark.slow
@pytest.mark.parametrize("file", SERVED)
def test_all_damage_is_refused(file, copied):
    folder = copied(MODEL)
    data = (folder / file).read_bytes()
    size = len(data)
    tried = count_refused(folder, file, damaged(data))
    assert tried == {"flipped": 8 * size, "cut": size, "lost": size, "doubled": size}


def test_a_flip_in_the_digest_itself_is_refused(copied):
    folder = copied(MODEL)
    data = (folder / CARD_FILE).read_bytes()
    place = re.search(rb'"digest": "[0-9a-f]{64}"', data)
    bits = range(8 * place.start(), 8 * place.end())
    variants = (("flipped", flipped(data, bit)) for bit in bits)
    assert count_refused(folder, CARD_FILE, variants) == {"flipped": 8 * 76}


def test_layout_that_means_the_same_is_refused(copied):
    """Blanks between the parts of JSON, and a key said twice: the digest is that of the bytes."""
    folder = copied(MODEL)
    data = (folder / CARD_FILE).read_bytes()
    document = json.loads(data)
    variants = []
    for match in re.finditer(rb"[\n,:\[{}\]]", data):
        for blank in (b" ", b"\t", b"\n", b"\r"):
            changed = data[: match.end()] + blank + data[match.end() :]
            try:
                alike = json.loads(changed) == document
            except ValueError:  # in the middle of a text
                continue
            if alike:
                variants.append(("blank", changed))
    for line in data.splitlines(keepends=True):
        variants.append(("twice", data.replace(line, line + line, 1)))
    assert len(variants) > 500
    count_refused(folder, CARD_FILE, variants)


def reseal(data):
    """Fill in the digest that belongs to the bytes of a card, if they still have a place for it."""
    digits = re.compile(rb'(?<="digest": ")[0-9a-f]{64}(?=")')
    blank = digits.sub(b"0" * 64, data)
    return digits.sub(hashlib.sha256(blank).hexdigest().encode(), data)


@pytest.mark.parametrize(
    "stride", [pytest.param(1, marks=pytest.mark.slow, id="all"), pytest.param(STRIDE, id="sample")]
)
def test_a_flipped_card_with_the_right_digest_is_refused_or_computes(stride, shipped):
    data = (shipped / MODEL / CARD_FILE).read_bytes()
    outcomes = Counter()
    for bit in range(0, 8 * len(data), stride):
        try:
            card = read_card(reseal(flipped(data, bit)), CARD_FILE)
        except ArtifactError:
            outcomes["refused"] += 1
            continue
        assert isinstance(compile_floats(card.compiled)(50.0), float)
        outcomes["computed"] += 1
    assert sum(outcomes.values()) == len(range(0, 8 * len(data), stride))
    # Another title is none of the reader's business; another grammar is.
    assert min(outcomes["refused"], outcomes["computed"]) > sum(outcomes.values()) / 10


@pytest.mark.slow
@pytest.mark.parametrize("file", [file for file in SERVED if file != CARD_FILE])
def test_a_flipped_file_with_the_right_hash_is_refused(file, copied):
    """A process of its own tries them, as nobody knows what a runtime does with them."""
    folder = copied(MODEL)
    result = subprocess.run(
        [sys.executable, str(RUNNER), str(folder), file, RUNTIME[file]],
        capture_output=True,
        text=True,
        check=False,
        timeout=3600,
    )
    # A runtime may print something of its own in between.
    lines = re.findall(r"^bit (\d+): (.+)$", result.stdout, re.MULTILINE)
    last = f"after bit {lines[-1][0] if lines else None}: {result.stderr[-1000:]}"
    assert result.returncode == 0, f"the process ended with {result.returncode} {last}"
    outcomes = dict(lines)
    assert len(outcomes) == 8 * (folder / file).stat().st_size
    bad = {bit: what for bit, what in outcomes.items() if what not in ("refused", "computed")}
    assert not bad
    assert set(outcomes.values()) == {"refused"}

"""Ten thousand mutated cards: each is refused with a message, or answers the same bits everywhere.

python -m pytest -m slow tests/fuzz/test_cards.py
"""

import collections
import subprocess
import sys
from pathlib import Path

import pytest

RUNNER = Path(__file__).with_name("cards_runner.py")
BATCH = 500


def run(first, last):
    """Return what came of each seed; a process that died says so for the seed that killed it."""
    result = subprocess.run(
        [sys.executable, RUNNER, str(first), str(last)],
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    found = dict(line.split(" ", 1) for line in result.stdout.splitlines())
    if result.returncode:
        found[str(first + len(found))] = f"exit status {result.returncode}: {result.stderr[-300:]}"
    return found


def verdicts(found):
    assert {*found.values()} <= {"accepted", "refused"}, {
        seed: end for seed, end in found.items() if end not in ("accepted", "refused")
    }
    return collections.Counter(found.values())


def test_a_few_mutated_cards():
    counts = verdicts(run(0, 150))
    assert counts.total() == 150
    assert min(counts.values()) > 30


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 10_000, BATCH))
def test_mutated_cards(first):
    counts = verdicts(run(first, first + BATCH))
    assert counts.total() == BATCH
    assert min(counts.values()) > 100

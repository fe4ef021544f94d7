import os
import subprocess
import sys
import threading

import pytest

from infer._runtimes import _blocks
from infer._runtimes._blocks import ALONE, BLOCK, in_blocks, threads


def test_threads_are_the_processors_of_this_process():
    expected = os.cpu_count()
    if hasattr(os, "sched_getaffinity"):
        expected = len(os.sched_getaffinity(0))
    assert threads() == expected


@pytest.mark.parametrize("processors", [1, 2, 3, 5, 64])
@pytest.mark.parametrize(
    "count", [0, 1, BLOCK, ALONE - 1, ALONE, ALONE + 1, 3 * BLOCK + 1, 1_000_003, 1 << 24]
)
def test_the_parts_cover_everything_once(processors, count, monkeypatch):
    monkeypatch.setattr(_blocks, "threads", lambda: processors)
    monkeypatch.setattr(_blocks, "_pool", None)
    parts, where = [], set()

    def compute(start, stop, block):
        parts.append((start, stop))
        where.add(threading.get_ident())
        assert block == BLOCK

    in_blocks(compute, count)
    if _blocks._pool is not None:
        _blocks._pool.shutdown()
    parts.sort()
    assert parts[0][0] == 0
    assert parts[-1][1] == count
    assert [stop for _, stop in parts[:-1]] == [start for start, _ in parts[1:]]
    assert all(start % BLOCK == 0 for start, _ in parts)
    assert len(parts) <= processors
    if processors == 1 or count < ALONE:
        assert where == {threading.get_ident()}
    elif count >= 1 << 20:
        assert len(parts) > 1


def test_an_error_in_a_thread_is_not_lost(monkeypatch):
    monkeypatch.setattr(_blocks, "threads", lambda: 2)

    def compute(start, stop, block):
        if start:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        in_blocks(compute, 1 << 20)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_makes_threads_of_its_own():
    program = """
import os, warnings
import numpy as np
import infer
from infer._runtimes import _blocks
warnings.simplefilter("ignore")  # forking with threads is what this is about
_blocks.threads = lambda: 2
model = infer.load("sin_cubic")
values = np.linspace(-3, 3, 1_000_000, dtype="float32")
expected = model(values)
assert _blocks._pool is not None
child = os.fork()
if child == 0:
    os._exit(0 if np.array_equal(model(values), expected) else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""
    # Without threads of its own the child would wait for ever.
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)

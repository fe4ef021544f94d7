import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch

import infer
from infer._runtimes import _blocks, _threads, _torch
from infer._runtimes._threads import ALONE, BLOCK, in_blocks, threads


def test_threads_are_the_processors_of_this_process():
    expected = os.cpu_count()
    if hasattr(os, "sched_getaffinity"):
        expected = len(os.sched_getaffinity(0))
    assert threads() == expected


@pytest.mark.parametrize("processors", [1, 2, 3, 5, 64])
@pytest.mark.parametrize(
    "count", [0, 1, ALONE - 1, ALONE, ALONE + 1, 3 * BLOCK + 1, 1_000_003, 1 << 24]
)
def test_the_parts_cover_everything_once(processors, count, monkeypatch):
    monkeypatch.setattr(_threads, "threads", lambda: processors)
    monkeypatch.setattr(_threads, "_pool", None)
    parts, where = [], set()

    def compute(start, stop, block):
        parts.append((start, stop))
        where.add(threading.get_ident())
        assert block == BLOCK

    in_blocks(compute, count)
    if _threads._pool is not None:
        _threads._pool.shutdown()
    parts.sort()
    assert parts[0][0] == 0
    assert parts[-1][1] == count
    assert [stop for _, stop in parts[:-1]] == [start for start, _ in parts[1:]]
    assert all(start % 64 == 0 for start, _ in parts)
    assert len(parts) <= processors
    if processors == 1 or count < ALONE:
        assert where == {threading.get_ident()}
    elif count >= 1 << 20:
        assert len(parts) > 1


def test_an_error_in_a_thread_is_not_lost(monkeypatch):
    monkeypatch.setattr(_threads, "threads", lambda: 2)

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
from infer._runtimes import _threads
warnings.simplefilter("ignore")  # forking with threads is what this is about
_threads.threads = lambda: 2
model = infer.load("sin_cubic")
values = np.linspace(-3, 3, 1_000_000, dtype="float32")
expected = model(values)
assert _threads._pool is not None
child = os.fork()
if child == 0:
    os._exit(0 if np.array_equal(model(values), expected) else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""
    # Without threads of its own the child would wait for ever.
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


@pytest.mark.parametrize("name", ["sin_cubic", "plane"])
def test_neither_block_nor_threads_change_a_bit(name, monkeypatch):
    rows = np.random.default_rng(0).integers(0, 1 << 32, 200_002, dtype=np.uint32).view("float32")
    model = infer.load(name)
    values = rows.reshape(-1, model.card.features) if model.card.features else rows
    expected = [model([row])[0] for row in values[:2000].tolist()]
    expected = np.array(expected, "float32").view("uint32")
    answers = []
    for processors, alone, size in [(1, 2, 1 << 18), (2, 2, 1 << 18), (3, 9, 1000), (7, 2, 77)]:
        monkeypatch.setattr(_threads, "threads", lambda processors=processors: processors)
        monkeypatch.setattr(_threads, "_pool", None)
        monkeypatch.setattr(_threads, "ALONE", alone)
        for module in (_threads, _blocks, _torch):
            monkeypatch.setattr(module, "BLOCK", size)
        for runtime in ("auto", "torchscript", "torchexport"):
            served = infer.load(name, runtime=runtime)
            for x in (values, torch.from_numpy(values)):
                answers.append(np.asarray(served(x)))
        if _threads._pool is not None:
            _threads._pool.shutdown()
    nan = np.isnan(answers[0])
    assert nan.any()
    for found in answers:
        assert np.array_equal(np.isnan(found), nan)
        assert np.array_equal(found[~nan].view("uint32"), answers[0][~nan].view("uint32"))
    known = ~nan[:2000]
    assert np.array_equal(answers[0][:2000].view("uint32")[known], expected[known])

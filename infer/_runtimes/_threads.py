"""Dividing a long array among threads and into blocks that stay in the processor's cache.

Every element is computed by itself, so neither the block nor the number of threads can change a
bit of an answer.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

# Elements computed at a time: few enough for a block and its scratch to stay in a cache, and many,
# because between two operations a thread waits for Python, and for the other thread's turn.
BLOCK = 1 << 18

# Below so many elements a second thread costs more than it brings: to wake it takes as long as to
# compute two hundred thousand.
ALONE = 1 << 19

# Bytes that the registers of a block may take together. Few programs need more than a register or
# two; one that needs thousands is computed in smaller blocks.
REGISTERS = 1 << 25

Compute = Callable[[int, int, int], None]

_pool: Any = None


def threads() -> int:
    """Return the number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def block_within(block: int, registers: int, itemsize: int) -> int:
    """Return a block's length, made smaller if its registers would take too much memory."""
    return max(1, min(block, REGISTERS // max(1, registers * itemsize)))


def in_blocks(compute: Compute, count: int) -> None:
    """Call ``compute(start, stop, block)`` for consecutive parts of ``range(count)``.

    Args:
        compute: works on its part in blocks of so many elements; runs in several threads.
        count: how many elements there are.
    """
    workers = min(threads(), count // (ALONE // 2)) if count >= ALONE else 1
    if workers <= 1:
        compute(0, count, BLOCK)
        return
    # One part for each, the caller's thread included; a multiple of 64 elements keeps threads from
    # writing to the same cache line.
    part = -(-count // (workers * 64)) * 64
    parts = [(start, min(start + part, count), BLOCK) for start in range(0, count, part)]
    others = [_threads_of_our_own().submit(compute, *arguments) for arguments in parts[1:]]
    compute(*parts[0])
    for other in others:
        other.result()


def _threads_of_our_own() -> Any:
    global _pool  # noqa: PLW0603 - threads are made once a process
    if _pool is None:
        from concurrent.futures import ThreadPoolExecutor

        _pool = ThreadPoolExecutor(max(1, threads() - 1), thread_name_prefix="samebits")
    return _pool


def _forget_threads() -> None:
    global _pool  # noqa: PLW0603
    _pool = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)  # threads do not survive a fork

"""Threads that work ahead, but not too far: memory does not grow with the number of pieces."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def in_order(
    function: Callable[[Piece], Result],
    pieces: Iterable[Piece],
    workers: int,
    stop: Callable[[], None] = lambda: None,
) -> Iterator[Result]:
    """Yield ``function(piece)`` for each piece, in order, computed in so many threads.

    At most two more pieces than there are threads are begun and not yet yielded. With one
    thread, it is one of its own: the next piece is computed while the caller uses the last.

    Ends when no thread works any more; ``stop`` is called first, and may hurry them.
    """
    from concurrent.futures import Future, ThreadPoolExecutor

    pool = ThreadPoolExecutor(workers, thread_name_prefix="samebits")
    ahead: deque[Future[Result]] = deque()
    try:
        for piece in pieces:
            ahead.append(pool.submit(function, piece))
            if len(ahead) > workers + 1:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        stop()
        pool.shutdown(wait=True, cancel_futures=True)

"""Threads or processes that work ahead, but not too far: memory does not grow with the pieces."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from infer._engines._registry import Piece, Result

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future


def in_order(
    function: Callable[[Piece], Result],
    pieces: Iterable[Piece],
    workers: int,
    stop: Callable[[], None] = lambda: None,
    pool: Executor | None = None,
) -> Iterator[Result]:
    """Yield ``function(piece)`` for each piece, in order, computed in so many threads.

    At most two more pieces than there are workers are begun and not yet yielded. With one
    thread, it is one of its own: the next piece is computed while the caller uses the last.

    Ends when nothing works any more; ``stop`` is called first, and may hurry it.

    Args:
        function: what to compute.
        pieces: are taken as they are needed.
        workers: how many threads.
        stop: is called at the end, also at an early one.
        pool: what has so many workers, instead of threads; it is shut down.
    """
    if pool is None:
        from concurrent.futures import ThreadPoolExecutor

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

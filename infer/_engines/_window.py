"""Threads or processes that work ahead by a few items, so that memory stays bounded."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from infer._engines._registry import Item, Result

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future


def in_order(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int,
    stop: Callable[[], None] = lambda: None,
    pool: Executor | None = None,
) -> Iterator[Result]:
    """Yield ``function(item)`` for each item, in order, computed in threads.

    At most ``workers + 2`` items are started and not yet yielded. Even a single worker is a thread
    of its own: the next item is computed while the caller uses the previous result.

    At the end, waits for running work after calling ``stop``, which may make it end early.

    Args:
        function: the function.
        items: consumed as needed.
        workers: number of threads.
        stop: called at the end, even at an early one.
        pool: an executor with that many workers, used instead of threads; it is shut down.
    """
    if pool is None:
        from concurrent.futures import ThreadPoolExecutor

        pool = ThreadPoolExecutor(workers, thread_name_prefix="samebits")
    ahead: deque[Future[Result]] = deque()
    try:
        for item in items:
            ahead.append(pool.submit(function, item))
            if len(ahead) > workers + 1:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        stop()
        pool.shutdown(wait=True, cancel_futures=True)

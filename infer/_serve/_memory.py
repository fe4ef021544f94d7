"""One memory budget for all requests of a worker, over HTTP and gRPC."""

from __future__ import annotations

from threading import Lock

from infer._serve._errors import RETRY, RequestError


def out_of_memory() -> RequestError:
    """Return the error for a request that exceeds the memory left."""
    return RequestError(503, "too much is in flight; try again", RETRY)


class Budget:
    """How many bytes the bodies and answers of all requests may occupy at the same time."""

    def __init__(self, limit: int) -> None:
        """Start with nothing used."""
        self.limit = limit
        self.used = 0
        self.lock = Lock()


class Share:
    """The part of a budget that one request uses. Any thread may take more.

    Release it only when no thread can take more.

    Attributes:
        size: number of bytes.
    """

    __slots__ = ("_budget", "size")

    def __init__(self, budget: Budget) -> None:
        """Start with nothing."""
        self._budget = budget
        self.size = 0

    def take(self, size: int) -> None:
        """Take more bytes.

        Raises:
            RequestError: the budget has less left.
        """
        budget = self._budget
        with budget.lock:
            if budget.used + size > budget.limit:
                raise out_of_memory()
            budget.used += size
            self.size += size

    def release(self) -> None:
        """Give everything back."""
        if self.size:
            with self._budget.lock:
                self._budget.used -= self.size
                self.size = 0

"""What all requests together may hold in memory."""

from __future__ import annotations

from threading import Lock

from infer._serve._errors import RETRY, RequestError


def too_much() -> RequestError:
    """Return the error for a request that finds no memory now."""
    return RequestError(503, "too much is in flight; try again", RETRY)


class Budget:
    """Bytes that the bodies and answers of all requests may hold at one time."""

    def __init__(self, most: int) -> None:
        """Start with all of it free."""
        self.most = most
        self.held = 0
        self.lock = Lock()


class Share:
    """What one request holds of a budget. Any thread may take; one that waits for it releases."""

    __slots__ = ("_budget", "_size")

    def __init__(self, budget: Budget) -> None:
        """Hold nothing yet."""
        self._budget = budget
        self._size = 0

    def take(self, size: int) -> None:
        """Account for more bytes.

        Raises:
            RequestError: all requests together would hold too much.
        """
        budget = self._budget
        with budget.lock:
            if budget.held + size > budget.most:
                raise too_much()
            budget.held += size
            self._size += size

    def release(self) -> None:
        """Give back all that was taken."""
        if self._size:
            with self._budget.lock:
                self._budget.held -= self._size
                self._size = 0

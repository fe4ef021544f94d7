"""Limits on calls: how much memory they use, and how long they wait for their clients.

gRPC reports neither the length of a message nor how much of it has arrived before it is complete.
So a message that does not arrive at once reserves memory for the longest possible one. When there
is no memory for another reservation, the call that has waited longest is ended. Small messages
arrive at once, so slow clients cannot keep them out.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from time import monotonic
from typing import TYPE_CHECKING

from infer._serve._errors import DisconnectedError, RequestError
from infer._serve._memory import Budget, Share
from infer._serve._settings import Settings

if TYPE_CHECKING:
    import grpc

# A message that takes longer than this many seconds needs a reservation.
_AT_ONCE = 0.1
# A call with a reservation cannot be ended in its favor before so many seconds.
_PATIENCE = 1.0


class CallState:
    """The memory that a call uses, and since when it has waited for its client.

    Attributes:
        context: the call's, to cancel it.
        memory: for its messages and answers.
        reserved: for a message that arrives slowly.
        since: when it began to wait; None while it does not.
        limit: how many seconds it may wait.
        receives: whether it waits for a message.
        error: why it was ended; None if it was not.
        users: 2, less one when the call is over and one when its thread has ended.
    """

    __slots__ = ("context", "error", "limit", "memory", "receives", "reserved", "since", "users")

    def __init__(self, context: grpc.ServicerContext, budget: Budget) -> None:
        """Start with no memory."""
        self.context = context
        self.memory, self.reserved = Share(budget), Share(budget)
        self.since: float | None = None
        self.limit = 0.0
        self.receives = False
        self.error: RequestError | None = None
        self.users = 2


class CallLimits:
    """Enforces the limits on the calls of one worker. Thread-safe."""

    def __init__(self, settings: Settings, budget: Budget) -> None:
        """Start without any call."""
        self._lock = threading.Lock()
        self._budget = budget
        # The rest is for messages that arrive at once, and for answers.
        self._reservable = settings.max_memory * 3 // 4
        self._longest = min(settings.max_body, self._reservable)
        self._calls: dict[CallState, None] = {}

    def open(self, context: grpc.ServicerContext) -> CallState:
        """Register a new call."""
        call = CallState(context, self._budget)
        with self._lock:
            self._calls[call] = None
        return call

    def close(self, call: CallState) -> None:
        """Release the memory of a call; does so the second time, see ``CallState.users``."""
        with self._lock:
            call.users -= 1
            if not call.users:
                del self._calls[call]
                call.memory.release()
                self._release_reservation(call)

    def receive(self, call: CallState, messages: Iterator[bytes], limit: float) -> bytes | None:
        """Return the next message, or None if there is none.

        Raises:
            RequestError: it did not arrive within that many seconds, the call was ended in favor of
                another, or there is not enough memory.
            DisconnectedError: the client has disconnected.
        """
        self.wait(call, limit, receives=True)
        try:
            message = next(messages, None)
        except Exception as error:
            raise call.error or DisconnectedError from error
        finally:
            with self._lock:
                call.since = None
                self._release_reservation(call)
        if call.error is not None:
            raise call.error
        if message is not None:
            call.memory.take(len(message))
        return message

    def wait(self, call: CallState, limit: float, *, receives: bool = False) -> None:
        """Start a timeout: end the call if its client takes longer."""
        with self._lock:
            call.since, call.limit, call.receives = monotonic(), limit, receives

    def reset(self, call: CallState) -> None:
        """Release the memory of a message and its answer, before the next message."""
        with self._lock:
            call.memory.release()
            call.since = None

    def check(self) -> None:
        """End calls that have waited too long; to be called about every tenth of a second."""
        now = monotonic()
        with self._lock:
            ended = [*self._ended(now)]
        for call in ended:
            call.context.cancel()

    def _ended(self, now: float) -> Iterator[CallState]:
        for call in list(self._calls):
            if call.since is None or call.error is not None:
                continue
            waited = now - call.since
            if waited > call.limit:
                call.error = RequestError(
                    408, f"the client kept the server waiting for {call.limit:g} s"
                )
                yield call
            elif call.receives and not call.reserved.size and waited > _AT_ONCE:
                yield from self._make_reservation(call, now)

    def _make_reservation(self, call: CallState, now: float) -> Iterator[CallState]:
        """Reserve memory for the longest message; yield the calls that are ended for it.

        If there is not enough, that is the call itself.
        """
        slowest = self._slowest(now)
        while not self._reserve(call):
            ended = slowest.pop() if slowest else call
            ended.error = RequestError(503, "too many messages arrive slowly; try again")
            self._release_reservation(ended)
            yield ended
            if ended is call:
                break

    def _slowest(self, now: float) -> list[CallState]:
        """Return the calls that may be ended; the last one has waited longest."""
        found: list[tuple[float, int, CallState]] = [
            (call.since, index, call)
            for index, call in enumerate(self._calls)
            if call.reserved.size and call.since is not None and now - call.since > _PATIENCE
        ]
        return [call for *_, call in sorted(found, key=lambda one: one[:2], reverse=True)]

    def _reserve(self, call: CallState) -> bool:
        """Reserve memory for the longest message, if there is enough."""
        if self._longest > self._reservable:
            return False
        try:
            call.reserved.take(self._longest)
        except RequestError:
            return False
        self._reservable -= self._longest
        return True

    def _release_reservation(self, call: CallState) -> None:
        self._reservable += call.reserved.size
        call.reserved.release()

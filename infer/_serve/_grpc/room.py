"""How much may be in flight, and how long a call may wait for its client.

gRPC does not say how long a message is, nor how much of it is there, before all of it is. So one
that does not arrive at once holds room for the longest, and of those that hold it, the one that has
waited longest gives way to the next. Small messages arrive at once: whoever sends slowly cannot
keep them out.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from time import monotonic
from typing import TYPE_CHECKING

from infer._serve._errors import DisconnectedError, RequestError
from infer._serve._settings import Settings

if TYPE_CHECKING:
    import grpc

# Seconds in which a message arrives at once, and in which one that holds room does not give way.
_AT_ONCE = 0.1
_PATIENCE = 1.0

_FULL = "too much is in flight; try again"
_SLOW = "too many messages arrive slowly; try again"


class Hold:
    """What a call holds of the room, and since when it waits for its client.

    Attributes:
        context: of the call, which can be cancelled.
        size: bytes of its messages and answers.
        reserved: bytes for a message that arrives slowly.
        since: when it began to wait, or None while it does not.
        limit: seconds that it may wait.
        receives: whether it waits for a message.
        error: why it was ended, or None.
        users: of the call itself and its thread, how many are there.
    """

    __slots__ = ("context", "error", "limit", "receives", "reserved", "since", "size", "users")

    def __init__(self, context: grpc.ServicerContext) -> None:
        """Hold nothing yet."""
        self.context = context
        self.size = self.reserved = 0
        self.since: float | None = None
        self.limit = 0.0
        self.receives = False
        self.error: RequestError | None = None
        self.users = 2


class Room:
    """Memory for the messages and answers of one worker. Safe to use from any thread."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is in flight yet."""
        self._lock = threading.Lock()
        self._free = settings.max_memory
        # The rest is for messages that arrive at once, and for answers.
        self._free_for_slow = settings.max_memory * 3 // 4
        self._longest = min(settings.max_body, self._free_for_slow)
        self._holds: dict[Hold, None] = {}

    def open(self, context: grpc.ServicerContext) -> Hold:
        """Return what a new call holds."""
        hold = Hold(context)
        with self._lock:
            self._holds[hold] = None
        return hold

    def leave(self, hold: Hold) -> None:
        """Give back what a call holds, once it is over and its thread has ended: at the second."""
        with self._lock:
            hold.users -= 1
            if not hold.users:
                del self._holds[hold]
                self._free += hold.size
                self._release(hold)

    def receive(self, hold: Hold, messages: Iterator[bytes], limit: float) -> bytes | None:
        """Return the next message, or None if there is none.

        Raises:
            RequestError: it did not come within so many seconds, had to give way, or there is no
                room for it.
            DisconnectedError: the client has gone.
        """
        self.wait(hold, limit, receives=True)
        try:
            message = next(messages, None)
        except Exception as error:
            raise hold.error or DisconnectedError from error
        finally:
            with self._lock:
                hold.since = None
                self._release(hold)
        if hold.error is not None:
            raise hold.error
        if message is not None:
            self.take(hold, len(message))
        return message

    def wait(self, hold: Hold, limit: float, *, receives: bool = False) -> None:
        """End the call if its client takes longer from now on."""
        with self._lock:
            hold.since, hold.limit, hold.receives = monotonic(), limit, receives

    def take(self, hold: Hold, size: int) -> None:
        """Hold so many bytes more.

        Raises:
            RequestError: there is not so much room.
        """
        with self._lock:
            if size > self._free:
                raise RequestError(503, _FULL)
            self._free -= size
            hold.size += size

    def give(self, hold: Hold) -> None:
        """Give back what a call holds before its next message."""
        with self._lock:
            self._free += hold.size
            hold.size, hold.since = 0, None

    def check(self) -> None:
        """End what has waited too long; to be called every tenth of a second or so."""
        now = monotonic()
        with self._lock:
            ended = [*self._ended(now)]
        for hold in ended:
            hold.context.cancel()

    def _ended(self, now: float) -> Iterator[Hold]:
        for hold in list(self._holds):
            if hold.since is None or hold.error is not None:
                continue
            waited = now - hold.since
            if waited > hold.limit:
                hold.error = RequestError(
                    408, f"the client kept the server waiting for {hold.limit:g} s"
                )
                yield hold
            elif hold.receives and not hold.reserved and waited > _AT_ONCE:
                yield from self._reserve(hold, now)

    def _reserve(self, hold: Hold, now: float) -> Iterator[Hold]:
        """Hold room for the longest message; yield whose call ends for that, or for want of it."""
        for other in self._slowest(now):
            if self._has_room():
                break
            other.error = RequestError(503, _SLOW)
            self._release(other)
            yield other
        if self._has_room():
            self._free -= self._longest
            self._free_for_slow -= self._longest
            hold.reserved = self._longest
        else:
            hold.error = RequestError(503, _SLOW)
            yield hold

    def _slowest(self, now: float) -> list[Hold]:
        """Return what has to give way, the one that has waited longest first."""
        found: list[tuple[float, int, Hold]] = [
            (hold.since, index, hold)
            for index, hold in enumerate(self._holds)
            if hold.reserved and hold.since is not None and now - hold.since > _PATIENCE
        ]
        return [hold for *_, hold in sorted(found, key=lambda one: one[:2])]

    def _has_room(self) -> bool:
        return self._longest <= min(self._free, self._free_for_slow)

    def _release(self, hold: Hold) -> None:
        self._free += hold.reserved
        self._free_for_slow += hold.reserved
        hold.reserved = 0

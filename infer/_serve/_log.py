"""JSON lines on standard error, written by a thread: whoever reads them slowly delays nobody.

A line is made where it is told of, and only written in that thread, without Python's lock: else the
two would take turns for it, and requests wait.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from contextlib import suppress
from typing import Any

from infer._serve._tensors import dumps
from infer._text import printable

# Lines that wait to be written; more are dropped, and counted.
_MOST = 10_000
_INTERVAL = 0.05
# Characters of a text from a request.
_LONGEST = 200


class Log:
    """Takes events from any thread; each becomes one line."""

    def __init__(self, descriptor: int = 2) -> None:
        """Start the thread that writes to a file descriptor."""
        self._descriptor = descriptor
        self._waiting: deque[bytes] = deque()
        self._dropped = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._write_all, name="samebits-log", daemon=True)
        self._thread.start()

    def tell(self, event: str, facts: dict[str, Any]) -> None:
        """Log an event with what is known of it."""
        if len(self._waiting) < _MOST:
            self._waiting.append(_line(event, facts))
        else:
            self._dropped += 1

    def access(
        self,
        *,
        client: str,
        method: str,
        path: str,
        status: int | str,
        size: int,
        seconds: float,
        model: str = "",
        elements: int = 0,
        request_id: str = "",
        error: str = "",
    ) -> None:
        """Log a request and its answer; what is empty is left out.

        Args:
            client: address of the client.
            method: of HTTP, or "gRPC".
            path: that was asked for.
            status: of the answer.
            size: of the answer, in bytes.
            seconds: that it took.
            model: that it is about.
            elements: how many numbers were computed.
            request_id: as the client gave it.
            error: what was wrong.
        """
        facts: dict[str, Any] = {
            "client": client,
            "method": method,
            "path": path[:_LONGEST],
            "status": status,
            "bytes": size,
            "seconds": round(seconds, 6),
        }
        optional = {
            "model": model,
            "elements": elements,
            "id": request_id[:_LONGEST],
            "error": error,
        }
        self.tell("request", facts | {name: fact for name, fact in optional.items() if fact})

    def close(self) -> None:
        """Write what waits; give up after a second if nobody takes it."""
        self._end.set()
        self._thread.join(1)

    def _write_all(self) -> None:
        while not self._end.wait(_INTERVAL):
            self._write()
        self._write()

    def _write(self) -> None:
        dropped, self._dropped = self._dropped, 0
        lines = [self._waiting.popleft() for _ in range(len(self._waiting))]
        if dropped:
            lines.append(_line("dropped", {"lines": dropped}))
        data = memoryview(b"".join(lines))
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError:
            return  # nobody can be told that nobody reads


def tell_now(event: str, facts: dict[str, Any], descriptor: int = 2) -> None:
    """Write one line at once, from a process that must have no thread; drop it if it cannot go."""
    import select

    with suppress(OSError, ValueError):
        if select.select([], [descriptor], [], 0)[1]:
            os.write(descriptor, _line(event, facts))


def _line(event: str, facts: dict[str, Any]) -> bytes:
    line = dumps({"time": round(time.time(), 3), "event": event, **facts})
    if not line.isascii() or b"\x7f" in line:
        # The same JSON, but a terminal does not obey what a client sent.
        line = printable(line.decode()).encode()
    return line + b"\n"


class Handler(logging.Handler):
    """Sends what libraries log with ``logging`` the same way."""

    def __init__(self, log: Log) -> None:
        """Keep where to send it."""
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Log one record, with its traceback if it has one."""
        facts = {"level": record.levelname.lower(), "message": record.getMessage()}
        if record.exc_info:
            facts["traceback"] = logging.Formatter().formatException(record.exc_info)
        self._log.tell("library", facts)

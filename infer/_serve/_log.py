"""JSON lines on standard error, written by a thread, so that a slow reader does not delay requests.

The thread that logs an event also formats the line. The writing thread only writes it, without
Python's lock: otherwise both would compete for the lock, and requests would wait.
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

# How many lines may wait to be written; further ones are dropped and counted.
_MOST = 10_000
_INTERVAL = 0.05
# How many characters of a text from a request are logged.
_LONGEST = 200


class Log:
    """Logs events, one line each. Thread-safe."""

    def __init__(self, descriptor: int = 2) -> None:
        """Start the thread that writes to the file descriptor."""
        self._descriptor = descriptor
        self._waiting: deque[bytes] = deque()
        self._dropped = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._write_all, name="samebits-log", daemon=True)
        self._thread.start()

    def event(self, event: str, facts: dict[str, Any]) -> None:
        """Log an event and its properties."""
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
        """Log a request and its answer; empty properties are omitted.

        Args:
            client: its address.
            method: HTTP method, or "gRPC".
            path: requested path.
            status: of the answer.
            size: of the answer, in bytes.
            seconds: how long it took.
            model: name of the model.
            elements: how many numbers were computed.
            request_id: as sent by the client.
            error: error message.
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
        self.event("request", facts | {name: fact for name, fact in optional.items() if fact})

    def close(self) -> None:
        """Write the remaining lines; give up after a second if they cannot be written."""
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
            return  # standard error is closed, so this cannot be reported


def log_now(event: str, facts: dict[str, Any], descriptor: int = 2) -> None:
    """Write one line now, from a process without threads; drop the line if that would block."""
    import select

    with suppress(OSError, ValueError):
        if select.select([], [descriptor], [], 0)[1]:
            os.write(descriptor, _line(event, facts))


def _line(event: str, facts: dict[str, Any]) -> bytes:
    line = dumps({"time": round(time.time(), 3), "event": event, **facts})
    if not line.isascii() or b"\x7f" in line:
        # Equivalent JSON without control characters, which a terminal would obey.
        line = printable(line.decode()).encode()
    return line + b"\n"


class Handler(logging.Handler):
    """Passes records of the standard library's ``logging`` to a ``Log``."""

    def __init__(self, log: Log) -> None:
        """Store the log."""
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record, with its traceback if it has one."""
        facts = {"level": record.levelname.lower(), "message": record.getMessage()}
        if record.exc_info:
            facts["traceback"] = logging.Formatter().formatException(record.exc_info)
        self._log.event("library", facts)

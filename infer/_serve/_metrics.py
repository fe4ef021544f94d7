"""Metrics for Prometheus, by its client library.

Several workers use the library's multiprocess mode: each writes to files in one folder, and any of
them can add up all. An environment variable enables it; it must be set before the library is
imported.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any, NamedTuple

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_PREFIX = "samebits-metrics-"
# In seconds; a request for one value takes tens of microseconds.
_BUCKETS = (2e-5, 5e-5, 1e-4, 2.5e-4, 1e-3, 2.5e-3, 1e-2, 2.5e-2, 0.1, 0.25, 1.0, 2.5, 10.0)


class ModelMetrics(NamedTuple):
    """The metrics of one model."""

    requests: Any
    elements: Any
    seconds: Any


class Metrics:
    """The metrics of this process, and the page with those of all processes.

    If the disk is full, a request may not be counted, but it is answered.
    """

    def __init__(self, models: list[str]) -> None:
        """Create the metrics; their model names come from here, never from a request."""
        import prometheus_client as client

        registry = client.CollectorRegistry()
        self._registry = registry
        self._requests = client.Counter(
            "samebits_requests",
            "Inference requests answered with a result.",
            ["model"],
            registry=registry,
        )
        self._elements = client.Counter(
            "samebits_elements",
            "Numbers in the inputs of these requests.",
            ["model"],
            registry=registry,
        )
        self._seconds = client.Histogram(
            "samebits_request_seconds",
            "Time from the last byte of such a request to the first byte of its answer.",
            ["model"],
            buckets=_BUCKETS,
            registry=registry,
        )
        self._errors = client.Counter(
            "samebits_errors",
            "Requests answered with an error, by status; model is empty if none was found.",
            ["model", "status"],
            registry=registry,
        )
        self._reloads = client.Counter(
            "samebits_reloads",
            "Replacements of a model's folder, by result.",
            ["model", "result"],
            registry=registry,
        )
        self._models = {
            name: ModelMetrics(
                self._requests.labels(name), self._elements.labels(name), self._seconds.labels(name)
            )
            for name in models
        }

    def answered(self, model: str, elements: int, seconds: float) -> None:
        """Count a request that was answered."""
        with suppress(OSError):
            counters = self._models[model]
            counters.requests.inc()
            counters.elements.inc(elements)
            counters.seconds.observe(seconds)

    def failed(self, model: str, status: int) -> None:
        """Count a request that was answered with an error."""
        with suppress(OSError):
            self._errors.labels(model, str(status)).inc()

    def reloaded(self, model: str, result: str) -> None:
        """Count a replacement of a folder."""
        with suppress(OSError):
            self._reloads.labels(model, result).inc()

    def page(self) -> tuple[str, bytes]:
        """Return content type and content of the page for Prometheus."""
        import prometheus_client as client

        registry = self._registry
        if FOLDER_VARIABLE in os.environ:
            from prometheus_client import multiprocess

            registry = client.CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return client.CONTENT_TYPE_LATEST, client.generate_latest(registry)


def claim_folder() -> tuple[str, int]:
    """Create a folder for the metrics of several workers; remove abandoned ones.

    Returns:
        The folder, and the descriptor of a lock on it. Workers inherit the lock; the system
        releases it when the last of these processes has ended, for whatever reason.

    Raises:
        OSError: the folder cannot be created.
    """
    import fcntl
    import tempfile

    remove_abandoned()
    while True:
        folder = tempfile.mkdtemp(prefix=_PREFIX)
        try:
            lock = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:
            continue  # removed by another server as abandoned, before it was locked
        fcntl.flock(lock, fcntl.LOCK_SH)
        if os.fstat(lock).st_nlink and os.path.isdir(folder):
            return folder, lock
        os.close(lock)


def remove_abandoned() -> None:
    """Remove folders that this user's servers have left behind."""
    import fcntl
    import shutil
    import tempfile

    with suppress(OSError):
        for entry in os.scandir(tempfile.gettempdir()):
            if not entry.name.startswith(_PREFIX) or not entry.is_dir(follow_symlinks=False):
                continue
            with suppress(OSError):
                if entry.stat(follow_symlinks=False).st_uid != os.geteuid():
                    continue
                lock = os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW)
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(entry.path, ignore_errors=True)
                finally:
                    os.close(lock)

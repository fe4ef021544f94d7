"""Ray: a cluster that runs tasks, and runs them again when it loses a machine.

A piece is a Ray task of one processor. Each machine needs this package, and must see the same
files under the same paths.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

from infer._errors import EngineUnavailableError

Piece = TypeVar("Piece")
Result = TypeVar("Result")

# Tasks that wait at the cluster, for each processor that it has: enough to keep it busy.
_WAITING = 4
# How often a piece is begun again because its machine was lost.
_RETRIES = 20


class RayEngine:
    """See ``infer._engines.Engine``."""

    here = False

    def __init__(self, ray: Any) -> None:
        """Use the cluster that Ray is connected to."""
        self._ray = ray

    @property
    def workers(self) -> int:
        """The cluster's processors now; machines come and go."""
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def map(
        self,
        function: Callable[[Piece], Result],
        pieces: Iterable[Piece],
        stop: Callable[[], None] = lambda: None,
    ) -> Iterator[tuple[Piece, Result]]:
        """See ``Engine.map``."""
        ray = self._ray

        def call(
            piece: Piece,
        ) -> Result:  # Ray takes functions, and nothing else that can be called
            return function(piece)

        task = ray.remote(num_cpus=1, max_retries=_RETRIES)(call)
        left = iter(pieces)
        running: dict[Any, Piece] = {}
        try:
            while True:
                for piece in islice(left, self.workers * _WAITING - len(running)):
                    running[task.remote(piece)] = piece
                if not running:
                    return
                done, _ = ray.wait(list(running))
                for reference in done:
                    yield running.pop(reference), _result(ray, reference)
        finally:
            stop()
            for reference in running:
                ray.cancel(reference)


def _result(ray: Any, reference: Any) -> Any:
    """Return what a task returned, or raise what it raised."""
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None  # as if it had run here
    except ray.exceptions.RayError as error:
        raise EngineUnavailableError(f"engine 'ray' has lost a piece of work: {error}") from None


def _knock(address: str | None) -> None:
    """Raise OSError if nobody listens at an address: Ray itself tries on for minutes."""
    host, _, port = (address or os.environ.get("RAY_ADDRESS") or "").rpartition(":")
    if port.isdecimal():
        import socket

        socket.create_connection((host.rpartition("/")[2], int(port)), timeout=10).close()


def load(address: str | None = None) -> RayEngine:
    """Connect to a cluster, or make one of this machine.

    Args:
        address: of a cluster's head, as ``ray.init`` takes it. Without it, the one that
            ``$RAY_ADDRESS`` names; else Ray starts on this machine until the program ends.

    Raises:
        EngineUnavailableError: there is no cluster at the address.
    """
    import logging

    import ray

    # Where Ray starts a cluster of its own, it needs no page to look at.
    own: dict[str, Any] = {}
    if address is None and not os.environ.get("RAY_ADDRESS"):
        own = {"include_dashboard": False, "address": "local"}
    try:
        _knock(address)
        ray.init(
            **{"address": address, **own},
            ignore_reinit_error=True,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (OSError, ValueError, RuntimeError) as error:
        where = address or os.environ.get("RAY_ADDRESS") or "this machine"
        reason = str(error).strip().partition("\n")[0]
        raise EngineUnavailableError(f"engine 'ray' cannot use {where!r}: {reason}") from None
    return RayEngine(ray)

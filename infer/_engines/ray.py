"""Ray Data: streams pieces through a cluster, and begins them again when it loses a machine.

A piece is a block of a dataset, and so a task of one processor. Each machine needs this package,
and must see the same files under the same paths. A dataset cannot grow while it is computed, so all
pieces are taken at the beginning; they are small, and results come as they are done.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from infer._engines._registry import Piece, Result
from infer._errors import EngineUnavailableError

# How often a piece is begun again because its machine was lost. Ray Data would try forever, also
# with a piece that brings each machine down.
_RETRIES = 20


class RayEngine:
    """Tasks of Ray Data, see ``infer._engines._registry.Engine``."""

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
        """See ``Engine.map``; all pieces are taken at the beginning."""
        import warnings

        ray = self._ray
        waiting = list(pieces)
        folder = os.getcwd()

        def call(row: dict[str, Any]) -> dict[str, Any]:
            outcome: tuple[bool, Result | Exception]
            try:
                os.chdir(folder)  # what a relative path begins at
                outcome = True, function(pickle.loads(row["piece"]))  # noqa: S301 - packed below
            except Exception as error:  # noqa: BLE001 - is raised again at home
                outcome = False, error
            return {"place": row["place"], "outcome": ray.cloudpickle.dumps(outcome)}

        rows: Iterator[dict[str, Any]] = iter(())
        try:
            if waiting:
                packed = [
                    {"place": place, "piece": ray.cloudpickle.dumps(piece)}
                    for place, piece in enumerate(waiting)
                ]
                dataset = ray.data.from_items(packed, override_num_blocks=len(packed))
                with warnings.catch_warnings():
                    # Until version 2.64, which pyproject.toml leaves out, this is the one way.
                    warnings.filterwarnings("ignore", message="`ray_remote_args` is deprecated")
                    dataset = dataset.map(call, num_cpus=1, max_retries=_RETRIES)
                rows = iter(dataset.iter_rows())
            for row in rows:
                succeeded, result = pickle.loads(row["outcome"])  # noqa: S301 - packed above
                if not succeeded:
                    raise result
                yield waiting[row["place"]], result
        except ray.exceptions.RayError as error:
            raise EngineUnavailableError(
                f"engine 'ray' has lost a piece of work: {error}"
            ) from None
        finally:
            stop()
            del rows


def _knock(address: str | None) -> None:
    """Raise OSError if nobody listens at an address: Ray itself tries on for minutes."""
    host, _, port = (address or os.environ.get("RAY_ADDRESS") or "").rpartition(":")
    if port.isdecimal():
        import socket

        socket.create_connection((host.rpartition("/")[2], int(port)), timeout=10).close()


def _be_quiet(ray: Any) -> None:
    """Keep Ray from writing to the terminal, and into what a command prints; its log files stay."""
    import logging

    ray.data.DataContext.get_current().enable_progress_bars = False
    # It tells of lost machines on stdout, also without logs; this switch is what its debugger uses.
    ray._private.worker._worker_logs_enabled = False
    logger = logging.getLogger("ray.data")
    logger.handlers = [handler for handler in logger.handlers if handler.name != "console"]


def load(address: str | None = None, *, holds_lock: bool = False) -> RayEngine:  # noqa: ARG001
    """Connect to a cluster, or make one of this machine.

    Args:
        address: of a cluster's head, as ``ray.init`` takes it. Without it, the one that
            ``$RAY_ADDRESS`` names; else Ray starts on this machine until the program ends.
        holds_lock: makes no difference, as each task is a process.

    Raises:
        EngineUnavailableError: there is no cluster at the address.
    """
    import logging

    import ray
    import ray.data

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
    _be_quiet(ray)
    return RayEngine(ray)

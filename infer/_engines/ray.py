"""Ray Data: maps over a cluster, and restarts items when it loses a machine.

Each item is a block of a dataset, and so a task for one processor. Each machine needs this package
and must see the same files at the same paths. A dataset cannot grow while it is computed, so all
items are consumed at the start; they are small. Results arrive as they are completed.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from infer._engines._registry import Item, Result
from infer._errors import EngineUnavailableError

# How often an item is restarted because its machine was lost. Ray Data would retry forever, even an
# item that crashes every machine.
_RETRIES = 20


class RayEngine:
    """Tasks of Ray Data, see ``infer._engines._registry.Engine``."""

    here = False

    def __init__(self, ray: Any) -> None:
        """Use the cluster that Ray is connected to."""
        self._ray = ray

    @property
    def workers(self) -> int:
        """The current number of processors in the cluster; machines come and go."""
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def map(
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        stop: Callable[[], None] = lambda: None,
    ) -> Iterator[tuple[Item, Result]]:
        """See ``Engine.map``; all items are consumed at the start."""
        import warnings

        ray = self._ray
        waiting = list(items)
        folder = os.getcwd()

        def call(row: dict[str, Any]) -> dict[str, Any]:
            outcome: tuple[bool, Result | Exception]
            try:
                os.chdir(folder)  # for relative paths
                outcome = True, function(pickle.loads(row["item"]))  # noqa: S301 - packed below
            except Exception as error:  # noqa: BLE001 - raised again by the caller
                outcome = False, error
            return {"place": row["place"], "outcome": ray.cloudpickle.dumps(outcome)}

        rows: Iterator[dict[str, Any]] = iter(())
        try:
            if waiting:
                packed = [
                    {"place": place, "item": ray.cloudpickle.dumps(item)}
                    for place, item in enumerate(waiting)
                ]
                dataset = ray.data.from_items(packed, override_num_blocks=len(packed))
                with warnings.catch_warnings():
                    # Before version 2.64, which pyproject.toml excludes, there is no other way.
                    warnings.filterwarnings("ignore", message="`ray_remote_args` is deprecated")
                    dataset = dataset.map(call, num_cpus=1, max_retries=_RETRIES)
                rows = iter(dataset.iter_rows())
            for row in rows:
                succeeded, result = pickle.loads(row["outcome"])  # noqa: S301 - packed above
                if not succeeded:
                    raise result
                yield waiting[row["place"]], result
        except ray.exceptions.RayError as error:
            raise EngineUnavailableError(f"engine 'ray' lost a task: {error}") from None
        finally:
            stop()
            del rows


def _check_reachable(address: str | None) -> None:
    """Raise OSError if the address is not reachable: Ray itself would retry for minutes."""
    host, _, port = (address or os.environ.get("RAY_ADDRESS") or "").rpartition(":")
    if port.isdecimal():
        import socket

        socket.create_connection((host.rpartition("/")[2], int(port)), timeout=10).close()


def _be_quiet(ray: Any) -> None:
    """Keep Ray from writing to the terminal and to a command's output, but not to log files."""
    import logging

    ray.data.DataContext.get_current().enable_progress_bars = False
    # It reports lost machines on stdout even without logs; its debugger uses this switch.
    ray._private.worker._worker_logs_enabled = False
    logger = logging.getLogger("ray.data")
    logger.handlers = [handler for handler in logger.handlers if handler.name != "console"]


def load(address: str | None = None, *, holds_lock: bool = False) -> RayEngine:  # noqa: ARG001
    """Connect to a cluster, or start one on this machine.

    Args:
        address: of the head of a cluster, as for ``ray.init``; by default ``$RAY_ADDRESS``. Without
            either, Ray runs on this machine until the program ends.
        holds_lock: ignored, since each task is a process.

    Raises:
        EngineUnavailableError: there is no cluster at the address.
    """
    import logging

    import ray
    import ray.data

    # A cluster on this machine needs no dashboard.
    own: dict[str, Any] = {}
    if address is None and not os.environ.get("RAY_ADDRESS"):
        own = {"include_dashboard": False, "address": "local"}
    try:
        _check_reachable(address)
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

"""The table of engines, and their interface."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, Protocol, TypeVar

from infer._errors import EngineUnavailableError
from infer._text import suggest

Item = TypeVar("Item")
Result = TypeVar("Result")


class Engine(Protocol):
    """Maps a function over items of work.

    Attributes:
        workers: how many items it processes at the same time, as far as known.
        here: whether the function runs in this process and may share objects with the caller.
    """

    workers: int
    here: bool

    def map(
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        stop: Callable[[], None] = ...,
    ) -> Iterator[tuple[Item, Result]]:
        """Call a function on each item.

        Args:
            function: its result depends on the item alone, and it may be called again for the
                same item: an engine does so when it loses a machine. Unless the engine is
                ``here``, function, items and results must be picklable.
            items: consumed as needed, if the engine supports that.
            stop: called when no further item will be started: at the end, on an error, on Ctrl-C.
                It can make work that still runs in this process end early.

        Yields:
            Each item with its result, in any order.

        Raises:
            Exception: the first one raised by the function; no further item is started.
        """
        ...


class _EngineRow(NamedTuple):
    """A row of the table: name, required packages, and the extra that installs them."""

    name: str
    packages: tuple[str, ...] = ()
    extra: str = ""


ENGINES = (_EngineRow("local"), _EngineRow("ray", ("ray", "pandas"), "ray"))


def load_engine(name: str, address: str | None = None, *, holds_lock: bool = False) -> Engine:
    """Import and start an engine.

    Args:
        name: of a row of the table.
        address: of a cluster to join, for an engine that supports it.
        holds_lock: whether the function holds Python's global lock, so that threads would only
            wait for each other; an engine then uses processes.

    Raises:
        EngineUnavailableError: the engine is unknown, not installed or not reachable.
    """
    from importlib import import_module
    from importlib.util import find_spec

    known = [row.name for row in ENGINES]
    if name not in known:
        raise EngineUnavailableError(
            f"no engine named {name!r}.{suggest(name, known)} Known: {', '.join(known)}."
        )
    row = ENGINES[known.index(name)]
    absent = [package for package in row.packages if find_spec(package) is None]
    if absent:
        raise EngineUnavailableError(
            f"engine {name!r} needs {' and '.join(absent)}, not installed here; "
            f"type: pip install 'samebits[{row.extra}]'"
        )
    module = import_module(f"infer._engines.{name}")
    engine: Engine = module.load(address, holds_lock=holds_lock)
    return engine

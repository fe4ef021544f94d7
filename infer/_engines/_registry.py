"""The engines, as a table, and what an engine is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, Protocol, TypeVar

from infer._errors import EngineUnavailableError, suggest

Piece = TypeVar("Piece")
Result = TypeVar("Result")


class Engine(Protocol):
    """Something that runs a function many times.

    Attributes:
        workers: how many pieces it works on at a time, as far as it knows.
        here: whether the function runs in this process, and may share objects with the caller.
    """

    workers: int
    here: bool

    def map(
        self,
        function: Callable[[Piece], Result],
        pieces: Iterable[Piece],
        stop: Callable[[], None] = ...,
    ) -> Iterator[tuple[Piece, Result]]:
        """Call a function on each piece.

        Args:
            function: what it returns depends on the piece alone, and calling it again does no
                harm: an engine does so when a machine is lost. Where the engine is not ``here``,
                function, pieces and results must survive pickle.
            pieces: are taken as they are needed, if the engine can.
            stop: is called when no more is to be begun: at the end, on an error, on Ctrl-C. What
                still runs here can be told to leave off.

        Yields:
            Each piece with its result, in any order.

        Raises:
            Exception: what the function raised first; no further piece is begun then.
        """
        ...


class _EngineRow(NamedTuple):
    """A row of the table: what a user types, and what must be installed by which extra."""

    name: str
    packages: tuple[str, ...] = ()
    extra: str = ""


ENGINES = (_EngineRow("local"), _EngineRow("ray", ("ray", "pandas"), "ray"))


def load_engine(name: str, address: str | None = None, *, holds_lock: bool = False) -> Engine:
    """Import an engine and make it ready.

    Args:
        name: one of the table.
        address: of a cluster to join, for an engine that can.
        holds_lock: whether what is to be run computes in Python itself, so that threads would
            only wait for each other; an engine then takes processes.

    Raises:
        EngineUnavailableError: unknown, not installed, or it cannot be reached.
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

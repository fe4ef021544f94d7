"""Going over files of readings, once or twice, here or wherever their pieces are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import accumulate
from typing import Any, NamedTuple, TypeVar

from train._readings.readings import Block, Readings

# Up to so many numbers are kept in memory; longer files are read again.
MOST_KEPT = 1 << 21

Result = TypeVar("Result")

# Is told what is done, and how much of it: 0 to 1, None if nobody knows.
Watcher = Callable[[str, float | None], object]
# Calls a function on pieces, somewhere, and yields each piece with its result, in any order. All of
# these survive pickle.
Mapper = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[tuple[Any, Any]]]


class Piece(NamedTuple):
    """A file: its place among the files, and how many readings come before it, once known."""

    place: int
    readings: Readings
    before: int = 0


# Gives the readings of a piece.
Read = Callable[[Piece], Iterable[Block]]


class Here:
    """Goes over files in this process, and keeps readings that need not be read again."""

    def __init__(self, files: Sequence[Readings], watch: Watcher) -> None:
        """Take the files; nothing is read yet."""
        self._watch = watch
        self._ends = list(accumulate((readings.size for readings in files), initial=0))
        self._kept: dict[int, list[Block]] | None = {}
        self._numbers = 0

    def __call__(
        self, what: str, function: Callable[[Read, Piece], Result], pieces: Iterable[Piece]
    ) -> Iterator[tuple[Piece, Result]]:
        """Yield each piece with what the function makes of its readings.

        Args:
            what: is done, for the watcher.
            function: takes what gives the readings, and the piece.
            pieces: the files.
        """
        for piece in pieces:
            yield piece, function(partial(self._blocks, what), piece)

    def _blocks(self, what: str, piece: Piece) -> Iterator[Block]:
        known = None if self._kept is None else self._kept.get(piece.place)
        begin, size = self._ends[piece.place], piece.readings.size
        for block in piece.readings.blocks() if known is None else known:
            if known is None:
                self._keep(piece.place, block)
            yield block
            share = block.share
            self._watch(what, share and (begin + share * size) / self._ends[-1])

    def _keep(self, place: int, block: Block) -> None:
        if self._kept is not None:
            self._kept.setdefault(place, []).append(block)
            self._numbers += len(block.rows) * (len(block.x) + 1)
            if self._numbers > MOST_KEPT:
                self._kept = None


class There:
    """Goes over files where something else reads them; see ``Here``."""

    def __init__(self, files: Sequence[Readings], watch: Watcher, run: Mapper) -> None:
        """Take the files and what reads them."""
        self._watch, self._run = watch, run
        self._size = sum(readings.size for readings in files)

    def __call__(
        self, what: str, function: Callable[[Read, Piece], Result], pieces: Iterable[Piece]
    ) -> Iterator[tuple[Piece, Result]]:
        """Yield each piece with what the function makes of its readings."""
        done = 0
        for piece, result in self._run(partial(function, _blocks), pieces):
            yield piece, result
            done += piece.readings.size
            self._watch(what, done / self._size)


def _blocks(piece: Piece) -> Iterator[Block]:
    return piece.readings.blocks()

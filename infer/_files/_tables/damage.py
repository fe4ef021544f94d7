"""What a damaged file is called, and the one place where a library's exceptions become errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")

# Data may inflate to a gigabyte, or to so many times the file's size if that is more.
_MOST_INFLATED, _MOST_RATIO = 1 << 30, 100


class FormatError(ValueError):
    """Bytes are not what their format says; the caller knows the file's name."""


def check_inflated(inflated: int, size: int) -> None:
    """Refuse data that would fill the memory, before any room is made for them.

    Args:
        inflated: bytes that they claim to become.
        size: bytes of the file.

    Raises:
        FormatError: that is too many.
    """
    most = max(_MOST_INFLATED, _MOST_RATIO * size)
    if inflated > most:
        raise FormatError(
            f"inflates to {inflated:,} bytes or more; expected at most {most:,}, a gigabyte or "
            f"{_MOST_RATIO} times the file's size. Write it anew, less compressed"
        )


def reason(error: BaseException) -> str:
    """Return what an exception says, in a line."""
    if isinstance(error, MemoryError):
        return "it asks for more memory than there is"
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


@contextmanager
def blame(wrap: Callable[[str], Exception]) -> Iterator[None]:
    """Turn whatever a library raises while it reads a file's bytes into this package's error.

    Libraries raise anything on bytes that their authors did not think of. Keep our own code out of
    the block: its bugs would be taken for damage.

    Args:
        wrap: makes the error of what was wrong.
    """
    try:
        yield
    except Exception as error:
        raise wrap(reason(error)) from error


def blamed(items: Iterator[Item], wrap: Callable[[str], Exception]) -> Iterator[Item]:
    """Yield what a library's iterator yields; see ``blame``."""
    while True:
        with blame(wrap):
            item = next(items, None)
        if item is None:
            return
        yield item

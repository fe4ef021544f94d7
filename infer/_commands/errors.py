"""Errors as people read them."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import click

from infer._commands.interrupts import INTERRUPTED
from infer._errors import InferError
from infer._text import printable, shortened

# Characters of a message: a card can hold a key of a million.
_LONGEST_MESSAGE = 4000


class Failure(click.ClickException):
    """Errors for people, one per line, with an exit code of its own."""

    def __init__(self, *messages: str, exit_code: int = 1) -> None:
        """Make each message safe for a terminal, whatever names it repeats."""
        super().__init__(
            "\n".join(printable(shortened(message, _LONGEST_MESSAGE)) for message in messages)
        )
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it from the instance


@contextmanager
def errors_for_people() -> Iterator[None]:
    """Turn this package's errors into a message and an exit code."""
    try:
        yield
    except InferError as error:
        raise _failure(error) from error
    except click.UsageError:
        raise
    except click.ClickException as error:  # of another package's command
        raise Failure(*error.message.split("\n"), exit_code=error.exit_code) from error


def report(error: BaseException) -> int | None:
    """Print the error that ended a command, and return the exit code.

    Returns None for an error that only a fault of the program can raise.
    """
    if isinstance(error, (click.Abort, KeyboardInterrupt)):
        return INTERRUPTED
    if isinstance(error, OSError):
        # Whoever opens a file names it; what has no name are the standard streams.
        where = error.filename or "standard output"
        reason = str(error) if error.errno is None else f"{where}: {error.strerror}"
        if error.errno == errno.EPIPE:  # nobody reads any more, as after "| head"
            return 1
        error = click.ClickException(reason)
    elif isinstance(error, InferError):
        error = _failure(error)
    if not isinstance(error, click.ClickException):
        return None
    with suppress(OSError):  # standard error is lost, too
        error.show()
    return error.exit_code


def _failure(error: InferError) -> Failure:
    return Failure(str(error), exit_code=error.exit_code)

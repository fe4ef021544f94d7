"""Errors as people read them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from infer._errors import InferError, printable

# Characters of a message: a card can hold a key of a million.
_LONGEST_MESSAGE = 4000


class Failure(click.ClickException):
    """Errors with a line each for people, and an exit code of its own."""

    def __init__(self, *messages: str, exit_code: int = 1) -> None:
        """Make each message safe for a terminal, whatever names it repeats."""
        super().__init__("\n".join(_shown(message) for message in messages))
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it from the instance


def _shown(message: str) -> str:
    if len(message) > _LONGEST_MESSAGE:
        message = f"{message[:_LONGEST_MESSAGE]}…"
    return printable(message)


@contextmanager
def errors_for_people() -> Iterator[None]:
    """Turn this package's errors into a message and an exit code."""
    try:
        yield
    except InferError as error:
        raise Failure(str(error), exit_code=error.exit_code) from error
    except click.UsageError:
        raise
    except click.ClickException as error:  # of another package's command
        raise Failure(*error.message.split("\n"), exit_code=error.exit_code) from error

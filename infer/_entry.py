"""Where the installed commands begin and end: no Ctrl-C or broken stream shows a traceback.

As little as possible is imported before Ctrl-C is taken care of. click is imported only for
arguments that are more than numbers: importing it takes longer than an answer does.
"""

from __future__ import annotations

import os
import sys

from infer._commands.interrupts import enter

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import NoReturn, TextIO

    import click


def f2c() -> NoReturn:
    """Run the command ``f2c``."""
    enter()
    _answer_if_numbers("f2c", sys.argv[1:])
    from infer._f2c import main

    run(main, "f2c")


def infer(name: str = "infer") -> NoReturn:
    """Run the command ``infer``."""
    enter()
    match sys.argv[1:]:
        case ["run", model, *arguments] if not model.startswith("-"):
            _answer_if_numbers(model, arguments)
    from infer._cli import main

    run(main, name)


def run(command: click.Command, name: str) -> NoReturn:
    """Run a command of click and exit: with its code, 130 after Ctrl-C, 1 if output is lost."""
    _run(lambda: command.main(prog_name=name, standalone_mode=False))


def _answer_if_numbers(model: str, arguments: Sequence[str]) -> None:
    """Answer and exit if the arguments are numbers; return if there is more for click to parse."""
    from infer._commands.plain_lines import answer_numbers, are_numbers

    if are_numbers(arguments):
        _run(lambda: answer_numbers(model, arguments))


def _run(command: Callable[[], object]) -> NoReturn:
    """Call a command and exit; see ``run``."""
    sys.stdin, sys.stdout, sys.stderr = _opened(sys.stdin, sys.stdout, sys.stderr)
    try:
        status = command()
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:
        from infer._commands.errors import report

        status = report(error)
        if status is None:
            raise
    for stream in (sys.stdout, sys.stderr):
        if _is_stuck(stream):
            # Python would try once more at its end, and complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    sys.exit(status if isinstance(status, int) else 0)


def _opened(
    stdin: TextIO | None, stdout: TextIO | None, stderr: TextIO | None
) -> tuple[TextIO, TextIO, TextIO]:
    """Open the standard streams that the caller has closed: no file may get their numbers.

    What is read or written there fails, but what is said on standard error just gets lost.
    """
    return (
        stdin or open(os.open(os.devnull, os.O_WRONLY), encoding="utf-8"),
        stdout or open(os.open(os.devnull, os.O_RDONLY), "w", encoding="utf-8"),
        stderr or open(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"),
    )


def _is_stuck(stream: TextIO) -> bool:
    """Return whether something that was written cannot leave."""
    try:
        stream.flush()
    except OSError:
        return True
    return False

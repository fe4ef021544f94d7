"""What Ctrl-C does: end the process at once, or raise where something must be cleaned up."""

from __future__ import annotations

# The module that ``signal`` wraps: it costs nothing to import.
from _signal import (  # type: ignore[import-not-found]
    SIG_DFL,
    SIGINT,
    default_int_handler,
    getsignal,
    signal,
)

TYPE_CHECKING = False

if TYPE_CHECKING:
    from types import TracebackType

# What a shell makes of a command that died of Ctrl-C.
INTERRUPTED = 130


def enter() -> None:
    """From here on, Ctrl-C ends the process at once, without a message."""
    if getsignal(SIGINT) is default_int_handler:  # a shell's background jobs ignore it
        signal(SIGINT, SIG_DFL)


class CleanInterrupts:
    """A block in which Ctrl-C raises KeyboardInterrupt, as there is something to clean up."""

    def __enter__(self) -> None:
        """Undo ``enter``, if it was called."""
        self._before = getsignal(SIGINT)
        if self._before is SIG_DFL:
            signal(SIGINT, default_int_handler)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let Ctrl-C do what it did before."""
        if self._before is SIG_DFL:
            signal(SIGINT, SIG_DFL)

"""Let a function fail at each call into C that touches a file, one after the other.

Reads, writes, flushes, renames, locks, whatever is called and by whom: what Python's profiler
sees of ``posix``, ``_io`` and ``fcntl``. A test runs this in a process of its own: it forks.
"""

import os
import signal
import sys
import threading

_WATCHED = {"posix", "_io", "fcntl"}


def run_failing(function, at, how):
    """Call a function in a child that fails at the so-many-th call; return its exit code.

    HOW is "kill" or "raise" (an OSError). The code is minus the signal's number if killed, 1 if
    the function raised OSError, what it raised SystemExit with, 0 if it returned; and 222 if it
    ended before the call came. AT may be 0, for none.
    """
    sys.stdout.flush()
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status)
    count = 0

    def profile(_frame, event, called):
        nonlocal count
        if event != "c_call":
            return
        owner = getattr(called, "__self__", None)
        module = getattr(called, "__module__", None) or type(owner).__module__
        if module not in _WATCHED and type(owner).__module__ not in _WATCHED:
            return
        count += 1
        if count == at and how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if count == at:
            raise OSError(28, "No space left on device")

    code = 0
    try:
        if at:
            threading.setprofile(profile)
            sys.setprofile(profile)
        function()
    except OSError:
        code = 1
    except SystemExit as exit_:
        code = exit_.code or 0
    except BaseException as error:  # noqa: BLE001 - told by its number
        sys.stderr.write(f"{error!r}\n")
        code = 99
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
        sys.stdout.flush()
        os._exit(222 if count < at else code)

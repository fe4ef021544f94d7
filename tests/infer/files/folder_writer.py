"""A process that writes folders, for test_folder.py to kill; the standard library and our file.

loop TARGET              replace TARGET by version A, then B, then A … until killed
many TARGET VERSION N    write TARGET N times
faults TARGET HOW PATH   see below
"""

import json
import os
import shutil
import signal
import sys
from pathlib import Path

from infer._files import folder as _folder

NAMES = ("one", "two", "three")


def say(line):
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def write(target, version):
    """Replace a folder by a version: three files, so that a mixture shows."""
    with _folder.staged(target) as staging:
        _folder.write_files(staging, {name: version.encode() * 5000 for name in NAMES})


def state(target):
    """Return the version that a folder holds, wholly; "absent", or what is wrong with it."""
    if not os.path.lexists(target):
        return "absent"
    content = {path.name: path.read_bytes() for path in target.iterdir()}
    for version in "ABCDEFGH":
        if content == {name: version.encode() * 5000 for name in NAMES}:
            return version
    return f"a mixture: {[(name, len(data), data[:1]) for name, data in content.items()]}"


def leftovers(target):
    return [path.name for path in target.parent.iterdir() if path != target]


def faults(target, how):
    """Let writing B over A fail at each event that Python's auditing sees, in turn.

    These are all that touch the disk (open, mkdir, rename, remove, …), in our file and in what
    it calls, whatever it calls. HOW is "kill" or "raise".
    Prints a line of JSON for each.
    """
    countdown = 0

    def audit(event, arguments):
        nonlocal countdown
        countdown -= 1
        if countdown == 0:
            if how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise OSError(28, "No space left on device")

    sys.addaudithook(audit)
    write(target, "A")  # everything is imported by now
    at = 0
    while True:
        at += 1
        child = os.fork()
        if not child:
            countdown = at
            code = 0
            try:
                write(target, "B")
            except OSError:
                code = 1
            if countdown > 0:
                code = 2  # over before the event came
            os._exit(code)
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        result = {"at": at, "code": code, "then": state(target), "left": leftovers(target)}
        try:
            # The next one to come fails, too; nothing may get lost by that.
            with _folder.staged(target):
                raise InterruptedError
        except InterruptedError:
            result.update({"next": state(target), "next_left": leftovers(target)})
        write(target, "C")
        result.update({"last": state(target), "last_left": leftovers(target)})
        say(json.dumps(result))
        if code == 2:
            return
        shutil.rmtree(target)
        write(target, "A")


if __name__ == "__main__":
    mode, place, *rest = sys.argv[1:]
    if rest[-1:] == ["fallback"]:
        _folder._exchange = lambda one, other: False
    if mode == "loop":
        say("ready")
        while True:
            write(Path(place), "A")
            write(Path(place), "B")
    elif mode == "many":
        for _ in range(int(rest[1])):
            write(Path(place), rest[0])
    else:
        faults(Path(place), rest[0])

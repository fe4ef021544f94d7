"""A process that replaces files, for test_replace.py to kill.

loop TARGET         replace TARGET by 5,000 times A, then B, then A … until killed
faults TARGET HOW   fail at each call; prints a line of JSON for each, see faults.py
"""

import json
import os
import sys
from pathlib import Path

from faults import run_failing

from infer._files.replace import replace_file, replace_files

SIZE = 5000
SET = ("history.csv", "fit.png", "fit.json")


def say(line):
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def write(target, version):
    replace_file(target, version.encode() * SIZE)


def write_set(target, version):
    replace_files(target, dict.fromkeys(SET, version.encode() * SIZE))


def state(target):
    """Return the version that a file holds, wholly; "absent", or what is wrong with it."""
    if not os.path.lexists(target):
        return "absent"
    data = target.read_bytes()
    return data[:1].decode() if data == data[:1] * SIZE else f"{len(data)} bytes"


def state_of_set(target):
    """Return the version of all files of a set; "unsealed" without the last, or a mixture."""
    states = {name: state(target / name) for name in SET} if target.is_dir() else {}
    if states.get(SET[-1], "absent") == "absent":
        return "unsealed"
    return states[SET[-1]] if len(set(states.values())) == 1 else f"a mixture: {states}"


def leftovers(target):
    folder = target if target.is_dir() else target.parent
    return [path.name for path in folder.iterdir() if path.name.endswith(".samebits-part")]


def faults(target, how, write, state):
    at = 0
    while True:
        at += 1
        write(target, "A")
        code = run_failing(lambda: write(target, "B"), at, how)
        result = {"at": at, "code": code, "then": state(target), "left": leftovers(target)}
        write(target, "C")
        say(json.dumps({**result, "last": state(target), "last_left": leftovers(target)}))
        if code == 222:
            return


if __name__ == "__main__":
    mode, place, *rest = sys.argv[1:]
    if mode == "loop":
        say("ready")
        while True:
            write(Path(place), "A")
            write(Path(place), "B")
    elif mode == "faults":
        faults(Path(place), rest[0], write, state)
    else:
        faults(Path(place), rest[0], write_set, state_of_set)

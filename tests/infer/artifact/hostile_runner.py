"""Measures what a card costs: each operation in a process of its own, with a deadline.

    python tests/infer/artifact/hostile_runner.py

Each line of standard input is JSON: [deadline in seconds, [operation, …], folder]. The answer is a
line with a list for each operation: its name, how it ended, the seconds of processor time that it
took (other processes do not count), and by how many MiB the process grew.
"""

import contextlib
import io
import json
import os
import resource
import select
import signal
import sys
import time
import warnings
from functools import partial
from pathlib import Path

import click
import numpy as np

import infer
import infer._checks.parity
import infer._cli
import infer._commands.answer
import infer._containers.apply
import infer._containers.lists
import infer._curve.interval
import infer._curve.inverse_interval
import infer._runtimes.python
import infer._site
from infer._artifact.store import find
from infer._cli import main

COUNT = 1 << 16


def rows(card, count):
    values = np.linspace(-2, 2, count)
    return values if card.features is None else np.tile(values[:, None], card.features)


def middle(card):
    point = [low / 2 + high / 2 for low, high in card.domain]
    return point if card.features else point[0]


def command(*arguments):
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        main(list(arguments), standalone_mode=False)


def ask(folder, method):
    model = infer.load(folder)
    getattr(model, method)(model(middle(model.card)) if "inverse" in method else middle(model.card))


def on_array(folder, method):
    model = infer.load(folder)
    getattr(model, method)(rows(model.card, COUNT))


OPERATIONS = {
    "find": find,
    "load": infer.load,
    "call": partial(ask, method="__call__"),
    "array": partial(on_array, method="__call__"),
    "interval": partial(ask, method="interval"),
    "intervals": partial(on_array, method="interval"),
    "inverse": partial(ask, method="inverse"),
    "inverse_interval": partial(ask, method="inverse_interval"),
    "show": lambda folder: command("show", folder),
    "check": lambda folder: command("check", folder),
    "invert": lambda folder: command("invert", folder, "0.5"),
    "site": lambda folder: infer._site.files([find(folder)]),
}


def resident():
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * resource.getpagesize()


def child(operation, folder, write):
    start, before = time.process_time(), resident()
    try:
        OPERATIONS[operation](folder)
        end = "answered"
    except infer.InferError as error:
        end = f"refused: {error}"
    except click.ClickException as error:  # how the command line tells an InferError
        end = f"refused: {error.format_message()}"
    except BaseException as error:  # noqa: BLE001 - the test tells what it was
        end = f"escaped {type(error).__name__}: {error}"[:500]
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before) / 2**20
    os.write(write, json.dumps([end[:1000], time.process_time() - start, grown]).encode())
    os._exit(0)


def measure(operation, folder, seconds):
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        child(operation, folder, write)
    os.close(write)
    ready, _, _ = select.select([read], [], [], seconds)
    data = os.read(read, 1 << 16) if ready else b""
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(read)
    return json.loads(data) if data else ["died" if ready else "too slow", seconds, 0.0]


if __name__ == "__main__":
    warnings.simplefilter("error")
    for line in sys.stdin:
        seconds, operations, card = json.loads(line)
        found = [[operation, *measure(operation, card, seconds)] for operation in operations]
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()

"""Speed of models, as ratios to references in the same run.

    python benchmarks/serve.py [--rounds N] [--millions N]

Ours and its reference alternate, so that drift of the machine affects both equally; a ratio is the
median over the rounds. ``--plot FILE`` instead measures from one element to a billion (with
memory-mapped files) and plots the time per element.

Needs ``pip install 'samebits[bench]'``, and awk.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
import timeit
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from _require import require, require_command

require("infer", "numpy", "onnxruntime", "torch")

import numpy as np
import onnxruntime
import torch

import infer

MODEL = "sin_cubic"
# Seconds before each measurement, because threads of the previous one spin for a while.
PAUSE = 0.05
# Arrays from this size on are memory-mapped files.
FILES_FROM = 100_000_000
ARTIFACTS = Path(__file__).resolve().parent.parent / "artifacts"


class Row(NamedTuple):
    """A row of the table: what is timed, the reference, and the calls of each per round."""

    what: str
    reference: str
    goal: float
    ours: timeit.Timer
    theirs: timeit.Timer
    calls: tuple[int, int]


def ratio(row: Row, rounds: int) -> tuple[float, float, float]:
    """Return the median seconds of ours and of the reference, and their median ratio."""
    ours, theirs = [], []
    row.ours.timeit(1)  # compiles, allocates, starts threads
    row.theirs.timeit(1)
    for _ in range(rounds):
        for timer, calls, found in zip(
            (row.ours, row.theirs), row.calls, (ours, theirs), strict=True
        ):
            time.sleep(PAUSE)
            found.append(timer.timeit(calls) / calls)
    medians = statistics.median(ours), statistics.median(theirs)
    return *medians, statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def plain_function(name: str) -> Callable[[float], float]:
    """Return the model's polynomial as typed in Python, in double precision."""
    card = infer.load(name).card
    numbers = {**card.parameters, **card.constants}
    if name == "f2c":
        w, b, scale = numbers["w"], numbers["b"], numbers["scale"]
        source = f"lambda x: {w!r} * ({scale!r} * x) + {b!r}"
    else:
        a, b, c, d = (numbers[key] for key in "abcd")
        source = f"lambda x: (({d!r} * x + {c!r}) * x + {b!r}) * x + {a!r}"
    function: Callable[[float], float] = eval(source)  # noqa: S307 - ours
    return function


def plain_rows() -> list[Row]:
    """Return the rows on one float, compared with plain Python."""
    rows = []
    for name in ("f2c", MODEL):
        model, plain = infer.load(name), plain_function(name)
        names = {"model": model, "plain": plain, "x": 0.7}
        rows.append(
            Row(
                f"one float, auto, {name}",
                "typed in Python, unrounded",
                6,
                timeit.Timer("model(x)", globals=names),
                timeit.Timer("plain(x)", globals=names),
                (20_000, 20_000),
            )
        )
    return rows


def small_rows() -> list[Row]:
    """Return the rows on one value and on a list, compared with onnxruntime."""
    names = {
        "auto": infer.load(MODEL),
        "served": infer.load(MODEL, runtime="onnxruntime"),
        "session": onnxruntime.InferenceSession(ARTIFACTS / MODEL / "model.onnx"),
        "np": np,
        "one": np.array([0.7], "float32"),
        "numbers": [random.uniform(-3, 3) for _ in range(10_000)],  # noqa: S311
    }

    def timer(statement: str) -> timeit.Timer:
        return timeit.Timer(statement, globals=names)

    one = timer("session.run(None, {'x': one})")
    through_arrays = timer("session.run(None, {'x': np.array(numbers, 'float32')})[0].tolist()")
    label = f"one float, auto, {MODEL}"
    return [
        Row(label, "raw session.run", 0.12, timer("auto(0.7)"), one, (20_000, 2_000)),
        Row(
            "ndarray of 1, onnxruntime",
            "raw session.run",
            1.2,
            timer("served(one)"),
            one,
            (2000, 2000),
        ),
        Row(
            "list of 10,000 floats, auto",
            "numpy, raw session.run",
            1,
            timer("auto(numbers)"),
            through_arrays,
            (50, 50),
        ),
    ]


def large_rows(count: int) -> list[Row]:
    """Return the rows on arrays of many elements."""
    import numexpr

    x = np.linspace(-3, 3, count, dtype="float32")
    out = np.empty_like(x)
    tensor = torch.from_numpy(x)
    model, script = infer.load(MODEL), infer.load(MODEL, runtime="torchscript")
    session = onnxruntime.InferenceSession(ARTIFACTS / MODEL / "model.onnx")
    module = torch.jit.load(ARTIFACTS / MODEL / "model.pt")
    numbers = {name: np.float32(value) for name, value in model.card.parameters.items()}
    halves = (slice(0, count // 2), slice(count // 2, count))
    pool = ThreadPoolExecutor(2)

    def copy() -> None:
        list(pool.map(lambda part: np.copyto(out[part], x[part]), halves))

    def expression() -> Any:
        return numexpr.evaluate("((d*x + c)*x + b)*x + a", {**numbers, "x": x})

    def raw() -> Any:
        return session.run(None, {"x": x})

    def ours(**options: Any) -> Any:
        return model(x, **options)

    def scripted() -> Any:
        return module(tensor)

    pairs = [
        ("ndarray, auto", "raw session.run", 0.55, ours, raw),
        ("ndarray, auto", "numexpr", 0.55, ours, expression),
        ("ndarray, auto, out=", "numpy copyto, two threads", 2.0, partial(ours, out=out), copy),
        ("ndarray, torchscript", "torch.jit.load(...)(x)", 0.3, partial(script, x), scripted),
        ("tensor, torchscript", "torch.jit.load(...)(x)", 0.3, partial(script, tensor), scripted),
    ]
    size = f"{count // 1_000_000} million"
    return [
        Row(
            what.replace(",", f" of {size},", 1),
            reference,
            goal,
            timeit.Timer(a),
            timeit.Timer(b),
            (1, 1),
        )
        for what, reference, goal, a, b in pairs
    ]


def stream_row(folder: Path, lines: int) -> Row:
    """Return the row on a stream of lines through the command line."""
    text = folder / "readings.txt"
    text.write_text("".join(f"{random.uniform(21.8, 81.9):.2f}\n" for _ in range(lines)))  # noqa: S311
    f2c = Path(sysconfig.get_path("scripts"), "f2c")

    def through(command: list[str]) -> Callable[[], None]:
        def run() -> None:
            with text.open("rb") as stdin:
                subprocess.run(command, stdin=stdin, stdout=subprocess.DEVNULL, check=True)

        return run

    awk = ["awk", "{print $1*0.5367719+-17.304785}"]
    ours, theirs = through([str(f2c), "-"]), through(awk)
    return Row("a million lines, f2c -", "awk", 5, timeit.Timer(ours), timeit.Timer(theirs), (1, 1))


def import_difference(folder: Path, runs: int) -> tuple[float, float]:
    """Return the median seconds to import an empty package, and the additional time for infer."""
    (folder / "empty").mkdir()
    (folder / "empty" / "__init__.py").touch()
    code = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"
    # As after an installation: compiled once.
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(folder / "compiled")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    times: dict[str, list[float]] = {"empty": [], "infer": []}
    for _ in range(runs):
        for name, found in times.items():
            command = [sys.executable, "-c", code.format(name)]
            output = subprocess.check_output(command, cwd=folder, env=environment)
            found.append(float(output))
    empty, ours = (statistics.median(found) for found in times.values())
    return empty, ours - empty


def memory() -> float:
    """Return the KiB of anonymous memory of this process (on Linux; elsewhere nan)."""
    try:
        status = Path("/proc/self/status").read_text("utf-8")
    except OSError:
        return math.nan
    return float(status.partition("RssAnon:")[2].split()[0])


def an_element(model: Any, count: int, folder: Path) -> tuple[float, float]:
    """Return the time per element of one array, and the memory; from 1e8 on, with files."""
    if count >= FILES_FROM:
        shape = {"dtype": "float32", "shape": (count,)}
        x = np.lib.format.open_memmap(folder / "in.npy", mode="w+", **shape)
        for start in range(0, count, FILES_FROM):
            x[start : start + FILES_FROM] = np.linspace(-3, 3, len(x[start : start + FILES_FROM]))
        out = np.lib.format.open_memmap(folder / "out.npy", mode="w+", **shape)
    else:
        x = np.linspace(-3, 3, count, dtype="float32")
        out = np.empty_like(x)
    timer = timeit.Timer(lambda: model(x, out=out))
    calls = max(1, min(20_000, 10_000_000 // count))
    best = min(timer.repeat(3 if count >= FILES_FROM else 7, calls))
    return best / calls / count, memory()


def plot(file: Path, most: int) -> None:
    """Measure from one element to ``most``, and plot the time per element."""
    import matplotlib.pyplot as plt

    model = infer.load(MODEL)
    counts = [10**power for power in range(10) if 10**power <= most]
    with tempfile.TemporaryDirectory() as name:
        found = [an_element(model, count, Path(name)) for count in counts]
    for count, (seconds, memory) in zip(counts, found, strict=True):
        print(
            f"{count:>13,} elements  {show(seconds):>9} each  {show(seconds * count):>9} in all"
            f"  {memory / 1024:>6,.0f} MiB"
        )
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    axes.loglog(counts, [seconds * 1e9 for seconds, _ in found], "o-")
    axes.set(xlabel="elements", ylabel="time an element, ns", title=f"{MODEL}, ndarray, auto, out=")
    axes.grid(alpha=0.3)
    axes.annotate(
        f"{found[-1][0] * 1e9:.2g} ns",
        (counts[-1], found[-1][0] * 1e9),
        (-2, 9),
        textcoords="offset points",
        ha="right",
    )
    with plt.rc_context({"svg.hashsalt": "samebits"}):
        figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None)


def show(seconds: float) -> str:
    """Return a time with three digits and a unit."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, help="of each pair")
    parser.add_argument("--millions", type=int, default=10, help="elements of the large arrays")
    parser.add_argument(
        "--plot", type=Path, metavar="FILE", help="plot the time per element to this file"
    )
    parser.add_argument("--most", type=float, default=1e9, help="elements of the plot's last point")
    options = parser.parse_args()
    if options.plot is not None:
        require("matplotlib")
        plot(options.plot, int(options.most))
        return
    require("numexpr")
    require_command("awk")
    print(f"{'what':34}{'':>9}  {'reference':27}{'':>9}{'ratio':>9}{'goal':>9}")

    def line(what: str, ours: float, reference: str, theirs: float, found: str, goal: str) -> None:
        print(f"{what:34}{show(ours):>9}  {reference:27}{show(theirs):>9}{found:>9}{goal:>9}")

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # Each group is created when it is timed: idle threads of a session spin for a while.
        groups = (plain_rows, small_rows, partial(large_rows, options.millions * 1_000_000))
        for group in (*groups, lambda: [stream_row(folder, 1_000_000)]):
            for row in group():
                ours, theirs, found = ratio(row, options.rounds)
                line(row.what, ours, row.reference, theirs, f"{found:.3f}", f"<= {row.goal:g}")
        empty, more = import_difference(folder, options.rounds)
    found = f"+{more * 1e3:.2f} ms"
    line("import infer", empty + more, "an empty package", empty, found, "<= 5 ms")


if __name__ == "__main__":
    main()

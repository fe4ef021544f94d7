"""How fast models are served, as ratios to references in the same run.

    python benchmarks/serve.py [--rounds N] [--millions N]

Ours and its reference take turns, so that a drift of the machine hits both alike; a ratio is
the median over the rounds. ``--plot FILE`` also measures from one element to a thousand million
(memory-mapped files in and out) and draws the time an element.

Needs ``pip install 'samebits[onnx,torch]' numexpr``, and awk.
"""

from __future__ import annotations

import argparse
import random
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import timeit
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numexpr
import numpy as np
import onnxruntime
import torch

import infer

MODEL = "sin_cubic"
ARTIFACTS = Path(__file__).resolve().parent.parent / "artifacts"


class Row(NamedTuple):
    """A line of the table: what is timed, against what, and how often a round calls each."""

    what: str
    reference: str
    goal: float
    ours: Callable[[], Any]
    theirs: Callable[[], Any]
    calls: tuple[int, int]


def ratio(row: Row, rounds: int) -> tuple[float, float, float]:
    """Return the median seconds of ours and of the reference, and their median ratio."""
    timers = (timeit.Timer(row.ours), timeit.Timer(row.theirs))
    ours, theirs = [], []
    for timer in timers:
        timer.timeit(1)  # compiles, allocates, starts threads
    for _ in range(rounds):
        ours.append(timers[0].timeit(row.calls[0]) / row.calls[0])
        theirs.append(timers[1].timeit(row.calls[1]) / row.calls[1])
    medians = statistics.median(ours), statistics.median(theirs)
    return *medians, statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def plain_function(name: str) -> Callable[[float], float]:
    """Return the model's polynomial as somebody would type it, in double precision."""
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


def small_rows() -> list[Row]:
    """Return the rows on one value and on a list."""
    rows = []
    for name in ("f2c", MODEL):
        model = infer.load(name)
        session = onnxruntime.InferenceSession(ARTIFACTS / name / "model.onnx")
        key = model.card.input.name
        one = np.array([0.7], "float32")
        plain = plain_function(name)

        def raw(session: Any = session, key: str = key, one: Any = one) -> Any:
            return session.run(None, {key: one})

        def ours(model: Any = model) -> float:
            answer: float = model(0.7)
            return answer

        def typed(plain: Any = plain) -> float:
            answer: float = plain(0.7)
            return answer

        label = f"one float, auto, {name}"
        rows.append(Row(label, "raw session.run", 0.12, ours, raw, (20_000, 2_000)))
        rows.append(Row(label, "typed in Python, unrounded", 6, ours, typed, (20_000, 20_000)))
    served = infer.load(MODEL, runtime="onnxruntime")
    session = onnxruntime.InferenceSession(ARTIFACTS / MODEL / "model.onnx")
    one = np.array([0.7], "float32")
    rows.append(
        Row(
            "ndarray of 1, onnxruntime",
            "raw session.run",
            1.2,
            lambda: served(one),
            lambda: session.run(None, {"x": one}),
            (2_000, 2_000),
        )
    )
    numbers = [random.uniform(-3, 3) for _ in range(10_000)]  # noqa: S311
    model = infer.load(MODEL)

    def through_arrays() -> Any:
        return session.run(None, {"x": np.array(numbers, "float32")})[0].tolist()

    rows.append(
        Row(
            "list of 10,000 floats, auto",
            "numpy, raw session.run",
            1,
            lambda: model(numbers),
            through_arrays,
            (50, 50),
        )
    )
    return rows


def large_rows(count: int) -> list[Row]:
    """Return the rows on arrays of many elements."""
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

    label = f"ndarray of {count:,}"

    def ours() -> Any:
        return model(x)

    def scripted() -> Any:
        return module(tensor)

    return [
        Row(
            f"{label}, auto",
            "raw session.run",
            0.55,
            ours,
            lambda: session.run(None, {"x": x}),
            (1, 1),
        ),
        Row(f"{label}, auto", "numexpr", 0.55, ours, expression, (1, 1)),
        Row(
            f"{label}, auto, out=",
            "numpy copyto, 2 threads",
            2.0,
            lambda: model(x, out=out),
            copy,
            (1, 1),
        ),
        Row(f"{label}, torchscript", "torch.jit", 0.3, lambda: script(x), scripted, (1, 1)),
        Row(
            f"tensor of {count:,}, torchscript",
            "torch.jit",
            0.3,
            lambda: script(tensor),
            scripted,
            (1, 1),
        ),
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
    return Row(f"{lines:,} lines, f2c -", "awk", 5, through([str(f2c), "-"]), through(awk), (1, 1))


def import_difference(folder: Path, runs: int) -> tuple[float, float]:
    """Return the median seconds of importing an empty package, and how many more infer takes."""
    (folder / "empty").mkdir()
    (folder / "empty" / "__init__.py").touch()
    code = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"
    times: dict[str, list[float]] = {"empty": [], "infer": []}
    for _ in range(runs):
        for name, found in times.items():
            command = [sys.executable, "-c", code.format(name)]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
            found.append(float(done.stdout))
    empty, ours = (statistics.median(found) for found in times.values())
    return empty, ours - empty


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
    options = parser.parse_args()
    head = f"{'what':36}{'':>9}  {'reference':28}{'':>9}{'ratio':>8}{'goal':>9}"
    print(head)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [*small_rows(), *large_rows(options.millions * 1_000_000)]
        for row in (*rows, stream_row(folder, 1_000_000)):
            rounds = options.rounds if row.what[0] != "1" else max(3, options.rounds // 3)
            ours, theirs, found = ratio(row, rounds)
            print(
                f"{row.what:36}{show(ours):>9}  {row.reference:28}{show(theirs):>9}"
                f"{found:>8.3g}{f'<= {row.goal:g}':>9}"
            )
        empty, more = import_difference(folder, options.rounds)
    print(
        f"{'import infer':36}{show(empty + more):>9}  {'an empty package':28}{show(empty):>9}"
        f"{f'+{more * 1e3:.1f} ms':>8}{'<= 5 ms':>9}"
    )


if __name__ == "__main__":
    main()

"""Speed of scoring files, as ratios to polars and DuckDB in the same run.

    python benchmarks/score.py [--rows N] [--rounds N] [--most N]

All three read the same Parquet file and write one with an additional column. The others compute the
model's formula as SQL, in single precision. They alternate with ours, so that drift of the machine
affects all equally; a ratio is the median over the rounds. Times are those of whole calls in one
process, without its start. Two more tables show our time by number of workers, and by number of
rows from 100,000 to ``--most``, compared with a copy of the same file.

The file has a sequence number, a time, the value, and a text with few distinct values; it is
written by pyarrow with its defaults, in the folder ``$TMPDIR``.

Needs ``pip install 'samebits[bench]'``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from _require import require

require("infer", "numpy", "pyarrow")

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import infer
from infer._artifact.store import find
from infer._engines.local import LocalEngine
from infer._score import _job

MODEL = "sin_cubic"
# Rows generated at a time.
PIECE = 1_000_000
GOAL = 1.3


def make(path: Path, rows: int) -> None:
    """Write a file with that many rows."""
    generator = np.random.default_rng(20_260)
    schema = pa.schema(
        [
            ("id", pa.int64()),
            ("time", pa.timestamp("us")),
            ("value", pa.float32()),
            ("sensor", pa.string()),
        ]
    )
    names = pa.array([f"sensor-{index:03}" for index in range(200)])
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, rows, PIECE):
            count = min(PIECE, rows - start)
            numbers = np.arange(start, start + count)
            columns = [
                numbers,
                pa.array(numbers * 1_000 + 1_700_000_000_000_000).cast(pa.timestamp("us")),
                generator.uniform(-3, 3, count).astype("float32"),
                pa.DictionaryArray.from_arrays(generator.integers(0, 200, count), names).cast(
                    pa.string()
                ),
            ]
            writer.write_table(pa.table(columns, schema=schema))


def formula(x: str) -> str:
    """Return the model as an expression in SQL, in Horner form and single precision."""
    numbers = {**(card := infer.load(MODEL).card).parameters, **card.constants}
    a, b, c, d = (f"CAST({numbers[key]!r} AS REAL)" for key in "abcd")
    return f"((({d} * {x} + {c}) * {x} + {b}) * {x} + {a})"


def by_us(source: Path, target: Path, workers: int) -> None:
    """Score with ``infer score``."""
    job = _job.plan(find(MODEL), str(source), str(target), ["value"], "y", force=True, resume=False)
    for _ in _job.run(job, str(target), LocalEngine(workers), lambda *_: None):
        pass


def by_polars(source: Path, target: Path) -> None:
    """Score with polars, streaming."""
    import polars as pl

    expression = pl.sql_expr(f"{formula('value')} AS y")
    pl.scan_parquet(source).with_columns(expression).sink_parquet(target, compression="snappy")


def by_duckdb(source: Path, target: Path) -> None:
    """Score with DuckDB."""
    import duckdb

    query = f"SELECT *, {formula('value')} AS y FROM '{source}'"  # noqa: S608 - ours
    with duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false")
        connection.execute(f"COPY ({query}) TO '{target}' (FORMAT parquet, COMPRESSION snappy)")


def seconds(function: Callable[[], None]) -> float:
    """Return the wall time of a call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def compare(folder: Path, rows: int, rounds: int, workers: int) -> None:
    """Print the table of ratios."""
    source = folder / "in.parquet"
    make(source, rows)
    ways = {
        "infer score": partial(by_us, source, folder / "ours.parquet", workers),
        "polars": partial(by_polars, source, folder / "polars.parquet"),
        "DuckDB": partial(by_duckdb, source, folder / "duckdb.parquet"),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way()
    for _ in range(rounds):
        for name, way in ways.items():
            times[name].append(seconds(way))
    faster = [min(pair) for pair in zip(times["polars"], times["DuckDB"], strict=True)]
    print(f"{rows:,} rows, {source.stat().st_size:,} bytes, median of {rounds} rounds\n")
    print(f"{'':14}{'time':>10}{'rows/s':>16}{'largest difference':>20}")
    ours = pq.read_table(folder / "ours.parquet", columns=["y"])["y"].to_numpy()
    for name, file in zip(ways, ("ours", "polars", "duckdb"), strict=True):
        median = statistics.median(times[name])
        theirs = pq.read_table(folder / f"{file}.parquet", columns=["y"])["y"].to_numpy()
        off = np.abs(ours.astype("float64") - theirs).max()
        print(f"{name:14}{median * 1e3:>7.0f} ms{rows / median:>16,.0f}{off:>20.2g}")
    ratio = statistics.median(a / b for a, b in zip(times["infer score"], faster, strict=True))
    print(f"\ninfer score to the faster of the others: {ratio:.2f} (goal <= {GOAL})")


def against_rows(folder: Path, most: int, workers: int) -> None:
    """Print our time by number of rows, and that of a plain copy of the file."""
    print(f"\n{'rows':>15}{'time':>12}{'rows/s':>16}{'file':>12}{'a copy':>12}{'ratio':>8}")
    rows = 100_000
    while rows <= most:
        source = folder / "rows.parquet"
        make(source, rows)
        copy, scored = folder / "copy.parquet", folder / "scored.parquet"
        copied = seconds(partial(shutil.copyfile, source, copy))
        copy.unlink()
        took = seconds(partial(by_us, source, scored, workers))
        scored.unlink()
        size = source.stat().st_size / 1e6
        print(
            f"{rows:>15,}{took:>10.3f} s{rows / took:>16,.0f}{size:>9,.0f} MB"
            f"{copied:>10.3f} s{took / copied:>8.2f}",
            flush=True,
        )
        rows *= 10


def against_workers(folder: Path, rows: int, most: int) -> None:
    """Print our time with one thread, two, four and so on."""
    source = folder / "in.parquet"
    csv = folder / "in.csv"
    import duckdb

    with duckdb.connect() as connection:
        connection.execute(f"COPY (FROM '{source}' LIMIT {min(rows, 5_000_000)}) TO '{csv}'")
    print(f"\n{'workers':>15}{'Parquet':>12}{'CSV':>12}")
    workers = 1
    while workers <= most:
        took = [
            min(seconds(partial(by_us, path, folder / f"w{path.suffix}", workers)) for _ in "123")
            for path in (source, csv)
        ]
        print(f"{workers:>15}{took[0]:>10.3f} s{took[1]:>10.3f} s")
        workers *= 2


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000, help="rows of the comparison")
    parser.add_argument("--rounds", type=int, default=7, help="rounds of the comparison")
    parser.add_argument(
        "--most", type=int, default=10_000_000, help="most rows of the table, up to 1000000000"
    )
    arguments = parser.parse_args()
    require("duckdb", "polars")
    workers = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        compare(folder, arguments.rows, arguments.rounds, workers)
        against_workers(folder, arguments.rows, workers)
        against_rows(folder, arguments.most, workers)


if __name__ == "__main__":
    main()

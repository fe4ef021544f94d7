"""Exact calibration compared with numpy.polyfit, scikit-learn and statsmodels: speed and accuracy.

    python benchmarks/calibrate.py [--rows N] [--degree D] [--most ROWS]

In the first table, all of them fit the same readings, held in memory as doubles; "digits" is the
number of correct decimal digits of the worst coefficient. In the second, all fit NIST's data sets,
given as decimals. The third fits Parquet files of increasing size in one pass, each in a separate
process, and shows its peak memory.

Needs ``pip install 'samebits[bench]'``.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path

from _require import require

require("numpy", "torch", "train")

import numpy as np

import train

NIST = Path(__file__).resolve().parent.parent / "tests" / "train" / "nist"
BATCH = 1 << 17


def ours(x: np.ndarray, y: np.ndarray, degree: int, intercept: bool) -> list[float]:
    """Return the coefficients of the exact fit."""
    features = 1 if x.ndim == 1 else x.shape[1]
    sums = train.Sums(degree, features=features)
    sums.add(x if features == 1 else list(x.T), y)
    found = train.calibrate_from(sums, intercept=intercept, dtype="float64")
    return [c.value for c in found.coefficients]


def powers(x: np.ndarray, degree: int, first: int) -> np.ndarray:
    """Return the design matrix of plain powers."""
    if x.ndim == 2:
        return np.column_stack([np.ones(len(x)), x])[:, first:]
    return np.stack([x**k for k in range(first, degree + 1)], axis=1)


def polyfit(x: np.ndarray, y: np.ndarray, degree: int, intercept: bool) -> list[float]:
    """Fit with numpy, which has no fit without an intercept, and one feature."""
    if not intercept or x.ndim == 2:
        raise NotImplementedError
    return np.polyfit(x, y, degree)[::-1].tolist()


def sklearn(x: np.ndarray, y: np.ndarray, degree: int, intercept: bool) -> list[float]:
    """Fit with scikit-learn's LinearRegression on plain powers."""
    from sklearn.linear_model import LinearRegression

    fit = LinearRegression(fit_intercept=intercept).fit(powers(x, degree, 1), y)
    return [*([fit.intercept_] if intercept else []), *fit.coef_.tolist()]


def statsmodels(x: np.ndarray, y: np.ndarray, degree: int, intercept: bool) -> list[float]:
    """Fit with statsmodels' OLS on plain powers."""
    from statsmodels.api import OLS

    return OLS(y, powers(x, degree, 0 if intercept else 1)).fit().params.tolist()


Fitter = Callable[[np.ndarray, np.ndarray, int, bool], list[float]]
FITTERS: dict[str, Fitter] = {
    "samebits": ours,
    "numpy.polyfit": polyfit,
    "scikit-learn": sklearn,
    "statsmodels": statsmodels,
}


def digits(values: Sequence[float], true: Sequence[float]) -> float:
    """Return the number of correct digits of the worst value, at most 15."""
    errors = [abs(v - t) / (abs(t) or 1.0) for v, t in zip(values, true, strict=True)]
    return min(15.0, -math.log10(max(errors))) if max(errors) else 15.0


def speed(rows: int, degree: int, runs: int) -> None:
    """Print the first table."""
    generator = np.random.default_rng(1)
    x = np.round(generator.random(rows) * 100, 3)
    y = np.round(np.sin(x / 30) + generator.normal(size=rows) * 0.01, 5)
    true = ours(x, y, degree, True)
    print(f"{rows:,} readings as doubles, degree {degree}")
    print(f"{'':16}{'time':>10}{'rows/s':>14}{'digits':>8}")
    for name, fitter in FITTERS.items():
        found, times = fitter(x, y, degree, True), []
        for _ in range(runs):
            start = time.perf_counter()
            fitter(x, y, degree, True)
            times.append(time.perf_counter() - start)
        took = statistics.median(times)
        print(f"{name:16}{took * 1e3:>7.0f} ms{rows / took:>14,.0f}{digits(found, true):>8.1f}")


def hard() -> None:
    """Print the second table."""
    print(f"\n{'digits':16}" + "".join(f"{name:>15}" for name in FITTERS))
    for name, certified in json.loads((NIST / "certified.json").read_text("utf-8")).items():
        rows = list(csv.DictReader((NIST / f"{name}.csv").read_text("utf-8").splitlines()))
        keys = [key for key in rows[0] if key != "y"]
        y = np.array([float(row["y"]) for row in rows])
        x = np.array([[float(row[key]) for key in keys] for row in rows])
        x = x if len(keys) > 1 else x[:, 0]
        line = f"{name:16}"
        for fitter in FITTERS.values():
            degree, intercept = certified["degree"], certified["intercept"]
            try:
                if fitter is ours:
                    found = from_decimals(rows, keys, degree, intercept)
                else:
                    found = fitter(x, y, degree, intercept)
                line += f"{digits(found, certified['coefficients']):>15.1f}"
            except NotImplementedError:
                line += f"{'-':>15}"
        print(line)


def from_decimals(rows: list[dict], keys: list[str], degree: int, intercept: bool) -> list[float]:
    """Fit decimals given as text."""
    x = [[Decimal(row[key]) for key in keys] for row in rows]
    found = train.calibrate(
        x,
        [Decimal(row["y"]) for row in rows],
        degree=degree,
        intercept=intercept,
        dtype="float64",
    )
    return [c.value for c in found.coefficients]


def write_parquet(path: Path, rows: int) -> None:
    """Write readings, one batch at a time."""
    import pyarrow as pa
    from pyarrow import parquet

    generator = np.random.default_rng(2)
    schema = pa.schema([("x", pa.float64()), ("y", pa.float64())])
    with parquet.ParquetWriter(path, schema, compression="none", use_dictionary=False) as writer:
        for start in range(0, rows, 1 << 20):
            count = min(1 << 20, rows - start)
            x = generator.random(count) * 100
            y = 0.5 * x + generator.normal(size=count)
            writer.write_table(pa.table([x, y], schema=schema))


def one_pass(path: Path, degree: int) -> tuple[float, float, int]:
    """Fit a Parquet file in one pass.

    Returns:
        The seconds, the memory in bytes that reading and fitting add at their peak, and the rows.
    """
    from pyarrow import parquet

    train.calibrate(range(9), range(9))  # libraries are loaded now
    before = peak_memory()
    start = time.perf_counter()
    sums = train.Sums(degree)
    # Without pre_buffer=False it reads ahead through the whole file.
    for batch in parquet.ParquetFile(path, pre_buffer=False).iter_batches(batch_size=BATCH):
        sums.add(batch.column(0), batch.column(1))
    train.calibrate_from(sums)
    took = time.perf_counter() - start
    return took, peak_memory() - before, sums.rows


def peak_memory() -> float:
    """Return this process's peak memory in bytes (ru_maxrss would count its parent's too)."""
    status = Path("/proc/self/status")
    if not status.exists():
        return math.nan
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return float(line.split()[1]) * 1024


def growth(most: int, degree: int) -> None:
    """Print the third table."""
    print(f"\nParquet in one pass, degree {degree}")
    print(f"{'rows':>14}{'time':>10}{'rows/s':>14}{'memory':>10}")
    with tempfile.TemporaryDirectory() as folder:
        for exponent in range(5, round(math.log10(most)) + 1):
            path = Path(folder) / "readings.parquet"
            write_parquet(path, 10**exponent)
            with multiprocessing.get_context("spawn").Pool(1) as process:
                took, peak, rows = process.apply(one_pass, (path, degree))
            print(f"{rows:>14,}{took:>8.2f} s{rows / took:>14,.0f}{peak / 1e6:>7.0f} MB")
    print("\ngoal: memory constant")


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=float, default=1e6, help="readings of the first table")
    parser.add_argument("--degree", type=int, default=5, help="of the first table")
    parser.add_argument("--runs", type=int, default=3, help="runs of each fit")
    parser.add_argument("--most", type=float, default=1e7, help="rows at which growth ends")
    arguments = parser.parse_args()
    require("pyarrow", "sklearn", "statsmodels")
    speed(int(arguments.rows), arguments.degree, arguments.runs)
    hard()
    growth(int(arguments.most), 1)


if __name__ == "__main__":
    main()

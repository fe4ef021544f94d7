"""Time of a default fit compared with the tutorial's loop, and its growth with the number of rows.

    python benchmarks/fit.py [--runs N] [--most ROWS]

The first table times, in one process, the default fit (including its judge) and a plain version of
the tutorial's training loop for the same model, and compares their final losses. The second fits a
cubic to increasing numbers of points, each in a separate process, and shows the time per row and
the memory used in addition to the data.

Needs ``pip install 'samebits[bench]'``.
"""

from __future__ import annotations

import argparse
import gc
import math
import multiprocessing
import random
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

from _require import require

require("numpy", "torch", "train")

import numpy as np
import torch

import train
from train._learn.datasets import load_dataset
from train._learn.models import find_model

GOALS = {"dynamic_net": 50, "sin_cubic": 20, "f2c": 20}
MEMORY_GOAL = 3.0


def tutorial_f2c() -> float:
    """Fit the thermometer with SGD: 5,000 epochs at 1e-2; returns the last loss."""
    data = load_dataset("thermometer")
    t_u, t_c = torch.tensor(data.x).float() * 0.1, torch.tensor(data.y).float()
    params = torch.tensor([1.0, 0.0], requires_grad=True)
    optimizer = torch.optim.SGD([params], lr=1e-2)
    for _ in range(5000):
        loss = ((params[0] * t_u + params[1] - t_c) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()


def tutorial_sin_cubic() -> float:
    """Fit the cubic with autograd and a step by hand: 2,000 steps at 1e-6."""
    x = torch.linspace(-math.pi, math.pi, 2000)
    y = torch.sin(x)
    torch.manual_seed(0)
    a, b, c, d = (torch.randn((), requires_grad=True) for _ in range(4))
    for _ in range(2000):
        loss = (a + b * x + c * x**2 + d * x**3 - y).pow(2).sum()
        loss.backward()
        with torch.no_grad():
            for parameter in (a, b, c, d):
                parameter.sub_(1e-6 * parameter.grad)
                parameter.grad = None
    return loss.item()


class TutorialNet(torch.nn.Module):
    """The net of random depth, as a tutorial writes it."""

    def __init__(self) -> None:
        """Start at random."""
        super().__init__()
        for name in "abcde":
            setattr(self, name, torch.nn.Parameter(torch.randn(())))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Add zero, one or two more terms at random."""
        y = self.a + self.b * x + self.c * x**2 + self.d * x**3
        for exponent in range(4, random.randint(4, 6)):  # noqa: S311
            y = y + self.e * x**exponent
        return y


def tutorial_dynamic_net() -> float:
    """Fit the net with SGD: 30,000 steps at 1e-8, momentum 0.9."""
    x = torch.linspace(-math.pi, math.pi, 2000)
    y = torch.sin(x)
    torch.manual_seed(0)
    random.seed(0)
    net = TutorialNet()
    criterion = torch.nn.MSELoss(reduction="sum")
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-8, momentum=0.9)
    for _ in range(30_000):
        loss = criterion(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    # Where it ended, as the default fit counts: the loss expected over the three orders.
    powers = torch.stack([x**k for k in range(6)]).double()
    found = [getattr(net, name).item() for name in "abcde"]
    expected = 0.0
    for last in (3, 4, 5):
        weights = torch.tensor([*found[:4], *[found[4]] * (last - 3)], dtype=torch.float64)
        expected += ((weights @ powers[: last + 1] - y) ** 2).sum().item() / 3
    return expected


TUTORIALS: dict[str, Callable[[], float]] = {
    "dynamic_net": tutorial_dynamic_net,
    "sin_cubic": tutorial_sin_cubic,
    "f2c": tutorial_f2c,
}


def seconds(function: Callable[[], object]) -> float:
    """Return the time of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def compare(runs: int) -> None:
    """Print the first table."""
    head = ("model", "tutorial", "default fit", "ratio", "goal", "tutorial's loss", "ours")
    print("{:14}{:>11}{:>13}{:>8}{:>7}{:>17}{:>12}".format(*head))
    for name, tutorial in TUTORIALS.items():
        train.fit(name)  # data made and libraries warm, as for the tutorial's loop
        start = time.perf_counter()
        loss = tutorial()
        slow = time.perf_counter() - start
        fast = statistics.median(seconds(lambda name=name: train.fit(name)) for _ in range(runs))
        ours = train.fit(name).loss
        print(
            f"{name:14}{slow:>9.2f} s{fast * 1e3:>10.1f} ms{slow / fast:>8.0f}"
            f"{f'>= {GOALS[name]}':>7}{loss:>17.6g}{ours:>12.6g}"
        )


def grow(rows: int) -> tuple[float, float]:
    """Fit a cubic to points of a sine.

    Returns:
        The seconds of the fit, and the memory in bytes that data and fit add to the process at
        their peak.
    """
    train.fit("sin_cubic")
    gc.collect()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    x = np.linspace(-math.pi, math.pi, rows)
    model = replace(find_model("sin_cubic"), dataset=train.Dataset("points", x, np.sin(x)))
    start = time.perf_counter()
    train.fit(model)
    took = time.perf_counter() - start
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024.0
    return took, peak


def growth(most: int) -> None:
    """Print the second table."""
    print(f"\n{'rows':>12}{'fit':>12}{'a row':>12}{'data':>12}{'peak':>12}{'peak/data':>11}")
    for exponent in range(3, round(math.log10(most)) + 1):
        rows = 10**exponent
        with multiprocessing.get_context("spawn").Pool(1) as process:
            took, peak = process.apply(grow, (rows,))
        data = 16.0 * rows
        print(
            f"{rows:>12,}{took:>10.3f} s{took / rows * 1e6:>9.2f} µs{data / 1e6:>9.1f} MB"
            f"{peak / 1e6:>9.1f} MB{peak / data:>11.2f}"
        )
    print(f"\ngoal: time a row constant, peak/data under {MEMORY_GOAL:g} at 10,000,000 rows")


def main() -> None:
    """Measure and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=11, help="runs of each default fit")
    parser.add_argument("--most", type=float, default=1e7, help="rows at which growth ends")
    arguments = parser.parse_args()
    compare(arguments.runs)
    growth(int(arguments.most))


if __name__ == "__main__":
    main()

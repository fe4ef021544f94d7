"""How long a whole process takes, as ratios to references in the same run.

    python benchmarks/startup.py [--runs N]

``f2c 98.6`` is compared with a three-line click command that prints one float, and with a script
that imports onnxruntime and runs the same model. For these the benchmark makes a virtual
environment and installs this checkout there, as a user would. ``calibrate`` of 50 readings is
compared with ``import torch``, in the environment that the benchmark itself runs in. Commands and
references take turns, so that a drift of the machine's speed affects all alike.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

from _require import require

require("numpy", "onnxruntime", "torch")

ROOT = Path(__file__).resolve().parent.parent
MODEL = ROOT / "artifacts" / "f2c" / "model.onnx"

CLICK = """\
import click
command = click.command()(lambda: click.echo(35.620926))
command()
"""

ONNXRUNTIME = f"""\
import numpy, onnxruntime
session = onnxruntime.InferenceSession({str(MODEL)!r})
print(session.run(None, {{"t_u": numpy.array([98.6], "float32")}})[0][0])
"""

CALIBRATE = "from export._entry import calibrate; calibrate()"
READINGS = "".join(f"{20 + i},{5 + 0.55 * i + i % 7 / 50:.3f}\n" for i in range(50))


def seconds(command: list[str]) -> float:
    """Return the wall time of one run of a command."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def report(commands: dict[str, list[str]], goals: dict[str, float], runs: int) -> None:
    """Run each command in turn; print the ratio of the first to each of the others."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    for command in commands.values():
        seconds(command)  # warms the file cache
    for _ in range(runs):
        for name, command in commands.items():
            times[name].append(seconds(command))
    ours = next(iter(commands))
    median = statistics.median(times[ours]) * 1e3
    print(f"{ours}: median {median:.0f} ms of {runs} runs, whole process\n")
    print(f"{'reference':40}{'median':>10}{'ratio':>8}{'goal':>10}")
    for name, goal in goals.items():
        pairs = zip(times[ours], times[name], strict=True)
        ratio = statistics.median(a / b for a, b in pairs)
        median = statistics.median(times[name]) * 1e3
        print(f"{name:40}{median:>7.0f} ms{ratio:>8.2f}{f'<= {goal}':>10}")
    print(flush=True)


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=30, help="runs of each command")
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        click_script, onnx_script = Path(folder, "one_float.py"), Path(folder, "raw.py")
        click_script.write_text(CLICK)
        onnx_script.write_text(ONNXRUNTIME)
        environment = Path(folder, "environment")
        venv.create(environment, with_pip=True)
        scripts = environment / ("Scripts" if sys.platform == "win32" else "bin")
        python, f2c = str(scripts / "python"), str(scripts / "f2c")
        subprocess.run([python, "-m", "pip", "install", "--quiet", f"{ROOT}[onnx]"], check=True)
        commands = {
            "f2c 98.6": [f2c, "98.6"],
            "a click command that prints one float": [python, str(click_script)],
            "a script on onnxruntime": [python, str(onnx_script)],
        }
        goals = {"a click command that prints one float": 0.8, "a script on onnxruntime": 0.5}
        report(commands, goals, runs)

        readings = Path(folder, "readings.csv")
        readings.write_text(READINGS)
        calibrate = [sys.executable, "-c", CALIBRATE, str(readings), "--out", folder, "--force"]
        commands = {
            "calibrate of 50 readings": calibrate,
            "import torch": [sys.executable, "-c", "import torch"],
        }
        report(commands, {"import torch": 1.6}, runs)


if __name__ == "__main__":
    main()

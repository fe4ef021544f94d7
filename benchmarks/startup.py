"""Time of a whole process that answers one number, as ratios in the same run.

    python benchmarks/startup.py [--runs N]

Makes a virtual environment, installs this checkout there as a user would (with the extra
``onnx``, for the second reference), and runs each command N times, in turn, so that a drift of the
machine's speed hits all alike. The references are a three-line click command that prints one
float, and a script that imports onnxruntime and runs the same model.
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


def seconds(command: list[str]) -> float:
    """Return the wall time of one run of a command."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    """Measure and print the table."""
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
        times: dict[str, list[float]] = {name: [] for name in commands}
        for command in commands.values():
            seconds(command)  # warms the file cache
        for _ in range(runs):
            for name, command in commands.items():
                times[name].append(seconds(command))
    ours = times["f2c 98.6"]
    goals = {"a click command that prints one float": 1.4, "a script on onnxruntime": 0.5}
    median = statistics.median(ours) * 1e3
    print(f"f2c 98.6: median {median:.0f} ms of {runs} runs, whole process\n")
    print(f"{'reference':40}{'median':>10}{'ratio':>8}{'goal':>10}")
    for name, goal in goals.items():
        ratio = statistics.median(a / b for a, b in zip(ours, times[name], strict=True))
        median = statistics.median(times[name]) * 1e3
        print(f"{name:40}{median:>7.0f} ms{ratio:>8.2f}{f'<= {goal}':>10}")


if __name__ == "__main__":
    main()

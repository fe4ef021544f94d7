"""Write a fit over another and get killed at each call that touches a file; for test_report.py.

report_writer.py FOLDER EVERY    prints a list of what was there afterwards, a word for each call
"""

import json
import shutil
import sys
from functools import cache, partial
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "infer" / "files"))
from faults import run_failing

import train
from train._learn import checkpoint, report


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def run():
    folder = Path(sys.argv[1]) / "out"
    recipe = train.Recipe("short", "SGD", 1e-2, 5, "mean")
    try:
        train.fit("f2c", recipe=recipe, watch=lambda epoch: epoch.number == 3)
    except train.StoppedError as error:
        stopped = error.fit
    finished = train.fit("f2c", recipe=recipe)
    report.plot = cache(report.plot)  # drawing is not what is tested
    seen = []
    for resumed in (False, True):
        report.write(finished, folder)
        new = contents(folder)
        shutil.rmtree(folder)
        report.write(stopped, folder)
        old = contents(folder)
        kept = {**new, checkpoint.FILE: old[checkpoint.FILE]} if resumed else new
        code, at, every = 0, 0, int(sys.argv[2])
        while code != 222:
            at += every
            shutil.rmtree(folder)
            report.write(stopped, folder)
            write = partial(report.write, finished, folder, resumed=resumed)
            code = run_failing(write, at, "kill")
            now = {k: v for k, v in contents(folder).items() if not k.startswith(".")}
            if "fit.json" not in now and (checkpoint.FILE in now or not resumed):
                seen.append("no record")
            else:
                words = {"old": [old], "new": [new, kept]}
                found = [word for word, states in words.items() if now in states]
                seen.append(found[0] if found else f"a mixture at {at}: {sorted(now)}")
            report.write(finished, folder)
            if contents(folder) != new:
                seen.append(f"leftovers of {at}: {sorted(contents(folder))}")
    sys.stdout.write(json.dumps(seen))


if __name__ == "__main__":
    run()

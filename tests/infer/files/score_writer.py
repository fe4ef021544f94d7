"""Score a folder, fail at a call that touches a file, resume; for test_score.py.

score_writer.py ROOT BEGIN HOW EVERY    see faults.py; prints a line of JSON for each call

BEGIN: "fresh" writes a new folder, "force" replaces a complete one of another model, "resume" goes
on with one that was stopped after its first file.
"""

import contextlib
import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
from faults import run_failing

from infer._cli import main
from infer._engines import local

F2C = ("--model", "f2c", "--column", "x", "--quiet")


def score(*arguments):
    main(["score", *map(str, arguments)])


def contents(root):
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def run():
    root, begin, how, every = Path(sys.argv[1]), *sys.argv[2:4], int(sys.argv[4])
    local.threads = lambda: 1  # so that calls come in the same order
    source, out, whole, old = (root / name for name in ("in", "out", "whole", "old"))
    (source / "b").mkdir(parents=True)
    for name in ("1.csv", "2.csv", "b/3.csv"):
        values = "\n".join(map(str, np.linspace(20, 80, 10).tolist()))
        (source / name).write_text(f"x\n{values}\n")
    for target, options in ((whole, F2C), (old, (*F2C, "--as", "old"))):
        with contextlib.suppress(SystemExit):  # here, so that all is imported before the forks
            score(source, target, *options)
    if begin == "resume":
        for name in ("2.csv", "b/3.csv"):
            (old / name).unlink()
        shutil.copy2(whole / "1.csv", old / "1.csv")
        record = _journal(source, old)
        (old / ".samebits-score").write_text(record)
    right = contents(whole)
    before = contents(old)
    at = 1
    while True:
        shutil.rmtree(out, ignore_errors=True)
        if begin != "fresh":
            shutil.copytree(old, out)
        option = () if begin == "fresh" else (f"--{begin}",)
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):  # noqa: PTH123
            code = run_failing(lambda option=option: score(source, out, *F2C, *option), at, how)
        seen = contents(out)
        wrong = [
            name
            for name, data in seen.items()
            if name in right and data not in (right[name], before.get(name))
        ]
        # An untouched folder of another model is no run to go on with.
        again = "--force" if begin == "force" and seen == before else "--resume"
        then = run_failing(lambda again=again: score(source, out, *F2C, again), 0, "kill")
        left = sorted(contents(out).items() ^ right.items())
        left = [name for name, _ in left]
        result = {"at": at, "code": code, "wrong": wrong, "then": then, "left": left}
        sys.stdout.write(json.dumps(result) + "\n")
        if code == 222:
            return
        at += every


def _journal(source, out):
    from infer._artifact import store
    from infer._score._journal import Journal
    from infer._score._task import Counts, Task

    card = Path(store.find("f2c").path("model.json")).read_bytes()
    task = Task(str(source / "1.csv"), str(out / "1.csv"), ("x",), "t_c", card, 1)
    journal = Journal(str(out), [task])
    records = (journal._run, journal._record(task, Counts(10, 0, 0)))
    return "".join(json.dumps(record) + "\n" for record in records)


if __name__ == "__main__":
    run()

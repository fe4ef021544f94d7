"""What a run over a folder has finished, so that another can go on from there.

It lies in the output folder while files are missing there: a line about the run, and then a line
for each finished file. A line is written after its file has its name, so a file without one is
done again, whatever it holds.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import Any, TextIO

from infer._errors import InputError
from infer._score._task import Counts, Task
from infer._sha256 import sha256

FILE = ".samebits-score"


class Journal:
    """The finished files of a folder."""

    def __init__(self, folder: str, tasks: list[Task]) -> None:
        """Describe a run that has at least one task."""
        self._folder = folder
        self._path = os.path.join(folder, FILE)
        first = tasks[0]
        self._run = {
            "model": sha256(first.card),
            "columns": list(first.columns),
            "output": first.output,
        }
        self._file: TextIO | None = None

    def finished(self, tasks: list[Task]) -> dict[Task, Counts]:
        """Return which tasks an earlier run has finished.

        Neither a file's source nor what was written of it may have changed since.

        Raises:
            InputError: there is no earlier run, or it did something else.
        """
        try:
            with open(self._path, encoding="utf-8") as file:
                lines = file.read().split("\n")[:-1]  # what no line break ends was cut short
        except OSError:
            raise InputError(
                f"{self._folder}: holds no unfinished run to go on with; type --force to begin "
                "again, and to replace files there"
            ) from None
        records = [json.loads(line) for line in lines]
        if not records or records[0] != self._run:
            raise InputError(
                f"{self._folder}: the unfinished run there has another model or other columns; "
                "repeat that one, or type --force to begin again"
            )
        by_name = {record["file"]: record for record in records[1:]}
        found = {}
        for task in tasks:
            record = by_name.get(self._name(task))
            if record is not None and record == self._record(task, Counts(*record["counts"])):
                found[task] = Counts(*record["counts"])
        return found

    def begin(self, finished: dict[Task, Counts]) -> None:
        """Write a new journal that knows some finished tasks, and keep it open."""
        os.makedirs(self._folder, exist_ok=True)
        beside = f"{self._path}.{os.getpid()}"
        with open(beside, "w", encoding="utf-8") as file:
            for record in (self._run, *(self._record(*item) for item in finished.items())):
                file.write(json.dumps(record) + "\n")
        os.replace(beside, self._path)
        self._file = open(self._path, "a", encoding="utf-8")  # noqa: SIM115 - closed by close

    def add(self, task: Task, counts: Counts) -> None:
        """Note that a task is finished."""
        if self._file is not None:
            self._file.write(json.dumps(self._record(task, counts)) + "\n")
            self._file.flush()

    def close(self, *, complete: bool) -> None:
        """Close it, and remove it if nothing is left to be done."""
        if self._file is not None:
            self._file.close()
        if complete:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path)

    def _name(self, task: Task) -> str:
        return os.path.relpath(task.target, self._folder)

    def _record(self, task: Task, counts: Counts) -> dict[str, Any] | None:
        try:
            source, target = os.stat(task.source), os.stat(task.target)
        except OSError:
            return None
        return {
            "file": self._name(task),
            "read": [source.st_size, source.st_mtime_ns],
            "written": [target.st_size, target.st_mtime_ns],
            "counts": list(counts),
        }

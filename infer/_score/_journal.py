"""What a run over a folder has finished, so that another can go on from there.

It lies in the output folder while files are missing there: a line about the run, and then a line
for each finished file. A line is written after its file has its name, so a file without one is
done again, whatever it holds. A run keeps it locked, so that there is one run at a time.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from typing import Any, BinaryIO

from infer._artifact.sha256 import sha256
from infer._errors import DataError, InputError
from infer._files.disk import lock, sync_folder
from infer._score._task import Counts, Task

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
        self._file: BinaryIO | None = None
        self._end = 0  # of what is known of an earlier run

    @property
    def exists(self) -> bool:
        """Whether an unfinished run is there."""
        return os.path.exists(self._path)

    def finished(self, tasks: list[Task]) -> dict[Task, Counts]:
        """Return which tasks an earlier run has finished, and keep others from going on with it.

        Neither a file's source nor what was written of it may have changed since.

        Raises:
            InputError: there is no earlier run, or it did something else.
            DataError: it is still running.
        """
        try:
            self._file = self._locked(os.O_RDWR | os.O_APPEND)
        except FileNotFoundError:
            raise InputError(
                f"{self._folder}: holds no unfinished run to go on with; type --force to begin "
                "again, and to replace files there"
            ) from None
        records, self._end = _whole(self._file.read())
        if records and records[0] != self._run:
            self._file.close()
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

    def begin(self) -> None:
        """Keep what ``finished`` has read, else begin anew.

        Raises:
            DataError: another run writes to the folder, or it cannot be written.
        """
        os.makedirs(self._folder, exist_ok=True)
        if self._file is None:
            self._file = self._locked(os.O_RDWR | os.O_APPEND | os.O_CREAT)
        self._file.truncate(self._end)
        if not self._end:
            self._append(self._run)
        sync_folder(self._folder)

    def add(self, task: Task, counts: Counts) -> None:
        """Note that a task is finished."""
        record = self._record(task, counts)
        if record is not None:
            self._append(record)

    def close(self, *, complete: bool) -> None:
        """Close it, and remove it if nothing is left to be done."""
        if self._file is None:
            return
        if sys.platform == "win32":
            self._file.close()  # an open file cannot be removed there
        if complete:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path)
        self._file.close()

    def _locked(self, flags: int) -> BinaryIO:
        """Open the file and lock it."""
        while True:
            file = open(os.open(self._path, flags, 0o666), "rb+")  # noqa: SIM115 - closed by close
            if lock(file.fileno()) is False:
                file.close()
                raise DataError(
                    f"{self._folder}: another infer score writes to this output; wait for its "
                    "end, or type another name"
                )
            # Another run may have ended just now, and removed the file that was opened.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file.fileno()), os.stat(self._path)):
                    return file
            file.close()

    def _append(self, record: dict[str, Any]) -> None:
        if self._file is None:
            return
        try:
            self._file.write(f"{json.dumps(record)}\n".encode())
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise DataError(f"{self._path}: {error.strerror or error}") from None

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


def _whole(data: bytes) -> tuple[list[Any], int]:
    """Return what stands on whole lines, and where these end; a crash can leave half a line."""
    records: list[Any] = []
    end = 0
    for line in data.split(b"\n")[:-1]:
        try:
            record = json.loads(line)
        except ValueError:
            break
        if not isinstance(record, dict) or (records and not {*record} >= {"file", "counts"}):
            break
        records.append(record)
        end += len(line) + 1
    return records, end

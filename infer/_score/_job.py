"""Scoring a file or a folder: what is to be done, checked as a whole before any of it is begun."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple
from unicodedata import normalize

from infer._artifact.store import Artifact, read_folder
from infer._engines._registry import Engine
from infer._errors import DataError, InputError, RuntimeUnavailableError
from infer._files.options import DEFAULT, ReadingOptions
from infer._files.replace import remove_parts
from infer._files.walk import walk
from infer._files.words import plain_name
from infer._score._file import score_file
from infer._score._formats import endings, format_of, is_known, is_same_format
from infer._score._journal import FILE as JOURNAL
from infer._score._journal import Journal
from infer._score._task import Column, Counts, Task
from infer._text import suggest


class Job(NamedTuple):
    """What is to be done.

    Attributes:
        tasks: a file each.
        sizes: of the files, in bytes.
        left_out: files in the folder that no format knows.
        journal: of a folder, None for a single file.
        finished: what an earlier run has done.
        complete: whether an earlier run seems to have done all; it is done again and compared.
        notes: what was assumed, for people.
    """

    tasks: list[Task]
    sizes: dict[Task, int]
    left_out: list[str]
    journal: Journal | None
    finished: dict[Task, Counts]
    complete: bool
    notes: list[str]


def plan(
    artifact: Artifact,
    source: str,
    target: str,
    columns: Sequence[str],
    output: str | None,
    *,
    force: bool,
    resume: bool,
    reading: ReadingOptions = DEFAULT,
) -> Job:
    """Find the files and their columns, and refuse what cannot end well.

    Args:
        artifact: the model.
        source: a file, or a folder of files and folders.
        target: where the result goes.
        columns: what the model takes, empty for the one that suits.
        output: name of the new column, None for the model's.
        force: replace what is at the target.
        resume: go on with an unfinished run there.
        reading: how to read the files, where they do not tell.

    Raises:
        InputError: it was called wrongly.
        DataError: a file is not what its name says.
        RuntimeUnavailableError: pyarrow is not installed.
    """
    _refuse_without_pyarrow()
    _refuse_places(source, target, force=force, resume=resume)
    is_folder = os.path.isdir(source)
    pairs, left_out = _folder(source, target) if is_folder else ([(source, target)], [])
    if not pairs:
        raise InputError(f"{source}: holds no file whose name ends with {endings()}")
    _, card = read_folder(artifact.folder)
    output = artifact.card.output.name if output is None else output
    chosen = tuple(columns)
    notes: list[str] = []
    for path, _ in pairs:
        _refuse_options(path, reading)
        look = format_of(path).look(path, reading)
        notes += [look.note] if look.note else []
        if not chosen:
            chosen, assumed = _suitable(artifact, path, look.columns)
            notes += [assumed] if assumed else []
        chosen = _chosen(artifact, path, look.columns, chosen)
        _refuse_taken(path, look.columns, output)
    tasks = [Task(one, other, chosen, output, card, 1, reading) for one, other in pairs]
    journal = Journal(target, tasks) if is_folder else None
    finished = {}
    complete = False
    if resume and not (journal is not None and journal.exists):
        # Killed after its end, a run leaves no journal, but all files.
        complete = all(os.path.isfile(task.target) for task in tasks)
    if complete:
        tasks = [task._replace(expects_same=True) for task in tasks]
        journal = None
    sizes = {task: os.path.getsize(task.source) for task in tasks}
    if journal is not None and resume and os.path.isdir(target) and os.listdir(target):
        finished = journal.finished(tasks)
    return Job(tasks, sizes, left_out, journal, finished, complete, notes)


def _refuse_options(path: str, reading: ReadingOptions) -> None:
    """Refuse options that would be without effect on a file, and so leave wrong answers."""
    if reading.sheet is not None:
        raise InputError(
            "--sheet is of workbooks, which infer score does not write; save it as CSV"
        )
    if reading.missing and not is_same_format(path, "x.csv"):
        raise InputError(f"{path}: --missing is for text; there a null means a missing value")


class _StoppedError(Exception):
    """Another file failed, or the user has had enough."""


class _Stop:
    """Tells files that are being written here to leave off, and remembers why."""

    def __init__(self) -> None:
        self.cause: BaseException | None = None
        self._event = threading.Event()

    def __call__(self, cause: BaseException | None = None) -> None:
        if self.cause is None:
            self.cause = cause
        self._event.set()

    def check(self) -> None:
        if self._event.is_set():
            raise _StoppedError


def run(
    job: Job, target: str, engine: Engine, told: Callable[[int, float], None]
) -> Iterator[Counts]:
    """Score what is not finished.

    Args:
        job: what is to be done.
        target: where it goes.
        engine: what does it.
        told: is called with rows and bytes as they are done; from several threads at once.

    Yields:
        What was counted in each file, finished ones included.
    """
    # Large ones first, so that no thread is left alone with one at the end.
    left = [task for task in job.tasks if task not in job.finished]
    left.sort(key=lambda task: -job.sizes[task])
    stop = _Stop()
    function: Callable[[Task], Counts] = score_file
    if engine.here:
        workers = -(-engine.workers // max(1, min(len(left), engine.workers)))
        left = [task._replace(workers=workers) for task in left]
        function = partial(_score_here, job, stop, told)
    try:
        if job.journal is not None:
            job.journal.begin()  # from here on, no other run writes there
        remove_parts(target)
        for task, counts in job.finished.items():
            told(counts.rows, job.sizes[task])
            yield counts
        for task, counts in engine.map(function, left, stop):
            if job.journal is not None:
                job.journal.add(task, counts)
            if not engine.here:
                told(counts.rows, job.sizes[task])
            yield counts
    except BaseException as error:
        if job.journal is not None:
            job.journal.close(complete=False)
        if isinstance(error, _StoppedError) and stop.cause is not None:
            raise stop.cause from None
        raise
    remove_parts(target)  # of attempts that died with a machine
    if job.journal is not None:
        job.journal.close(complete=True)


def _score_here(job: Job, stop: _Stop, told: Callable[[int, float], None], task: Task) -> Counts:
    size = job.sizes[task._replace(workers=1)]

    def tick(rows: int, share: float) -> None:
        stop.check()
        told(rows, share * size)

    try:
        return score_file(task, tick)
    except BaseException as error:
        stop(error)
        raise


def _refuse_without_pyarrow() -> None:
    from importlib.util import find_spec

    absent = [package for package in ("numpy", "pyarrow") if find_spec(package) is None]
    if absent:
        raise RuntimeUnavailableError(
            f"infer score needs {' and '.join(absent)}, not installed here; "
            "type: pip install 'samebits[batch]'"
        )


def _refuse_places(source: str, target: str, *, force: bool, resume: bool) -> None:
    """Refuse an input that is not there, and an output that is there or in the way."""
    if not os.path.exists(source):
        raise InputError(f"no file or folder {source!r}")
    real = [os.path.realpath(source), os.path.realpath(target)]
    if real[0] == real[1] or (os.path.exists(target) and os.path.samefile(source, target)):
        raise InputError(f"{target}: is the input; expected another name for the output")
    is_folder = os.path.isdir(source)
    if is_folder and os.path.commonpath(real) in real:
        raise InputError(f"{source} and {target}: expected two folders, neither in the other")
    if not is_folder:
        format_of(source)
        if os.path.isdir(target):
            name = os.path.join(target, os.path.basename(source))
            raise InputError(f"{target}: is a folder; for a file in it, type {name}")
        if not is_same_format(source, target):
            raise InputError(
                f"{target}: expected a name with the input's ending, "
                f"{os.path.splitext(source)[1]}: the output has the input's format"
            )
    elif os.path.exists(target) and not os.path.isdir(target):
        raise InputError(f"{target}: is a file; expected a folder, as {source} is one")
    if os.path.exists(target) and not os.path.isdir(target) and not os.path.isfile(target):
        raise InputError(f"{target}: is a pipe or a device; expected the name of a file")
    taken = bool(os.listdir(target)) if os.path.isdir(target) else os.path.exists(target)
    if not taken or force or resume:
        return
    hint = ""
    if is_folder and os.path.exists(os.path.join(target, JOURNAL)):
        hint = "an unfinished run is there; type --resume to go on with it, or "
    elif is_folder:
        hint = "it is not empty; type another name, or "
    else:
        hint = "it exists; type another name, or "
    raise InputError(f"{target}: {hint}--force to replace what is there")


def _folder(source: str, target: str) -> tuple[list[tuple[str, str]], list[str]]:
    """Return files to read, each with the file to write, and files that are neither."""
    paths, left_out = walk(source, is_known)
    pairs = [(path, os.path.join(target, os.path.relpath(path, source))) for path in paths]
    return pairs, left_out


def _chosen(
    artifact: Artifact, path: str, columns: Sequence[Column], names: tuple[str, ...]
) -> tuple[str, ...]:
    """Return the columns that the model takes, checked.

    Args:
        artifact: the model.
        path: the file.
        columns: the file's.
        names: what the user typed, or what suited the first file.
    """
    features = artifact.card.features
    if len(names) != (features or 1):
        raise InputError(
            f"{artifact.card.name} takes {features or 'one'} column{'s' if features else ''}, "
            f"found {len(names)}: {', '.join(names)}"
        )
    chosen = []
    for name in names:
        found = [column for column in columns if _same(column.name, name)]
        if not found and name.isdecimal() and 1 <= int(name) <= len(columns):
            found = [columns[int(name) - 1]]
        if not found:
            known = [column.name for column in columns]
            raise InputError(f"{path}: no column {name!r}.{suggest(name, known)} {_list(columns)}")
        if len(found) > 1 or sum(column.name == found[0].name for column in columns) > 1:
            numbers = [i for i, column in enumerate(columns, 1) if _same(column.name, name)]
            raise DataError(
                f"{path}: {len(numbers)} columns are named {name!r}, the columns "
                f"{' and '.join(map(str, numbers))}; expected one"
            )
        if found[0].problem:
            raise DataError(found[0].problem)
        chosen.append(found[0].name)
        # The text of a CSV file is a number or not, value by value.
        if not found[0].numeric and found[0].kind not in ("text", "numbers and text"):
            raise DataError(
                f"{path}: column {name!r} is of type {found[0].kind}; expected numbers "
                "(integers, floats or decimals)"
            )
    return tuple(chosen)


def _same(one: str, other: str) -> bool:
    """Tell whether two names are one: two micro signs are."""
    return normalize("NFKC", one).strip() == normalize("NFKC", other).strip()


def _suitable(
    artifact: Artifact, path: str, columns: Sequence[Column]
) -> tuple[tuple[str, ...], str]:
    """Return the column of the model's own name, or the only one with numbers; and what is assumed.

    A calibration's input has its column's name in lowercase ASCII.
    """
    card = artifact.card
    if card.features is not None:
        names = ",".join(chr(ord("a") + index) for index in range(card.features))
        raise InputError(
            f"{card.name} takes {card.features} columns; name them in order: --column {names}. "
            f"{_list(columns)}"
        )
    wanted = card.input.name
    for matches in (_same, lambda name, wanted: plain_name(name) == wanted):
        named = [column.name for column in columns if matches(column.name, wanted)]
        if named:
            return (named[0],), ""
    numeric = [column.name for column in columns if column.numeric]
    possible = [column.name for column in columns if column.numeric or "numbers" in column.kind]
    counts = [column.name for column in columns if column.kind == "row numbers"]
    if len(numeric) == 1 and possible == numeric and not counts:
        assumed = f"{path}: takes column {numeric[0]!r} for {wanted}, the only one with numbers"
        return (numeric[0],), assumed
    found = "several columns have" if len(possible) > 1 else "no column has"
    if len(possible) == 1:
        found = f"only {possible[0]!r} has row"
    raise InputError(
        f"{path}: {found} numbers, none is named {wanted!r}; type --column NAME. {_list(columns)}"
    )


def _list(columns: Sequence[Column]) -> str:
    names = ", ".join(f"{column.name} ({column.kind})" for column in columns[:50])
    more = f" and {len(columns) - 50} more" if len(columns) > 50 else ""
    return f"Columns: {names or 'none'}{more}."


def _refuse_taken(path: str, columns: Sequence[Column], output: str) -> None:
    if any(column.name == output for column in columns):
        raise InputError(
            f"{path}: has a column {output!r} already; name the new one: --as {output}_2"
        )

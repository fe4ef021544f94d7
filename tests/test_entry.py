"""The commands as a shell runs them: closed and full streams, pipes that end early, Ctrl-C."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a POSIX shell")

BIN = Path(sys.executable).parent
SAMPLE = "x,y\n1,2\n2,4.1\n3,5.9\n4,8.2\n"
# Files that are imported once Ctrl-C is taken care of. Before that Python itself starts, and a
# traceback of that moment is Python's.
OURS = re.compile(r'File ".*/(infer|train|export)/(?!__init__|__main__|_entry)')


def shell(command, tmp_path, **options):
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    environment.pop("PYTHONUNBUFFERED", None)
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail\n{command}"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        timeout=60,
        check=False,
        **options,
    )


TORCH = pytest.mark.needs("torch")
LONG = (TORCH, pytest.mark.slow)
FULL = "Error: standard output: No space left on device\n"
CLOSED = "Error: standard output: Bad file descriptor\n"
NO_INPUT = "Error: standard input: Bad file descriptor\n"


@pytest.mark.parametrize(
    ("command", "code", "errors"),
    [
        ("f2c 50 > /dev/full", 1, FULL),
        ("f2c 50 >&-", 1, CLOSED),
        ("f2c --json 50 > /dev/full", 1, FULL),
        ("seq 20 60 | f2c > /dev/full", 1, FULL),
        ("f2c --help > /dev/full", 1, FULL),
        ("f2c --help >&-", 1, CLOSED),
        ("f2c 50 <&-", 0, ""),
        ("f2c <&-", 1, NO_INPUT),
        ("f2c 0 2>&-", 0, ""),
        ("f2c 0 2>/dev/full", 1, ""),
        ("f2c x 2>&-", 2, ""),
        ("f2c x 2>/dev/full", 2, ""),
        ("f2c 50 <&- >&- 2>&-", 1, ""),
        ("infer list > /dev/full", 1, FULL),
        ("infer list >&-", 1, CLOSED),
        ("infer show --json f2c > /dev/full", 1, FULL),
        ("infer --version >&-", 1, CLOSED),
        ("infer run f2c 50 --interval 95 > /dev/full", 1, FULL),
        ("python -m infer show f2c > /dev/full", 1, FULL),
        ("seq 60000 | f2c --quiet | head -1", 1, ""),
        ("seq 60000 | f2c --quiet --json | head -1", 1, ""),
        ("python -m train --help > /dev/full", 1, FULL),
        ("python -m export --help >&-", 1, CLOSED),
        ("calibrate --help > /dev/full", 1, FULL),
        pytest.param("calibrate - <&-", 1, NO_INPUT, marks=TORCH),
        pytest.param(
            "ln -s /dev/full a.html; calibrate r.csv --quiet --report a.html", 1,
            "Error: a.html: No space left on device\n", marks=TORCH,
        ),
        pytest.param("calibrate r.csv --quiet > /dev/full", 1, FULL, marks=LONG),
        pytest.param("calibrate r.csv --quiet --json >&-", 1, CLOSED, marks=LONG),
        pytest.param("python -m train f2c > /dev/full", 1, FULL, marks=LONG),
    ],
)  # fmt: skip
def test_a_stream_that_is_closed_or_full(tmp_path, command, code, errors):
    (tmp_path / "r.csv").write_text(SAMPLE)
    result = shell(command, tmp_path)
    assert (result.returncode, result.stderr) == (code, errors)


def test_no_file_gets_the_number_of_a_closed_stream(tmp_path):
    code = (
        "import os, sys; from infer import _entry; import click\n"
        "@click.command()\n"
        "def main(): os.write(9, str(os.open('/dev/null', os.O_RDONLY)).encode())\n"
        "_entry.run(main, 'x')"
    )
    (tmp_path / "code.py").write_text(code)
    for closed in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
        shell(f"python code.py {closed} 9>number", tmp_path)
        assert int((tmp_path / "number").read_text()) > 2


def test_background_jobs_go_on_ignoring_interrupts(tmp_path):
    result = shell("trap '' INT; (sleep 0.3; seq 3) | f2c & sleep 0.2; kill -INT $!; wait $!",
                   tmp_path)  # fmt: skip
    assert (result.returncode, len(result.stdout.splitlines())) == (0, 3)


COMMANDS = {
    "f2c": ["f2c"],
    "infer": ["infer", "run", "f2c"],
    "calibrate": ["calibrate", "-"],
    "python -m infer": ["python", "-m", "infer", "run", "f2c"],
    "python -m train": ["python", "-m", "train", "f2c"],
    "python -m export": ["python", "-m", "export", "f2c", "--out", "out"],
}


def interrupted(command, delay, tmp_path):
    """Send SIGINT after a delay; return the exit code and what was said."""
    path = shutil.which(command[0], path=str(BIN))
    process = subprocess.Popen(
        [path, *command[1:]],
        stdin=subprocess.PIPE,  # stays open, so that it waits for numbers
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        # A shell without job control, as in CI, starts jobs that ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    )
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    try:
        errors = process.stderr.read()
        return process.wait(60), errors
    finally:
        process.kill()
        process.stdin.close()
        process.stderr.close()


def is_ours(errors):
    """Tell whether a traceback is one that the commands could have avoided."""
    return "Traceback" in errors and OURS.search(errors) is not None


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=TORCH if "infer" not in n and n != "f2c" else ()) for n in COMMANDS],
)
@pytest.mark.parametrize("count", [4, pytest.param(80, marks=pytest.mark.slow)])
def test_ctrl_c_at_any_moment_of_the_first_second(tmp_path, name, count):
    def interrupt(step):
        return interrupted(COMMANDS[name], (step + 1) / count, tmp_path)

    codes = set()
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(interrupt, range(count)))
    for code, errors in results:
        assert not is_ours(errors), errors
        if "Traceback" not in errors:
            codes.add(code)
    assert codes <= {-signal.SIGINT, 130, 0}
    assert codes & {-signal.SIGINT, 130}

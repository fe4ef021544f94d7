"""Checks of what a benchmark needs: a message says what to install."""

import importlib.util
import shutil
import sys


def require(*modules: str) -> None:
    """Exit with a message unless all of these can be imported."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        sys.exit(f"{_benchmark()} needs {', '.join(missing)}; type: pip install 'samebits[bench]'")


def require_command(name: str) -> None:
    """Exit with a message unless there is a command of this name."""
    if shutil.which(name) is None:
        sys.exit(f"{_benchmark()} needs {name}; install it with the system's package manager")


def _benchmark() -> str:
    return sys.argv[0].replace("\\", "/").rpartition("/")[2]

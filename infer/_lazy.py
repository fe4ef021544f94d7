"""Public names of a package that are imported when they are first used."""

from __future__ import annotations

import sys

# Type checkers know the name; importing it from typing would be all that this import costs.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

_OURS = ("export", "infer", "train")


def attach(
    package: str, homes: Mapping[str, str], extra: tuple[str, str] | None = None
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return ``__getattr__``, ``__dir__`` and ``__all__`` of a package.

    Args:
        package: its name.
        homes: for each public name, the module of the package that defines it.
        extra: what needs the libraries that these modules import, and the extra of this
            distribution that installs them; for an error where one is missing.
    """

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        from importlib import import_module

        try:
            module = import_module(f"{package}.{homes[name]}")
        except ModuleNotFoundError as error:
            if extra is None or (error.name and error.name.partition(".")[0] in _OURS):
                raise
            raise ModuleNotFoundError(
                f"{extra[0]} needs {error.name}, not installed here; "
                f"type: pip install 'samebits[{extra[1]}]'",
                name=error.name,
            ) from None
        value = vars(sys.modules[package])[name] = getattr(module, name)
        return value

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *homes})

    return get, names, [*homes]

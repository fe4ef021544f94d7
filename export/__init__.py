"""Write fits as artifacts: TorchScript, .pt2, ONNX and a plain-text program that agree bit for bit.

    >>> import export, train
    >>> export.save(train.fit("f2c"), "artifacts")
    [...Path('artifacts/f2c')]

Needs the extra ``train``: ``pip install 'samebits[train]'``. torch is imported at first use.
"""

from __future__ import annotations

# Type checkers know the name; importing it from typing would be all that this import costs.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any

    from export._artifact import save as save
    from export._errors import ExportError as ExportError

_HOME = {"ExportError": "_errors", "save": "_artifact"}

__all__ = [*_HOME]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, and torch with it."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    try:
        module = import_module(f"{__name__}.{_HOME[name]}")
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.partition(".")[0] in ("export", "infer", "train"):
            raise
        raise ModuleNotFoundError(
            f"export needs {error.name}, not installed here; type: pip install 'samebits[train]'",
            name=error.name,
        ) from None
    value = globals()[name] = getattr(module, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

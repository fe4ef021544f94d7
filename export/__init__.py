"""Write fits as artifacts: TorchScript, .pt2, ONNX and a plain-text program that agree bit for bit.

    >>> import export, train
    >>> export.save(train.fit("f2c"), "artifacts")
    [...Path('artifacts/f2c')]

Needs the extra ``train``: ``pip install 'samebits[train]'``. torch is imported at first use.
"""

from __future__ import annotations

from infer._lazy import attach

# Type checkers know the name; importing it from typing would be all that this import costs.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from export._artifact import save as save
    from export._errors import ExportError as ExportError

__getattr__, __dir__, __all__ = attach(
    __name__, {"ExportError": "_errors", "save": "_artifact"}, extra=("export", "train")
)

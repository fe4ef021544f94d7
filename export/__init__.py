"""Write fits as artifacts: TorchScript, ONNX and a plain-text program that agree bit for bit.

    >>> import export, train
    >>> export.save(train.fit("f2c"), "artifacts")
    [...Path('artifacts/f2c')]

Needs the extra ``train``: ``pip install 'samebits[train]'``.
"""

from __future__ import annotations

from export._artifact import save
from export._errors import ExportError

__all__ = ["ExportError", "save"]

"""The runtimes, as a table."""

from __future__ import annotations

import sys

from infer._errors import RuntimeUnavailableError
from infer._record import Record
from infer._text import suggest

TYPE_CHECKING = False

if TYPE_CHECKING:
    from infer._artifact.store import Artifact
    from infer._runtimes._evaluator import Evaluator


class Runtime(Record):
    """A row of the table.

    Attributes:
        name: what a user types; also the name of the module in this folder.
        packages: what must be installed.
        extra: the extra of this distribution that installs it.
        file: the artifact's file that it runs, or None if the card is enough.
        before: the first Python version that it no longer exists for.
    """

    name: str
    packages: tuple[str, ...] = ()
    extra: str = ""
    file: str | None = None
    before: tuple[int, int] | None = None

    def missing(self) -> str | None:
        """Return why it cannot be used here and what to type, or None if it can."""
        if self.before is not None and sys.version_info >= self.before:
            version = ".".join(map(str, self.before))
            return (
                f"runtime {self.name!r} does not exist on Python {version} and newer; "
                "use runtime='torchexport' or runtime='onnxruntime'"
            )
        if not self.packages:
            return None
        from importlib.util import find_spec

        absent = [package for package in self.packages if find_spec(package) is None]
        if absent:
            return (
                f"runtime {self.name!r} needs {' and '.join(absent)}, not installed here; "
                f"type: pip install 'samebits[{self.extra}]'"
            )
        return None


RUNTIMES = (
    Runtime("python"),
    Runtime("onnxruntime", ("numpy", "onnxruntime"), "onnx", "model.onnx"),
    # torch.jit has no Python 3.14: torch 2.9 and newer refuse to script there.
    Runtime("torchscript", ("numpy", "torch"), "torch", "model.pt", before=(3, 14)),
    Runtime("torchexport", ("numpy", "torch"), "torch", "model.pt2"),
)


def list_runtimes() -> list[str]:
    """Return the names of the runtimes that are usable here, without importing any."""
    return [runtime.name for runtime in RUNTIMES if runtime.missing() is None]


def load_runtime(name: str, artifact: Artifact, device: str) -> Evaluator:
    """Import a runtime and make an artifact ready to run on it.

    Raises:
        RuntimeUnavailableError: unknown, not installed, installed but broken, or not in this
            artifact.
        ArtifactError: the file that it runs is not what the card says.
    """
    known = [runtime.name for runtime in RUNTIMES]
    if name not in known:
        raise RuntimeUnavailableError(
            f"no runtime named {name!r}.{suggest(name, ['auto', *known])} "
            f"Known: auto, {', '.join(known)}."
        )
    runtime = RUNTIMES[known.index(name)]
    if (reason := runtime.missing()) is not None:
        raise RuntimeUnavailableError(reason)
    if runtime.file is not None and runtime.file not in artifact.card.files:
        raise RuntimeUnavailableError(
            f"runtime {name!r} needs {runtime.file}, which {artifact.card.name!r} does not have; "
            "use runtime='python', which needs the card alone"
        )
    from importlib import import_module

    try:
        evaluator: Evaluator = import_module(f"infer._runtimes.{name}").load(artifact, device)
    except ImportError as error:
        raise RuntimeUnavailableError(
            f"runtime {name!r} is installed here but cannot be imported: {error}"
        ) from error
    return evaluator if runtime.file is None else _in_pieces(evaluator, artifact)


def _in_pieces(evaluator: Evaluator, artifact: Artifact) -> Evaluator:
    """Return an evaluator whose memory stays bounded, however many steps wait for others."""
    from infer._runtimes import _pieces

    rows = _pieces.rows(artifact.card.compiled)
    return evaluator if rows is None else _pieces.InPieces(evaluator, rows)

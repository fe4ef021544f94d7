"""Runs ``model.pt2`` with ``torch.export``."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

from infer._artifact.store import Artifact
from infer._errors import ArtifactError
from infer._runtimes._torch import TorchEvaluator, find_device
from infer._writers.siblings import read

if TYPE_CHECKING:
    import torch

_FILE = "model.pt2"

# torch.export keeps what it is loading in a global variable, and refuses to load a second.
_one_at_a_time = Lock()


def load(artifact: Artifact, device: str) -> TorchEvaluator:
    """Make an artifact ready to run; see ``infer._runtimes``."""
    data, path = read(artifact, _FILE), artifact.path(_FILE)
    import torch

    place = find_device(device, "torchexport")
    try:
        with _one_at_a_time, _quiet():
            program = torch.export.load(io.BytesIO(data))
    except Exception as error:  # another version of torch may raise anything in there
        raise ArtifactError(f"{path}: torch {torch.__version__} cannot load it: {error}") from error
    return TorchEvaluator(_function(program), place, path)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep torch.export from logging the traceback of what it also raises."""
    logger = logging.getLogger("torch.export")
    disabled, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = disabled


def _function(program: torch.export.ExportedProgram) -> Callable[[torch.Tensor], torch.Tensor]:
    # The bare graph: a module() would check the shape of each block, twice the work of computing
    # a short one, where ``infer`` has already seen to it.
    graph = program.graph_module

    def function(x: torch.Tensor) -> torch.Tensor:
        (answers,) = graph(x)
        return answers  # type: ignore[no-any-return]  # there is no other output

    return function

"""Runs ``model.pt2`` with ``torch.export``."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any

from infer._errors import ArtifactError
from infer._runtimes._torch import TorchEvaluator, find_device
from infer._store import Artifact

if TYPE_CHECKING:
    import torch

_FILE = "model.pt2"

# torch.export.load unpickles what it finds, evaluates sizes as Python, writes names into source
# code and looks up operations by any path below torch: a file could run whatever it likes. So
# it gets only files of these records, three of them without content,
_PROGRAM = "models/model.json"
_EMPTY = {
    "data/constants/model_constants_config.json": b'{"config": {}}',
    "data/sample_inputs/model.pt": b"",
    "data/weights/model_weights_config.json": b'{"config": {}}',
}
_RECORDS = {".data/version", "archive_format", "archive_version", "byteorder", _PROGRAM, *_EMPTY}
# whose program consists of words, the number of a version, the length of an input,
_HARMLESS = re.compile(r"\w*|[\d.]+|Symbol\('s\d+', positive=True, integer=True\)", re.ASCII)
# the operations of the contract, and the shape of a call: one tensor in, one out.
_PERMITTED = {
    *(f"torch.ops.aten.{name}.Tensor" for name in ("add", "mul", "sub")),
    "torch.ops.aten.neg.default",
    "torch.ops.aten.rsub.Scalar",
    "torch.ops.aten.select.int",
    '[1, {"type": "builtins.tuple", "context": "null", "children_spec": [{"type": '
    '"builtins.tuple", "context": "null", "children_spec": [{"type": null, "context": null, '
    '"children_spec": []}]}, {"type": "builtins.dict", "context": "[]", "children_spec": []}]}]',
    '[1, {"type": null, "context": null, "children_spec": []}]',
}

# torch.export keeps what it is loading in a global variable, and refuses to load a second.
_one_at_a_time = Lock()


def load(artifact: Artifact, device: str) -> TorchEvaluator:
    """Make an artifact ready to run; see ``infer._runtimes``."""
    data = artifact.read(_FILE)
    import torch

    place = find_device(device, "torchexport")
    try:
        found = _foreign(data)
        if found is None:
            with _one_at_a_time, _quiet():
                program = torch.export.load(io.BytesIO(data))
    except Exception as error:  # whatever a damaged graph may raise in there
        raise ArtifactError(
            f"{artifact.path(_FILE)}: torch {torch.__version__} cannot load it: {error}"
        ) from error
    if found is not None:
        raise ArtifactError(
            f"{artifact.path(_FILE)}: expected the steps of a model and nothing else, "
            f"found {found[:60]!r}"
        )
    return TorchEvaluator(_function(program), place)


def _foreign(data: bytes) -> str | None:
    """Return something in the archive that a model does not need, or None.

    It is read as torch.export reads it, so that both see the same.
    """
    from torch.export.pt2_archive import PT2ArchiveReader

    archive = PT2ArchiveReader(io.BytesIO(data))
    for record in archive.get_file_names():
        if record not in _RECORDS:
            return record
        if record in _EMPTY and archive.read_bytes(record) != _EMPTY[record]:
            return record
    for text in _texts(json.loads(archive.read_string(_PROGRAM))):
        if text not in _PERMITTED and not _HARMLESS.fullmatch(text):
            return text
    return None


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in a JSON value, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


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

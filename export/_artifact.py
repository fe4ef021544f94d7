"""From a fit to artifacts: the content of each file, the proof that they agree, the writing."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from export._cards.of_calibration import document
from export._cards.of_fit import artifact_name, document_of, versions
from export._errors import ExportError
from export._folder import refuse_to_replace
from export._page_readings import sample
from export._stored_graph import function_of
from infer._artifact.format import (
    CARD_FILE,
    NAME_PATTERN,
    SIBLING_FILES,
    read_card,
    render,
)
from infer._artifact.store import Artifact, find
from infer._checks.integrity import check_integrity
from infer._checks.parity import check_parity
from infer._errors import ArtifactError
from infer._files.folder import staged, write_files
from infer._ieee.floats import bits
from infer._ieee.patterns import inputs
from infer._model import Model, load, open_model
from infer._runtimes._torch import TorchEvaluator
from infer._writers.siblings import content, read
from train import Fit, Variant
from train._calibration.result import Calibration
from train._exact.sample import Rows
from train._learn.models import unknown

# Random bit patterns compared before an artifact is written, in addition to the special values. The
# test suite compares a million.
_PROOF_COUNT = 1 << 12
# The name of a calibration without a name.
UNNAMED = "calibration"


def save(
    fit: Fit | Calibration,
    out: Path | str,
    *,
    variants: tuple[str, ...] | None = None,
    replace: bool = True,
    readings: bool = True,
) -> list[Path]:
    """Write the artifacts of a fit, or of a calibration; each is proven before it is in place.

    A fit can have several variants, so ``out`` is the folder that holds theirs. A calibration is
    one artifact, so ``out`` is that artifact's own folder, whose name a calibration without a name
    takes.

    Args:
        fit: a fit or a calibration.
        out: for a fit, the folder that holds the artifacts' folders; for a calibration, the
            artifact's folder. Created if needed.
        variants: names of a fit's variants to write; None for all.
        replace: whether to replace an existing artifact.
        readings: whether the card holds a sample of the readings, at most 200, for a chart. The
            cards of the shipped models hold none.

    Returns:
        The artifacts' folders.

    Raises:
        ExportError: there is no such variant, the model cannot be written in the artifact format,
            the runtimes do not agree bit for bit, the folder holds something else, or it holds an
            artifact and ``replace`` is false.
    """
    if isinstance(fit, Calibration):
        if variants is not None:
            raise ExportError("a calibration has no variants; leave them out")
        return [_save_calibration(fit, Path(out), replace=replace, readings=readings)]
    known = [variant.name for variant in fit.model.variants]
    for name in variants or ():
        if name not in known:
            raise ExportError(unknown(f"variant of {fit.name}", name, known))
    chosen = [v for v in fit.model.variants if variants is None or v.name in variants]
    rows = sample(fit.dataset) if readings else None
    return [_save_variant(fit, variant, Path(out), rows, replace=replace) for variant in chosen]


def _save_variant(
    fit: Fit, variant: Variant, out: Path, rows: Rows | None, *, replace: bool
) -> Path:
    name = artifact_name(fit, variant)
    folder = out / name
    refuse_to_replace(folder, replace=replace)
    module = fit.module(variant)
    return _write(folder, name, build(fit, variant, module, rows), module, replace=replace)


def _save_calibration(
    calibration: Calibration, folder: Path, *, replace: bool, readings: bool
) -> Path:
    refuse_to_replace(folder, replace=replace)
    module = calibration.served.module().requires_grad_(requires_grad=False)
    # Only a folder of the card's name can be found by name.
    unnamed = calibration.name == UNNAMED and re.fullmatch(NAME_PATTERN, folder.name)
    name = folder.name if unnamed else calibration.name
    card = document(calibration, name, module, versions())
    card |= _readings(calibration.sample if readings else None)
    files = build_from(card)
    return _write(folder, name, files, module, replace=replace)


def _write(
    folder: Path, name: str, files: Mapping[str, bytes], module: nn.Module, *, replace: bool
) -> Path:
    try:
        with staged(folder, replace=replace) as staging:
            write_files(staging, files)
            _prove(staging, module, name)
    except FileExistsError as error:
        raise ExportError(f"{folder} was written by another process in the meantime") from error
    return folder


def build(
    fit: Fit, variant: Variant, module: nn.Module, rows: Rows | None = None
) -> dict[str, bytes]:
    """Return the content of each file of a fit's artifact, by name.

    Args:
        fit: the fit.
        variant: one of its variants.
        module: the module of that variant.
        rows: the sample of the data for the card.

    Raises:
        ExportError: the model cannot be written in the artifact format.
    """
    return build_from(document_of(fit, variant, module) | _readings(rows))


def build_from(document: dict[str, Any]) -> dict[str, bytes]:
    """Return the content of each file, by name, of an artifact with this card.

    Args:
        document: the card, without the entries on the other files.

    Raises:
        ExportError: the model cannot be written in the artifact format.
    """
    try:
        card = read_card(render(document), str(document["name"]))
        siblings = {file: bytes(content(file, card)) for file in SIBLING_FILES}
    except (ArtifactError, ValueError) as error:
        raise ExportError(f"the artifact format cannot hold this model: {error}") from error
    document["files"] = {
        file: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for file, data in siblings.items()
    }
    return {CARD_FILE: render(document), **siblings}


def _readings(rows: Rows | None) -> dict[str, Any]:
    """Return the card's entry of readings; no entry without readings."""
    return {} if rows is None else {"readings": rows._asdict()}


def _open(artifact: Artifact, runtime: str, device: str) -> Model:
    """Load an artifact as a user would, but ``model.pt2`` without torch's compiler."""
    if runtime != "torchexport":
        return open_model(artifact, runtime, device)
    function = function_of(read(artifact, "model.pt2"))
    evaluator = TorchEvaluator(function, torch.device(device), artifact.path("model.pt2"))
    return Model(artifact, runtime, device, evaluator)


def _prove(folder: Path, module: nn.Module, name: str) -> None:
    """Compare the answers of eager torch and of each file with those of the program.

    ``model.onnx`` and ``model.pt`` run in their runtimes, ``model.pt2`` step by step: see
    ``export._stored_graph``.
    """
    artifact = find(folder)
    problems = check_integrity(artifact)
    card = artifact.card
    rows = inputs(_PROOF_COUNT, card.dtype, card.features, seed=1)
    x = torch.tensor(rows, dtype=getattr(torch, card.dtype))
    eager = module(x if card.features else x[:, 0]).tolist()
    served = load(folder, runtime="python")(rows if card.features else [row[0] for row in rows])
    unequal = sum(
        bits(a, card.dtype) != bits(b, card.dtype) for a, b in zip(eager, served, strict=True)
    )
    if unequal:
        problems.append(f"eager torch: {unequal:,} of {len(rows):,} answers differ")
    for parity in check_parity(artifact, _PROOF_COUNT, load=_open):
        if parity.differing or not parity.compared:
            problems.append(
                f"{parity.way}: {parity.differing:,} of {parity.compared:,} answers differ "
                f"({parity.example})"
            )
    if problems:
        raise ExportError(f"{name} was not written: " + "; ".join(problems))

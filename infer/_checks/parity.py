"""Integrity and parity: is the artifact what was written, and do its runtimes agree?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from infer._artifact.store import Artifact
from infer._errors import ArtifactError, RuntimeUnavailableError
from infer._ieee.floats import bits
from infer._ieee.patterns import inputs
from infer._model import Model, open_model
from infer._runtimes._registry import RUNTIMES

DEFAULT_COUNT = 1 << 14
# Of a program with so many steps and features that this takes minutes, fewer are tried.
_STEPS = 1 << 22
_FEWEST = 1 << 8


@dataclass(frozen=True)
class Parity:
    """How one way of running a model compares with ``python`` on floats.

    Attributes:
        way: the runtime, and for ``python`` the container.
        compared: number of inputs, 0 if it cannot run.
        differing: number of answers with other bits; any nan equals any nan.
        bits: number of bits in which they differ, all answers together.
        example: the first such input with both answers, in hex; or why it cannot run.
        failed: it cannot run although everything that it needs is here.
    """

    way: str
    compared: int
    differing: int
    bits: int = 0
    example: str = ""
    failed: bool = False


def check_parity(
    artifact: Artifact,
    count: int | None = None,
    seed: int = 0,
    load: Callable[[Artifact, str, str], Model] = open_model,
) -> list[Parity]:
    """Run an artifact in every way that is usable here and compare the bits.

    Args:
        artifact: what to run.
        count: number of random bit patterns per feature, in addition to the special values; None
            for 16,384, or fewer if the model has more than 256 steps and features.
        seed: of the random patterns.
        load: makes the artifact ready to be called, given a runtime and a device.
    """
    card = artifact.card
    if count is None:
        size = len(card.program) + (card.features or 1)
        count = min(DEFAULT_COUNT, max(_FEWEST, _STEPS // size))
    rows = inputs(count, card.dtype, card.features, seed)
    values: Sequence[Any] = rows if card.features else [row[0] for row in rows]
    reference = [bits(y, card.dtype) for y in load(artifact, "python", "cpu")(values)]
    results = []
    for way, run in _ways(artifact, load):
        try:
            found = [bits(y, card.dtype) for y in run(values)]
        except RuntimeUnavailableError as error:
            results.append(Parity(way, 0, 0, example=str(error)))
            continue
        except ArtifactError as error:
            results.append(Parity(way, 0, 0, example=str(error), failed=True))
            continue
        unlike = [got ^ expected for got, expected in zip(found, reference, strict=True)]
        differing = [index for index, pattern in enumerate(unlike) if pattern]
        example = ""
        if differing:
            first = differing[0]
            digits = 8 if card.dtype == "float32" else 16
            shown = " ".join(f"0x{bits(x, card.dtype):0{digits}x}" for x in rows[first])
            example = (
                f"x = {shown}: python 0x{reference[first]:0{digits}x}, "
                f"{way} 0x{found[first]:0{digits}x}"
            )
        total = sum(pattern.bit_count() for pattern in unlike)
        results.append(Parity(way, len(rows), len(differing), total, example))
    return results


def _ways(
    artifact: Artifact, load: Callable[[Artifact, str, str], Model]
) -> list[tuple[str, Callable[[Any], list[float]]]]:
    """Return every way to run an artifact that is installed here, each from list to list."""

    def numpy_arrays(values: Any) -> list[float]:
        import numpy as np

        answers: list[float] = load(artifact, "python", "cpu")(np.array(values)).tolist()
        return answers

    def torch_tensors(values: Any) -> list[float]:
        import torch

        tensor = torch.tensor(values, dtype=getattr(torch, artifact.card.dtype))
        answers: list[float] = load(artifact, "python", "cpu")(tensor).tolist()
        return answers

    def runtime(name: str) -> Callable[[Any], list[float]]:
        def from_list(values: Any) -> list[float]:
            # The model is made here: a file that is not what the card says raises when it runs.
            answers: list[float] = load(artifact, name, "cpu")(values)
            return answers

        return from_list

    ways: list[tuple[str, Callable[[Any], list[float]]]] = []
    if find_spec("numpy") is not None:
        ways.append(("python on numpy", numpy_arrays))
    if find_spec("torch") is not None:
        ways.append(("python on torch", torch_tensors))
    for row in RUNTIMES:
        if row.file is not None and row.missing() is None:
            ways.append((row.name, runtime(row.name)))
    return ways

"""Every float32 input there is, through every runtime, compared bit for bit.

The reference is the program on numpy, which is compared with the program on Python floats by
``infer check`` and the tests. All 4,294,967,296 bit patterns are inputs, every nan among them.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib.metadata import version
from itertools import islice
from typing import TYPE_CHECKING, Any

from infer._artifact.store import SHIPPED, Artifact
from infer._errors import ArtifactError, InputError, RuntimeUnavailableError
from infer._files.regular_file import read_regular_file
from infer._files.replace import replace_file
from infer._runtimes._registry import RUNTIMES, load_runtime
from infer._runtimes._threads import threads

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

INPUTS = 1 << 32

# Where proofs of the shipped models lie: in a wheel, and in a checkout.
PROOF_FOLDERS = (
    os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "proofs"),
    os.path.join(os.path.dirname(SHIPPED), "docs", "proofs"),
)

# Inputs that are reported together; a run that was interrupted goes on behind the last of these.
PIECE = 1 << 24
# Inputs compared at a time; so few that torch does not divide them among threads of its own.
_BLOCK = 1 << 15
_MAX_PROOF_BYTES = 1 << 20
# Differing inputs that are kept to be shown.
_EXAMPLES = 5

Run = Callable[["NDArray[np.float32]"], "NDArray[np.float32]"]


@dataclass
class Way:
    """How one way of running the model compared.

    Attributes:
        version: of the library that ran it.
        differing: number of answers with other bits; any nan equals any nan.
        bits: number of bits in which these differ, all together.
        examples: the first few of them: input, expected and obtained bits, in hex.
    """

    version: str
    differing: int = 0
    bits: int = 0
    examples: list[tuple[str, str, str]] = field(default_factory=list)


@dataclass
class Proof:
    """A verdict over all inputs, or over those below ``inputs`` while it runs.

    Attributes:
        model: the model's name.
        digest: of its card, which vouches for its files.
        inputs: how many bit patterns were compared, from 0 on.
        processor: what computed it.
        python: version of Python.
        numpy: version of numpy, which ran the reference.
        ways: by runtime.
    """

    model: str
    digest: str
    inputs: int
    processor: str
    python: str
    numpy: str
    ways: dict[str, Way]

    @property
    def complete(self) -> bool:
        """Whether every input was compared."""
        return self.inputs == INPUTS

    @property
    def differing_bits(self) -> int:
        """Number of differing bits, all ways together."""
        return sum(way.bits for way in self.ways.values())

    def to_json(self) -> str:
        """Return the proof as text, sorted."""
        return json.dumps(asdict(self), indent=2, sort_keys=True) + "\n"


def read_proof(path: str) -> Proof | None:
    """Return the proof in a file, or None if there is none.

    Raises:
        ArtifactError: the file holds something else.
    """
    if not os.path.exists(path):
        return None
    try:
        document = json.loads(read_regular_file(path, _MAX_PROOF_BYTES))
        ways = {name: Way(**way) for name, way in document.pop("ways").items()}
        return Proof(**document, ways=ways)
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        raise ArtifactError(f"{path}: expected a proof or no file, found {error!r}") from None


def find_proof(artifact: Artifact) -> Proof | None:
    """Return the complete proof that is shipped for exactly this artifact, or None."""
    for folder in PROOF_FOLDERS:
        proof = read_proof(os.path.join(folder, f"{artifact.card.name}.json"))
        if proof is not None and proof.complete and proof.digest == artifact.card.digest:
            return proof
    return None


def write_proof(proof: Proof, path: str) -> None:
    """Write a proof, so that it is never half there."""
    replace_file(path, proof.to_json().encode())


def prove(
    artifact: Artifact, done: Proof | None = None, pieces: int | None = None
) -> Iterator[Proof]:
    """Compare all inputs, piece by piece.

    Args:
        artifact: what to run; elementwise and float32.
        done: an unfinished proof of the same artifact, to go on with.
        pieces: end after so many pieces; None for all.

    Yields:
        The proof so far after each piece, always the same object.

    Raises:
        InputError: the model has too many inputs to try them all.
        RuntimeUnavailableError: numpy is not installed.
    """
    card = artifact.card
    if card.features is not None or card.dtype != "float32":
        kind = f"{card.features} features" if card.features else card.dtype
        raise InputError(
            f"{card.name} has {kind}: too many inputs to try them all; expected a model of one "
            "float32; type infer check --count N"
        )
    runs = _runs(artifact)
    proof = _begin(artifact, runs)
    if done is not None and _same_setting(done, proof):
        proof = done
    starts = range(proof.inputs, INPUTS, PIECE)
    pool = ThreadPoolExecutor(threads())
    try:
        for found in pool.map(partial(_compare, artifact, runs), islice(starts, pieces)):
            for name, (differing, bits, examples) in found.items():
                way = proof.ways[name]
                way.differing += differing
                way.bits += bits
                way.examples += examples[: _EXAMPLES - len(way.examples)]
            proof.inputs += PIECE
            yield proof
    finally:
        pool.shutdown(cancel_futures=True)  # whoever stops asking does not wait for the rest


def _begin(artifact: Artifact, runs: Mapping[str, Run]) -> Proof:
    return Proof(
        model=artifact.card.name,
        digest=artifact.card.digest,
        inputs=0,
        processor=_processor(),
        python=platform.python_version(),
        numpy=version("numpy"),
        ways={
            row.name: Way(version(row.packages[-1]).partition("+")[0])
            for row in RUNTIMES
            if row.name in runs
        },
    )


def _same_setting(one: Proof, other: Proof) -> bool:
    """Return whether two proofs are about the same artifact, on the same machine and libraries."""
    return (one.model, one.digest, one.processor, one.python, one.numpy) == (
        other.model,
        other.digest,
        other.processor,
        other.python,
        other.numpy,
    ) and {k: way.version for k, way in one.ways.items()} == {
        k: way.version for k, way in other.ways.items()
    }


def _runs(artifact: Artifact) -> dict[str, Run]:
    """Return every way to run an array that is usable here, but the reference."""
    from importlib.util import find_spec

    if find_spec("numpy") is None:
        raise RuntimeUnavailableError(
            "an exhaustive check computes on arrays; type: pip install 'samebits[onnx]'"
        )
    runs: dict[str, Run] = {}
    for row in RUNTIMES:
        if row.file in artifact.card.files and row.missing() is None:
            evaluator = load_runtime(row.name, artifact, "cpu")
            on_tensors = evaluator.carrier == "torch"
            runs[row.name] = _on_tensors(evaluator.run) if on_tensors else evaluator.run
    return runs


def _on_tensors(run: Callable[[Any], Any]) -> Run:
    import torch

    def on_array(values: NDArray[np.float32]) -> NDArray[np.float32]:
        answers: NDArray[np.float32] = run(torch.from_numpy(values)).numpy()
        return answers

    return on_array


def _compare(
    artifact: Artifact, runs: Mapping[str, Run], start: int
) -> dict[str, tuple[int, int, list[tuple[str, str, str]]]]:
    """Compare the inputs of a piece: number of differing answers and bits, examples."""
    import numpy as np

    reference = load_runtime("python", artifact, "cpu").run
    found: dict[str, tuple[int, int, list[tuple[str, str, str]]]] = dict.fromkeys(runs, (0, 0, []))
    for first in range(start, start + PIECE, _BLOCK):
        patterns = np.arange(first, first + _BLOCK, dtype=np.uint32)
        values = patterns.view(np.float32)
        expected = reference(values)
        for name, run in runs.items():
            got = run(values)
            unlike = expected.view(np.uint32) ^ got.view(np.uint32)
            if not unlike.any():
                continue
            unlike[np.isnan(expected) & np.isnan(got)] = 0
            where = np.flatnonzero(unlike)
            differing, bits, examples = found[name]
            shown = [
                (
                    f"0x{patterns[i]:08x}",
                    f"0x{expected.view(np.uint32)[i]:08x}",
                    f"0x{got.view(np.uint32)[i]:08x}",
                )
                for i in where[: _EXAMPLES - len(examples)]
            ]
            count = int(np.unpackbits(unlike.view(np.uint8)).sum(dtype=np.int64))
            found[name] = (differing + len(where), bits + count, examples + shown)
    return found


def _processor() -> str:
    """Return the processor's name, as far as the system tells it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()

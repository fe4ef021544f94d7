"""Is an artifact what was written?"""

from __future__ import annotations

from infer._artifact.store import Artifact
from infer._errors import ArtifactError
from infer._writers.siblings import read


def check_integrity(artifact: Artifact) -> list[str]:
    """Return what is wrong with the files next to the card, an empty list if nothing is.

    Each must have the bytes that its writer makes from the card; no runtime is needed.
    """
    problems = []
    for file in artifact.card.files:
        try:
            read(artifact, file)
        except ArtifactError as error:
            problems.append(str(error))
    return problems

"""A process that loads and runs flipped files under the right hash, for test_flips.py to outlive.

FOLDER FILE RUNTIME    flip each bit of the file in turn, and print "bit N: " and what came of it:
                       "refused" or "computed", or the exception that it should not have been
"""

import json
import sys
from pathlib import Path

import numpy as np

import infer
from infer._artifact.format import CARD_FILE, render
from infer._artifact.sha256 import sha256

VALUES = np.array([0.0, -0.0, 1.0, 98.6, 1e38, 1e-45, np.inf, np.nan], "float32")


def outcome(folder, runtime):
    """Return what comes of loading and running an artifact."""
    try:
        answers = infer.load(folder, runtime=runtime)(VALUES)
    except infer.ArtifactError:
        return "refused"
    except Exception as error:  # noqa: BLE001 - to be shown, whatever it is
        return repr(error).replace("\n", " ")
    if (answers.dtype, answers.shape) == (VALUES.dtype, VALUES.shape):
        return "computed"
    return f"{answers.dtype} {answers.shape}"


def main(folder, file, runtime):
    document = json.loads((folder / CARD_FILE).read_bytes())
    data = bytearray((folder / file).read_bytes())
    for bit in range(8 * len(data)):
        data[bit // 8] ^= 1 << bit % 8
        document["files"][file]["sha256"] = sha256(data)
        (folder / CARD_FILE).write_bytes(render(document))
        (folder / file).write_bytes(data)
        sys.stdout.write(f"\nbit {bit}: {outcome(folder, runtime)}\n")
        sys.stdout.flush()
        data[bit // 8] ^= 1 << bit % 8


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])

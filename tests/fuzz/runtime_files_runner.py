"""Loads and calls mutated files under the right hash, for test_runtime_files.py to outlive.

FOLDER FILE RUNTIME SEED COUNT    print as JSON what came of the mutations, counted: "refused",
                                  "right", or what it should not have been
"""

import json
import random
import sys
from collections import Counter
from pathlib import Path

import infer
from infer._artifact.format import CARD_FILE, render
from infer._artifact.sha256 import sha256

X, RIGHT = 98.6, infer.load("f2c", runtime="python")(98.6)


def mutated(data, generator):
    """Return a copy of some bytes with one to four changes."""
    copy = bytearray(data)
    for _ in range(generator.randint(1, 4)):
        if not copy:
            break
        at, other = generator.randrange(len(copy)), generator.randrange(len(copy))
        length = min(1 << generator.randrange(9), len(copy) - max(at, other))
        kind = generator.randrange(8)
        if kind == 0:
            copy[at] ^= 1 << generator.randrange(8)
        elif kind == 1:
            copy[at] = generator.choice((0, 1, 127, 128, 255))
        elif kind == 2:
            copy[at : at + length] = generator.randbytes(length)
        elif kind == 3:
            del copy[at : at + length]
        elif kind == 4:
            copy[at:at] = copy[other : other + length]
        elif kind == 5:
            copy[at : at + length], copy[other : other + length] = (
                copy[other : other + length],
                copy[at : at + length],
            )
        elif kind == 6:
            # A number of four bytes in the middle of something: a size, a length, an offset.
            copy[at : at + 4] = generator.choice((0, 1, 2**31, 2**32 - 1)).to_bytes(4, "little")
        else:
            del copy[max(at, 1) :]
    return bytes(copy)


def outcome(folder, runtime):
    """Return what comes of loading and calling an artifact."""
    try:
        answer = infer.load(folder, runtime=runtime)(X)
    except infer.ArtifactError:
        return "refused"
    except Exception as error:  # noqa: BLE001 - to be shown, whatever it is
        return repr(error)
    return "right" if answer == RIGHT else f"another answer, {answer!r}"


def main(folder, file, runtime, seed, count):
    """Try so many mutations, and print what came of them."""
    generator, found = random.Random(seed), Counter()  # noqa: S311 - to be repeated
    document, data = json.loads((folder / CARD_FILE).read_bytes()), (folder / file).read_bytes()
    for _ in range(count):
        wrong = mutated(data, generator)
        document["files"][file] = {"size": len(wrong), "sha256": sha256(wrong)}
        (folder / CARD_FILE).write_bytes(render(document))
        (folder / file).write_bytes(wrong)
        found[outcome(folder, runtime)] += 1
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))

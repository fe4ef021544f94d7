"""A process that compares one operation of the pure-float path with numpy, on random pairs.

OPERATOR SEED COUNT    print how many pairs were compared, how many answers differ, and one of them

A third of the pairs has random bit patterns, a third exponents that are near each other, and a
third exponents whose sum is near that of the smallest or the largest product.
"""

import sys

import numpy as np

from infer._program.on_floats import compile_floats
from infer._program.program import parse

CHUNK = 1 << 18
NUMPY = {"+": np.add, "-": np.subtract, "*": np.multiply}
EXPONENT, EXPONENT_SHIFT = np.uint32(0x7F800000), 23


def pairs(generator, kind):
    """Return a chunk of pairs as an array of shape (2, CHUNK)."""
    patterns = generator.integers(0, 2**32, (2, CHUNK), np.uint32)
    if kind != "any":
        exponents = (patterns[0] & EXPONENT).astype(np.int64) >> EXPONENT_SHIFT
        if kind == "near":
            others = exponents + generator.integers(-32, 33, CHUNK)
        else:
            edges = generator.choice([127 - 149, 127 - 126, 127 + 127], CHUNK)
            others = edges + 127 - exponents + generator.integers(-2, 3, CHUNK)
        others = np.clip(others, 0, 254).astype(np.uint32) << np.uint32(EXPONENT_SHIFT)
        patterns[1] = (patterns[1] & ~EXPONENT) | others
    return patterns.view(np.float32)


def main(operator, seed, count):
    lines = ["p = x[0]", "q = x[1]", f"y = p {operator} q"]
    compute = compile_floats(
        parse(lines, input="x", features=2, output="y", constants={}, dtype="float32")
    )
    generator = np.random.default_rng(seed)
    differing, shown, compared = 0, "", 0
    while compared < count:
        for kind in ("any", "near", "edge"):
            a, b = pairs(generator, kind)
            found = np.fromiter(map(compute, a.tolist(), b.tolist()), np.float64, CHUNK)
            with np.errstate(all="ignore"):
                # As doubles: an answer that was not rounded is not the same.
                expected = NUMPY[operator](a, b).astype(np.float64)
            equal = found.view(np.uint64) == expected.view(np.uint64)
            wrong = np.flatnonzero(~equal & ~(np.isnan(found) & np.isnan(expected)))
            differing += len(wrong)
            for index in wrong[:1]:
                shown = f"{a[index]!r} {operator} {b[index]!r}: {found[index]!r}"
            compared += CHUNK
    sys.stdout.write(f"{compared} {differing} {shown}\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))

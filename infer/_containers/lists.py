"""A flat list of numbers as an array, without a look at each in Python.

``python benchmarks/serve.py`` shows what this saves: "list of 10,000 floats".
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from infer._ieee.floats import DType

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def as_array(values: list[Any] | tuple[Any, ...], dtype: DType) -> NDArray[np.float64] | None:
    """Return the doubles of a flat list, shape (n,), or None if it must be read one by one.

    ``struct`` takes everything that has a double: floats, and what ``float`` would convert. Two
    things remain to be refused. A complex number, a tensor or an array of one element
    shows in the type of a sum. And a double that lies halfway between two float32 values may
    be the rounded value of an integer or a fraction, which decides where it belongs; see
    ``infer._ieee.floats.from_number``.
    """
    import numpy as np

    try:
        packed = struct.pack(f"{len(values)}d", *values)
        if type(sum(values)) is not float:
            return None
    except (struct.error, TypeError, ValueError, ArithmeticError, Warning):
        return None  # whoever reads them one by one can say which is wrong
    doubles = np.frombuffer(packed)
    if dtype == "float32" and _may_round_twice(doubles):
        return None
    return doubles


def _may_round_twice(doubles: NDArray[np.float64]) -> bool:
    import numpy as np

    # 29 bits go when a normal float32 is made of a double; of them the top one is halfway.
    halfway = (doubles.view(np.uint64) & np.uint64(0x1FFFFFFF)) == np.uint64(0x10000000)
    magnitudes = np.abs(doubles)
    subnormal = (magnitudes < 2.0**-126) & (magnitudes > 0)
    return bool(halfway.any() or subnormal.any())

"""Memory for large answers, used again when nobody holds them any more.

The system hands out memory in pages that it clears first, which takes as long as computing the
answers that go there. onnxruntime and torch keep an arena for the same reason.
``python benchmarks/serve.py`` shows what this saves: "array of 10 million, auto".
"""

from __future__ import annotations

import sys
import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

# Bytes: below, the allocator keeps memory itself; above, so much is not kept from others.
_LEAST = 1 << 20
_MOST = 1 << 26

# At most one piece of memory, whichever answer left it last. Appending and popping are atomic.
_free: list[Any] = []


def empty(count: int, dtype: Any) -> NDArray[Any]:
    """Return an array of shape (count,) with arbitrary content.

    Its memory comes back here when the array and all its views are gone.
    """
    import numpy as np

    size = count * dtype.itemsize
    if not _LEAST <= size <= _MOST:
        return np.empty(count, dtype)
    memory = _taken(size)
    # A view of an array would refer to the array itself, past the one whose end is watched; a
    # memoryview stops that.
    array = np.frombuffer(memory.data, dtype, count)
    weakref.finalize(array, _give_back, memory).atexit = False
    return array


def empty_tensor(count: int, like: torch.Tensor) -> torch.Tensor:
    """Return a tensor of shape (count,), of another's dtype and device; see ``empty``."""
    size = count * like.element_size()
    # torch brings numpy along where it is installed.
    numpy_is_here = "numpy" in sys.modules
    if like.device.type != "cpu" or not numpy_is_here or not _LEAST <= size <= _MOST:
        return like.new_empty(count)
    import numpy as np
    import torch

    return torch.from_numpy(empty(count, np.dtype(str(like.dtype).removeprefix("torch."))))


def _taken(size: int) -> NDArray[np.uint8]:
    import numpy as np

    try:
        memory: NDArray[np.uint8] = _free.pop()
    except IndexError:
        pass
    else:
        if size <= memory.size <= 2 * size:
            return memory
    return np.empty(size, np.uint8)


def _give_back(memory: Any) -> None:
    _free[:] = [memory]

"""What every computation on an array asks of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infer._errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def real_array(x: NDArray[Any]) -> NDArray[Any]:
    """Return an array as a plain one.

    Raises:
        InputError: it is masked, or does not hold real numbers.
    """
    import numpy as np  # already there: the caller has an array

    if isinstance(x, np.ma.MaskedArray):
        raise InputError("expected a plain array, found a masked one; type x.filled(nan)")
    x = np.asarray(x)  # a subclass may have shapes of its own: a matrix stays a matrix
    if x.dtype.kind not in "biuf":
        raise InputError(f"expected an array of real numbers, found dtype {x.dtype}")
    return x

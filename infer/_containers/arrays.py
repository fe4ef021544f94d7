"""What every computation on an array asks of it."""

from __future__ import annotations

from infer._errors import InputError

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray


def array_of(x: Any) -> NDArray[Any]:
    """Return what some library calls an array, such as Arrow's, as one.

    Raises:
        InputError: it is an Arrow array that claims more than its buffers hold.
    """
    import numpy as np

    if type(x).__module__.partition(".")[0] == "pyarrow" and hasattr(x, "validate"):
        try:
            x.validate(full=True)
        except (ValueError, LookupError) as error:
            raise InputError(f"expected a valid Arrow array: {error}") from None
    return np.asarray(x)


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

"""From columns of Arrow's types to answers: rounded once, missing where a value is missing."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from infer._ieee.floats import DType, from_number
from infer._score._task import Counts

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from infer._model import Model

# Powers of ten up to it are exact doubles.
_EXACT_POWER = 22
# Whole numbers up to it are exact doubles.
_EXACT_WHOLE = 1 << 53


def is_numeric(kind: pa.DataType) -> bool:
    """Tell whether a model can take a column of that type: real numbers, or nothing but nulls."""
    import pyarrow.types as at

    return bool(
        at.is_integer(kind) or at.is_floating(kind) or at.is_decimal(kind) or at.is_null(kind)
    )


@lru_cache(maxsize=8)
def _model(card: bytes) -> Model:
    from infer._artifact.format import read_card
    from infer._artifact.store import Artifact
    from infer._model import open_model

    return open_model(Artifact("", read_card(card, "model.json")))


class Scorer:
    """A model that answers columns. Safe to use from many threads at once."""

    def __init__(self, card: bytes) -> None:
        """Take the bytes of a ``model.json``."""
        self.model = _model(card)
        self.dtype: DType = self.model.card.dtype

    @property
    def arrow_type(self) -> pa.DataType:
        """The type of the new column."""
        import pyarrow as pa

        return pa.float32() if self.dtype == "float32" else pa.float64()

    def answer(self, columns: Sequence[pa.Array]) -> tuple[pa.Array, Counts]:
        """Compute the model on rows of columns.

        Args:
            columns: an array a feature, of equal length and of types that ``is_numeric``.

        Returns:
            The answers, null where any value is null, and how many there are.
        """
        import numpy as np
        import pyarrow as pa

        values = [round_once(column, self.dtype) for column in columns]
        missing: Any = None
        for column in columns:
            if column.null_count:
                mask = column.is_null().to_numpy(zero_copy_only=False)
                missing = mask if missing is None else missing | mask
        count = len(columns[0])
        inputs = values[0] if self.model.card.features is None else np.stack(values, axis=1)
        answers = self.model(inputs)
        outside = np.zeros(count, bool)
        with np.errstate(invalid="ignore"):  # a nan lies nowhere
            for value, (low, high) in zip(values, self.model.card.domain, strict=True):
                if not _all_inside(value, low, high):
                    outside |= ~((value >= low) & (value <= high))
        if missing is not None:
            outside &= ~missing
            answers[missing] = 0  # what lies under a null is written too, and must not vary
        nulls = 0 if missing is None else int(missing.sum())
        counts = Counts(count, nulls, int(outside.sum()))
        return pa.array(answers, self.arrow_type, mask=missing), counts


def _all_inside(values: NDArray[Any], low: float, high: float) -> bool:
    return len(values) == 0 or (values.min() >= low and values.max() <= high)


def round_once(column: pa.Array, dtype: DType) -> NDArray[np.floating[Any]]:
    """Return the values of a column, each rounded once to a dtype; zero where it is null."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.types as at

    kind = column.type
    if at.is_null(kind):
        return np.zeros(len(column), dtype)
    if at.is_decimal(kind):
        return _round_decimals(column, dtype)
    half = at.is_float16(kind)  # old versions of pyarrow cannot fill gaps between these
    if column.null_count and not half:
        column = column.fill_null(pa.scalar(0, kind))
    values: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    if column.null_count and half:
        values = np.where(column.is_null().to_numpy(zero_copy_only=False), np.float16(0), values)
    with np.errstate(all="ignore"):  # too large for the dtype is infinity (IEEE-754)
        rounded: NDArray[np.floating[Any]] = values.astype(dtype, order="C", copy=False)
    return rounded


def _round_decimals(column: pa.Array, dtype: DType) -> NDArray[np.floating[Any]]:
    """Round decimals: digits and a power of ten that are exact doubles give one rounding."""
    import numpy as np

    rounded: NDArray[np.floating[Any]]
    scale = column.type.scale
    present = column.is_valid().to_numpy(zero_copy_only=False)
    if 0 <= scale <= _EXACT_POWER:
        digits, easy = _digits(column)
        doubles = np.where(easy & present, digits, 0).astype("float64") / 10.0**scale
        if dtype == "float32":
            # Rounded twice now; that shows only where the double lies halfway, and is not exact:
            # see infer._ieee.floats.
            rounded = doubles.astype("float32")
            halfway = (doubles.view("uint64") & np.uint64(0x0FFFFFFF)) == 0
            easy &= ~(halfway & (rounded != doubles))
        else:
            rounded = doubles
    else:
        easy = np.zeros(len(column), bool)
        rounded = np.zeros(len(column), dtype)
    for index in np.flatnonzero(~easy & present).tolist():
        rounded[index] = from_number(column[index].as_py(), dtype)
    return rounded


def _digits(column: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return decimals without their point, and for which of them that is an exact double."""
    import numpy as np

    width = column.type.bit_width // 8
    data = np.frombuffer(column.buffers()[1], np.uint8)
    data = data[column.offset * width : (column.offset + len(column)) * width]
    if width == 4:
        narrow = data.view("<i4").astype("int64")
        return narrow, np.ones(len(narrow), bool)
    words = data.view("<i8").reshape(-1, width // 8)
    low = words[:, 0]
    fits = (words[:, 1:] == (low >> 63)[:, None]).all(axis=1)
    return low, fits & (low <= _EXACT_WHOLE) & (low >= -_EXACT_WHOLE)

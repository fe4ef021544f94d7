"""How a text is encoded: by its byte order mark, as UTF-8, or else as Latin-1."""

from __future__ import annotations

import codecs
from typing import NamedTuple

from infer._files._text.errors import TextError

# UTF-32's mark begins with UTF-16's.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8 with a byte order mark"),
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)


class Encoding(NamedTuple):
    """How a text is encoded.

    Attributes:
        codec: Python's name for it.
        label: what people call it.
    """

    codec: str
    label: str

    @property
    def errors(self) -> str:
        """What to do with a wrong byte.

        One that is not UTF-8 far down in a file is text in its cell: no number, and of no interest
        in a column that is not read.
        """
        return "surrogateescape" if self.codec.startswith("utf-8") else "strict"

    def undecodable(self, error: UnicodeError) -> TextError:
        """Return the error for bytes that are not of this encoding."""
        reason = getattr(error, "reason", str(error))
        why = "" if self.label == self.codec else ", as its first bytes say"
        return TextError(
            f"cannot be read as {self.label}{why}: {reason}; save it as UTF-8, or type --encoding"
        )


def find_encoding(sample: bytes, chosen: str | None = None) -> Encoding:
    """Return the encoding of a text.

    Args:
        sample: its first bytes.
        chosen: what the user says.

    Raises:
        TextError: it is no text, or there is no such encoding.
    """
    if chosen is not None:
        return _chosen(sample, chosen)
    for mark, codec, label in _MARKS:
        if sample.startswith(mark):
            return Encoding(codec, label)
    if b"\0" in sample:
        raise TextError(
            "expected text, Parquet, Arrow or .xlsx, found binary data of another kind "
            "(text in UTF-16 needs a byte order mark, or --encoding utf-16-le)"
        )
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)  # may end within a character
    except UnicodeDecodeError:
        return Encoding("latin-1", "Latin-1 (it is no UTF-8)")
    return Encoding("utf-8", "UTF-8")


def _chosen(sample: bytes, name: str) -> Encoding:
    try:
        codec = codecs.lookup(name)
        "x".encode(name)  # some codecs are not of text
    except (LookupError, TypeError, ValueError):
        raise TextError(
            f"--encoding {name}: no such encoding; expected one such as cp1252"
        ) from None
    if codec.name == "utf-8" and sample.startswith(codecs.BOM_UTF8):
        return Encoding("utf-8-sig", "UTF-8 with a byte order mark")
    return Encoding(codec.name, codec.name)

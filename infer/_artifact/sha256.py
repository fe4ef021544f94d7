"""SHA-256 without loading OpenSSL, which takes longer than everything else here together.

The standard library's ``random`` imports its hash in the same way.
"""

from __future__ import annotations

try:
    from _sha2 import sha256 as _sha256  # Python 3.12 and newer
except ImportError:
    try:
        from _sha256 import sha256 as _sha256  # up to Python 3.11
    except ImportError:
        from hashlib import sha256 as _sha256  # a Python built without them


def sha256(data: bytes | bytearray) -> str:
    """Return the SHA-256 of some bytes in lowercase hex."""
    digest: str = _sha256(data).hexdigest()
    return digest

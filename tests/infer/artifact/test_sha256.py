import hashlib

from infer._artifact.sha256 import sha256


def test_it_is_sha_256():
    for data in (b"", b"abc", bytes(range(256)) * 1000):
        assert sha256(data) == hashlib.sha256(data).hexdigest()

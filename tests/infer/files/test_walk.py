"""What of a folder is data."""

import pytest

from infer._files.walk import walk


def test_a_folder_that_cannot_be_read_is_no_empty_one(tmp_path):
    with pytest.raises(FileNotFoundError):
        walk(str(tmp_path / "nowhere"), bool)

"""What of a folder is data."""

import pytest

from infer._files.walk import few, walk


def test_a_folder_that_cannot_be_read_is_no_empty_one(tmp_path):
    with pytest.raises(FileNotFoundError):
        walk(str(tmp_path / "nowhere"), bool)


def test_few_paths_are_told_and_never_move_the_cursor():
    assert few(["a", "b\n\x1b[2J", "c", "d", "e"]) == "a, b��[2J, c and 2 more"
    assert few(["a", "b", "c"]) == "a, b, c"

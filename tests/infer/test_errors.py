import pytest

from infer._errors import suggest


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("f2x", " Did you mean 'f2c'?"),
        ("Sin_Cubic", " Did you mean 'sin_cubic'?"),
        ("sin", " Did you mean 'sin_cubic' or 'sin_legendre'?"),
        ("zzz", ""),
        ("", ""),
    ],
)
def test_the_nearest_names_are_suggested(wrong, hint):
    assert suggest(wrong, ["f2c", "sin_cubic", "sin_legendre"]) == hint

import json
import sys
from unicodedata import category

import pytest

from infer._text import listed, outline, printable, printable_lines, shortened, suggest


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


def test_a_terminal_gets_nothing_to_obey():
    every = "".join(map(chr, range(sys.maxunicode + 1))).replace('"', "").replace("\\", "")
    shown = printable(every)
    assert {category(character) for character in set(shown)}.isdisjoint(
        {"Cc", "Cf", "Cs", "Zl", "Zp"}
    )
    # It is what JSON escapes, and nothing is lost.
    assert json.loads(f'"{shown}"') == every.encode("utf-16", "surrogatepass").decode(
        "utf-16", "surrogatepass"
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("t_u °F → 𝛼 é", "t_u °F → 𝛼 é"),
        ("10\u00a0000\u3000m", "10\u00a0000\u3000m"),
        ("a\nError: b\x1b[2J\x7f\x9b", r"a\u000aError: b\u001b[2J\u007f\u009b"),
        ("\u202egpj.exe\u2066\u200e\u061c", r"\u202egpj.exe\u2066\u200e\u061c"),
        ("\u2028\u2029\ufeff\u200b\u00ad", r"\u2028\u2029\ufeff\u200b\u00ad"),
        ("\U000e0041", r"\udb40\udc41"),
        ("\udcff", r"\udcff"),
    ],
)
def test_what_is_escaped(text, shown):
    assert printable(text) == shown
    assert printable_lines(f"{text}\n{text}") == "\n".join(
        map(printable, f"{text}\n{text}".split("\n"))
    )


def test_the_first_items_are_listed():
    assert listed(["a", "b", "c", "d", "e"], 3) == "a, b, c and 2 more"
    assert listed(["a", "b", "c"], 3) == "a, b, c"


def test_a_text_is_shortened_to_its_length():
    assert shortened("x" * 60) == "x" * 60
    assert shortened("x" * 61) == "x" * 57 + "…"


def test_a_value_is_outlined_however_deep_it_is():
    value = {"x" * 100: [[[[1]]]] * 9}
    assert outline(value) == {"x" * 60: [[[]]] * 8}

"""Numbers in, answers out: what ``f2c`` and ``infer run`` share, through the installed commands."""

import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import infer
from infer._commands.plain_lines import _numbers
from infer._ieee.floats import bits, float32, from_text
from infer._ieee.shortest import shortest

RUNTIMES = ["auto", *infer.list_runtimes()]
F2C = str(Path(sys.executable).with_name("f2c"))
NOTE = "note: {} °F is outside the range that the fit saw, 21.8 to 81.9 °F\n"


def answers(*values):
    """Return the lines that f2c prints for some values."""
    model = infer.load("f2c", runtime="python")
    return "".join(f"{shortest(model(float(value)), 'float32')}\n" for value in values).encode()


@pytest.fixture
def f2c(command):
    return lambda *arguments, **options: command("f2c", *arguments, **options)


def test_values_are_answered_in_order(f2c):
    result = f2c("50", "68.4", "5e1", " 32 ", "+40")
    assert result.returncode == 0
    assert result.stdout == answers(50, 68.4, 50, 32, 40)
    assert result.stdout.startswith(b"9.533812\n19.410")
    assert result.stderr == b""


@pytest.mark.parametrize(
    "value", ["-40", "-1e5", "-.5", "-inf", "inf", "nan", "-0", "-0.0", "1e99"]
)
def test_numbers_that_look_like_options_or_words(f2c, value):
    result = f2c("--quiet", value)
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout == answers(value)
    assert f2c(value, "--quiet").stdout == result.stdout
    assert f2c("--quiet", "--", value).stdout == result.stdout


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_every_runtime_prints_the_same(f2c, runtime):
    values = ["98.6", "-40", "nan", "1e39", "1e-45"]
    result = f2c("--quiet", "--runtime", runtime, *values)
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout == answers(*values)


@pytest.mark.parametrize(
    ("digits", "expected"),
    [("0", "36"), ("1", "35.6"), ("2", "35.62"), ("9", "35.620925903"), ("60", None)],
)
def test_digits(f2c, digits, expected):
    result = f2c("--quiet", "--digits", digits, "98.6")
    expected = expected or f"{infer.load('f2c')(98.6):.60f}"
    assert result.stdout.decode() == f"{expected}\n"
    assert f2c("--quiet", "--digits", digits, "inf").stdout == b"inf\n"


def test_json_is_an_object_a_line(f2c):
    result = f2c("--json", "--quiet", "50", "98.6", "-inf", "nan")
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert records[0] == {
        "model": "f2c",
        "runtime": "auto",
        "input": 50.0,
        "output": float(answers(50)),
        "unit": "°C",
        "in_domain": True,
    }
    assert records[1]["in_domain"] is False
    assert records[1]["input"] == 98.6  # the shortest decimal of the float32 that was computed on
    assert (records[2]["input"], records[2]["output"]) == ("-inf", "-inf")
    assert (records[3]["input"], records[3]["output"]) == ("nan", "nan")
    assert json.loads(f2c("--json", "--digits", "1", "50").stdout)["output"] == 9.5
    chosen = f2c("--json", "--runtime", "python", stdin="50\n51\n").stdout.splitlines()
    assert [json.loads(line)["runtime"] for line in chosen] == ["python", "python"]


def test_json_survives_a_terminal_without_unicode(f2c):
    result = f2c("--json", "50", PYTHONIOENCODING="ascii")
    assert result.returncode == 0
    assert json.loads(result.stdout.decode("ascii"))["unit"] == "°C"


def test_a_value_outside_the_fitted_range_is_noted_once(f2c):
    result = f2c("98.6", "50", "120", "-40", stdin="")
    assert result.stdout == answers(98.6, 50, 120, -40)
    assert result.stderr.decode() == NOTE.format("98.6")
    # Also once for a stream, however long.
    result = f2c(stdin="50\n" * 20_000 + "81.91\n99\n" * 20_000)
    assert result.stdout.count(b"\n") == 60_000
    assert result.stderr.decode() == NOTE.format("81.91")
    assert f2c("81.9", "21.8").stderr == b""
    assert f2c("nan").stderr.decode() == NOTE.format("nan")
    assert f2c("--quiet", "98.6").stderr == b""


# Standard input


@pytest.mark.parametrize("arguments", [(), ("-",)])
@pytest.mark.parametrize(
    "text", ["50\n51\n", "50\n51", "50\r\n51\r\n", "50\r\n51", " 50\t\n 51 \n", "5e1\n5.1e1\n"]
)
def test_lines_of_standard_input(f2c, arguments, text):
    result = f2c(*arguments, stdin=text)
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout == answers(50, 51)


def test_nothing_in_nothing_out(f2c):
    for arguments in ((), ("-",)):
        result = f2c(*arguments, stdin="")
        assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")


def test_values_around_standard_input(f2c):
    result = f2c("30", "-", "40", stdin="31\n32\n")
    assert result.stdout == answers(30, 31, 32, 40)
    # Values alone leave standard input to somebody else.
    assert f2c("30", stdin="31\n").stdout == answers(30)


def test_a_file_of_many_lines(f2c):
    values = [f"{20 + i / 1000:.3f}" for i in range(50_000)]
    result = f2c("--quiet", "-", stdin="\n".join(values) + "\n")
    assert result.returncode == 0
    assert result.stdout == answers(*values)


HARD = [
    # Halfway between two float32 values, and beside: only the text tells.
    *("16777217", "16777217.0", "16777217.00000000000000001", "16777216.99999999999999999"),
    *("1.00000005960464477539062", "1.000000059604644775390625", "1.00000005960464477539063"),
    *("0.100000001", "1e-40", "7.006492321624085e-46", "7.0064923216240854e-46", "-1E-45", "1E5"),
    *(
        "0",
        "-0",
        ".5",
        "inf",
        "-inf",
        "nan",
        "1e39",
        "340282356779733661637539395458142568447",
        " 5 ",
    ),
]


@pytest.mark.parametrize("text", HARD)
def test_a_line_is_rounded_once(text):
    (value,) = _numbers([text.encode()], "float32")
    assert bits(float32(value), "float32") == bits(from_text(text, "float32"), "float32")


@given(st.lists(st.from_regex(r"-?[0-9]{0,5}\.?[0-9]{1,9}(e-?[0-9])?", fullmatch=True), min_size=1))
def test_lines_are_rounded_once(texts):
    found = _numbers([text.encode() for text in texts], "float32")
    for text, value in zip(texts, found, strict=True):
        assert bits(float32(value), "float32") == bits(from_text(text, "float32"), "float32")
    assert _numbers([text.encode() for text in texts], "float64") == list(map(float, texts))


@pytest.mark.parametrize("options", [(), ("--digits", "3"), ("--runtime", "onnxruntime")])
def test_lines_are_answered_as_values_are(f2c, options):
    values = [*HARD, *(f"{number / 7:.{number % 9}f}" for number in range(-300, 300))]
    as_values = f2c("--quiet", *options, *values)
    as_lines = f2c("--quiet", *options, stdin="\n".join(values).encode())
    assert as_lines.stdout == as_values.stdout
    assert as_lines.stdout.count(b"\n") == len(values)


@pytest.mark.parametrize("arguments", [(), ("-",)])
def test_each_line_is_answered_before_the_next_one_is_written(arguments):
    with subprocess.Popen(
        [F2C, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    ) as process:
        # A command that waits for more would leave both waiting for ever.
        watchdog = threading.Timer(30, process.kill)
        watchdog.start()
        try:
            for value in ("50", "51", "52.5"):
                process.stdin.write(f"{value}\n".encode())
                assert process.stdout.readline() == answers(value)
            # Half a line is not answered, and not lost.
            process.stdin.write(b"5")
            process.stdin.write(b"3\n54")
            assert process.stdout.readline() == answers(53)
            process.stdin.close()
            assert process.stdout.read() == answers(54)
            assert process.wait() == 0
        finally:
            watchdog.cancel()


@pytest.mark.parametrize(
    ("text", "before", "message"),
    [
        ("50\nabc\n51\n", [50], "Error: line 2: 'abc' is not a number; expected one such as 98.6"),
        ("50\n\n51\n", [50], "Error: line 2: '' is empty; expected a number"),
        ("   \n", [], "Error: line 1: '   ' is empty; expected a number"),
        ("50\r\n\r\n", [50], "Error: line 2: '' is empty"),
        ("50\n1,5\n", [50], "Error: line 2: '1,5' is not a number"),
        ("50\n51 52\n", [50], "Error: line 2: '51 52' is not a number"),
        (b"50\n\xff\xfe\n", [50], r"Error: line 2: '\\xff\\xfe' is not a number"),
        (b"50\n\x1b[2J\n", [50], r"Error: line 2: '\x1b[2J' is not a number"),
        ("50\n" * 30_000 + "x\n", [50] * 30_000, "Error: line 30001: 'x' is not a number"),
    ],
    ids=range(9),
)
def test_a_line_that_is_no_number_is_named(f2c, text, before, message):
    result = f2c("-", stdin=text)
    assert result.returncode == 2
    assert result.stdout == answers(50) * len(before)
    assert result.stderr.decode().startswith(message)
    assert result.stderr.count(b"\n") == 1


@pytest.mark.parametrize("end", ["", "\n"])
def test_a_very_long_line_is_refused(f2c, end):
    result = f2c("-", stdin="50\n" + "1" * 10_000_000 + end)
    assert result.returncode == 2
    assert result.stdout == answers(50)
    assert (
        result.stderr == b"Error: line 2 has more than 65,536 bytes; expected one number per line\n"
    )


def test_a_long_line_that_is_a_number_is_one(f2c):
    result = f2c("-", stdin="50." + "0" * 60_000 + "\n16777217." + "0" * 5000 + "\n")
    assert result.returncode == 0
    assert result.stdout == answers(50, 16777216)


def test_a_reader_that_has_enough_gets_no_traceback(tmp_path):
    lines = tmp_path / "lines"
    lines.write_text("50\n" * 500_000)
    with (
        lines.open("rb") as stdin,
        subprocess.Popen(
            [F2C, "-"], stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process,
    ):
        assert process.stdout.readline() == answers(50)
        process.stdout.close()
        assert process.stderr.read() == b""
        process.wait(timeout=30)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_terminal_without_a_value_is_not_waited_for():
    ours, theirs = os.openpty()
    try:
        result = subprocess.run([F2C], stdin=theirs, capture_output=True, check=False, timeout=30)
    finally:
        os.close(ours)
        os.close(theirs)
    assert result.returncode == 2
    assert b"Give a value, or pipe numbers in, one per line." in result.stderr


# Wrong calls


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        # The wording is click's own, and changes with its version.
        (["--digit", "2", "98.6"], r"No such option:? '?--digit'?\.? Did you mean '?--digits'?\?"),
        (["98.6", "--jsn"], r"No such option:? '?--jsn'?\.? Did you mean '?--json'?\?"),
        (["--quite=1", "98.6"], r"No such option:? '?--quite=1'?.* '?--quiet"),
        (["--bogus", "98.6"], r"No such option:? '?--bogus"),
    ],
)
def test_an_unknown_option_is_refused_with_the_nearest(f2c, arguments, message):
    result = f2c(*arguments)
    assert result.returncode == 2
    assert re.search(message, result.stderr.decode())
    assert "Traceback" not in result.stderr.decode()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--digits", "x", "98.6"], "'x' is not a valid integer range"),
        (["--digits", "-1", "98.6"], "-1 is not in the range 0<=x<=60"),
        (["--digits", "98.6"], "'98.6' is not a valid integer range"),
        (["--runtime", "onnx", "98.6"], "'onnx' is not one of 'auto', 'python', 'onnxruntime'"),
        (["warm"], "value 'warm' is not a number; expected one such as 98.6"),
        (["50", "-x"], "value '-x' is not a number"),
        ([""], "value '' is empty; expected a number"),
        (["1,2"], "value '1,2' is not a number"),
        (["-", "-"], "standard input (-) can be read once only"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_call_says_what_is_wrong(f2c, arguments, message):
    result = f2c(*arguments)
    assert result.returncode == 2
    said = result.stderr.decode()
    if message.startswith("No such option"):  # versions of click differ in punctuation
        said = re.sub("[:'.](?= |$)|'", "", said, flags=re.MULTILINE)
    assert message in said
    assert "Traceback" not in said


def test_values_before_a_wrong_one_are_answered(f2c):
    result = f2c("50", "51", "x", "52")
    assert result.returncode == 2
    assert result.stdout == answers(50, 51)


def test_features_are_separated_by_commas(command, write, plane):
    folder = write(plane())
    model = infer.load(folder)
    result = command("infer", "run", folder, "0.5,2", "-1,0", stdin="")
    expected = [model([0.5, 2.0]), model([-1.0, 0.0])]
    assert result.stdout.decode() == "".join(f"{shortest(y, 'float32')}\n" for y in expected)
    assert result.stderr == b""
    result = command("infer", "run", folder, "--json", stdin="0.5,5\n")
    assert json.loads(result.stdout)["input"] == [0.5, 5.0]
    assert json.loads(result.stdout)["in_domain"] is False
    note = "note: x[1] = 5 m is outside the range that the fit saw, 0 to 4 m\n"
    assert result.stderr.decode() == note
    for text, message in [
        ("1", "line 1: '1' has 1 numbers; expected 2, separated by commas"),
        ("1,2,3", "has 3 numbers; expected 2"),
        ("1,x", "line 1: '1,x' is not a number"),
    ]:
        result = command("infer", "run", folder, stdin=text)
        assert result.returncode == 2
        assert message in result.stderr.decode()

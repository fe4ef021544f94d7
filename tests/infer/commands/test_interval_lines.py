"""``--interval`` and ``infer invert``, through the installed commands."""

import json

import pytest

import infer
from infer._ieee.floats import float32
from infer._ieee.shortest import shortest

NOTE = b"note: 98.6 \xc2\xb0F is outside the range that the fit saw, 21.8 to 81.9 \xc2\xb0F\n"


@pytest.fixture
def f2c(command):
    return lambda *arguments, **options: command("f2c", *arguments, **options)


@pytest.fixture
def run(command):
    return lambda *arguments, **options: command("infer", *arguments, **options)


def text(value):
    return shortest(float32(value), "float32")


def line(x, level, kind="prediction", name="f2c"):
    """Return the line that is printed for an input."""
    model = infer.load(name)
    return " ".join(map(text, (model(x), *model.interval(x, level, kind))))


def test_an_answer_is_followed_by_low_and_high(f2c, run):
    result = f2c("--interval", "95", "50", "98.6", "-40", "--quiet")
    assert (result.returncode, result.stderr) == (0, b"")
    lines = result.stdout.decode().splitlines()
    assert lines == [line(x, 0.95) for x in (50.0, 98.6, -40.0)]
    assert lines[0] == "9.533812 5.062046 14.005575"
    result = run("run", "f2c", "50", "--interval", "99.9", "--kind", "confidence")
    assert result.stdout.decode() == line(50.0, 0.999, "confidence") + "\n"
    result = run("run", "plane", "1.5,2", "--interval", "50")
    assert result.stdout.decode() == line([1.5, 2.0], 0.5, name="plane") + "\n"


def test_the_note_is_given_once_and_streams_are_answered(f2c):
    result = f2c("--interval", "95", stdin="50\r\n98.6\n99")
    assert result.stdout.decode() == "".join(f"{line(x, 0.95)}\n" for x in (50.0, 98.6, 99.0))
    assert result.stderr == NOTE


def test_digits_round_all_three(f2c):
    assert f2c("50", "--interval", "95", "--digits", "2").stdout == b"9.53 5.06 14.01\n"


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_json_has_the_interval(f2c, encoding):
    result = f2c("50", "98.6", "--json", "--quiet", "--interval", "95", PYTHONIOENCODING=encoding)
    records = [json.loads(row) for row in result.stdout.splitlines()]
    low, high = infer.load("f2c").interval(50.0)
    assert records[0] == {
        "model": "f2c",
        "runtime": "auto",
        "input": 50.0,
        "output": 9.533812,
        "unit": "°C",
        "in_domain": True,
        "interval": {
            "level": 0.95,
            "kind": "prediction",
            "low": float(text(low)),
            "high": float(text(high)),
        },
    }
    assert records[1]["in_domain"] is False
    assert records[1]["input"] == 98.6
    row = f2c("inf", "--json", "--quiet", "--interval", "5", "--digits", "1").stdout
    record = json.loads(row)
    assert (record["input"], record["output"], record["interval"]["low"]) == ("inf", "inf", "nan")
    row = f2c("50", "--json", "--interval", "95", "--digits", "1", "--kind", "confidence").stdout
    record = json.loads(row)
    assert record["output"] == 9.5
    low, high = infer.load("f2c").interval(50.0, kind="confidence")
    assert record["interval"] == {
        "level": 0.95,
        "kind": "confidence",
        "low": round(low, 1),
        "high": round(high, 1),
    }


def test_the_answer_is_that_of_the_decimal_rounded_once(run):
    # Between two float32, and nearer to the upper one by less than a double can hold.
    value = "1.00000005960464477539062500000001"
    alone = run("run", "line", value).stdout
    assert run("run", "line", value, "--interval", "95").stdout.split()[0] == alone.strip()
    record = json.loads(run("run", "line", value, "--interval", "95", "--json").stdout)
    assert record["input"] == 1.0000001


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--interval", "0", "50"], 2, "0.0 is not in the range 0<x<100"),
        (["--interval", "100", "50"], 2, "100.0 is not in the range 0<x<100"),
        (["--interval", "nan", "50"], 2, "expected a number between 0 and 100, found nan"),
        (["--interval", "x", "50"], 2, "'x' is not a valid float"),
        (["--kind", "confidence", "50"], 2, "--kind goes with --interval."),
        (["--interval", "95", "--kind", "mean", "50"], 2, "'mean' is not one of"),
        (["--interval", "95", "5x"], 2, "value '5x' is not a number; expected one such as 98.6"),
        (["--interval", "95", ""], 2, "value '' is empty"),
    ],
)
def test_what_is_refused(f2c, arguments, code, message):
    result = f2c(*arguments)
    assert (result.returncode, result.stdout) == (code, b"")
    assert message in result.stderr.decode()


def test_a_model_without_uncertainty_is_refused_before_anything_is_read(run):
    result = run("run", "sin_cubic", "--interval", "95", stdin="1\n")
    assert (result.returncode, result.stdout) == (2, b"")
    assert b"sin_cubic has no uncertainty" in result.stderr


def test_what_comes_before_an_error_is_answered(f2c, run):
    result = f2c("--interval", "95", stdin="50\nfifty\n51\n")
    assert (result.returncode, result.stdout.decode()) == (2, line(50.0, 0.95) + "\n")
    assert result.stderr == b"Error: line 2: 'fifty' is not a number; expected one such as 98.6\n"
    result = run("run", "plane", "1,2", "1,2,3", "--interval", "95")
    assert (result.returncode, result.stdout.count(b"\n")) == (2, 1)
    assert b"value '1,2,3' has 3 numbers; expected 2" in result.stderr


# invert


def test_invert_gives_the_input(run):
    model = infer.load("f2c")
    result = run("invert", "f2c", "20", "-3", "9.533812")
    assert (result.returncode, result.stderr) == (0, b"")
    lines = result.stdout.decode().splitlines()
    assert lines == [text(model.inverse(20.0)), text(model.inverse(-3.0)), "50.0"]
    for runtime in infer.list_runtimes():
        assert run("invert", "f2c", "--runtime", runtime, "20").stdout.decode() == f"{lines[0]}\n"


def test_run_and_invert_are_pipes_to_each_other(run):
    forth = run("run", "line", *map(str, range(1, 20)), "--quiet").stdout
    back = run("invert", "line", stdin=forth).stdout
    assert run("run", "line", "--quiet", stdin=back).stdout == forth


def test_invert_with_an_interval(run):
    model = infer.load("f2c")
    x, (low, high) = model.inverse(20.0), model.inverse_interval(20.0, 0.9, "confidence")
    options = ("--interval", "90", "--kind", "confidence")
    result = run("invert", "f2c", "20", *options)
    assert result.stdout.decode() == f"{text(x)} {text(low)} {text(high)}\n"
    result = run("invert", "f2c", *options, "--digits", "1", "-", stdin="20\n")
    assert result.stdout.decode() == f"{x:.1f} {low:.1f} {high:.1f}\n"
    record = json.loads(run("invert", "f2c", "20", "--json", *options).stdout)
    assert record == {
        "model": "f2c",
        "runtime": "auto",
        "output": 20.0,
        "input": float(text(x)),
        "unit": "°F",
        "interval": {
            "level": 0.9,
            "kind": "confidence",
            "low": float(text(low)),
            "high": float(text(high)),
        },
    }
    record = json.loads(run("invert", "f2c", "20", "--json").stdout)
    assert list(record) == ["model", "runtime", "output", "input", "unit"]


def test_a_line_is_followed_beyond_its_domain_with_a_note(run):
    result = run("invert", "f2c", "37", "20", "-40")
    assert result.returncode == 0
    first, inside, last = map(float, result.stdout.split())
    assert inside == float(run("invert", "f2c", "20").stdout)
    assert result.stderr.decode() == (
        "note: 101.169197 °F is outside the range that the fit saw, 21.8 to 81.9 °F\n"
    )
    forth = run("run", "f2c", "--quiet", "--", str(first), str(last)).stdout
    assert list(map(float, forth.split())) == [37.0, -40.0]
    quiet = run("invert", "f2c", "--quiet", "--interval", "95", "37")
    assert quiet.stderr == b""
    answer, low, high = map(float, quiet.stdout.split())
    assert low < answer == first < high
    # Python stays within the domain.
    with pytest.raises(infer.InputError, match="never reached"):
        infer.load("f2c").inverse(37.0)


def test_invert_tells_which_answer_has_no_input(run):
    result = run("invert", "f2c", stdin="20\n400\n10\n")
    assert (result.returncode, result.stdout.count(b"\n")) == (2, 1)
    assert result.stderr.decode() == (
        "Error: line 2: '400': t_c = 400.0 °C is never reached: over the domain, 21.8 to 81.9 °F, "
        "the curve goes from -5.60315721 to 26.6568367 °C\n"
    )
    result = run("invert", "sin_cubic", "0.5")
    assert (result.returncode, result.stdout) == (2, b"")
    assert b"value '0.5': y = 0.5 is reached at 2 places" in result.stderr
    result = run("invert", "f2c", "nan")
    assert (result.returncode, result.stdout) == (2, b"")
    result = run("invert", "plane", stdin="")
    assert result.returncode == 2
    assert b"plane takes 2 feature(s)" in result.stderr
    result = run("invert", "f2x", "1")
    assert b"Did you mean 'f2c'" in result.stderr


# show


def test_show_tells_how_uncertain_a_model_is(run, write, measured):
    assert "residual sd  1.89162 °C, 9 degrees of freedom" in run("show", "f2c").stdout.decode()
    assert b"residual sd" not in run("show", "sin_cubic").stdout
    document = {**measured(), "evaluation_error": {"absolute": 1.25e-7, "ulp": 0.75}}
    shown = run("show", write(document)).stdout.decode()
    assert "residual sd  0.25, 1 degree of freedom" in shown
    assert "evaluation   within 1.25e-07 (0.75 ulp) of the exact curve" in shown

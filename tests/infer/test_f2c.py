import infer
from infer._ieee.shortest import shortest


def test_it_is_the_shipped_thermometer(command):
    result = command("f2c", "98.6")
    assert result.returncode == 0
    assert result.stdout.decode() == f"{shortest(infer.load('f2c')(98.6), 'float32')}\n"
    assert command("infer", "run", "f2c", "98.6").stdout == result.stdout


def test_help_says_what_the_answer_is_not(command):
    result = command("f2c", "--help")
    assert result.returncode == 0
    text = " ".join(result.stdout.decode().split())
    assert text.startswith("Usage: f2c [OPTIONS] [VALUE]... [-]")
    assert "98.6 gives 35.6, where the true scale says 37.0" in text
    assert f"{infer.load('f2c')(98.6):.1f}" == "35.6"
    for option in ("--digits", "--json", "--runtime", "--quiet"):
        assert option in text


def test_an_own_model_of_that_name_does_not_take_its_place(command, write, line, tmp_path):
    write(line(name="f2c"), root=tmp_path / "own")
    result = command("f2c", "50", SAMEBITS_ARTIFACTS=str(tmp_path / "own"))
    assert result.stdout == command("f2c", "50").stdout

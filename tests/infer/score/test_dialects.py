"""``infer score`` reads the text that ``calibrate`` reads, keeps every byte, and adds a field."""

import numpy as np
import pytest

import infer
from infer._ieee.floats import from_text
from infer._ieee.shortest import shortest

F2C = infer.load("f2c")


def answer(text):
    return shortest(F2C(from_text(text, "float32")), "float32")


A, B = answer("50.5"), answer("-40")
A_COMMA, B_COMMA = A.replace(".", ","), B.replace(".", ",")


@pytest.fixture
def scored(tmp_path, score):
    """Return a function from a text to what is made of it, and what is said."""

    def run(data, *options, code=0, encoding="utf-8", ending="csv"):
        source, target = tmp_path / f"in.{ending}", tmp_path / f"out.{ending}"
        source.write_bytes(data.encode(encoding))
        got, output = score(source, target, "--model", "f2c", "--force", *options)
        assert got == code, output
        return (target.read_bytes().decode(encoding) if code == 0 else ""), output

    return run


DIALECTS = {
    "decimal commas": (
        "t_u;a\r\n50,5;x\r\n-40;\r\n",
        f"t_u;a;t_c\r\n50,5;x;{A_COMMA}\r\n-40;;{B_COMMA}\r\n",
    ),
    "quoted decimal commas": (
        't_u,a\n"50,5",x\n-40,\n',
        f't_u,a,t_c\n"50,5",x,"{A_COMMA}"\n-40,,"{B_COMMA}"\n',
    ),
    "comments": (
        '# c, d\nt_u,a\n50.5,x\n# e, "f\n\n−40,\n# g\n',
        f'# c, d\nt_u,a,t_c\n50.5,x,{A}\n# e, "f\n\n−40,,{B}\n# g\n',
    ),
    "a preamble and units": (
        'Title, "x\nt_u,a\n°F,m\n50.5,1\n-40,2\n',
        f'Title, "x\nt_u,a,t_c\n°F,m,°C\n50.5,1,{A}\n-40,2,{B}\n',
    ),
    "names in a comment": ("# t_u a\n50.5 1\n-40 2\n", f"# t_u a t_c\n50.5 1 {A}\n-40 2 {B}\n"),
    "blanks": ("t_u  a\n 50.5  1\n-40 2\n", f"t_u  a t_c\n 50.5  1 {A}\n-40 2 {B}\n"),
    "quotes after blanks": (
        '"t_u", "a"\n50.5, "x, y"\n "-40", "\n"\n',
        f'"t_u", "a","t_c"\n50.5, "x, y",{A}\n "-40", "\n",{B}\n',
    ),
    "sep=": ("sep=;\nt_u;a\n50.5;x\n-40;y\n", f"sep=;\nt_u;a;t_c\n50.5;x;{A}\n-40;y;{B}\n"),
    "thousands": (
        "t_u;a\n50,5;1.234,5\n-40;2\n1.234,5;3\n",
        f"t_u;a;t_c\n50,5;1.234,5;{A_COMMA}\n-40;2;{B_COMMA}\n1.234,5;3;"
        f"{answer('1234.5').replace('.', ',')}\n",
    ),
    "missing marks": (
        "t_u,a\n50.5,x\n?,y\n-,z\n-40,\n",
        f"t_u,a,t_c\n50.5,x,{A}\n?,y,\n-,z,\n-40,,{B}\n",
    ),
}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_every_byte_stays_in_any_dialect(dialect, encoding, scored):
    data, expected = DIALECTS[dialect]
    assert scored(data, encoding=encoding)[0] == expected


def test_latin_1_stays_latin_1(scored):
    data = "Größe;t_u\nä;50,5\nö;-40\n"
    expected = f"Größe;t_u;t_c\nä;50,5;{A_COMMA}\nö;-40;{B_COMMA}\n"
    assert scored(data, encoding="latin-1")[0] == expected
    said = scored(data, "--as", "Ω", encoding="latin-1", code=1)[1]
    assert "'Ω' cannot be written in its encoding" in said


def test_other_endings_are_text_too(scored):
    assert scored("t_u a\n50.5 1\n-40 2\n", ending="dat")[0].endswith(f"-40 2 {B}\n")


def test_numbers_that_mean_missing_are_not_scored(scored):
    data = "t_u\n50.5\n-9999\n-9999.00\nOL\n-40\n"
    got = scored(data, "--missing", "-9999,OL")[0]
    assert got == f"t_u,t_c\n50.5,{A}\n-9999,\n-9999.00,\nOL,\n-40,{B}\n"


def test_what_is_skipped_and_assumed_is_said(scored):
    _, said = scored("Title\nname,temp\nx,50.5\ny,-40\n")
    assert "in.csv: UTF-8, 2 columns separated by commas, header on line 2" in said
    assert "skipped line 1" in said
    assert "takes column 'temp' for t_u, the only one with numbers" in said
    _, said = scored("name,t_u\nx,50.5\ny,-40\n")
    assert "takes column" not in said


REFUSED = {
    "row numbers": ("id,a\n1,x\n2,y\n3,z\n", "only 'id' has row numbers, none is named 't_u'"),
    "a column that may be meant": (
        "id;temp\n31;50,5\n32;off\n33;70,1\n",
        "several columns have numbers, none is named 't_u'",
    ),
    "two readings": ("t_u;a\n1.500;2,5\n2.500;3,5\n", "line 2, column 't_u': 1.500 is 1.500 or"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_nobody_can_know_is_refused(kind, scored):
    data, problem = REFUSED[kind]
    assert problem in scored(data, code=1 if kind == "two readings" else 2)[1]


def test_a_wanted_column_that_does_not_parse_is_an_error_with_its_row(scored):
    said = scored("id;temp_f\n1;50,5\n2;off\n", "--column", "temp_f", code=1)[1]
    assert "row 2, column 'temp_f': 'off' is not a number" in said


def test_a_file_without_names_takes_numbers(scored):
    data = "1,50.5\n2,-40\n"
    assert "type --header none" in scored(data, code=1)[1]
    got = scored(data, "--header", "none", "--column", "2")[0]
    assert got == f"1,50.5,{A}\n2,-40,{B}\n"


def test_a_calibration_finds_its_column(tmp_path, score):
    import export
    import train

    fit = train.calibrate([20.5, 30.5, 40.0], [20.1, 30.3, 39.6], name="p", x_name="fuhler")
    export.save(fit, tmp_path / "p")
    path = tmp_path / "day.csv"
    path.write_text("Zeit;Fühler;Referenz\n1;20,5;20,1\n2;30,5;30,3\n", "utf-8")
    assert score(path, tmp_path / "o.csv", "--model", tmp_path / "p")[0] == 0
    rows = (tmp_path / "o.csv").read_text("utf-8").splitlines()[1:]
    expected = infer.load(tmp_path / "p")(np.array([20.5, 30.5], np.float32))
    assert [float(row.split(";")[3].replace(",", ".")) for row in rows] == pytest.approx(expected)


def test_options_without_effect_are_refused(tmp_path, score, scored):
    import pyarrow as pa
    import pyarrow.parquet as pq

    assert "--sheet is of workbooks" in scored("t_u\n1.5\n", "--sheet", "2", code=2)[1]
    pq.write_table(pa.table({"t_u": [50.5, -9999.0]}), tmp_path / "a.parquet")
    code, said = score(
        tmp_path / "a.parquet", tmp_path / "b.parquet", "--model", "f2c", "--missing", "-9999"
    )
    assert (code, "--missing is for text" in said) == (2, True)

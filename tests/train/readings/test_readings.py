"""Files of readings: what they are taken for, what comes out exactly, what is wrong with them."""

import gzip
import io
import os
import random
import subprocess
import sys
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from infer._files._text.dialect import BLOCK_ROWS
from infer._files._text.numbers import Style
from train._errors import ColumnsError, ReadingsError
from train._readings import text as _text
from train._readings.decimals import parse
from train._readings.readings import open_readings


@pytest.fixture
def file(tmp_path):
    """Return a function that writes a file and gives its path."""

    def write(content, name="readings.csv"):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def exact(numbers):
    """Return a column's values as fractions."""
    if numbers.places is None:
        return [Fraction(value) for value in numbers.values.tolist()]
    return [Fraction(int(value), 10**numbers.places) for value in numbers.values]


def read(origin, **options):
    """Return the readings, and all rows: their numbers, x (a tuple a row), y, sigma."""
    readings = open_readings(origin, **options)
    rows, xs, ys, sigmas = [], [], [], []
    for block in readings.blocks():
        rows += block.rows.tolist()
        xs += zip(*map(exact, block.x), strict=True)
        ys += exact(block.y)
        sigmas += [] if block.sigma is None else exact(block.sigma)
    return readings, rows, xs, ys, sigmas


def simple(origin, **options):
    """Return x and y of a file with one input, as decimals would print them."""
    _, _, xs, ys, _ = read(origin, **options)
    return [float(x) for (x,) in xs], [float(y) for y in ys]


# Decimals.


def test_digits_are_decimals_to_the_last_one():
    generator = random.Random(1)  # noqa: S311
    texts = []
    for _ in range(2000):
        whole = str(generator.randrange(10 ** generator.randrange(1, 18)))
        digits = str(generator.randrange(10**12))[: generator.randrange(12)]
        exponent = generator.choice(["", "", f"e{generator.randrange(-20, 20)}"])
        texts.append(generator.choice(["", "-", "+"]) + whole + "." + digits + exponent)
    for size in (1, 7, 2000):
        for begin in range(0, 2000, size):
            part = texts[begin : begin + size]
            numbers = parse(part)
            assert not numbers.flaws
            assert exact(numbers) == [Fraction(Decimal(text)) for text in part]


@pytest.mark.parametrize("digits", range(13, 20))
def test_the_fast_way_ends_before_doubles_do(digits):
    texts = [f"{'9' * (digits - 3)}.{end}" for end in ("999", "998", "001", "500")]
    assert exact(parse(texts)) == [Fraction(Decimal(text)) for text in texts]


@pytest.mark.parametrize(
    ("text", "flaw"),
    [
        ("", "missing"),
        ("  ", "missing"),
        ("N/A", "missing"),
        ("NaN", "nan, not a number"),
        ("-inf", "infinite"),
        ("Infinity", "infinite"),
        ("1e999", "1e999 is too large for a double"),
        ("1e-999999999", "1e-999999999 is too small for a double"),
        ("abc", "text 'abc', expected a number"),
        ("1_000", "text '1_000', expected a number"),
        ("1.2.3", "text '1.2.3', expected a number"),
        ("1-2", "text '1-2', expected a number"),
        ("--1", "text '--1', expected a number"),
        ("0x10", "text '0x10', expected a number"),
        ("1,5", "text '1,5', expected a number"),
        ("٣", "text '٣', expected a number"),
        (".", "text '.', expected a number"),
        ("9" * 5000, f"text '{'9' * 39}…', expected a number"),
    ],
)
def test_what_is_no_number_says_why(text, flaw):
    numbers = parse(["1.5", text, "2"])
    assert numbers.flaws == {1: flaw}
    assert exact(numbers) == [Fraction(3, 2), 0, 2]


def test_unusual_numbers_are_numbers():
    texts = [" 7 ", "\u22121.5", "+.5", "3.", "0e99999999", "1E3"]
    assert exact(parse(texts)) == [7, Fraction(-3, 2), Fraction(1, 2), 3, 0, 1000]
    assert exact(parse(["1,25", "-3"], style=Style(","))) == [Fraction(5, 4), -3]
    assert set(parse(["1.000,5", "1.5"], style=Style(",")).flaws) == {0, 1}
    assert exact(parse(["123456789012345678901234567890.5"])) == [
        Fraction(246913578024691357802469135781, 2)
    ]


def test_a_line_break_within_a_cell_is_a_blank():
    for style in (Style("."), Style(",")):
        assert exact(parse(["1\n", "2", "\n3"], style=style)) == [1, 2, 3]
        assert set(parse(["1\n2", "3"], style=style).flaws) == {0}


def test_the_nearest_doubles_are_correctly_rounded():
    texts = ["0.1", "2.675", "9007199254740993", "123456789.123456789123456789", "1e-300"]
    for part in (texts[:2], texts):
        assert parse(part).as_doubles().tolist() == [float(text) for text in part]


# Text files.

LAYOUTS = {
    "commas": ("x,y\n1.5,2.25\n-3,4\n", "UTF-8, 2 columns separated by commas, header 'x', 'y'"),
    "semicolons": ("1.5;2.25\n-3;4\n", "UTF-8, 2 columns separated by semicolons, no header"),
    "decimal commas": (
        "a;b\n1,5;2,25\n-3;4\n",
        "UTF-8, 2 columns separated by semicolons, header 'a', 'b', decimal commas",
    ),
    "tabs": ("1.5\t2.25\n-3\t4\n", "UTF-8, 2 columns separated by tabs, no header"),
    "tabs and decimal commas": (
        "1,5\t2,25\n-3\t4\n",
        "UTF-8, 2 columns separated by tabs, no header, decimal commas",
    ),
    "bars": ("1.5|2.25\n-3|4\n", "UTF-8, 2 columns separated by bars, no header"),
    "blanks": ("  1.5   2.25\n -3.0 4 \n", "UTF-8, 2 columns separated by blanks, no header"),
    "comma and blank": ("1.5, 2.25\n-3, 4\n", "UTF-8, 2 columns separated by commas, no header"),
    "trailing separator": (
        "a,b\n1.5,2.25,\n-3,4,\n",
        "UTF-8, 2 columns separated by commas, header 'a', 'b'",
    ),
    "trailing separator in the header too": (
        "a,b,\n1.5,2.25,\n-3,4, \n",
        "UTF-8, 2 columns separated by commas, header 'a', 'b'",
    ),
    "trailing separator without a header": (
        "1.5;2.25;\n-3;4;\n",
        "UTF-8, 2 columns separated by semicolons, no header",
    ),
    "quoted decimal commas": (
        'a,b\n"1,5","2,25"\n-3,4\n',
        "UTF-8, 2 columns separated by commas, header 'a', 'b', decimal commas",
    ),
    "Windows": (
        "a,b\r\n1.5,2.25\r\n-3,4\r\n",
        "UTF-8, 2 columns separated by commas, header 'a', 'b'",
    ),
    "old Macintosh": ("1.5,2.25\r-3,4", "UTF-8, 2 columns separated by commas, no header"),
    "comments and blank lines": (
        '# 5", from "A\n\na,b\n1.5,2.25\n# off\n\n-3,4\n  \n',
        "UTF-8, 2 columns separated by commas, header 'a', 'b'",
    ),
    "quotes": (
        '"a, °F","b"\n"1.5","2.25"\n-3,4\n',
        "UTF-8, 2 columns separated by commas, header 'a, °F', 'b'",
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_is_told_from_the_file(layout, file):
    content, said = LAYOUTS[layout]
    path = file(content)
    assert open_readings(path).layout == said
    assert simple(path) == ([1.5, -3.0], [2.25, 4.0])


@pytest.mark.parametrize(
    ("codec", "label"),
    [
        ("utf-8", "UTF-8"),
        ("utf-8-sig", "UTF-8 with a byte order mark"),
        ("utf-16", "UTF-16"),
        ("utf-32", "UTF-32"),
        ("latin-1", "Latin-1 (it is no UTF-8)"),
    ],
)
def test_an_encoding_is_told_from_the_file(codec, label, file):
    path = file("raw °F;true °C\n1,5;2\n-3;4\n".encode(codec))
    readings = open_readings(path, x="raw °F", y="true °C")
    assert readings.layout.startswith(f"{label}, 2 columns")
    assert simple(path) == ([1.5, -3.0], [2.0, 4.0])


def test_big_endian_utf16_is_read(file):
    path = file(b"\xfe\xff" + "1,2\n3,4\n".encode("utf-16-be"))
    assert simple(path) == ([1.0, 3.0], [2.0, 4.0])


def test_a_wrong_byte_far_down_is_text_in_its_cell(file, monkeypatch):
    content = b"a,b,c\n" + b"1,2,3\n" * 60_000 + b"1,2,\xff\n" + b"1,\xff,3\n"
    path = file(content)
    with pytest.raises(ReadingsError, match=r"line 60003, column 'b': text '�', expected"):
        read(path, x="a", y="b")


def test_rows_carry_the_line_that_they_begin_at(file):
    path = file('# c\na,b,note\n1,2,"two\nlines"\n\n3,4,x\n5,6,"three\r\nfull\r\nlines"\n7,8,\n')
    _, rows, xs, _, _ = read(path, x="a", y="b")
    assert rows == [3, 6, 7, 10]
    assert xs == [(1,), (3,), (5,), (7,)]


def test_rows_and_flaws_keep_their_lines_across_blocks(file, monkeypatch):
    monkeypatch.setattr(_text, "BLOCK_ROWS", 3)
    lines = ["a,b"] + [f"{i},{i}.5" for i in range(2, 20)]
    lines[10] = "x,1"
    path = file("\n".join(lines))
    with pytest.raises(ReadingsError, match="line 11, column 'a': text 'x'"):
        read(path)
    readings, rows, xs, ys, _ = read(path, skip_invalid=True)
    assert rows == [*range(2, 11), *range(12, 20)]
    assert xs == [(row,) for row in rows]
    assert ys == [row + Fraction(1, 2) for row in rows]
    assert [(row, "text 'x'" in why) for row, why, _ in readings.left_out] == [(11, True)]


def test_how_much_is_read_is_known(file):
    shares = [block.share for block in open_readings(file("1,2\n" * 300_000)).blocks()]
    assert shares == sorted(shares)
    assert 0.0 < shares[0] < shares[-1] == 1.0


# What is wrong with a row.

FLAWS = {
    "missing": ("1,2\n3,\n", "line 2, column 2: missing. Correct the row"),
    "text": ("a,b\n1,2\n3,off\n", "line 3, column 'b': text 'off', expected a number"),
    "nan": ("a,b\n1,2\nnan,4\n", "line 3, column 'a': nan, not a number"),
    "infinite": ("1,2\ninf,4\n", "line 2, column 1: infinite"),
    "short": ("a,b\n1,2\n3\n", "line 3: 1 cell, expected 2 as in the header"),
    "long": ("1,2\n3,4\n5,6,7\n", "line 3: 3 cells, expected 2 as in the first rows"),
}


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_row_that_is_not_valid_is_named(flaw, file):
    content, message = FLAWS[flaw]
    with pytest.raises(ReadingsError, match="--skip-invalid") as caught:
        read(file(content))
    assert message in str(caught.value)


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_row_that_is_not_valid_can_be_left_out_and_is_counted(flaw, file):
    content, message = FLAWS[flaw]
    readings, rows, _, _, _ = read(file(content), skip_invalid=True)
    line = int(message.removeprefix("line ").partition(",")[0].partition(":")[0])
    assert line not in rows
    assert readings.left_out_count == 1
    ((row, reason, _),) = readings.left_out
    assert row == line
    assert f" {reason}" in f" {message}"


def test_more_rows_are_counted_than_listed(file):
    readings, rows, _, _, _ = read(file("1,2\n" + "x,1\n" * 5000), skip_invalid=True)
    assert rows == [1]
    assert readings.left_out_count == 5000
    assert len(readings.left_out) == 1000
    list(readings.blocks())
    assert readings.left_out_count == 5000  # not twice


@pytest.mark.parametrize("sigma", ["0", "-0.1"])
def test_an_uncertainty_is_above_zero(sigma, file):
    path = file(f"x,y,u\n1,2,0.5\n3,4,{sigma}\n")
    with pytest.raises(ReadingsError, match=r"line 3, column 'u': a standard uncertainty must be"):
        read(path, sigma="u")
    _, rows, _, _, sigmas = read(path, sigma="u", skip_invalid=True)
    assert (rows, sigmas) == ([2], [Fraction(1, 2)])


# Which columns.

HEADER = "time,raw_f,true_c,u\n1,2,3,4\n"


def picked(path, **options):
    _, _, xs, ys, sigmas = read(path, **options)
    return [*map(int, xs[0]), int(ys[0]), *map(int, sigmas)]


def test_columns_are_named_or_numbered(file):
    path = file(HEADER)
    assert picked(path, x="raw_f", y="true_c") == [2, 3]
    assert picked(path, x="2", y="1") == [2, 1]
    assert picked(path, x="2", y="true_c", sigma="u") == [2, 3, 4]
    assert picked(path, features=["raw_f", "1"], y="true_c") == [2, 1, 3]
    assert picked(path, features=["1", "2"], sigma="u") == [1, 2, 3, 4]


def test_a_name_wins_over_a_number(file):
    path = file(write_arrow("Parquet", table(**{"2": [5.0], "1": [6.0], "z": [7.0]})))
    assert picked(path, x="2", y="1") == [5, 6]
    assert picked(path, x="3", y="1") == [7, 6]


@pytest.mark.parametrize(
    ("content", "options", "found", "assumed"),
    [
        ("a,b\n1,2\n", {}, [1, 2], "x is column 'a', y is column 'b'"),
        ("1,2\n", {}, [1, 2], "x is column 1, y is column 2"),
        ("y,x\n1,2\n", {}, [2, 1], "x is column 'x', y is column 'y'"),
        ("y,x\n1,2\n", {"x": "y"}, [1, 2], "y is column 'x'"),
        ("a,b,u\n1,2,3\n", {"sigma": "u"}, [1, 2, 3], "x is column 'a', y is column 'b'"),
        ("a,b\n1,2\n", {"y": "a"}, [2, 1], "x is column 'b'"),
        ("a,b\n1,2\n", {"x": "a", "y": "b"}, [1, 2], ""),
    ],
)
def test_what_nobody_said_is_said(content, options, found, assumed, file):
    path = file(content)
    assert picked(path, **options) == found
    assert open_readings(path, **options).assumed == assumed


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (
            HEADER,
            {},
            "say which columns to use with --x and --y, by name or number. Columns: 'time'",
        ),
        (HEADER, {"x": "raw_f"}, "say which columns to use with --y"),
        (HEADER, {"x": "raw_F", "y": "u"}, "--x 'raw_F': no such column. Did you mean 'raw_f'?"),
        (HEADER, {"x": "5", "y": "u"}, "--x '5': no such column. Columns: 'time', 'raw_f'"),
        (HEADER, {"x": "0", "y": "u"}, "--x '0': no such column"),
        ("1,2,3\n", {"x": "a", "y": "2"}, "There is no header; the columns are numbered 1 to 3."),
        (HEADER, {"x": "u", "y": "4"}, "column 'u' is named twice"),
        (HEADER, {"features": ["u", "u"], "y": "time"}, "column 'u' is named twice"),
        ("a,a,b\n1,2,3\n", {"x": "a", "y": "b"}, "columns 1 and 2 are both called 'a'; give --x a"),
        ("a\n1\n", {}, "found only one column. Columns: 'a'."),
        ("a,b\n1,2\n", {"x": "a", "sigma": "b"}, "found no other column beside those named"),
    ],
)
def test_columns_that_cannot_be_told_are_asked_for(content, options, message, file):
    with pytest.raises(ColumnsError) as caught:
        open_readings(file(content), **options)
    assert message in str(caught.value)


# What is no file of readings.


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "found an empty file"),
        (b"\n \n# nothing\n", "found an empty file"),
        (b"\xef\xbb\xbf", "found an empty file"),
        (bytes(range(256)) * 10, "found binary data of another kind"),
        ("1,2\n".encode("utf-16-le"), "needs a byte order mark"),
        (b"\xff\xfe" + b"\x00\xd8" * 50, "cannot be read as UTF-16, as its first bytes say"),
        (gzip.compress(b"1,2\n", mtime=0), "compressed by gzip; type: gzip -dc FILE | calibrate -"),
        (b"\xd0\xcf\x11\xe0" + bytes(50), "an old Excel workbook (.xls); save it as .xlsx or CSV"),
        (b"PAR1" + bytes(100), "begins as Parquet but cannot be read as such"),
        (b"ARROW1\0\0" + bytes(100), "begins as Arrow file but cannot be read as such"),
        (b"\xff\xff\xff\xff" + bytes(100), "begins as Arrow stream but cannot be read as such"),
        (b"PK\x03\x04" + bytes(100), "begins as a zip archive but is no .xlsx workbook"),
        (b'a,b\n1,2\n"3,4\n', "line 3: unexpected end of data"),
    ],
)
def test_what_cannot_be_read_says_what_it_is(content, message, file):
    path = file(content)
    with pytest.raises(ReadingsError) as caught:
        read(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(ReadingsError, match="is a folder, expected a file"):
        open_readings(tmp_path)


def test_a_file_that_cannot_be_opened_says_so(tmp_path):
    with pytest.raises(FileNotFoundError):
        open_readings(tmp_path / "absent.csv")


def test_damage_far_into_utf16_is_told(file):
    path = file(b"\xff\xfe" + "1,2\n".encode("utf-16-le") * 100_000 + b"\x00\xd8\x00\xd8")
    with pytest.raises(ReadingsError, match="cannot be read as UTF-16"):
        read(path)


# Streams.


def test_a_stream_can_be_read_again(file):
    readings, rows, xs, ys, _ = read(io.BytesIO(b"1,2\n" * 100_000 + b"3,4\n"))
    assert len(rows) == 100_001
    assert (xs[-1], ys[-1]) == ((3,), 4)
    assert sum(len(block.rows) for block in readings.blocks()) == 100_001


@pytest.mark.skipif(sys.platform == "win32", reason="named pipes")
def test_a_pipe_with_a_name_is_a_stream(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with subprocess.Popen(["sh", "-c", f"printf '1,2\\n3,4\\n' > {path}"]):
        assert simple(path) == ([1.0, 3.0], [2.0, 4.0])


# Parquet, Arrow, Excel.


def table(**columns):
    import pyarrow as pa

    return pa.table(columns)


def write_arrow(kind, data):
    import pyarrow as pa
    from pyarrow import parquet

    sink = io.BytesIO()
    if kind == "Parquet":
        parquet.write_table(data, sink)
    else:
        new = pa.ipc.new_file if kind == "Arrow file" else pa.ipc.new_stream
        with new(sink, data.schema) as writer:
            writer.write_table(data, max_chunksize=max(2, len(data) // 100))
    return sink.getvalue()


KINDS = ["Parquet", "Arrow file", "Arrow stream"]


@pytest.mark.parametrize("kind", KINDS)
def test_arrow_keeps_exact_values(kind, file):
    import pyarrow as pa

    data = table(
        double=[0.1, -1.5e300, 3.0],
        single=pa.array([0.1, 2.5, -3.0], pa.float32()),
        half=pa.array(np.array([0.5, 2.5, -3.0], np.float16)),
        whole=[2**62 + 1, -5, 0],
        unsigned=pa.array([2**64 - 1, 0, 1], pa.uint64()),
        decimal=pa.array([Decimal("1.10"), Decimal("-2.35"), Decimal("3.00")], pa.decimal128(9, 2)),
        wide=pa.array([Decimal("1e30"), Decimal("-1.1"), Decimal(0)], pa.decimal256(50, 3)),
        coded=pa.array([7, 8, 7]).dictionary_encode(),
    )
    path = file(write_arrow(kind, data), "readings.bin")
    names = list(data.schema.names)
    readings, rows, xs, ys, _ = read(path, features=names[:-1], y=names[-1])
    assert readings.layout == f"{kind}, columns {', '.join(map(repr, names))}"
    assert rows == [1, 2, 3]
    for index, name in enumerate(names[:-1]):
        assert [row[index] for row in xs] == list(map(Fraction, data[name].to_pylist())), name
    assert ys == [7, 8, 7]


@pytest.mark.parametrize("kind", KINDS)
def test_arrow_comes_through_a_pipe(kind):
    content = write_arrow(kind, table(x=[1.0, 2.0], y=[3.0, 4.0]))
    readings = open_readings(io.BytesIO(content))
    for _ in range(2):
        assert next(readings.blocks()).x[0].values[0] == 1.0
    assert simple(io.BytesIO(content)) == ([1.0, 2.0], [3.0, 4.0])


@pytest.mark.parametrize("kind", KINDS)
def test_missing_and_infinite_values_in_arrow_are_named(kind, file):
    data = table(x=[1.0, None, 3.0, 4.0], y=[1.0, 2.0, float("nan"), float("-inf")])
    path = file(write_arrow(kind, data))
    with pytest.raises(ReadingsError, match="row 2, column 'x': missing"):
        read(path)
    readings, rows, _, _, _ = read(path, skip_invalid=True)
    assert rows == [1]
    assert [row[:2] for row in readings.left_out] == [
        (2, "column 'x': missing"),
        (3, "column 'y': nan, not a number"),
        (4, "column 'y': infinite"),
    ]


@pytest.mark.parametrize("values", [["a", "b"], [True, False], [[1], [2]]])
def test_a_column_without_numbers_is_named(values, file):
    path = file(write_arrow("Parquet", table(x=[1.0, 2.0], y=values)))
    with pytest.raises(ColumnsError, match=r"column 'y' holds values of type .*, expected numbers"):
        read(path)


def test_a_column_of_nothing_is_missing(file):
    path = file(write_arrow("Parquet", table(x=[1.0, 2.0], y=[None, None])))
    with pytest.raises(ReadingsError, match="row 1, column 'y': missing"):
        read(path)


def test_parquet_is_read_in_blocks(file, monkeypatch):
    from train._readings import arrow

    monkeypatch.setattr(arrow, "BLOCK_ROWS", 4)
    for kind in KINDS:
        path = file(write_arrow(kind, table(x=list(range(10)), y=list(range(10)))), kind)
        blocks = list(open_readings(path).blocks())
        assert max(len(block.rows) for block in blocks) <= 4
        assert np.concatenate([block.rows for block in blocks]).tolist() == [*range(1, 11)]
        assert blocks[-1].share == (1.0 if kind == "Parquet" else None)


def test_names_with_dots_and_a_damaged_middle(file):
    content = write_arrow("Parquet", table(**{"a.b": [1.0, 2.0], "a": [3.0, 4.0]}))
    assert simple(file(content), x="a", y="a.b") == ([3.0, 4.0], [1.0, 2.0])
    damaged = content[:8] + bytes(60) + content[68:]
    with pytest.raises(ReadingsError, match="cannot be read as such"):
        read(file(damaged))


def workbook(*rows, title="Messung"):
    import openpyxl

    book = openpyxl.Workbook()
    book.active.title = title
    for row in rows:
        book.active.append(row)
    sink = io.BytesIO()
    book.save(sink)
    return sink.getvalue()


def test_excel_is_read(file):
    path = file(workbook(["raw", "true", "note"], [1, 0.1, "a"], [2.5, -3], [], [4, 5]))
    readings, rows, xs, ys, _ = read(path, x="raw", y="true")
    assert readings.layout == "Excel, sheet 'Messung', 3 columns, header 'raw', 'true', 'note'"
    assert rows == [2, 3, 5]
    assert xs == [(1,), (Fraction(5, 2),), (4,)]
    assert ys == [Fraction(0.1), -3, 5]
    assert simple(file(workbook([1, 2], [3, 4]))) == ([1.0, 3.0], [2.0, 4.0])
    assert simple(io.BytesIO(workbook([1, 2], [3, 4]))) == ([1.0, 3.0], [2.0, 4.0])


def test_what_is_no_number_in_excel_is_named(file):
    import datetime

    cells = [None, "off", True, datetime.datetime(2024, 1, 2), "#N/A", "1,5"]
    path = file(workbook(["a", "b", "c"], [1, 2, 3], *[[cell, 2, 3] for cell in cells]))
    with pytest.raises(ReadingsError, match="row 3, column 'a': missing"):
        read(path, x="a", y="b")
    readings, rows, *_ = read(path, x="a", y="b", skip_invalid=True)
    assert rows == [2]
    assert [reason.partition(": ")[2] for _, reason, _ in readings.left_out] == [
        "missing",
        "text 'off', expected a number",
        "True, expected a number",
        "2024-01-02 00:00:00, expected a number",
        "missing",
        "text '1,5', expected a number (a number as text; turn the column into numbers in the "
        "workbook)",
    ]


def test_an_empty_sheet_is_told(file):
    with pytest.raises(ReadingsError, match="sheet 'Messung' is empty"):
        open_readings(file(workbook()))


def test_a_missing_library_says_what_to_type(file, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        ModuleNotFoundError, match=r"needs .*; type: pip install 'samebits\[files\]'"
    ):
        open_readings(file(b"PAR1"))


def test_excel_needs_no_library(file, monkeypatch):
    path = file(workbook([1, 2], [3, 4]))
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    assert simple(path) == ([1.0, 3.0], [2.0, 4.0])


def test_blocks_are_small():
    assert BLOCK_ROWS <= 1 << 17  # constant memory means some megabytes


PEAK = """
import sys
from pathlib import Path
from train._calibration.from_files import calibrate_readings
from train._readings.readings import open_readings
calibrate_readings(
    [open_readings(Path(sys.argv[1]))], of="probe", degree=1, intercept=True, name="probe",
    unit_x="1", unit_y="1", dtype="float32", watch=lambda what, share: None,
)
(peak,) = (line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(peak)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak where Linux tells it")
@pytest.mark.parametrize("kind", ["Parquet", "Arrow file", "CSV"])
def test_memory_does_not_grow_with_the_file(kind, file):
    peaks = []
    for rows in (2_000_000, 6_000_000):
        x = np.arange(rows) % 1000 / 8.0
        if kind == "CSV":
            path = file("".join(f"{a},{i % 7}\n" for i, a in enumerate(x.tolist())))
        else:
            path = file(write_arrow(kind, table(x=x, y=2.0 * x + np.arange(rows) % 7)))
        result = subprocess.run(
            [sys.executable, "-c", PEAK, path], capture_output=True, text=True, check=True
        )
        peaks.append(int(result.stdout) / 1024)
    assert peaks[1] - peaks[0] < 30.0  # MiB; the columns alone have 61 more

"""Files as loggers, spreadsheets and people write them: the right readings, or a refusal."""

import io
import zipfile
from fractions import Fraction

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infer._files.options import ReadingOptions
from train._errors import ColumnsError, ReadingsError
from train._readings.readings import open_readings


def read(content, skip_invalid=False, columns=None, **options):
    """Return the readings and their rows, as pairs of fractions, from text or bytes."""
    data = content.encode() if isinstance(content, str) else content
    names = {} if columns is None else dict(zip("xy", columns, strict=True))
    reading = ReadingOptions(**options)
    found = open_readings(io.BytesIO(data), skip_invalid=skip_invalid, options=reading, **names)
    rows = []
    for block in found.blocks():
        columns = [exact(column) for column in (block.x[0], block.y)]
        rows += zip(*columns, strict=True)
    return found, rows


def exact(numbers):
    if numbers.places is None:
        return [Fraction(value) for value in numbers.values.tolist()]
    return [Fraction(int(value), 10**numbers.places) for value in numbers.values]


ROWS = [(Fraction("1.5"), Fraction("2.1")), (Fraction("2.5"), Fraction("3.9"))]

# Content, the columns to read, what the names are, and what the layout says beside.
TABLES = {
    "title": ("Probe 7\n\nraw,true\n1.5,2.1\n2.5,3.9\n", ("raw", "true"), "skipped line 1"),
    "title with commas": (
        "Probe, of tank, 7\nraw,true\n1.5,2.1\n2.5,3.9\n",
        ("raw", "true"),
        "skipped line 1",
    ),
    "keys and values": (
        "Serial;123\nGain;2,5\nOperator;Jane\nraw;true\n1,5;2,1\n2,5;3,9\n",
        ("raw", "true"),
        "skipped lines 1 to 3",
    ),
    "sep=": ("sep=;\nraw;true\n1,5;2,1\n2,5;3,9\n", ("raw", "true"), "skipped line 1"),
    "a unit row": ("raw;true\nmV;°C\n1,5;2,1\n2,5;3,9\n", ("raw", "true"), "units 'mV', '°C'"),
    "a unit row in brackets": (
        "raw\ttrue\n[mV]\t(m/s^2)\n1.5\t2.1\n2.5\t3.9\n",
        ("raw", "true"),
        "units 'mV', 'm/s^2'",
    ),
    "TOA5": (
        '"TOA5","s","CR1000","29"\n"TIMESTAMP","RECORD","V","T"\n"TS","RN","mV","Deg C"\n'
        '"","","Avg","Smp"\n"2017-09-14 17:23:00",0,1.5,2.1\n"2017-09-14 17:24:00",1,2.5,3.9\n',
        ("V", "T"),
        "header on line 2",
    ),
    "HOBO": (
        '\ufeff"Plot Title: tank"\n"#","Date Time, GMT-04:00","Temp, °C (S/N: 1)","Ref, °C","End"\n'
        "1,08/22/13 03:45:09 PM,1.5,2.1,\n2,08/22/13 05:45:09 PM,2.5,3.9,Logged\n",
        ("Temp, °C (S/N: 1)", "Ref, °C"),
        "skipped line 1",
    ),
    "LabVIEW": (
        "LabVIEW Measurement\t\nWriter_Version\t2\nSeparator\tTab\nDecimal_Separator\t,\n"
        "***End_of_Header***\t\n\t\nChannels\t1\t\nDate\t2024/01/01\t\n***End_of_Header***\t\t\n"
        "X_Value\tVoltage\tComment\n1,5\t2,1\n2,5\t3,9\n",
        ("X_Value", "Voltage"),
        "header on line 10",
    ),
    "LI-COR": (
        '"OPEN 6.1.4"\n"Thr Mar 8 2012 10:42:23"\n"Unit=",\t"PSC-1"\n$STARTOFDATA$\n'
        '"Obs"\t"HHMMSS"\t"Photo"\t"Cond"\n1\t"10:43:00"\t1.5\t2.1\n2\t"10:44:00"\t2.5\t3.9\n',
        ("Photo", "Cond"),
        "header on line 5",
    ),
    "NIST": (
        "NIST/ITL StRD\nDataset Name:  Example  (E.dat)\n\nFile Format:   ASCII\n"
        "               Certified Values  (lines 11 to 12)\n  B0   -0.2    0.2\n"
        "\nData:   y           x\n       1.5         2.1\n  2.5  3.9\n  3.5  4.5\n",
        ("y", "x"),
        "header on line 8",
    ),
    "savetxt": ("# raw true\n1.5 2.1\n2.5 3.9\n", ("raw", "true"), "header on line 1"),
    "percent comments": ("% probe 7\nraw,true\n1.5,2.1\n% off\n2.5,3.9\n", ("raw", "true"), ""),
    "semicolon comments": ("; probe 7\nraw,true\n1.5,2.1\n; off\n2.5,3.9\n", ("raw", "true"), ""),
    "quotes after blanks": (
        '"raw, V", "true [V]"\n1.5, "2.1"\n 2.5, 3.9\n',
        ("raw, V", "true [V]"),
        "",
    ),
    "pandas": (",0,1\n0,1.5,2.1\n1,2.5,3.9\n", ("0", "1"), "header '', '0', '1'"),
    "names that are numbers": ("0,1\n1.5,2.1\n2.5,3.9\n3.5,4.1\n", ("0", "1"), "header '0', '1'"),
    "a count": ("3 2\n1.5 2.1\n2.5 3.9\n3.5 4.1\n", ("1", "2"), "skipped line 1"),
    "a count and names": ("2\nraw true\n1.5 2.1\n2.5 3.9\n", ("raw", "true"), "skipped line 1"),
    "a pipe's end": ("\ufeffraw,true\r\n1.5,2.1\r\n2.5,3.9\r\n\r\n  \r\n", ("raw", "true"), ""),
    "two micro signs": ("a (µV),true\n1.5,2.1\n2.5,3.9\n", ("a (μV)", "true"), ""),
    "a minus sign": ("raw;true\n1,5;2,1\n2,5;3,9\n−3;-4\n", ("raw", "true"), "decimal commas"),
    "thousands": (
        "raw;true\n1,5;2,1\n2,5;3,9\n1.234,5;1.234.567,5\n",
        ("raw", "true"),
        "thousands points in columns 'raw', 'true'",
    ),
    "apostrophes": ("raw\ttrue\n1.5\t2.1\n2.5\t3.9\n1'000\t1’000.5\n", ("raw", "true"), ""),
}


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("skip_invalid", [False, True])
def test_the_table_is_found_and_what_is_skipped_is_said(kind, skip_invalid):
    content, columns, said = TABLES[kind]
    found, rows = read(content, skip_invalid, columns)
    assert rows[:2] == ROWS
    assert said in found.layout
    assert found.left_out_count == 0


def test_units_go_with_their_columns():
    found, _ = read("t;raw;true\ns;mV;-\n1;1,5;2,1\n2;2,5;3,9\n", columns=("raw", "true"))
    assert (found.x_units, found.y_unit) == (("mV",), "1")


def test_a_decimal_comma_far_down_counts():
    rows = "".join(f"{20 + i % 5};{40 + i % 7}\n" for i in range(5000)) + "20,25;40,5\n"
    _, found = read(f"raw;true\n{rows}")
    assert found[-1] == (Fraction("20.25"), Fraction("40.5"))
    assert len(found) == 5001


def test_a_thousands_point_far_down_counts():
    rows = "20,5;40,5\n" * 40_000 + "1.020,25;40,5\n"
    _, found = read(f"raw;true\n{rows}")
    assert found[-1] == (Fraction("1020.25"), Fraction("40.5"))


# Content, options that decide, and both readings of the first value.
AMBIGUOUS = {
    "commas": ("raw\ttrue\n1,000\t0.51\n1,250\t1.01\n", {"decimal": ","}, 1),
    "points": ("raw;true\n1.500;2,1\n2.500;3,9\n", {"thousands": True}, 1500),
    "points alone": ("raw;true\n1.500;2.100\n2.500;3.900\n", {"decimal": "."}, Fraction("1.5")),
    "quoted": ('raw,true\n"1,500",2\n"2,500",4\n', {"thousands": True}, 1500),
}


@pytest.mark.parametrize("kind", AMBIGUOUS)
@pytest.mark.parametrize("skip_invalid", [False, True])
def test_a_sign_before_three_digits_is_refused(kind, skip_invalid):
    content, _, _ = AMBIGUOUS[kind]
    with pytest.raises(ReadingsError) as caught:
        read(content, skip_invalid)
    said = str(caught.value)
    cell = content.splitlines()[1].replace('"', "").replace("\t", ";").split(";")[0][:5]
    assert f"line 2, column 'raw': {cell} is {cell.replace(',', '.')} or" in said
    assert "--decimal" in said
    assert "--thousands" in said


@pytest.mark.parametrize("kind", ["points", "points alone", "quoted"])
def test_an_option_decides_it(kind):
    content, options, first = AMBIGUOUS[kind]
    _, rows = read(content, **options)
    assert rows[0][0] == first


@pytest.mark.parametrize(
    "content",
    [
        "raw;true\n0.500;1\n1.500;2\n",
        "raw;true\n1.500;1\n1234.500;2\n",
        "raw;true\n1.500;1\n1.50;2\n",
        "raw;true\n1.500;0.5\n2.500;2\n",
    ],
)
def test_other_cells_settle_a_point(content):
    _, rows = read(content)
    assert Fraction(3, 2) in [x for x, _ in rows]


@pytest.mark.parametrize("delimiter", [",", " "])
def test_points_between_commas_are_assumed_to_be_decimal_and_it_is_said(delimiter):
    text = "raw,true\n1.500,2.500\n2.500,3.500\n".replace(",", delimiter)
    found, rows = read(text)
    assert rows == [(Fraction(3, 2), Fraction(5, 2)), (Fraction(5, 2), Fraction(7, 2))]
    assert "decimal points assumed (else type --thousands: 1.500)" in found.layout
    assert "assumed" not in read(text, decimal=".")[0].layout
    assert read(text, thousands=True)[1] == [(1500, 2500), (2500, 3500)]
    with pytest.raises(ReadingsError, match=r"1\.500 is 1\.500 or 1500"):
        read(text.replace("3.500", "4").replace("2.500", "2"))


# Content, options if any, and what the refusal names.
REFUSED = {
    "both signs in a column": (
        "raw;true\n1,5;2\n2.5;3\n",
        {},
        "1,5 has a decimal comma, and 2.5 on line 3 a decimal point; type --decimal",
    ),
    "a header or a bad reading": ("id,2020\n1,2.5\n2,3.5\n", {}, "type --header 1 if"),
    "fewer names than columns": ("a,b\n1,2,3\n2,3,4\n", {}, "2 names for 3 columns; type --header"),
    "one column or two": ("t\n1,5\n2,7\n", {}, "type --decimal , or --delimiter ,"),
    "no such line": ("a,b\n1,2\n", {"header": 7}, "--header 7: there is nothing on line 7"),
    "no such encoding": ("a,b\n1,2\n", {"encoding": "utf-7b"}, "--encoding utf-7b: no such"),
    "underscores": ("a,b\n1,2\n1_000,3\n", {}, "text '1_000', expected a number"),
    "a comma where points are": ("a;b\n1,500;2\n", {"decimal": "."}, "--thousands if it is 1500"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_nobody_can_know_is_refused_with_the_option(kind):
    content, options, said = REFUSED[kind]
    with pytest.raises((ReadingsError, ColumnsError)) as caught:
        read(content, **options)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("content", "options"),
    [
        ("1 2\n1 3\nraw true\n1.5 2.1\n2.5 3.9\n", {"header": 3}),
        ("1,2\n3,4\n1.5,2.1\n2.5,3.9\n", {"skip_lines": 2}),
        ("1,2\nraw,true\n1.5,2.1\n2.5,3.9\n", {"skip_lines": 1}),
        ("raw:true\n1,5:2,1\n2,5:3,9\n", {"delimiter": ":"}),
        ("raw,true\n1.5,2.1\n@ off,1\n2.5,3.9\n", {"comment": "@"}),
        ("1.5,2.1\n2.5,3.9\n", {"header": 0}),
        ("r\xe4w,true\n1.5,2.1\n2.5,3.9\n".encode("cp1252"), {"encoding": "cp1252"}),
        ("raw,true\n1.5,2.1\n2.5,3.9\n".encode("utf-16-le"), {"encoding": "utf-16-le"}),
        ("raw,true\n1.5,2.1\n-9999,1\n-9999.0,1\n2,OL\n2.5,3.9\n", {"missing": ("-9999", "ol")}),
    ],
)
def test_options_decide(content, options):
    assert read(content, **options)[1] == ROWS


def test_declared_missing_readings_are_left_out_and_counted():
    found, rows = read("a,b\n1.5,2.1\n2,-9999\n2.5,3.9\n", missing=("-9999",))
    assert rows == ROWS
    assert [tuple(row)[:2] for row in found.left_out] == [
        (3, "column 'b': missing, as --missing says")
    ]
    with pytest.raises(ReadingsError, match="line 4, column 'b': missing"):
        read("a,b\n1.5,2.1\n2,-9999\n2.5,\n", missing=("-9999",))


# Workbooks.


def workbook(*sheets, hidden=()):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets:
        sheet = book.create_sheet(title)
        if title in hidden:
            sheet.sheet_state = "hidden"
        for row, cells in rows.items():
            for column, value in enumerate(cells, start=1):
                sheet.cell(row, column, value)
    sink = io.BytesIO()
    book.save(sink)
    return sink.getvalue()


TABLE = {4: [None, "raw", "true"], 5: [None, "mV", "bar"], 6: [None, 1, 2], 7: [None, 2, 4]}


def test_a_table_stands_anywhere_in_a_workbook():
    cover = ("Cover", {1: ["Certificate 123"], 2: ["Date", "2024-01-01"]})
    data = workbook(cover, ("Old", TABLE), ("Data", {2: ["Title"], **TABLE}), hidden=("Old",))
    found, rows = read(data)
    assert rows == [(1, 2), (2, 4)]
    assert found.x_names == ("raw",)
    assert (found.x_units, found.y_unit) == (("mV",), "bar")
    assert found.layout == (
        "Excel, sheet 'Data', 2 columns, header in row 4 'raw', 'true', units 'mV', 'bar', "
        "skipped row 2"
    )


def test_a_sheet_is_chosen():
    other = {1: ["raw", "true"], 2: [5, 6], 3: [7, 8]}
    data = workbook(("A", TABLE), ("B", other))
    assert "1 more sheet holds a table, see --sheet" in read(data)[0].layout
    assert read(data, sheet="B")[1] == read(data, sheet="2")[1] == [(5, 6), (7, 8)]
    with pytest.raises(ColumnsError, match=r"--sheet 'C': no such sheet\. Sheets: 'A', 'B'"):
        read(data, sheet="C")


def test_a_formula_without_value_says_what_to_do():
    data = workbook(("A", {1: ["raw", "true"], 2: [1, "=A2*2"], 3: [2, "=A3*2"]}))
    with pytest.raises(ReadingsError, match="a formula that no program has computed; open the"):
        read(data)


def test_a_number_as_text_says_what_to_do():
    data = workbook(("A", {1: ["raw", "true"], 2: [1, "2,5"], 3: [2, 3]}))
    with pytest.raises(ReadingsError, match="a number as text; turn the column into numbers"):
        read(data)


def test_a_password_is_told_from_an_old_workbook():
    container = b"\xd0\xcf\x11\xe0" + bytes(600)
    with pytest.raises(ReadingsError, match=r"an old Excel workbook \(.xls\)"):
        read(container)
    with pytest.raises(ReadingsError, match="a workbook with a password; save it without one"):
        read(container + "EncryptedPackage".encode("utf-16-le"))


def test_a_small_dimension_is_not_believed():
    data, sink = workbook(("A", {1: ["x", "y"], **{n: [n, 2 * n] for n in range(2, 30)}})), None
    sink = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(sink, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b'"A1:B29"', b'"A1:B3"'))
    assert len(read(sink.getvalue())[1]) == 28


# A known table in any dialect: exactly it, or a refusal.

_PREAMBLES = ["", "Probe 7\n", "Serial{d}123\nOperator{d}Jane\n\n", "# a comment\n", "Title, one\n"]


@st.composite
def dialects(draw):
    """Return a text, and the exact rows that it holds."""
    decimal = draw(st.sampled_from(".,"))
    delimiter = draw(st.sampled_from([",", ";", "\t", "|", " "]))
    thousands = draw(st.sampled_from(["", "", "." if decimal == "," else ",", "'", "\u202f"]))
    if (delimiter, thousands) in ((" ", "\u202f"), (" ", "."), (",", ".")):
        thousands = ""  # nobody writes so, and points there are assumed to be decimal
    places = draw(st.integers(0, 4))
    fixed = draw(st.booleans())
    values = st.integers(-(10 ** draw(st.integers(1, 7))), 10 ** draw(st.integers(1, 7)))
    table = draw(st.lists(st.tuples(values, values), min_size=2, max_size=12))
    quote = draw(st.booleans()) and delimiter != " "
    after = draw(st.sampled_from(["", " "])) if delimiter in ",;" else ""

    def written(value):
        digits = f"{abs(value):0{places + 1}d}"
        whole, rest = digits[: len(digits) - places], digits[len(digits) - places :]
        grouped = f"{int(whole):,}".replace(",", thousands)
        rest = rest if fixed else rest.rstrip("0")
        text = f"{'-' if value < 0 else ''}{grouped}{decimal + rest if rest else ''}"
        needs = quote or delimiter in text
        return f'"{text}"' if needs else text

    header = draw(
        st.sampled_from(["raw{d}true\n", '"raw"{d}"true"\n', "raw{d}true\nmV{d}°C\n", ""])
    )
    if quote is False and delimiter == " ":
        header = header.replace('"', "")
    lines = [draw(st.sampled_from(_PREAMBLES)), header]
    rows = []
    for x, y in table:
        if draw(st.integers(0, 9)) == 0:
            lines.append("# between\n")
        lines.append(f"{written(x)}{{d}}{written(y)}\n")
        rows.append(tuple(Fraction(value, 10**places) for value in (x, y)))
    text = "".join(lines).replace("{d}", delimiter + after)
    codec = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1"]))
    if codec == "latin-1" and thousands == "\u202f":
        codec = "utf-8"
    return text.replace("\n", draw(st.sampled_from(["\n", "\r\n", "\r"]))).encode(codec), rows


@given(dialects(), st.booleans())
def test_any_dialect_gives_the_table_or_a_refusal(dialect, skip_invalid):
    data, rows = dialect
    try:
        found, read_rows = read(data, skip_invalid)
    except ReadingsError:
        return
    assert read_rows == rows
    assert found.left_out_count == 0

"""Arrow, Parquet and Excel files that lie about what they hold, are damaged, or fill the memory."""

import io
import json
import random
import struct
import subprocess
import sys
import time
import zipfile
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import train
from infer._files._tables import thrift
from train._errors import CalibrationError, DamagedFileError, ReadingsError
from train._readings.readings import open_readings

ROWS = 23
TABLE = pa.table({"x": np.arange(ROWS) + 0.5, "y": np.arange(ROWS) * 2.0})
LIES = struct.pack("<q", ROWS), struct.pack("<q", ROWS + 2)


def ipc(kind, table=TABLE, **options):
    sink = io.BytesIO()
    new = pa.ipc.new_file if kind == "file" else pa.ipc.new_stream
    rows = options.pop("rows", None)
    with new(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=rows)
    return sink.getvalue()


def read(content, tmp_path):
    path = tmp_path / "readings.bin"
    path.write_bytes(content)
    readings = open_readings(path)
    blocks = list(readings.blocks())
    return [value for block in blocks for value in block.x[0].as_doubles().tolist()]


def refused(content, tmp_path, problem, error=DamagedFileError):
    with pytest.raises(error) as caught:
        read(content, tmp_path)
    assert str(tmp_path / "readings.bin") in str(caught.value)
    assert problem in str(caught.value)
    return caught.value


# Arrow.


@pytest.mark.parametrize("kind", ["file", "stream"])
@pytest.mark.parametrize("codec", [None, "lz4"])
def test_rows_that_the_buffers_do_not_hold_are_not_read(kind, codec, tmp_path):
    content = ipc(kind, compression=codec)
    assert read(content, tmp_path) == TABLE["x"].to_pylist()
    error = refused(content.replace(*LIES), tmp_path, "not what 25 numbers of 64 bits take")
    assert error.exit_code == 1


def test_a_table_in_memory_is_checked_too():
    with pa.ipc.open_stream(ipc("stream").replace(*LIES)) as reader:
        table = reader.read_all()
    for x, y in ((table["x"], table["y"]), (table["x"].chunk(0), table["y"].chunk(0))):
        with pytest.raises(CalibrationError, match=r"x is not a valid Arrow array: .*too small"):
            train.calibrate(x, y)
    assert train.calibrate(TABLE["x"], TABLE["y"]).n == ROWS


def with_nulls(kind, codec=None):
    """Return a file with one null, and the same file with a header that claims none."""
    values = [None if row == 3 else row + 0.5 for row in range(ROWS)]
    content = ipc(kind, pa.table({"x": values, "y": TABLE["y"]}), compression=codec)
    claim = struct.pack("<qq", ROWS, 1)
    assert content.count(claim) == 1
    return content, content.replace(claim, struct.pack("<qq", ROWS, 0))


@pytest.mark.parametrize("kind", ["file", "stream"])
@pytest.mark.parametrize("codec", [None, "zstd"])
def test_nulls_that_the_header_hides_are_found(kind, codec, tmp_path):
    content, lying = with_nulls(kind, codec)
    refused(content, tmp_path, "row 4, column 'x': missing", ReadingsError)
    refused(lying, tmp_path, "claims no nulls, and a bitmap with some")


def test_a_stream_cut_between_two_batches_is_not_whole(tmp_path):
    content = ipc("stream", rows=10)
    end = content.rindex(b"\xff\xff\xff\xff\0\0\0\0")
    for cut in (content[:end], content[:-4]):
        refused(cut, tmp_path, "it is cut short")


def test_a_footer_that_leaves_out_a_batch_is_found(tmp_path):
    content = bytearray(ipc("file", rows=10))
    start = len(content) - 10 - struct.unpack("<i", content[-10:-6])[0]
    # The list of batches: three blocks of 24 bytes behind their number; now two.
    at = content.index(struct.pack("<I", 3), start)
    content[at : at + 4] = struct.pack("<I", 2)
    refused(bytes(content), tmp_path, "its footer lists other batches than the file holds")


def test_a_footer_with_other_columns_is_found(tmp_path):
    decimals = pa.array([Decimal("1.10"), Decimal("2.35")], pa.decimal128(9, 2))
    content = bytearray(ipc("file", pa.table({"x": decimals, "y": decimals})))
    at = content.rindex(struct.pack("<ii", 9, 2))
    content[at + 4] = 1  # places: 11.0 instead of 1.10
    refused(bytes(content), tmp_path, "its footer names other columns than its beginning")


def test_an_index_beyond_its_dictionary_is_found(tmp_path):
    table = pa.table({"x": pa.array([7.5, 8.5] * 4).dictionary_encode(), "y": range(8)})
    codes = struct.pack("<8i", *[0, 1] * 4)
    content = ipc("file", table)
    assert read(content, tmp_path) == [7.5, 8.5] * 4
    bad = content.replace(codes, struct.pack("<8i", *[0, 1] * 3, 0, 9))
    refused(bad, tmp_path, "cannot be read as such")


def test_decimals_of_every_length_stay_exact(tmp_path):
    texts = ["12345678901234567890123456789012345.678", "-0.001", "1e34"]
    column = pa.array([Decimal(text) for text in texts], pa.decimal128(38, 3))
    path = tmp_path / "long.arrow"
    path.write_bytes(ipc("file", pa.table({"x": column, "y": [1, 2, 3]})))
    (block,) = open_readings(path).blocks()
    found = [Fraction(int(value), 1000) for value in block.x[0].values]
    assert found == [Fraction(Decimal(text)) for text in texts]


def test_what_is_no_number_is_not_even_read(tmp_path):
    words = pa.array(["a", "b"]).dictionary_encode()
    refused(
        ipc("file", pa.table({"x": words, "y": [1, 2]})),
        tmp_path,
        "column 'x' holds values of type dictionary<values=string",
        ReadingsError,
    )


# Parquet.


def parquet_file(change=lambda content: None, **options):
    """Return a Parquet file whose footer a function changed."""
    sink = io.BytesIO()
    parquet.write_table(TABLE, sink, compression="none", **options)
    data = sink.getvalue()
    start = len(data) - 8 - struct.unpack("<I", data[-8:-4])[0]
    content = thrift.decode(data[start:-8])
    change(content)
    footer = thrift.encode(content)
    return data[:start] + footer + struct.pack("<I", len(footer)) + b"PAR1"


def claim(rows, *places):
    """Return a change: the file, its row group, or a column of it has that many rows."""

    def change(content):
        field = thrift.Field(thrift.I64, rows)
        group = content[4].value.values[0]
        for place in places:
            if place == "file":
                content[3] = field
            elif place == "group":
                group[3] = field
            else:
                group[1].value.values[place][3].value[5] = field

    return change


@pytest.mark.parametrize("rows", [20, 25, -1, 2**62])
@pytest.mark.parametrize("dictionary", [True, False])
@pytest.mark.parametrize(
    ("places", "problem"),
    [
        (["file"], "row groups 23"),
        (["group"], "claims 23 rows, its row groups"),
        (["file", "group"], "values in"),
        ([0], "column 'x': it claims"),
        ([1], "column 'y': it claims"),
        (["file", "group", 0, 1], "its pages 23 values"),
    ],
)
def test_parquet_that_claims_other_rows_is_not_read(rows, dictionary, places, problem, tmp_path):
    plain = parquet_file(use_dictionary=dictionary)
    assert read(plain, tmp_path) == TABLE["x"].to_pylist()
    content = parquet_file(claim(rows, *places), use_dictionary=dictionary)
    refused(content, tmp_path, "claims" if rows < 0 else problem)


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_a_page_that_claims_more_values_than_it_holds_is_found(version, tmp_path):
    for rows in (20, 25):
        content = parquet_file(
            claim(rows, "file", "group", 0, 1), use_dictionary=False, data_page_version=version
        )
        first = content.index(b"PAR1") + 4
        header, end = thrift.decode_at(content, first)
        place = 5 if version == "1.0" else 8
        header[place].value[1] = thrift.Field(thrift.I32, rows)
        changed = thrift.encode(header)
        assert len(changed) == end - first
        refused(content[:first] + changed + content[end:], tmp_path, "cannot be read as such")


def test_a_page_with_another_checksum_is_damaged(tmp_path):
    content = bytearray(parquet_file(use_dictionary=False, write_page_checksum=True))
    assert read(bytes(content), tmp_path) == TABLE["x"].to_pylist()
    at = content.index(struct.pack("<d", 5.5))
    content[at] ^= 1
    refused(bytes(content), tmp_path, "CRC checksum verification failed")


# Excel.


TYPES = "application/vnd.openxmlformats-officedocument.spreadsheetml"
KINDS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"


def relations(*targets):
    rows = [
        f'<Relationship Id="r{n}" Type="{KINDS}/{kind}" Target="{target}"/>'
        for n, (kind, target) in enumerate(targets)
    ]
    return f'<Relationships xmlns="{RELATIONS}">{"".join(rows)}</Relationships>'


def cells(row):
    if row == 1:
        return '<c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c>'
    return f'<c r="A{row}"><v>{row - 1}</v></c><c r="B{row}" t="n"><v>{2 * row}</v></c>'


PARTS = {
    "_rels/.rels": relations(("officeDocument", "xl/workbook.xml")),
    "xl/_rels/workbook.xml.rels": relations(
        ("styles", "styles.xml"),
        ("sharedStrings", "/xl/sharedStrings.xml"),
        ("externalLink", "file:///etc/passwd"),
        ("worksheet", "worksheets/sheet1.xml"),
    ),
    "xl/workbook.xml": f'<workbook {MAIN} xmlns:r="{KINDS}"><sheets>'
    '<sheet name="S" sheetId="1" r:id="r3"/></sheets></workbook>',
    "xl/styles.xml": f'<styleSheet {MAIN}><fills/><cellXfs><xf numFmtId="0"/></cellXfs>'
    "</styleSheet>",
    "xl/sharedStrings.xml": f"<sst {MAIN}><si><t>raw</t></si><si><t>true</t></si></sst>",
    "xl/theme/theme1.xml": "<a/>",
    "xl/worksheets/sheet1.xml": f'<worksheet {MAIN}><dimension ref="A1:B20"/><sheetData>'
    + "".join(f'<row r="{row}">{cells(row)}</row>' for row in range(1, 21))
    + "</sheetData></worksheet>",
}


def workbook(parts=PARTS, **changes):
    """Return a workbook of 20 rows, in which parts are changed by what their path contains."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, text in parts.items():
            data = text.encode()
            for key, change in changes.items():
                if key in name:
                    data = change(data)
            archive.writestr(name, data)
    return sink.getvalue()


def replacing(old, new):
    def change(data):
        assert data.count(old) >= 1
        return data.replace(old, new)

    return change


ALL = [float(n) for n in range(1, 20)]


@pytest.mark.parametrize("stated", [b"A1:B8", b"A1", b"C5:D9", b"A1:XFD1048576", b"nonsense"])
def test_the_size_that_a_sheet_states_is_not_believed(stated, tmp_path):
    content = workbook(sheet1=replacing(b"A1:B20", stated))
    assert read(content, tmp_path) == ALL


def test_parts_that_hold_no_cells_may_be_anything(tmp_path):
    styles = replacing(b"<fills/>", b"<fills><fill/></fills><cellStyles><q/></cellStyles>")
    for changes in ({"styles": styles}, {"theme": lambda _: b"<"}):
        assert read(workbook(**changes), tmp_path) == ALL


def test_a_workbook_of_another_library_is_read_alike(tmp_path):
    import openpyxl

    book = openpyxl.Workbook()
    for row in [("raw", "true"), *((n, 2.0 * n) for n in range(1, 20))]:
        book.active.append(row)
    sink = io.BytesIO()
    book.save(sink)
    assert read(sink.getvalue(), tmp_path) == ALL


def test_rows_and_cells_need_not_say_where_they_are(tmp_path):
    def bare(data):
        for row in range(1, 21):
            data = data.replace(b' r="A%d"' % row, b"").replace(b' r="B%d"' % row, b"")
            data = data.replace(b'<row r="%d"' % row, b"<row")
        return data

    assert read(workbook(sheet1=bare), tmp_path) == ALL


def test_names_with_a_prefix_and_texts_of_several_runs_are_read(tmp_path):
    def prefixed(data):
        data = data.replace(b"xmlns=", b"xmlns:x=").replace(b"</", b"</x:")
        return data.replace(b"<", b"<x:").replace(b"<x:/x:", b"</x:")

    runs = (
        b"<si><r><t>ra</t></r><r><t>w</t></r><rPh><t>no</t></rPh></si>"
        b"<si><t>tr_x0075_e_xD800_</t></si>"
    )
    content = workbook(
        sheet1=prefixed,
        sharedStrings=lambda data: data[: data.index(b"<si>")] + runs + b"</sst>",
    )
    path = tmp_path / "names.xlsx"
    path.write_bytes(content)
    assert open_readings(path).x_names == ("raw",)
    assert open_readings(path).y_name == "true_xD800_"


LYING_SHEETS = {
    "a row beyond the last": (replacing(b'<row r="20"', b'<row r="2000000000"'), "Excel's last"),
    "a cell in another row": (replacing(b'r="A20"', b'r="A21"'), "row 20 has a cell A21"),
    "rows in no order": (replacing(b'<row r="20"', b'<row r="3"'), "row 3 comes after row 19"),
    "a row twice": (replacing(b'<row r="20"', b'<row r="19"'), "row 19 comes after row 19"),
    "a cell twice": (replacing(b'r="B20"', b'r="A20"'), "row 20 has cells that are out of order"),
    "a column beyond": (replacing(b'r="B20"', b'r="XFE20"'), "more than 16,384 columns"),
    "no cell's name": (replacing(b'r="B20"', b'r="B-20"'), "row 20 has a cell 'B-20'"),
    "no row's number": (replacing(b'<row r="20"', b'<row r="1e1"'), "numbers a row '1e1'"),
    "no text's number": (replacing(b'<c r="A1" t="s"><v>0', b'<c r="A1" t="s"><v>-1'), "'-1'"),
    "a text that is not there": (
        replacing(b'<c r="A1" t="s"><v>0', b'<c r="A1" t="s"><v>2'),
        "cell A1 is text 2 of 2",
    ),
    "no number": (replacing(b"<v>19</v>", b"<v>1_9</v>"), "cell A20 holds '1_9' for a number"),
    "an unknown type": (replacing(b'r="B20" t="n"', b'r="B20" t="q"'), "cell B20 is of type 'q'"),
    "no end": (lambda data: data[:-40], "is no XML"),
    "a document type": (
        lambda data: b'<!DOCTYPE a [<!ENTITY b "b">]>' + data.replace(b"<v>19</v>", b"<v>&b;</v>"),
        "declares a document type",
    ),
    "another code": (
        lambda data: b'<?xml version="1.0" encoding="cp037"?>' + data,
        "is encoded as 'cp037'",
    ),
}


@pytest.mark.parametrize("lie", LYING_SHEETS)
def test_a_sheet_that_contradicts_itself_is_not_read(lie, tmp_path):
    change, problem = LYING_SHEETS[lie]
    refused(workbook(sheet1=change), tmp_path, problem)


def test_an_archive_that_is_no_workbook_says_what_is_wrong(tmp_path):
    plain = workbook()
    with zipfile.ZipFile(io.BytesIO(plain)) as archive:
        entry = archive.getinfo("xl/worksheets/sheet1.xml")
    twice = io.BytesIO(plain)
    with zipfile.ZipFile(twice, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(entry.filename, b"<worksheet/>")
    refused(twice.getvalue(), tmp_path, "holds xl/worksheets/sheet1.xml 2 times")
    encrypted = bytearray(plain)
    directory = plain.rindex(b"PK\x01\x02", 0, plain.rindex(b"xl/worksheets/sheet1.xml"))
    encrypted[directory + 8] |= 1
    refused(bytes(encrypted), tmp_path, "without a password")
    method = bytearray(plain)
    method[directory + 10] = 14
    refused(bytes(method), tmp_path, "compressed in a way that workbooks are not")
    wrong = bytearray(plain)
    wrong[entry.header_offset + 30 + len(entry.filename) + 200] ^= 0x55
    refused(bytes(wrong), tmp_path, "no .xlsx workbook")
    root = PARTS["_rels/.rels"].replace("workbook.xml", "workbook.bin")
    binary = workbook({**PARTS, "_rels/.rels": root})
    refused(binary, tmp_path, "binary workbook (.xlsb); save it as .xlsx")
    empty = workbook(**{"workbook.xml.rels": replacing(b"relationships/worksheet", b"q")})
    refused(empty, tmp_path, "it has no sheet of cells")
    del (parts := dict(PARTS))["xl/sharedStrings.xml"]
    refused(workbook(parts), tmp_path, "holds xl/sharedStrings.xml 0 times")


def test_dates_are_no_numbers_whatever_epoch_they_count_from(tmp_path):
    import datetime

    import openpyxl

    for epoch in (openpyxl.utils.datetime.WINDOWS_EPOCH, openpyxl.utils.datetime.MAC_EPOCH):
        book = openpyxl.Workbook()
        book.epoch = epoch
        book.active.append([datetime.datetime(2024, 1, 2, 3, 4, 5), 1.0])
        book.active["A2"], book.active["B2"] = 1.0, 2.0
        book.active["A2"].number_format = '0.00 "days"'
        sink = io.BytesIO()
        book.save(sink)
        found = refused(sink.getvalue(), tmp_path, "row 1, column 1: 2024-01-02 ", ReadingsError)
        assert "2024-01-02 03:04:0" in str(found)


# What is small in a file and large in memory: refused or read, within seconds and a few megabytes.


def inflating():
    """An Arrow file of 2 GB of zeros in a few hundred kilobytes."""
    zeros = pa.table({"x": np.zeros(1 << 23), "y": np.zeros(1 << 23)})
    sink = io.BytesIO()
    with pa.ipc.new_file(
        sink, zeros.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")
    ) as writer:
        for _ in range(16):
            writer.write_table(zeros)
    return sink.getvalue()


def claiming():
    """A compressed buffer that claims to inflate to 2**62 bytes."""
    content = ipc("stream", compression="lz4")
    return content.replace(struct.pack("<q", 8 * ROWS), struct.pack("<q", 1 << 62))


def endless():
    """A batch of 2**50 rows of nothing."""
    content = ipc("stream", pa.table({"x": pa.nulls(ROWS), "y": pa.nulls(ROWS)}))
    return content.replace(struct.pack("<q", ROWS), struct.pack("<q", 1 << 50))


def sheet_of(row, count):
    def change(data):
        start, end = data.index(b"<row"), data.index(b"</sheetData>")
        return data[:start] + row * count + data[end:]

    return workbook(sheet1=change)


def texts(one, count):
    return workbook(sharedStrings=lambda data: data[: data.index(b"<si>")] + one * count)


# Beside each what it says; None for nothing.
BOMBS = {
    "Arrow that claims to inflate": (claiming, "inflates to"),
    "Arrow of nothing": (endless, "claims 1,125,899,906,842,624 rows"),
    "a row far away": (lambda: workbook(sheet1=replacing(b"20", b"2000000000")), "Excel's last"),
    "cells of a row": (lambda: sheet_of(b"<row>" + b"<c/>" * 17_000, 1), "16,384 columns"),
    "tags in tags": (lambda: sheet_of(b"<q>", 2_000_000), "more than 256 deep"),
    "one tag": (lambda: sheet_of(b"<q " + b"a" * 9_000_000, 1), "a tag of more than"),
    "one comment": (lambda: sheet_of(b"<!--" + b"a" * 9_000_000, 1), "a tag of more than"),
    "blanks": (lambda: sheet_of(b" " * 9_000_000, 1), "inflates to more than 8,388,608 bytes"),
    "one text": (lambda: texts(b"<si><t>" + b"a" * 8_000_000, 1), "no element found"),
    "formats": (lambda: formats(900_000), None),
    "parts": (lambda: many_parts(70), "far more parts than a workbook has"),
}
SLOW_BOMBS = {
    "Arrow that inflates": (inflating, "inflates to"),
    "texts": (lambda: texts(b"<si><t>a</t></si>", 1_000_000), "inflates to more than"),
    "no texts": (lambda: texts(b"<si/>", 1_500_000), "no element found"),
    "rows": (lambda: sheet_of(b"<row/>", 1_100_000), "Excel's last one is 1,048,576"),
    "rows of a cell": (
        lambda: sheet_of(b'<row><c t="str"><v>a</v></c></row>', 200_000),
        "only one column",
    ),
    "tags": (lambda: sheet_of(b"<q/>", 2_000_000), "is empty"),
    "styles": (
        lambda: workbook(styles=replacing(b"<xf ", b"<xf/>" * 1_500_000 + b"<xf ")),
        None,
    ),
}
READ = """
import json, resource, sys, time
from pathlib import Path
from train._readings.readings import open_readings
from train._errors import ReadingsError
import pyarrow, pyarrow.parquet
found = {}
for path in sys.argv[1:]:
    before, begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    said = ""
    try:
        for block in open_readings(Path(path)).blocks():
            pass
    except ReadingsError as error:
        said = str(error)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found[Path(path).name] = [said, time.process_time() - begin, (after - before) / 1024]
print(json.dumps(found))
"""


def formats(count):
    code = b'<numFmt numFmtId="9" formatCode="' + b"[" * count + b'"/>'
    return workbook(styles=replacing(b"<fills/>", code))


def many_parts(count):
    sink = io.BytesIO(workbook())
    with zipfile.ZipFile(sink, "a") as archive:
        for number in range(count):
            entry = zipfile.ZipInfo(f"q{number}")
            entry.comment = bytes(65_000)  # in the directory, where names are, too
            archive.writestr(entry, b"")
    return sink.getvalue()


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak where Linux tells it")
@pytest.mark.parametrize("bombs", [BOMBS, pytest.param(SLOW_BOMBS, marks=pytest.mark.slow)])
def test_a_bomb_takes_seconds_and_little_memory(bombs, tmp_path):
    paths = []
    for number, (make, _) in enumerate(bombs.values()):
        paths.append(tmp_path / str(number))
        paths[-1].write_bytes(make())
        assert paths[-1].stat().st_size < 20_000_000
    result = subprocess.run(
        [sys.executable, "-c", READ, *map(str, paths)], capture_output=True, text=True, check=True
    )
    found = json.loads(result.stdout)
    for path, (name, (_, problem)) in zip(paths, bombs.items(), strict=True):
        said, seconds, megabytes = found[path.name]
        print(f"{name}: {seconds:.2f} s, {megabytes:.0f} MB: {said}")  # noqa: T201
        assert seconds < 10, name
        assert megabytes < 200, name
        assert (problem or "") in said, name
        assert said.startswith(str(path)) or problem is None, name


# Text.


def test_a_cell_without_end_is_told_with_its_file(tmp_path):
    content = b'"' + b"a" * 200_000 + b"\n1,2\n"
    refused(content, tmp_path, "readings.bin, line 1: field larger", ReadingsError)


def test_a_table_wider_than_a_cell_may_be_is_read(tmp_path):
    columns = [f"column_{number}_{'long' * 30}" for number in range(1_200)]
    path = tmp_path / "wide.csv"
    rows = [",".join("12"[row] for _ in columns) for row in range(2)]
    path.write_text("\n".join([",".join(columns), *rows]))
    readings = open_readings(path, x=columns[7], y="1200")
    (block,) = readings.blocks()
    assert block.y.values.tolist() == [1, 2]
    assert readings.layout.endswith("…' and 1,150 more")
    with pytest.raises(ReadingsError) as caught:
        open_readings(path)
    assert len(str(caught.value)) < 5000


def test_very_many_columns_take_seconds(tmp_path):
    path = tmp_path / "commas.csv"
    path.write_text("x,y" + "," * 40_000 + "\n1,2" + "," * 40_000 + "\n3,4\n")
    begin = time.process_time()
    (block,) = open_readings(path, skip_invalid=True).blocks()
    assert block.y.values.tolist() == [2, 4]
    assert time.process_time() - begin < 5


def test_damage_anywhere_is_told_or_harmless(tmp_path):
    generator = random.Random(5)  # noqa: S311 - the same in each run
    files = [ipc("file"), ipc("stream", compression="zstd"), parquet_file(), workbook()]
    for content in files:
        for _ in range(60):
            damaged = bytearray(content)
            for _ in range(generator.randrange(1, 4)):
                damaged[generator.randrange(8, len(damaged))] = generator.randrange(256)
            try:
                read(bytes(damaged), tmp_path)
            except ReadingsError as error:
                assert "readings.bin" in str(error)  # noqa: PT017

"""``infer score`` on Arrow and Parquet files that lie about what they hold, or are damaged."""

import io
import json
import random
import struct
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import infer
from infer._errors import DataError, InputError
from infer._files._tables import damage, parquet_footer, thrift

ROWS = 23
TABLE = pa.table(
    {
        "t_u": np.arange(ROWS) + 0.5,
        "word": [f"w{row}" for row in range(ROWS)],
        "code": pa.array(["a", "b", "c"] * 8)[:ROWS].dictionary_encode(),
    }
)
LIES = struct.pack("<q", ROWS), struct.pack("<q", ROWS + 2)


def ipc(kind, table=TABLE, rows=None, **options):
    sink = io.BytesIO()
    new = pa.ipc.new_file if kind == "arrow" else pa.ipc.new_stream
    with new(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=rows)
    return sink.getvalue()


@pytest.fixture
def scored(tmp_path, score):
    """Return a function that scores some bytes; gives what was written, or what was said."""

    def run(content, ending, *, code=0):
        source, target = tmp_path / f"in.{ending}", tmp_path / f"out.{ending}"
        for path in tmp_path.iterdir():
            path.unlink()
        source.write_bytes(content)
        options = ["--model", "f2c", "--column", "t_u", "--force"]
        got, output = score(source, target, *options)
        assert got == code, output
        if code:
            assert f"Error: {source}: " in output
            assert [path.name for path in tmp_path.iterdir()] == [source.name]
            return output
        return target.read_bytes()

    return run


# Arrow.


@pytest.mark.parametrize("kind", ["arrow", "arrows"])
@pytest.mark.parametrize("codec", [None, "lz4"])
def test_rows_that_the_buffers_do_not_hold_are_not_scored(kind, codec, scored):
    content = ipc(kind, compression=codec)
    scored(content, kind)
    assert "not what 25 numbers of 64 bits" in scored(content.replace(*LIES), kind, code=1)


def test_other_columns_are_checked_too(scored):
    content = ipc("arrow")
    word = struct.pack("<4i", 16, 18, 20, 23)
    assert content.count(word) == 1
    far = content.replace(word, struct.pack("<4i", 16, 18, 1 << 30, 23))
    assert "is damaged" in scored(far, "arrow", code=1)
    codes = struct.pack("<3i", 0, 1, 2)
    assert content.count(codes * 7) == 1
    beyond = content.replace(codes * 7, codes * 6 + struct.pack("<3i", 0, 1, 9))
    assert "is damaged" in scored(beyond, "arrow", code=1)


def test_a_number_of_nulls_that_is_not_true_is_found(scored):
    column = [None if row == 3 else row + 0.5 for row in range(ROWS)]
    content = ipc("arrow", pa.table({"t_u": column}))
    true = struct.pack("<qq", ROWS, 1)
    assert content.count(true) == 1
    none = content.replace(true, struct.pack("<qq", ROWS, 0))
    assert "claims no nulls" in scored(none, "arrow", code=1)
    two = content.replace(true, struct.pack("<qq", ROWS, 2))
    assert "null_count value (2)" in scored(two, "arrow", code=1)
    many = content.replace(true, struct.pack("<qq", ROWS, 99))
    assert "99 nulls in 23 rows" in scored(many, "arrow", code=1)


def test_a_stream_or_footer_that_leaves_out_batches_is_found(scored):
    content = ipc("arrows", rows=10)
    cut = content[: content.rindex(b"\xff\xff\xff\xff\0\0\0\0")]
    assert "it is cut short" in scored(cut, "arrows", code=1)
    content = bytearray(ipc("arrow", TABLE.drop_columns(["code"]), rows=10))
    start = len(content) - 10 - struct.unpack("<i", content[-10:-6])[0]
    content[content.index(struct.pack("<I", 3), start)] = 2
    assert "lists other batches" in scored(bytes(content), "arrow", code=1)


def test_the_first_feather_format_is_named(scored):
    assert "Feather of version 1" in scored(b"FEA1" + bytes(50) + b"FEA1", "feather", code=1)


def test_a_buffer_that_claims_to_fill_the_memory_is_not_inflated(scored):
    content = ipc("arrow", compression="zstd")
    huge = content.replace(struct.pack("<q", 8 * ROWS), struct.pack("<q", 1 << 60))
    assert huge != content
    assert "inflates to" in scored(huge, "arrow", code=1)


def test_an_arrow_array_in_memory_is_checked_too():
    with pa.ipc.open_stream(ipc("arrows").replace(*LIES)) as reader:
        table = reader.read_all()
    model = infer.load("f2c")
    for column in (table["t_u"], table["t_u"].chunk(0)):
        with pytest.raises(InputError, match="expected a valid Arrow array"):
            model(column)
    np.testing.assert_array_equal(model(TABLE["t_u"]), model(TABLE["t_u"].to_numpy()))


# Parquet.


def parts(content):
    """Return the data of a Parquet file, and its footer."""
    start = len(content) - 8 - struct.unpack("<I", content[-8:-4])[0]
    return content[:start], content[start:-8]


def with_footer(data, footer):
    return data + footer + struct.pack("<I", len(footer)) + b"PAR1"


def parquet_file(change=lambda footer: None, table=TABLE, **options):
    sink = io.BytesIO()
    pq.write_table(table, sink, **{"compression": "none", "row_group_size": 12, **options})
    data, footer = parts(sink.getvalue())
    content = thrift.decode(footer)
    change(content)
    return with_footer(data, thrift.encode(content))


def paths(fields, *, deep=True):
    """Yield each struct within a struct, with each number of a field in it."""
    for number in list(fields):
        yield fields, number
        value = fields[number].value
        if isinstance(value, dict):
            yield from paths(value)
        elif isinstance(value, thrift.List) and value.type == thrift.STRUCT:
            for item in value.values:
                yield from paths(item)


def rows_of(content):
    """Return the column and its answers, as pyarrow reads them."""
    table = pq.read_table(io.BytesIO(content), columns=["t_u", "t_c"])
    return table["t_u"].to_pylist(), table["t_c"].to_pylist()


def test_a_footer_with_anything_missing_or_of_another_type_is_refused_or_right(scored, tmp_path):
    plain = parquet_file()
    expected = rows_of(scored(plain, "parquet"))
    data, footer = parts(plain)
    places = len(list(paths(thrift.decode(footer))))
    assert places > 150
    replacements = [None, (thrift.I64, -1), (thrift.BINARY, b"q"), (thrift.STRUCT, {})]
    replacements += [(thrift.LIST, thrift.List(thrift.I32, [7]))]
    source, target = tmp_path / "in.parquet", tmp_path / "out.parquet"
    card = infer.load("f2c").card
    from infer._artifact.store import find
    from infer._score._file import score_file
    from infer._score._task import Task

    with open(find("f2c").path("model.json"), "rb") as file:  # noqa: PTH123
        task = Task(str(source), str(target), ("t_u",), card.output.name, file.read(), 1)
    refusals = 0
    generator = random.Random(3)  # noqa: S311 - the same in each run
    for index in generator.sample(range(places), 100):
        replacement = generator.choice(replacements)
        content = thrift.decode(footer)
        fields, number = list(paths(content))[index]
        if replacement is None:
            del fields[number]
        else:
            fields[number] = thrift.Field(*replacement)
        source.write_bytes(with_footer(data, thrift.encode(content)))
        try:
            score_file(task)
        except DataError as error:
            assert str(source) in str(error)  # noqa: PT017
            refusals += 1
        else:
            assert rows_of(target.read_bytes()) == expected
    assert refusals > 20


@pytest.mark.parametrize("rows", [10, 30, -1])
@pytest.mark.parametrize(
    ("file", "group", "chunk"), [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 1, 1)]
)
def test_parquet_that_claims_other_rows_is_not_scored(rows, file, group, chunk, scored):
    def change(footer):
        first = footer[4].value.values[0]
        if file:
            footer[3] = thrift.Field(thrift.I64, ROWS - 12 + rows)
        if group:
            first[3] = thrift.Field(thrift.I64, rows)
        if chunk:
            for column in first[1].value.values:
                column[3].value[5] = thrift.Field(thrift.I64, rows)

    assert "claims" in scored(parquet_file(change), "parquet", code=1)


def test_a_page_with_another_checksum_is_damaged(scored):
    content = parquet_file(use_dictionary=False, write_page_checksum=True)
    scored(content, "parquet")
    bad = content.replace(struct.pack("<d", 5.5), struct.pack("<d", 6.5), 1)
    assert "CRC checksum verification failed" in scored(bad, "parquet", code=1)


@pytest.mark.parametrize(
    ("footer", "problem"),
    [
        (b"\x16" + b"\x80" * 3_000_000 + b"\x01\x00", "more than ten bytes"),
        (b"\x16" + b"\xff" * 9 + b"\x7f\x00", "more than 64 bits"),
        (b"\x1c" * 3_000_000, "more than 64 deep"),
        (b"\x19\xf9" + b"\xff\xff\xff\xff\x0f" + b"\x19" * 3_000_000, "ends in the middle"),
        (b"\x19" + b"\x19" * 3_000_000, "deep"),
        (b"\x19\xfc\xff\xff\xff\x7f" + bytes(3_000_000), "ends in the middle"),
        (b"\x19\xfc\xa0\xc2\x1e" + bytes(600_000), "holds no list"),  # 500,000 empty structs
        (b"\x19\xfc\x80\x80\x80\x04" + bytes(9_000_000), "more than 4,194,304 values"),
        (b"\x18\xff\xff\xff\xff\x7f", "ends in the middle"),
        (b"\x1b\x00", "is of type 11"),
        (b"\x05\x00\x00\x00", "a field has number 0"),
        (b"\x06" + b"\x01\x00" * 1_500_000, "a field has number -1"),
        (b"\x00", "holds no list"),
        (b"", "ends in the middle"),
    ],
)
def test_a_hostile_footer_is_refused_within_seconds(footer, problem, scored, tmp_path):
    path = tmp_path / "in.parquet"
    path.write_bytes(b"PAR1" + with_footer(b"", footer))
    begin = time.process_time()
    with pytest.raises(DataError) as caught:
        parquet_footer.read_footer(str(path))
    assert problem in str(caught.value)
    assert str(path) in str(caught.value)
    assert time.process_time() - begin < 5
    scored(path.read_bytes(), "parquet", code=1)


def test_a_footer_may_not_be_larger_than_any_file_needs(tmp_path):
    path = tmp_path / "in.parquet"
    with path.open("wb") as file:
        file.truncate((1 << 26) + 100)
        file.seek(0, 2)
        file.write(struct.pack("<I", (1 << 26) + 1) + b"PAR1")
    with pytest.raises(DataError, match="its footer takes 67,108,865 bytes"):
        parquet_footer.read_footer(str(path))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_struct_or_no_struct(data):
    try:
        found = thrift.decode(data)
    except damage.FormatError:
        return
    assert thrift.decode(thrift.encode(found)) == found


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("ARROW:schema", "no base64!"),
        ("ARROW:schema", "AAAA"),
        ("pandas", "[" * 100_000),
        ("pandas", "[1, 2]"),
        ("pandas", '{"columns": 3}'),
        ("pandas", '{"index_columns": 3, "columns": []}'),
        ("org.apache.spark.sql.parquet.row.metadata", "{}"),
        ("org.apache.spark.sql.parquet.row.metadata", "\u00fc"),
    ],
)
def test_what_other_programs_wrote_of_the_columns_may_be_damaged(key, value, scored):
    table = TABLE.select(["t_u"])
    metadata = {} if key == "ARROW:schema" else {key: value}

    def change(footer):
        if key == "ARROW:schema":
            pairs = footer[5].value.values
            pairs[0][2] = thrift.Field(thrift.BINARY, value.encode())

    content = parquet_file(change, table.replace_schema_metadata(metadata))
    output = scored(content, "parquet", code=1)
    assert "are damaged" in output or "cannot be read as Parquet" in output


def test_odd_but_whole_notes_of_pandas_are_kept(scored):
    notes = json.dumps({"columns": [1, {"field_name": "q"}], "index_columns": [{}, "q"]})
    content = parquet_file(table=TABLE.select(["t_u"]).replace_schema_metadata({"pandas": notes}))
    metadata = pq.read_metadata(io.BytesIO(scored(content, "parquet"))).metadata
    kept = json.loads(metadata[b"pandas"])["columns"]
    assert [kept[0], kept[1]["field_name"], kept[2]["field_name"]] == [1, "t_c", "q"]


def test_damage_anywhere_is_told_or_harmless(scored, score, tmp_path):
    generator = random.Random(5)  # noqa: S311 - the same in each run
    files = {"arrow": ipc("arrow"), "arrows": ipc("arrows"), "parquet": parquet_file()}
    for ending, content in files.items():
        source, target = tmp_path / f"in.{ending}", tmp_path / f"out.{ending}"
        for _ in range(60):
            damaged = bytearray(content)
            for _ in range(generator.randrange(1, 4)):
                damaged[generator.randrange(len(damaged))] = generator.randrange(256)
            source.write_bytes(damaged)
            code, output = score(source, target, "--model", "f2c", "--force", "--quiet")
            assert code == 0 or f"Error: {source}: " in output


SHRINK = """
import os, sys
from infer._errors import DataError
from infer._score._file import score_file
from infer._score._task import Task
from infer._artifact.store import find

source, target = sys.argv[1:]
with open(find("f2c").path("model.json"), "rb") as file:
    task = Task(source, target, ("t_u",), "t", file.read(), 1)
try:
    score_file(task, lambda rows, share: os.truncate(source, 1000))
except DataError as error:
    print(error)
"""


def test_a_file_that_shrinks_while_it_is_scored_ends_no_process(tmp_path):
    source, target = tmp_path / "in.arrow", tmp_path / "out.arrow"
    source.write_bytes(ipc("arrow", pa.table({"t_u": np.arange(3e5)}), rows=1000))
    command = [sys.executable, "-c", SHRINK, str(source), str(target)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(f"{source}: is damaged: ")
    assert not target.exists()

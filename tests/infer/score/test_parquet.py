import decimal
import json
import struct

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import infer
from infer._files._tables import parquet_footer, thrift

ROWS = 1000


def readings(rows=ROWS):
    """A table with all that a file can hold beside numbers, and a gap in every seventh row."""
    temp = np.random.default_rng(3).normal(50, 10, rows)
    numbers = list(range(rows))
    return pa.table(
        {
            "id": pa.array(numbers, pa.uint16()),
            "temp_f": pa.array(temp, mask=np.arange(rows) % 7 == 3),
            "where": pa.array(
                [["indoor", "outdoor", None][i % 3] for i in numbers]
            ).dictionary_encode(),
            "tags": pa.array([[f"t{i}", None] if i % 2 else None for i in numbers]),
            "nested": pa.array([{"a": {"temp_f": float(i)}, "b": [i]} for i in numbers]),
            "when": pa.array(numbers, pa.timestamp("us", "Europe/Zurich")),
            "note": pa.array([b"\x00\xff" * (i % 5) for i in numbers], pa.large_binary()),
            "price": pa.array([decimal.Decimal(i) / 100 for i in numbers], pa.decimal128(9, 2)),
        }
    ).replace_schema_metadata({"made by": "a test", "\u00e9": "\u00fc"})


@pytest.fixture
def scored(tmp_path, score):
    """Return a function that scores in.parquet and gives the path of the result."""

    def run(*options, code=0):
        got, output = score(
            tmp_path / "in.parquet", tmp_path / "out.parquet", "--model", "f2c", "--force", *options
        )
        assert got == code, output
        return tmp_path / "out.parquet" if code == 0 else output

    return run


def assert_scored(before, after, column="temp_f", model="f2c"):
    """Compare a scored table with what it was."""
    assert after.column_names == [*before.column_names, "t_c"]
    rest = after.drop_columns(["t_c"])
    assert rest.equals(before, check_metadata=True)
    assert rest.schema.equals(before.schema, check_metadata=True)
    given = before[column].combine_chunks()
    answers = after["t_c"].combine_chunks()
    assert answers.type == pa.float32()
    assert answers.is_null().equals(given.is_null())
    there = given.drop_null()
    expected = np.float32(list(map(infer.load(model), there.to_pylist())))
    got = answers.drop_null().to_numpy()
    np.testing.assert_array_equal(got.view("uint32"), expected.view("uint32"))


def chunks_of(path):
    """Return what a footer says of each chunk, by column and row group."""
    metadata = pq.read_metadata(path)
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    return [
        {(c := group.column(i)).path_in_schema: c.to_dict() for i in range(group.num_columns)}
        for group in groups
    ]


CODECS = {"id": "gzip", "temp_f": "zstd", "where": "none", "price": "brotli"}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {
            "row_group_size": 300,
            "compression": {**dict.fromkeys(readings(1).column_names, "lz4"), **CODECS},
        },
        {"row_group_size": 450, "data_page_version": "2.0", "write_page_index": True},
        {
            "use_dictionary": False,
            "version": "1.0",
            "coerce_timestamps": "us",
            "store_schema": False,
        },
        {"use_byte_stream_split": ["temp_f"], "use_dictionary": ["where"], "compression": "zstd"},
    ],
    ids=["usual", "codecs", "page index", "old", "split"],
)
def test_all_else_in_the_file_keeps_its_bytes(scored, tmp_path, options):
    source = tmp_path / "in.parquet"
    if "compression" in options and isinstance(options["compression"], dict):
        # By leaf, as pyarrow wants it.
        pq.write_table(readings(), source)
        paths = [leaf.path for leaf in map(pq.read_metadata(source).schema.column, range(9))]
        options = {**options, "compression": {p: CODECS.get(p, "lz4") for p in paths}}
    pq.write_table(readings(), source, **options)
    target = scored("--column", "temp_f")
    before, after = chunks_of(source), chunks_of(target)
    for old, new in zip(before, after, strict=True):
        answers = new.pop("t_c")
        assert new == old
        assert answers["compression"] == old["temp_f"]["compression"]
        assert answers["num_values"] == old["temp_f"]["num_values"]
        assert answers["statistics"]["null_count"] == old["temp_f"]["statistics"]["null_count"]
    data = source.read_bytes()
    start = parquet_footer.read_footer(str(source)).start
    assert target.read_bytes()[:start] == data[:start]
    for group in parquet_footer.read_footer(str(target)).row_groups:
        sizes = [chunk[3].value for chunk in group[1].value.values]
        assert group[2].value == sum(size[6].value for size in sizes)  # before compression
        assert group[6].value == sum(size[7].value for size in sizes)  # and after it
    assert_scored(pq.read_table(source), pq.read_table(target))
    one, other = pq.read_metadata(source), pq.read_metadata(target)
    assert (other.num_rows, other.created_by) == (one.num_rows, one.created_by)
    assert other.format_version == one.format_version


def test_an_index_of_pages_leads_to_the_answers(scored, tmp_path):
    table = pa.table({"t_u": np.random.default_rng(4).normal(50, 9, 400_000)})
    pq.write_table(
        table,
        tmp_path / "in.parquet",
        row_group_size=250_000,
        write_page_index=True,
        use_dictionary=False,
        data_page_size=1 << 18,
        compression="none",
    )
    target = scored()
    data = target.read_bytes()
    footer = parquet_footer.read_footer(str(target))
    assert len(footer.row_groups) == 2
    for group in footer.row_groups:
        column = group[1].value.values[-1]
        index = thrift.decode(data[column[4].value :][: column[5].value])
        pages = index[1].value.values
        assert pages[0][1].value == column[3].value[9].value  # the first is where the data begin
        for page in pages:  # each begins with a header, which tells its length
            header = thrift.decode(data[page[1].value :][: page[2].value])
            assert 0 < page[2].value - header[3].value < 64
    assert_scored(pq.read_table(tmp_path / "in.parquet"), pq.read_table(target), "t_u")


def test_few_values_have_few_answers_and_a_dictionary(scored, tmp_path):
    few = np.arange(5000, dtype="int32") % 50
    pq.write_table(pa.table({"t_u": few}), tmp_path / "in.parquet")
    target = scored()
    assert pq.read_metadata(target).row_group(0).column(1).has_dictionary_page
    assert target.stat().st_size < (tmp_path / "in.parquet").stat().st_size * 2.5


def test_pandas_gets_back_its_frame(scored, tmp_path):
    pd = pytest.importorskip("pandas")
    index = pd.MultiIndex.from_product([["a", "b"], range(50)], names=["unit", None])
    frame = pd.DataFrame(
        {"temp_f": np.linspace(0, 99, 100), "kind": pd.Categorical(["x", "y"] * 50)}, index=index
    )
    frame["whole"] = pd.array([1, None] * 50, "Int16")
    frame.to_parquet(tmp_path / "in.parquet")
    got = pd.read_parquet(scored("--column", "temp_f"))
    expected = frame.assign(t_c=infer.load("f2c")(frame["temp_f"].to_numpy()))
    pd.testing.assert_frame_equal(got, expected)
    # As pandas would have written it: what stands in the index comes last.
    expected.to_parquet(tmp_path / "theirs.parquet")
    ours, theirs = (
        json.loads(pq.read_metadata(tmp_path / name).metadata[b"pandas"])["columns"]
        for name in ("out.parquet", "theirs.parquet")
    )
    assert ours == theirs


def test_spark_is_told_of_the_column(scored, tmp_path):
    key = "org.apache.spark.sql.parquet.row.metadata"
    spark = {"type": "struct", "fields": [{"name": "t_u", "type": "double", "nullable": True}]}
    table = pa.table({"t_u": [50.0]}).replace_schema_metadata({key: json.dumps(spark)})
    pq.write_table(table, tmp_path / "in.parquet")
    told = json.loads(pq.read_metadata(scored()).metadata[key.encode()])
    assert told["fields"][0] == spark["fields"][0]
    assert told["fields"][1:] == [
        {"name": "t_c", "type": "float", "nullable": True, "metadata": {}}
    ]


@pytest.mark.parametrize("groups", [0, 1])
def test_a_file_without_rows_gets_the_column(scored, tmp_path, groups):
    empty = readings().slice(0, 0)
    with pq.ParquetWriter(tmp_path / "in.parquet", empty.schema) as writer:
        for _ in range(groups):
            writer.write_table(empty)
    before = pq.read_table(tmp_path / "in.parquet")
    assert_scored(before, pq.read_table(scored("--column", "temp_f")))


def test_a_name_with_a_dot_is_a_column_and_no_path(scored, tmp_path):
    table = pa.table({"nested.a": [50.0, 60.0], "nested": [{"a": 1.0}, {"a": 2.0}]})
    pq.write_table(table, tmp_path / "in.parquet")
    assert_scored(table, pq.read_table(scored("--column", "nested.a")), "nested.a")


def test_threads_change_no_byte(scored, tmp_path, monkeypatch):
    pq.write_table(readings(), tmp_path / "in.parquet", row_group_size=64)
    found = set()
    for count in (1, 2, 5):
        monkeypatch.setattr("infer._engines.local.threads", lambda count=count: count)
        found.add(scored("--column", "temp_f").read_bytes())
    assert len(found) == 1


def altered(path, change):
    """Change a file's footer in place."""
    footer = parquet_footer.read_footer(str(path))
    change(footer.content)
    data = thrift.encode(footer.content)
    kept = path.read_bytes()[: footer.start]
    path.write_bytes(kept + data + struct.pack("<I", len(data)) + b"PAR1")


def elsewhere(content):
    content[4].value.values[0][1].value.values[0][1] = thrift.Field(thrift.BINARY, b"other")


def signed(content):
    content[8] = thrift.Field(thrift.STRUCT, {1: thrift.Field(thrift.STRUCT, {})})


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda path: path.write_bytes(b""), "expected a Parquet file; it is cut short"),
        (
            lambda path: path.write_bytes(path.read_bytes()[:-1]),
            "it is cut short or something else",
        ),
        (lambda path: path.write_bytes(path.read_bytes()[:-4] + b"PARE"), "is encrypted"),
        (lambda path: altered(path, elsewhere), "is an index to other files"),
        (lambda path: altered(path, signed), "is signed or encrypted"),
    ],
)
def test_a_file_that_is_no_whole_one_is_refused(scored, tmp_path, damage, problem):
    path = tmp_path / "in.parquet"
    pq.write_table(readings(), path)
    damage(path)
    output = scored("--column", "temp_f", code=1)
    assert f"Error: {path}: " in output
    assert problem in output
    assert [p.name for p in tmp_path.iterdir()] == ["in.parquet"]


def test_damaged_pages_leave_nothing_behind(scored, tmp_path):
    path = tmp_path / "in.parquet"
    pq.write_table(readings(), path, compression="zstd", row_group_size=100)
    start = pq.read_metadata(path).row_group(5).column(1).data_page_offset
    data = bytearray(path.read_bytes())
    data[start : start + 300] = bytes(300)
    path.write_bytes(data)
    assert "row group 5 is damaged" in scored("--column", "temp_f", code=1)
    assert [p.name for p in tmp_path.iterdir()] == ["in.parquet"]


@pytest.mark.parametrize("column", ["where", "tags", "nested", "when", "note"])
def test_only_numbers_are_taken(scored, tmp_path, column):
    pq.write_table(readings(), tmp_path / "in.parquet")
    output = scored("--column", column, code=1)
    assert f"column {column!r} is of type " in output
    assert "expected numbers (integers, floats or decimals)" in output


_VALUES = st.recursive(
    st.tuples(st.just(thrift.I64), st.integers(-(2**63), 2**63 - 1))
    | st.tuples(st.just(thrift.BINARY), st.binary(max_size=20))
    | st.tuples(st.just(thrift.DOUBLE), st.binary(min_size=8, max_size=8))
    | st.tuples(st.sampled_from([thrift.TRUE, thrift.FALSE]), st.none()),
    lambda inner: (
        st.tuples(
            st.just(thrift.STRUCT),
            st.dictionaries(st.integers(1, 300), inner.map(lambda v: thrift.Field(*v)), max_size=4),
        )
        | st.tuples(
            st.just(thrift.LIST),
            st.lists(st.integers(-9, 9), max_size=40).map(lambda v: thrift.List(thrift.I32, v)),
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.integers(1, 300), _VALUES.map(lambda v: thrift.Field(*v)), max_size=5))
def test_what_nobody_knows_survives_in_a_footer(fields):
    data = thrift.encode(fields)
    assert thrift.decode(data) == fields
    assert thrift.encode(thrift.decode(data)) == data
    if len(data) > 1:
        with pytest.raises(ValueError, match="ends in the middle"):
            thrift.decode(data[:-1])


def test_real_footers_are_written_as_they_were(tmp_path):
    pq.write_table(readings(), tmp_path / "f.parquet", write_page_index=True, row_group_size=90)
    data = (tmp_path / "f.parquet").read_bytes()
    footer = parquet_footer.read_footer(str(tmp_path / "f.parquet"))
    assert thrift.encode(footer.content) == data[footer.start : -8]

import inspect

import numpy as np
import pyarrow as pa
import pyarrow.feather as pf
import pytest

import infer
from infer._files._tables.arrow_ipc import survey


@pytest.fixture
def scored(tmp_path, score):
    """Return a function that scores a file in.ENDING and gives the path of the result."""

    def run(ending, *options, code=0):
        target = tmp_path / f"out{ending}"
        got, output = score(tmp_path / f"in{ending}", target, "--model", "f2c", *options)
        assert got == code, output
        return target if code == 0 else output

    return run


def batches():
    """Batches with every kind of column and a dictionary, and something attached to one."""
    words = pa.array(["wet", "dry", "cold"])
    schema = pa.schema(
        [
            pa.field("t_u", pa.float64(), metadata={"unit": "°F"}),
            pa.field("word", pa.dictionary(pa.int8(), pa.string())),
            pa.field("nested", pa.struct([("a", pa.list_(pa.int32()))]), nullable=False),
        ],
        metadata={"made by": "a test"},
    )
    found = []
    for count in (5, 0, 3):
        numbers = range(count)
        columns = [
            pa.array([None if i == 1 else 40.0 + i for i in numbers], pa.float64()),
            pa.DictionaryArray.from_arrays(pa.array([i % 3 for i in numbers], pa.int8()), words),
            pa.array([{"a": [i, None]} for i in numbers], schema.field("nested").type),
        ]
        found.append(pa.record_batch(columns, schema=schema))
    return schema, found


def assert_scored(before, after):
    assert len(after) == len(before)
    for old, new in zip(before, after, strict=True):
        assert new.schema.names == [*old.schema.names, "t_c"]
        rest = new.select(old.schema.names)
        assert rest.schema.equals(old.schema, check_metadata=True)
        assert rest.equals(old)
        given, answers = old["t_u"], new["t_c"]
        expected = [None if v is None else infer.load("f2c")(v) for v in given.to_pylist()]
        assert answers.to_pylist() == expected


@pytest.mark.parametrize("codec", [None, "lz4", "zstd"])
@pytest.mark.parametrize("ending", [".arrow", ".arrows"])
def test_each_batch_gets_a_column(scored, tmp_path, codec, ending):
    schema, before = batches()
    options = pa.ipc.IpcWriteOptions(compression=codec)
    make, read = (
        (pa.ipc.new_file, pa.ipc.open_file)
        if ending == ".arrow"
        else (pa.ipc.new_stream, pa.ipc.open_stream)
    )
    with make(str(tmp_path / f"in{ending}"), schema, options=options) as writer:
        for number, batch in enumerate(before):
            writer.write_batch(batch, custom_metadata={"number": str(number)})
    target = scored(ending)
    with read(pa.BufferReader(target.read_bytes())) as reader:
        if ending == ".arrow":
            found = [reader.get_batch_with_custom_metadata(i) for i in range(3)]
        else:
            found = list(reader.iter_batches_with_custom_metadata())
    assert_scored(before, [batch for batch, _ in found])
    assert [custom[b"number"] for _, custom in found] == [b"0", b"1", b"2"]
    with target.open("rb") as file:
        assert survey(file).codec == codec


def test_a_stream_may_change_its_dictionary(scored, tmp_path):
    schema = pa.schema([("t_u", pa.int16()), ("word", pa.dictionary(pa.int8(), pa.string()))])
    before = [
        pa.record_batch(
            [
                pa.array([n], pa.int16()),
                pa.array([f"w{n}"]).dictionary_encode().cast(schema.field("word").type),
            ],
            schema=schema,
        )
        for n in range(3)
    ]
    with pa.ipc.new_stream(str(tmp_path / "in.arrows"), schema) as writer:
        for batch in before:
            writer.write_batch(batch)
    with pa.ipc.open_stream(pa.BufferReader(scored(".arrows").read_bytes())) as reader:
        assert_scored(before, list(reader))


def test_a_feather_file_is_one(scored, tmp_path):
    table = pa.table({"t_u": np.arange(300, dtype="float32")})
    pf.write_feather(table, tmp_path / "in.feather")
    got = pf.read_table(scored(".feather"))
    assert got.drop_columns(["t_c"]).equals(table)
    np.testing.assert_array_equal(got["t_c"].to_numpy(), infer.load("f2c")(table["t_u"].to_numpy()))


@pytest.mark.parametrize("make", [pa.ipc.new_file, pa.ipc.new_stream])
def test_a_file_without_batches_gets_the_column(scored, tmp_path, make):
    schema, _ = batches()
    make(str(tmp_path / "in.ipc"), schema).close()
    data = scored(".ipc").read_bytes()
    read = pa.ipc.open_file if make is pa.ipc.new_file else pa.ipc.open_stream
    assert read(pa.BufferReader(data)).schema.names == [*schema.names, "t_c"]


@pytest.mark.skipif(
    "metadata" not in inspect.signature(pa.ipc.new_file).parameters, reason="needs pyarrow 20"
)
def test_a_file_may_have_something_attached(scored, tmp_path):
    schema, before = batches()
    if "metadata" not in inspect.signature(pa.ipc.new_file).parameters:
        pytest.skip("this pyarrow cannot write such a file")
    with pa.ipc.new_file(str(tmp_path / "in.arrow"), schema, metadata={"a": "b"}) as writer:
        writer.write_batch(before[0])
    with pa.ipc.open_file(pa.BufferReader(scored(".arrow").read_bytes())) as reader:
        assert reader.metadata == {b"a": b"b"}


@pytest.mark.parametrize("keep", [0, 4, 100, -3, -400])
def test_a_file_cut_short_leaves_nothing_behind(scored, tmp_path, keep):
    table = pa.table({"t_u": np.random.default_rng(1).normal(size=500)})
    path = tmp_path / "in.arrow"
    pf.write_feather(table, path, compression="zstd")
    path.write_bytes(path.read_bytes()[:keep])
    assert f"Error: {path}: " in scored(".arrow", code=1)
    assert [p.name for p in tmp_path.iterdir()] == ["in.arrow"]

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import infer
from infer import _errors
from infer._artifact import store
from infer._files._text.dialect import Dialect
from infer._files._text.encoding import Encoding
from infer._files._text.numbers import Style
from infer._ieee.floats import from_text
from infer._ieee.shortest import shortest
from infer._score import _records
from infer._score import csv as scored_csv
from infer._score._recoded import Recoder
from infer._score._task import Task
from infer._score._values import Scorer

F2C = infer.load("f2c")


def answer(text, dtype="float32"):
    return shortest(F2C(from_text(text, dtype)), dtype).encode()


@pytest.fixture
def scored(tmp_path, score):
    """Return a function from the bytes of a CSV file to those of the scored one."""

    def run(data, *options, code=0):
        (tmp_path / "in.csv").write_bytes(data)
        got, output = score(
            tmp_path / "in.csv", tmp_path / "out.csv", "--model", "f2c", "--force", *options
        )
        assert got == code, output
        return (tmp_path / "out.csv").read_bytes() if code == 0 else output

    return run


A, B = answer("50"), answer("-40.5")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"t_u\n50\n-40.5\n", b"t_u,t_c\n50,%b\n-40.5,%b\n"),
        # line ends: of other systems, mixed, none at the end, empty lines
        (b"t_u\r\n50\r\n-40.5\r\n", b"t_u,t_c\r\n50,%b\r\n-40.5,%b\r\n"),
        (b"t_u\r50\r-40.5\r", b"t_u,t_c\r50,%b\r-40.5,%b\r"),
        (b"a,t_u\r\n,50\n,-40.5", b"a,t_u,t_c\r\n,50,%b\n,-40.5,%b"),
        (b"t_u\n\n50\n\r\n\n-40.5\n\n", b"t_u,t_c\n\n50,%b\n\r\n\n-40.5,%b\n\n"),
        (b"\nt_u\n50\n-40.5\n", b"\nt_u,t_c\n50,%b\n-40.5,%b\n"),
        # quotes, blanks and a mark of the byte order stay
        (b'"t_u","a"\n"50","x"\n"-40.5",""\n', b'"t_u","a","t_c"\n"50","x",%b\n"-40.5","",%b\n'),
        (
            b'a,t_u\n"x\n,""y""",50\n"\r\n",-40.5\n',
            b'a,t_u,t_c\n"x\n,""y""",50,%b\n"\r\n",-40.5,%b\n',
        ),
        (b'a,t_u\n6" pipe, 50\n7" ,\t-40.5 \n', b'a,t_u,t_c\n6" pipe, 50,%b\n7" ,\t-40.5 ,%b\n'),
        (b'a,t_u\n"x"y"z,50\n"""",-40.5\n', b'a,t_u,t_c\n"x"y"z,50,%b\n"""",-40.5,%b\n'),
        (b"\xef\xbb\xbft_u\n50\n-40.5\n", b"\xef\xbb\xbft_u,t_c\n50,%b\n-40.5,%b\n"),
        (b"\xe9\xff,t_u\n\xe9,50\n\xff,-40.5\n", b"\xe9\xff,t_u,t_c\n\xe9,50,%b\n\xff,-40.5,%b\n"),
        # other delimiters, and fields without a name
        (b"a;t_u;\n1;50;\n;-40.5;\n", b"a;t_u;;t_c\n1;50;;%b\n;-40.5;;%b\n"),
        (b"a,b\t\tt_u\n1,0\t\t50\n\t\t-40.5\n", b"a,b\t\tt_u\tt_c\n1,0\t\t50\t%b\n\t\t-40.5\t%b\n"),
    ],
)
def test_each_record_gets_a_field_and_all_else_stays(scored, data, expected):
    assert scored(data) == expected.replace(b"%b", A, 1).replace(b"%b", B, 1)


def test_what_is_missing_stays_missing_and_nan_is_a_value(scored):
    marks = ["", "NA", "N/A", "n/a", "NULL", "null", "None", "-", "?", "#N/A"]
    texts = [*marks, " ", '""', "nan", "NaN", "inf", "-Infinity", "1e400", "+.5", "5."]
    lines = scored(b"x,t_u\n" + b"".join(b"1,%b\n" % t.encode() for t in texts))
    got = [line.rpartition(b",")[2] for line in lines.splitlines()[1:]]
    assert got[: len(marks) + 2] == [b""] * (len(marks) + 2)
    rest = ["nan", "nan", "inf", "-inf", "inf", "0.5", "5"]
    assert got[len(marks) + 2 :] == [answer(text) for text in rest]


def test_a_header_alone_gets_its_name(scored):
    assert scored(b"t_u\n") == b"t_u,t_c\n"
    assert scored(b"a,t_u", "--as", 'x"y') == b'a,t_u,"x""y"'


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "expected rows of numbers, found an empty file"),
        (b"\n\r\n", "found an empty file"),
        (b"1,2.5\n3,4\n", "its first line holds numbers; expected the names of columns"),
        (b"a,t_u\n1,2\n1,2,3\n", "row 2 has 3 fields; expected 2, as the names have"),
        (b'a,t_u\n"1\n2",5\n1\n', "row 2 has 1 fields"),
        (b"t_u\n1\n1,5\n", "row 2 has 2 fields"),
        (b"a,t_u\n1,\n1,abc\n", "row 2, column 't_u': 'abc' is not a number; expected one such as"),
        (b"a,t_u\n1,1_0\n", "row 1, column 't_u': '1_0' is not a number"),
        (b"a;t_u\n1;1.5,5\n", "row 1, column 't_u': '1.5,5' is not a number"),
        (b't_u,a\n1,b\n2,"c\n3,d\n', "row 2: a quote is never closed"),
        (b"\xff\xfe" + b"\x00\xd8" * 9, "cannot be read as UTF-16"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(scored, tmp_path, data, problem):
    output = scored(data, code=1)
    assert f"{tmp_path / 'in.csv'}: " in output
    assert problem in output
    assert not (tmp_path / "out.csv").exists()


def test_the_place_is_right_beyond_the_first_block(scored, monkeypatch):
    monkeypatch.setattr(_records.blocks, "__defaults__", (64,))
    data = b"a,t_u\n" + b"1,50\n" * 200 + b"1,x\n" + b"1,50\n" * 200
    assert "row 201, column" in scored(data, code=1)


def test_columns_are_found_by_name_or_as_the_only_numbers(scored):
    assert scored(b"a,temp\nx,50\n").startswith(b"a,temp,t_c\nx,50,%b" % A)
    output = scored(b"a,temp\n1,50\n", code=2)
    assert "several columns have numbers, none is named 't_u'; type --column NAME." in output
    assert "Columns: a (numbers), temp (numbers)." in output
    assert "no column has numbers" in scored(b"a,b\nx,y\n", code=2)


# Texts that are CSV in every way that people and programs write it, and some that is not.
_FIELDS = st.sampled_from(
    [
        "",
        "x",
        "50",
        '"50"',
        '""',
        '"a,b"',
        '"a""b"',
        '"\n"',
        '"\r\n"',
        'a"b',
        '"a"b',
        '"a" "b"',
        "é",
    ]
)
_LINES = st.lists(st.tuples(_FIELDS, st.sampled_from(["\n", "\r\n", "\r", "\n\n"])), max_size=12)


@given(_LINES, st.booleans())
@example([("50", "\r"), ("", "\r\n")], True)
@example([('a"b', "\n"), ('"\n"', "\n")], False)
def test_records_end_where_the_csv_module_ends_them(lines, cut):
    text = "".join(f"1,{field}{end}" for field, end in lines)
    text = text.rstrip("\r\n") if cut else text
    data = text.encode()
    ends, used = _records.record_ends(data, b",", last=True)
    assert used == len(data)
    slow, slow_used = _records._ends_one_by_one(data, b",", last=True)
    assert (ends.tolist(), used) == (slow.tolist(), slow_used)
    starts = [0, *ends.tolist()][: len(ends)]
    records = [data[a:b].lstrip(b"\r\n") for a, b in zip(starts, ends.tolist(), strict=True)]
    reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True)
    rows = [row for row in reader if row]
    ours = [[_records.value_of(f).decode() for f in _records.fields(r, b",")] for r in records]
    assert ours == rows


@given(st.text(alphabet='",\r\nx5', max_size=40), st.integers(1, 9))
def test_any_text_is_divided_alike_in_one_block_and_in_many(text, size):
    data = text.encode()

    def divide(step):
        try:
            found = list(_records.blocks(io.BytesIO(data), "f", b",", 0, step))
        except _errors.DataError as error:
            return str(error)
        assert b"".join(block.data for block in found) == data
        return [block.offset + end for block in found for end in block.ends.tolist()]

    assert divide(size) == divide(1 << 20)


_ROWS = st.lists(
    st.tuples(
        st.sampled_from(["", "x", '"a,b"', '"a""b"', '"\n"', '6"', "é"]),
        st.floats(width=32, allow_nan=False).map(repr)
        | st.decimals(-1000, 1000, places=12).map(str)
        | st.sampled_from(
            ["", "NA", '"7"', " 8 ", "nan", "-0.0", "16777217", "1.00000005960464477540"]
        ),
        st.sampled_from(["\n", "\r\n"]),
    ),
    max_size=20,
)


@given(_ROWS)
def test_the_way_through_pyarrow_and_the_one_by_one_are_one(rows):
    data = "".join(f"{a},{b}{end}" for a, b, end in rows).encode()
    (block,) = list(_records.blocks(io.BytesIO(data), "f", b",", 0)) or [None]
    if block is None or not len(block.ends):
        return
    scorer = Scorer(card_bytes())
    encoding = Encoding("utf-8", "UTF-8")
    dialect = Dialect(
        encoding, ",", "", ("a", "t_u"), (), 1, (), (), ("a,t_u\n",), (Style(),) * 2,
        (None,) * 2, "", frozenset(), has_comments=False,
    )  # fmt: skip
    recoder = Recoder("f", encoding)
    head = scored_csv._Text("f", dialect, recoder, b"a,t_u\n", 2)
    task = Task("f", "g", ("t_u",), "t_c", card_bytes(), 1)
    slow = scored_csv._parsed_one_by_one(task, scorer, head, [1], block)
    fast = scored_csv._parsed(scorer, head, [1], block)
    if fast is not None:
        assert fast[0].is_null().equals(slow[0].is_null())
        one, other = (c[0].fill_null(0).to_numpy().view("uint32") for c in (fast, slow))
        np.testing.assert_array_equal(one, other)


def card_bytes():
    return Path(store.find("f2c").path("model.json")).read_bytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_answers_are_written_as_the_shortest_decimals(dtype):
    import pyarrow as pa

    generator = np.random.default_rng(5)
    unsigned = {"float32": np.uint32, "float64": np.uint64}[dtype]
    anything = generator.integers(0, np.iinfo(unsigned).max, 3000, unsigned).view(dtype)
    usual = (generator.normal(size=3000) * 10.0 ** generator.integers(-6, 12, 3000)).astype(dtype)
    special = np.array([0.0, -0.0, 1.0, -7.0, 1e-4, 1e9, np.inf, -np.inf, np.nan], dtype)
    values = np.concatenate([anything, usual, special, np.rint(usual)])

    texts = scored_csv._texts(pa.array(values), dtype).to_pylist()
    assert [t.decode() for t in texts] == [shortest(v, dtype) for v in values.tolist()]

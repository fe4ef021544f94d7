"""Reads and scores mutated tables in this process, and prints what came of each as a line of JSON.

Arguments: the kind of table, the first and the last number of the mutations, a folder for files.
Each mutation follows from its number. A case that takes ten seconds ends the process with a
traceback; its number is the last one on standard error.
"""

import csv
import faulthandler
import io
import json
import random
import struct
import sys
import warnings
import zipfile
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq

import infer
from infer._artifact.store import find
from infer._errors import InferError
from infer._files._tables import arrow_ipc, parquet_footer, parquet_pages, thrift
from infer._files._text.dialect import find_dialect
from infer._files._text.numbers import MISSING
from infer._ieee.floats import from_text
from infer._score import _job
from train._errors import TrainError
from train._readings.readings import open_readings

SECONDS = 10
ROWS = 60


def numbers():
    generator = np.random.default_rng(1)
    return generator.integers(-9999, 9999, (2, ROWS)) / 100


def arrow_table():
    x, y = numbers()
    words = [None if row % 5 == 3 else f"word {row}" for row in range(ROWS)]
    codes = pa.array([row % 3 for row in range(ROWS)], pa.int8())
    return pa.table(
        {
            "x": x,
            "word": words,
            "code": pa.DictionaryArray.from_arrays(codes, ["a", "b", "c"]),
            "y": pa.array(y, mask=np.arange(ROWS) == 70),
            "list": [[row, None] for row in range(ROWS)],
            "price": pa.array([Decimal(row) / 100 for row in range(ROWS)], pa.decimal128(9, 2)),
        }
    )


def ipc(new, **options):
    table, sink = arrow_table(), io.BytesIO()
    with new(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=25)
    return sink.getvalue()


def parquet(**options):
    sink = io.BytesIO()
    pq.write_table(arrow_table(), sink, row_group_size=25, **options)
    return sink.getvalue()


def workbook():
    book, sink = openpyxl.Workbook(), io.BytesIO()
    book.active.append(["x", "y", "note"])
    for row, (x, y) in enumerate(numbers().T.tolist()):
        book.active.append([x, y, f"note {row % 7}"])
    book.create_sheet("other").append([1, 2])
    book.save(sink)
    return sink.getvalue()


def text(separator, point, *, header=True, end="\n"):
    rows = [f"{x:.2f};{y:.2f};note".replace(".", point) for x, y in numbers().T.tolist()]
    names = ["x;y;note"] if header else []
    return end.join([*names, *rows, ""]).replace(";", separator).encode()


@cache
def bases(kind):
    if kind == "csv":
        return [
            text(",", "."),
            text(";", ",", end="\r\n"),
            text("\t", ".", header=False),
            text(",", ".").replace(b"note\n", b'"a ""note"", quoted"\n'),
        ]
    if kind == "xlsx":
        return [workbook()]
    if kind == "parquet":
        return [
            parquet(),
            parquet(compression="none", use_dictionary=False, data_page_version="2.0"),
            parquet(compression="zstd", write_page_checksum=True, write_page_index=True),
            parquet(compression="gzip", store_schema=False, use_dictionary=False),
        ]
    return [
        ipc(pa.ipc.new_file),
        ipc(pa.ipc.new_stream),
        ipc(pa.ipc.new_file, compression="zstd"),
        ipc(pa.ipc.new_stream, compression="lz4"),
    ]


def mutated(data, generator):
    """Return some bytes with a few of them changed, lost, doubled or moved."""
    data = bytearray(data)
    for _ in range(generator.choice([1, 1, 1, 2, 4, 16])):
        at, how = generator.randrange(len(data) + 1), generator.randrange(8)
        if how < 4 and at < len(data):
            data[at] ^= 1 << generator.randrange(8)
        elif how == 4 and at < len(data):
            data[at] = generator.choice([0, 1, 0x7F, 0x80, 0xFF, generator.randrange(256)])
        elif how == 5:
            del data[at : at + generator.choice([1, 2, 8, 100])]
        elif how == 6:
            data[at:at] = generator.randbytes(generator.choice([1, 2, 8]))
        else:
            begin = generator.randrange(len(data) + 1)
            data[at:at] = data[begin : begin + generator.choice([1, 4, 40])]
        if generator.random() < 0.02:
            del data[generator.randrange(len(data) + 1) :]
    return bytes(data)


def one_number(data, generator):
    """Return some bytes with one of their numbers, as they stand in flatbuffers, changed."""
    width, layout = generator.choice([(2, "<H"), (4, "<I"), (8, "<Q")])
    at = generator.randrange(0, max(1, len(data) - width), 2 if width == 2 else 4)
    old = struct.unpack_from(layout, data, at)[0] if len(data) >= at + width else 0
    most = (1 << 8 * width) - 1
    new = generator.choice([0, 1, old + 1, old - 1, 2 * old, old + 8, most, most >> 1, 1 << 31])
    return data[:at] + struct.pack(layout, new & most) + data[at + width :]


def one_field(data, generator):
    """Return a Parquet file with one value of its footer, or of a page's header, changed."""
    start = len(data) - 8 - struct.unpack("<I", data[-8:-4])[0]
    content = thrift.decode(data[start:-8])
    places = list(fields_within(content))
    fields, number = generator.choice(places)
    kind, value = fields[number]
    if generator.random() < 0.15:
        del fields[number]
    elif isinstance(value, int):
        other = [0, 1, -1, value + 1, value - 1, 2 * value, 2**31 - 1, 2**63 - 1, -(2**63)]
        fields[number] = thrift.Field(kind, generator.choice(other))
    elif isinstance(value, bytes):
        fields[number] = thrift.Field(kind, mutated(value, generator))
    elif isinstance(value, thrift.List) and value.values:
        values = list(value.values)
        generator.choice([values.pop, values.clear, lambda: values.append(values[0])])()
        fields[number] = thrift.Field(kind, value._replace(values=values))
    else:
        fields[number] = generator.choice(places)[0].get(number, thrift.Field(kind, value))
    footer = thrift.encode(content)
    return data[:start] + footer + struct.pack("<I", len(footer)) + b"PAR1"


def fields_within(fields):
    for number in list(fields):
        yield fields, number
        value = fields[number].value
        if isinstance(value, dict):
            yield from fields_within(value)
        elif isinstance(value, thrift.List) and value.type == thrift.STRUCT:
            for item in value.values:
                yield from fields_within(item)


def one_part(data, generator):
    """Return a workbook with one of its parts changed, under the right checksum."""
    sink = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(sink, "w") as new:
        names = old.namelist()
        sheets = [name for name in names if "sheet1" in name or "sharedS" in name]
        chosen = generator.choice([*names, *sheets, *sheets, *sheets])
        for name in names:
            part = old.read(name)
            new.writestr(name, mutated(part, generator) if name == chosen else part)
    return sink.getvalue()


def table_of(kind, number):
    """Return a mutated table, and which base it was made from."""
    generator = random.Random(f"{kind} {number}")  # noqa: S311 - the same in each run
    choices = bases(kind)
    base = generator.randrange(len(choices))
    ways = [mutated]
    ways += {"csv": [], "xlsx": [one_part] * 2, "parquet": [one_field], "arrow": [one_number]}[kind]
    return generator.choice(ways)(choices[base], generator), base


# What another reader makes of the same bytes.


def unchanged(kind):
    """Return the numbers of a base: doubles, or the decimals that a text has."""
    exact = Fraction if kind != "csv" else lambda value: Fraction(f"{value:.2f}")
    return [[exact(value) for value in column] for column in numbers().tolist()]


def read(path, *, skip):
    """Return the columns that ``calibrate`` reads, as fractions, and their rows."""
    text = path.suffix == ".csv"  # where a column may have no name
    names = {"x": "1", "y": "2"} if text else {"x": "x", "y": "y"}
    readings = open_readings(path, **names, skip_invalid=skip)
    xs, ys, rows = [], [], []
    for block in readings.blocks():
        rows += block.rows.tolist()
        for target, column in ((xs, block.x[0]), (ys, block.y)):
            unit = 10 ** (column.places or 0)
            values = column.values if column.places is not None else column.values.tolist()
            target += [Fraction(value) / unit for value in map(_plain, values)]
    return readings, xs, ys, rows


def _plain(value):
    return value if isinstance(value, (int, float)) else int(value)


def expected_of_text(data, readings, rows):
    """Return the numbers on some lines, as the csv module and decimals read them."""
    dialect, choice = readings._table.dialect, readings._choice
    lines = data.decode(dialect.encoding.codec, dialect.encoding.errors)
    lines = list(io.StringIO(lines, newline=""))
    assert all(not line.startswith("x") for line in lines[: dialect.start - 2])
    marks = tuple(dialect.comment)
    lines = ["\n" if line.startswith(marks) else line for line in lines[dialect.start - 1 :]]
    blanks = dialect.delimiter == " "
    reader = csv.reader(
        iter(lines), delimiter=dialect.delimiter, skipinitialspace=True, strict=True
    )
    found, line = {}, dialect.start
    for row in [text.split() for text in lines] if blanks else reader:
        found[line] = row
        line = line + 1 if blanks else dialect.start + reader.line_num
    wanted = [number for number, row in found.items() if "".join(row).strip() or len(row) > 1]

    def number(cell, style):
        cell = cell.strip().replace("\u2212", "-")
        for sign in ",.'\u2019 \u00a0":
            if sign in style.thousands and sign != style.decimal:
                cell = cell.replace(sign, "")
        return Fraction(Decimal(cell.replace(",", ".") if style.decimal == "," else cell))

    cells = [
        [number(found[row][column], dialect.styles[column]) for row in rows]
        for column in (*choice.x, choice.y)
    ]
    return wanted, cells


def expected_of_workbook(path, chosen):
    book = openpyxl.load_workbook(path, data_only=True)
    rows = [(row[0].row, [cell.value for cell in row]) for row in book.worksheets[0].iter_rows()]
    rows = [(number, cells) for number, cells in rows if any(c is not None for c in cells)][1:]
    assert rows  # openpyxl tells upper from lower case in the names of parts, and says nothing
    found = dict(rows)
    columns = [[Fraction(found[number][column]) for number in chosen] for column in (0, 1)]
    return list(found), columns


def expected_of_arrow(path, kind):
    if kind == "parquet":
        with pq.ParquetFile(path) as file:
            table = file.read(["x", "y"], use_threads=False)
    else:
        with path.open("rb") as file:
            head = file.read(6)
            file.seek(0)
            make = pa.ipc.open_file if head == b"ARROW1" else pa.ipc.open_stream
            schema = make(file).schema
            places = [schema.get_field_index(name) for name in ("x", "y")]
            file.seek(0)
            options = pa.ipc.IpcReadOptions(included_fields=places)
            table = make(file, options=options).read_all()
    table.validate(full=True)
    columns = [[Fraction(v) for v in table[name].to_pylist()] for name in ("x", "y")]
    return list(range(1, table.num_rows + 1)), columns


def holds_data(data, base, kind):
    """Tell whether all bytes of columns x and y of a base are in a mutated table."""
    if kind == "arrow":
        file = io.BytesIO(base)
        is_file = base.startswith(b"ARROW1")
        end = len(base) - 10 - struct.unpack("<i", base[-10:-6])[0] if is_file else len(base)
        messages = arrow_ipc._messages(file, 8 if is_file else 0, end, may_stop=is_file)
        pieces = [base[m.body : m.body + m.size] for m in messages]
    if kind == "parquet":
        footer = parquet_footer.load_footer(io.BytesIO(base))
        pieces = []
        for chunk in (chunk for name in ("x", "y") for chunk in parquet_pages.claims(footer, name)):
            at = chunk.at
            while at < chunk.at + chunk.size:
                header, at = parquet_pages._header(io.BytesIO(base), at)
                pieces.append(base[at : at + header[3].value])
                at += header[3].value
    if kind == "xlsx":
        with zipfile.ZipFile(io.BytesIO(base)) as old, zipfile.ZipFile(io.BytesIO(data)) as new:
            return old.read("xl/worksheets/sheet1.xml") == new.read("xl/worksheets/sheet1.xml")
    if kind == "csv":
        return False
    return all(data.count(piece) >= base.count(piece) for piece in pieces if piece)


def check_reading(path, data, kind, *, skip):
    """Read as ``calibrate`` does: what was said, or whether another reader says the same."""
    try:
        readings, xs, ys, rows = read(path, skip=skip)
    except TrainError as error:
        said = str(error)
        return "refused" if str(path) in said else f"no name: {said}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            if kind == "csv":
                wanted, columns = expected_of_text(data, readings, rows)
            elif kind == "xlsx":
                wanted, columns = expected_of_workbook(path, rows)
            else:
                wanted, columns = expected_of_arrow(path, kind)
        except Exception as error:  # noqa: BLE001 - the other reader may raise anything
            if [xs, ys] == unchanged(kind):
                return "same"
            return f"unknown: {type(error).__name__} {error}"
    if wanted != sorted(rows + [left.row for left in readings.left_out]) or columns != [xs, ys]:
        return f"wrong: {len(rows)} rows, expected {len(wanted)}"
    return "same" if [xs, ys] == unchanged(kind) else "other"


def check_scoring(path, kind):
    """Score a file: what was said, or whether the answers are those of the values."""
    target = path.with_name(f"out{path.suffix}")
    target.unlink(missing_ok=True)
    try:
        artifact = find("f2c")
        job = _job.plan(artifact, str(path), str(target), ["x"], "t", force=True, resume=False)
        list(_job.run(job, str(target), Here(), lambda rows, size: None))
    except InferError as error:
        said = str(error)
        return "refused" if str(path) in said else f"no name: {said}"
    model = infer.load("f2c", runtime="python")
    if kind == "csv":
        return check_scored_text(path.read_bytes(), target.read_bytes(), model)
    try:
        if kind == "parquet":
            with pq.ParquetFile(target) as file:
                table = file.read(["x", "t"], use_threads=False)
        else:
            table = pa.ipc.open_file(target) if is_file(target) else pa.ipc.open_stream(target)
            table = table.read_all().select(["x", "t"])
        table.validate(full=True)
    except Exception as error:  # noqa: BLE001 - as above
        return f"unreadable: {type(error).__name__} {error}"
    expected = [None if v is None else model(float(v)) for v in table["x"].to_pylist()]
    if repr(table["t"].to_pylist()) != repr(expected):
        return "wrong answers"
    return "same" if table["x"].to_pylist() == numbers()[0].tolist() else "other"


def is_file(path):
    with path.open("rb") as file:
        return file.read(6) == b"ARROW1"


def check_scored_text(before, after, model):
    """Compare a scored text with what it was: each record, and its answer."""
    dialect = find_dialect(lambda: io.BytesIO(before))
    codec, errors = dialect.encoding.codec, dialect.encoding.errors
    marks = tuple(dialect.comment)

    def rows(data):
        lines = list(io.StringIO(data.decode(codec, errors), newline=""))
        lines = ["\n" if line.startswith(marks) else line for line in lines]
        lines = lines[dialect.header - 1 :]
        if dialect.delimiter == " ":
            return [row for row in map(str.split, lines) if row]
        reader = csv.reader(iter(lines), delimiter=dialect.delimiter, skipinitialspace=True)
        return [row for row in reader if row]

    old, new = rows(before), rows(after)
    place = dialect.names.index("x")
    if [row[:-1] for row in new] != old:
        return "wrong records"
    above = 1 + len(dialect.between)
    for given, row in zip(old[above:], new[above:], strict=True):
        cell = given[place].strip(" \t")
        got = row[-1].replace(",", ".") if dialect.styles[place].decimal == "," else row[-1]
        if cell.lower() in MISSING:
            expected = ""
        else:
            plain = dialect.styles[place].plain(cell)
            expected = repr(float(np.float32(model(from_text(plain, "float32")))))
        if expected == "" and got == "":
            continue
        if np.float32(got) != np.float32(expected) and "nan" not in expected:
            return f"wrong: {cell!r} gives {got!r}, expected {expected}"
    return "same"


class Here:
    """An engine of one worker: this process."""

    here = True
    workers = 1

    def map(self, function, items, stop):
        for item in items:
            yield item, function(item)


def main(kind, first, last, folder):
    path = Path(folder) / f"in.{kind}"
    path.write_bytes(bases(kind)[0])  # what libraries load is loaded now, before time counts
    assert check_reading(path, bases(kind)[0], kind, skip=False) == "same"
    assert kind == "xlsx" or check_scoring(path, kind) == "same"
    for number in range(int(first), int(last)):
        sys.stderr.write(f"{number}\n")
        sys.stderr.flush()
        data, base = table_of(kind, number)
        path.write_bytes(data)
        faulthandler.dump_traceback_later(SECONDS, exit=True)
        found = [check_reading(path, data, kind, skip=number % 2 == 1)]
        if kind != "xlsx":
            found.append(check_scoring(path, kind))
        faulthandler.cancel_dump_traceback_later()
        if "other" in found and holds_data(data, bases(kind)[base], kind):
            found = [f"{word} meaning" if word == "other" else word for word in found]
        sys.stdout.write(json.dumps([number, base, *found]) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])

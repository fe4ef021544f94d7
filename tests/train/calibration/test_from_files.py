"""Readings in several files: the fit is that of one file, wherever and in whatever order."""

import pickle
import re
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from train._calibration.from_files import calibrate_readings, variables
from train._errors import CalibrationError, ColumnsError, ReadingsError
from train._readings import passes
from train._readings.readings import open_files, open_readings


def elsewhere(function, pieces):
    """Do as a cluster does: another order, and nothing but bytes goes there and back."""
    for piece in reversed(list(pieces)):
        one, other = pickle.loads(pickle.dumps((function, piece)))  # noqa: S301
        yield piece, pickle.loads(pickle.dumps(one(other)))  # noqa: S301


def fit(files, *, degree="auto", run=None, watch=lambda what, share: None):
    return calibrate_readings(
        files, of="all", degree=degree, intercept=True, name="probe", unit_x="1", unit_y="1",
        dtype="float32", watch=watch, run=run,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """Return a function that writes files into a folder, and gives the folder and their paths."""
    (tmp_path / "in").mkdir()

    def write(**contents):
        for name, content in contents.items():
            (tmp_path / "in" / f"{name}.csv").write_text(content)
        return tmp_path / "in", sorted((tmp_path / "in").iterdir())

    return write


def rows(count):
    """Return some readings whose decimals are doubles too, and their uncertainties."""
    generator = np.random.default_rng(count)
    x = generator.integers(0, 8000, count) / 8
    y = 2 * x + (x**2 // 512) + generator.integers(-80, 80, count) / 16
    return np.stack([x, y, generator.integers(1, 9, count) / 4], axis=1)


def split(table, folder):
    """Write the same readings as one file, and as several of different kinds."""
    names, parts = ["x", "y", "u"], np.array_split(table, [len(table) // 5 + 1, len(table) // 2])
    whole = folder.parent / "whole.csv"
    np.savetxt(whole, table, "%.17g", ",", header="x,y,u", comments="")
    np.savetxt(folder / "a.csv", parts[0], "%.17g", ";", header="x;y;u", comments="")
    columns = dict(zip(names, parts[1].T, strict=True))
    pq.write_table(pa.table({name: columns[name] for name in "uyx"}), folder / "b.parquet")
    (folder / "c").mkdir()
    np.savetxt(folder / "c" / "d.txt", parts[2], "%.17g", " ", header="x y u", comments="")
    return whole, [folder / "a.csv", folder / "b.parquet", folder / "c" / "d.txt"]


@pytest.mark.parametrize("count", [300, 12_000])  # 12,000: beyond exact residuals, and thinned
@pytest.mark.parametrize(
    "columns",
    [{"x": "x", "y": "y"}, {"x": "x", "y": "y", "sigma": "u"}, {"features": ["x", "u"], "y": "y"}],
    ids=["plain", "weighted", "plane"],
)
@pytest.mark.parametrize("run", [None, elsewhere])
def test_the_fit_of_files_is_that_of_one(columns, count, run, folder):
    where, _ = folder()
    table = rows(count)
    whole, paths = split(table, where)
    alone = fit([open_readings(whole, **columns)]).calibration
    np.testing.assert_array_equal(alone.y, table[:: -(-count // 10_000), 1])
    fitted = fit(open_files(where, paths, **columns), run=run)
    together = fitted.calibration
    starts = {"a.csv": 0, "b.parquet": count // 5 + 2, "c/d.txt": count // 2}
    assert [
        # The whole file begins with a line of names; Parquet has none.
        replaced(residual, residual.row + starts[residual.file])
        for residual in together.largest_residuals
    ] == list(alone.largest_residuals)
    assert replace(together, largest_residuals=()) == replace(alone, largest_residuals=())
    for name in ("x", "y", "sigma"):
        np.testing.assert_array_equal(getattr(together, name), getattr(alone, name))
    assert fitted.row_word == "line or row"


def replaced(residual, row):
    return residual._replace(row=row, file="")


def test_what_is_kept_in_memory_does_not_matter(folder, monkeypatch):
    where, _ = folder()
    _, paths = split(rows(500), where)
    columns = {"x": "x", "y": "y"}
    kept = fit(open_files(where, paths, **columns))
    for most in (0, 120, 300):
        monkeypatch.setattr(passes, "MOST_KEPT", most)
        assert fit(open_files(where, paths, **columns)).calibration == kept.calibration


def test_files_that_are_kept_are_read_once(folder, monkeypatch):
    where, paths = folder(a="1,2\n2,3.1\n", b="3,4\n4,5.2\n")
    files = open_files(where, paths)
    for path in paths:
        path.rename(path.with_suffix(".gone"))
    with pytest.raises(FileNotFoundError):
        fit(files)
    for path in paths:
        path.with_suffix(".gone").rename(path)
    seen = []

    def watch(what, share):
        seen.append((what, share))
        if share == 1.0:
            for path in paths:
                path.unlink(missing_ok=True)

    assert fit(files, degree=1, watch=watch).calibration.n == 4
    assert seen == [(what, share) for what in ("reading", "comparing with the curve")
                    for share in (0.5, 1.0)]  # fmt: skip


def test_what_is_too_much_to_keep_is_read_again(folder, monkeypatch):
    where, paths = folder(a="1,2\n2,3.1\n", b="3,4\n4,5.2\n")
    monkeypatch.setattr(passes, "MOST_KEPT", 3)

    def watch(what, share):
        if share == 1.0:
            paths[0].unlink(missing_ok=True)

    with pytest.raises(FileNotFoundError):
        fit(open_files(where, paths), degree=1, watch=watch)


def test_progress_is_told_by_size(folder):
    where, paths = folder(a="x,y\n" + "1,2\n2,3.1\n" * 5, b="x,y\n3,4\n")
    seen = []
    fit(open_files(where, paths), degree=1, run=elsewhere, watch=lambda *told: seen.append(told))
    small = paths[1].stat().st_size / sum(path.stat().st_size for path in paths)
    words = ("reading", "comparing with the curve")
    assert seen == [(what, share) for what in words for share in (small, 1.0)]


def test_leverages_and_rows_are_those_of_their_file(folder):
    where, paths = folder(a="x,y\n0,0\n1,1.1\n2,2\n", b="x,y\n0.5,0.5\n1.5,1.4\n900,900\n")
    (warning,) = [
        text
        for text in fit(open_files(where, paths), degree=1).calibration.warnings
        if "dominate" in text
    ]
    assert "(leverage above 0.5): b.csv, line 4 (1.00);" in warning


def test_high_leverages_are_counted_in_all_files(folder):
    near = "".join(f"{i / 100},{i % 3}\n" for i in range(50))
    where, paths = folder(a=f"x,y\n{near}10,1\n-20,2\n", b="x,y\n30,3\n-40,4\n")
    (warning,) = fit(open_files(where, paths), degree=4).calibration.warnings[-1:]
    assert re.search(r"b\.csv, line 3 \(1\.00\), .* and 1 more; repeat these readings", warning)


def test_left_out_rows_are_the_first_by_file(folder):
    where, paths = folder(
        a="x,y\n" + "?,0\n" * 3 + "1,1\n2,2.1\n", b="x,y\n,7\n3,3\n" + "n,1\n" * 1200
    )
    for run in (None, elsewhere):
        fitted = fit(open_files(where, paths, skip_invalid=True), degree=1, run=run)
        assert fitted.left_out_count == 1204
        assert len(fitted.left_out) == 1000
        places = [(row.file, row.row) for row in fitted.left_out]
        assert places[:5] == [("a.csv", 2), ("a.csv", 3), ("a.csv", 4), ("b.csv", 2), ("b.csv", 4)]


def test_copies_are_told(folder):
    where, paths = folder(
        a="x,y\n1,1\n2,2.1\n3,3\n", b="y\tx\n3\t3\n1\t1\n2.10\t2\n", c="x,y\n4,1\n5,2.1\n5,2.10\n",
        d="x,y\n", e="x,y\n",
    )  # fmt: skip
    for run in (None, elsewhere):
        assert fit(open_files(where, paths), degree=1, run=run).notes == [
            "b.csv holds the same readings as a.csv; if they are copies, remove them: they make "
            "the errors look smaller",
            "1 row repeats another of its file digit for digit (c.csv, line 4 repeats line 3); if "
            "they are copies and no readings of their own, remove them: they make the errors look "
            "smaller",
        ]
    where, paths = folder(c="x,y\n1,1\n3,3\n2,2.1\n", d="x,y\n5,5\n5,5\n", e="x,y\n6,6.1\n6,6.1\n")
    notes = fit(open_files(where, paths), degree=1).notes
    assert notes[0].startswith(
        "b.csv holds the same readings as a.csv, and 1 more files those of another; "
    )
    assert notes[1].startswith("2 rows repeat another of their file digit for digit (d.csv, line 3")


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ("x,z\n1,2\n", r"b\.csv: expected the same columns as in .*a\.csv, found no 'y', 'z'\. "),
        ("x\n1\n", r"found no 'y'\. Columns: 'x'\."),
        ("x,y,z\n1,2,3\n", r"found 'z'\. Columns: 'x', 'y', 'z'\."),
        ("x,y,y\n1,2,3\n", r"found 'y' 2 times\."),
        ("1,2\n", r"found no names\. There is no header"),
    ],
)
def test_other_columns_are_refused(other, message, folder):
    where, paths = folder(a="x,y\n1,2\n", b=other)
    with pytest.raises(ColumnsError, match=message):
        open_files(where, paths)


def test_without_names_the_number_of_columns_counts(folder):
    where, paths = folder(a="1,2,3\n2,3.1,4\n", b="3;4;9\n4;5.2;9\n")
    assert fit(open_files(where, paths, x="2", y="1"), degree=1).calibration.domain == ((2.0, 5.2),)
    where, paths = folder(b="3;4\n4;5.2\n")
    with pytest.raises(ColumnsError, match=r"found 2, not 3\. There is no header"):
        open_files(where, paths, x="2", y="1")


def test_two_columns_of_one_name_stay_where_they_are(folder):
    where, paths = folder(a="x,y,y\n1,2,3\n2,3,4.5\n", b="x,y,y\n3,4,6\n")
    files = open_files(where, paths, x="x", y="3")
    assert fit(files, degree=1).calibration.exact == (Fraction(3, 2), Fraction(3, 2))
    where, paths = folder(b="y,x,y\n4,3,6\n")
    with pytest.raises(ColumnsError, match="found those of the same name in another order"):
        open_files(where, paths, x="x", y="3")


@pytest.mark.parametrize("run", [None, elsewhere])
@pytest.mark.parametrize(
    ("other", "error", "message"),
    [
        ("x,y\n1,2\n2,off\n", ReadingsError, r"in.b\.csv, line 3, column 'y': text 'off'"),
        ("x,y\n", ReadingsError, "all holds no readings, only a header"),
        ("x,y\n1,2\n", CalibrationError, "all: 1 reading cannot determine 2 coefficients"),
    ],
)
def test_what_is_wrong_names_the_file_or_all(other, error, message, run, folder):
    where, paths = folder(a="x,y\n", b=other)
    with pytest.raises(error, match=message):
        fit(open_files(where, paths), run=run)


@pytest.mark.parametrize("run", [None, elsewhere])
def test_all_may_be_left_out(run, folder):
    where, paths = folder(a="x,y\n?,1\n", b="x,y\n2,off\n3,\n")
    with pytest.raises(ReadingsError, match="all holds no readings: all 3 were left out"):
        fit(open_files(where, paths, skip_invalid=True), run=run)


@pytest.mark.parametrize(
    ("content", "then"),
    [("x,y\n3,7\n5,11\n6,900\n", "3;"), ("x,y\n3,7\n5,12\n", "2 others;"), ("x,y\n3,7\n", "1;")],
)
def test_a_file_that_changes_meanwhile_is_an_error(content, then, folder):
    _, paths = folder(a="x,y\n1,3\n2,5\n4,9\n", b="x,y\n3,7\n5,11\n")
    began = []

    def change(function, pieces):
        if began:
            paths[1].write_text(content)
        began.append(True)
        yield from elsewhere(function, pieces)

    with pytest.raises(ReadingsError, match=re.escape(f"{paths[1]}: held 2 readings, then {then}")):
        fit(open_files(paths[0].parent, paths), run=change)


def test_files_with_the_same_sums_are_no_copies(folder):
    where, paths = folder(a="x,y\n1,1\n5,5.1\n6,6\n", b="x,y\n2,2\n3,3\n7,7.1\n")
    assert not fit(open_files(where, paths), degree=1).notes
    where, paths = folder(a="x,y\n1,1\n5,5\n6,6\n", b="x,y\n2,2\n3,3\n7,7\n", c="x,y\n3,4\n")
    assert not fit(open_files(where, paths), degree=1).notes


def test_a_file_without_readings_may_be_moved_out(folder):
    where, paths = folder(a="x,y\n1,1\n5,5.1\n6,6\n", b="What this is.\n")
    with pytest.raises(ReadingsError, match=r"b\.csv.* begin its name with _\.$"):
        open_files(where, paths)


def test_a_column_with_a_very_long_name_still_has_a_variable():
    x, y = variables("How warm is it, " * 40, "How warm is it, " * 40)
    assert x.startswith("how_warm_is_it_how")
    assert x + "_out" == y
    assert len(y) < 200

"""The sample of the readings is a small, fair part of them, whatever their order and split."""

import pickle

import numpy as np
import pytest

from train._exact.columns import Decimals
from train._exact.sample import MOST_ROWS, Sample
from train._exact.sums import Sums


def readings(rows, features=1, *, digits=2):
    """Return columns of x, and y, that repeat themselves as those of coarse instruments do."""
    generator = np.random.default_rng(rows)
    x = [np.round(generator.gamma(2, 9, rows), digits) for _ in range(features)]
    return x, np.round(x[0] + generator.normal(size=rows), 1)


def sampled(x, y):
    sample = Sample(len(x))
    sample.add(x, y)
    return sample


def pairs(x, y):
    return [tuple(row) for row in np.column_stack([*x, y]).tolist()]


def drawn(rows):
    """Return the rows of a sample as ``pairs`` gives them."""
    return [(*(x if isinstance(x, list) else [x]), y) for x, y in zip(*rows, strict=True)]


@pytest.mark.parametrize("rows", [1, 7, MOST_ROWS])
def test_few_readings_are_all_there(rows):
    x, y = readings(rows, digits=0)
    assert drawn(sampled(x, y).rows()) == sorted(pairs(x, y))
    assert (len({*pairs(x, y)}) < rows) == (rows == MOST_ROWS)  # with those that repeat others


@pytest.mark.parametrize(("rows", "features"), [(201, 1), (20_000, 1), (20_000, 2)])
def test_of_many_some_are_there_and_the_ends_among_them(rows, features):
    x, y = readings(rows, features)
    sample = drawn(sampled(x, y).rows())
    assert len(sample) == MOST_ROWS
    assert sample == sorted({*sample})
    assert {*sample} <= {*pairs(x, y)}
    *inputs, _ = zip(*sample, strict=True)
    for found, column in zip(inputs, x, strict=True):
        assert (min(found), max(found)) == (column.min(), column.max())


def test_no_part_of_the_range_is_preferred():
    x = np.arange(100_000.0)
    (found, _) = sampled([x], 2 * x).rows()
    counts, _ = np.histogram(found, 5, (0, 100_000))
    # Of 200 rows 40 are expected in each fifth, give or take 5.7.
    assert abs(counts - 40).max() < 20


@pytest.mark.parametrize("features", [1, 2])
@pytest.mark.parametrize("digits", [0, 3])
@pytest.mark.parametrize("rows", [180, 230, 9000])
def test_neither_order_nor_split_matter(rows, digits, features):
    x, y = readings(rows, features, digits=digits)
    whole = sampled(x, y).rows()
    generator = np.random.default_rng(4)
    for parts in (1, 2, 40):
        order = np.array_split(generator.permutation(rows), parts)
        stream, merged = Sample(features), Sample(features)
        for part in order:
            stream.add([column[part] for column in x], y[part])
            piece = sampled([column[part] for column in x], y[part])
            merged.merge(pickle.loads(pickle.dumps(piece)))  # noqa: S301
        assert stream.rows() == merged.rows() == whole


def test_sums_draw_it_from_decimals_and_doubles_alike():
    tenths = np.random.default_rng(5).integers(-300, 300, 900)
    whole, parts = Sums(2), Sums(2)
    whole.add((tenths / 10).tolist(), (tenths * 3).tolist())
    parts.merge(Sums(2))
    for part in np.array_split(tenths, 7):
        piece = Sums(2)
        piece.add(Decimals(part * 100, 3), Decimals(part * 30, 1))
        parts = piece + parts
    assert parts.sample.rows() == whole.sample.rows()
    weighted = Sums(1, weighted=True)
    weighted.add(tenths / 10, tenths * 3, np.arange(1, 901))
    assert weighted.sample.rows() == whole.sample.rows()


def test_minus_zero_is_zero():
    for rows in (3, 300):
        zeros, y = np.zeros(rows), np.arange(float(rows))
        assert str(sampled([zeros], y).rows()) == str(sampled([-zeros], y).rows())
        assert str(sampled([y], zeros).rows()) == str(sampled([y], -zeros).rows())


@pytest.mark.parametrize(("features", "rows"), [(9, 200), (99, 20), (999, 2), (1000, None)])
def test_wide_rows_are_fewer(features, rows):
    x, y = readings(300, features)
    found = sampled(x, y).rows()
    assert (None if found is None else len(found.y)) == rows
    assert rows is None or len(found.x[0]) == features


def test_the_sample_is_the_same_in_every_version():
    """Else the same readings would give another model.json."""
    x = np.arange(1000.0)
    found = sampled([x], x * x).rows()
    assert found.x[:12] == [0, 4, 5, 6, 12, 14, 18, 31, 41, 64, 70, 72]

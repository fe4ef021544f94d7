"""The bits of the data: they define every optimum."""

import math
from fractions import Fraction

import numpy as np
import pytest

from train import Dataset
from train._datasets import DATASETS, load_dataset

# Written down when the data were fixed. A change here changes every fit and every artifact.
DIGESTS = {
    "thermometer": "31ca5dbdf6ac2c7c3d98c5d323d76bb522656cefa0c3ce90d698238cf7fe0d90",
    "sine": "f9ea962f21fe585368a6f3a105c65e2924a9cf0ed50b6506c274d09e04bc8a36",
}


@pytest.mark.parametrize("name", DIGESTS)
def test_the_bits_are_pinned(name):
    assert load_dataset(name).sha256 == DIGESTS[name]


@pytest.mark.parametrize("name", list(DATASETS))
def test_arrays_are_float64_and_read_only(name):
    dataset = load_dataset(name)
    assert dataset.name == name
    assert dataset.rows == len(dataset.x) == len(dataset.y)
    for values in (dataset.x, dataset.y):
        assert values.dtype == np.float64
        assert np.isfinite(values).all()
        with pytest.raises(ValueError, match="read-only"):
            values[0] = 0.0


def test_the_thermometer_is_the_printed_one():
    dataset = load_dataset("thermometer")
    assert dataset.rows == 11
    assert dataset.domain == ((21.8, 81.9),)
    assert dict(zip(dataset.x.tolist(), dataset.y.tolist(), strict=True)) == {
        35.7: 0.5,
        55.9: 14.0,
        58.2: 15.0,
        81.9: 28.0,
        56.3: 11.0,
        48.9: 8.0,
        33.9: 3.0,
        21.8: -4.0,
        48.4: 6.0,
        60.4: 13.0,
        68.4: 21.0,
    }


def test_the_sine_is_odd():
    dataset = load_dataset("sine")
    assert dataset.rows == 2000
    assert dataset.domain == ((-math.pi, math.pi),)
    assert (dataset.x == -dataset.x[::-1]).all()
    assert (dataset.y == -dataset.y[::-1]).all()
    assert (np.diff(dataset.x) > 0).all()


def test_the_points_are_the_exact_ones_rounded_once():
    first, last = Fraction(-math.pi), Fraction(math.pi)
    exact = [first + (last - first) * Fraction(i, 1999) for i in range(2000)]
    assert load_dataset("sine").x.tolist() == [float(point) for point in exact]


def test_the_sines_are_correctly_rounded():
    # Taylor's series in integers, 300 bits after the point: nothing shared with mpmath.
    one = 1 << 300

    def sine(x):
        """Return the sine of a double as an integer, in units of 2**-300, and an error bound."""
        numerator, denominator = x.as_integer_ratio()
        power = (numerator * one) // denominator
        square = power * power // one
        total = count = 0
        while power:
            total += power
            count += 1
            power = -power * square // one // ((2 * count) * (2 * count + 1))
        return total, 100 * count

    dataset = load_dataset("sine")
    for x, y in zip(dataset.x.tolist(), dataset.y.tolist(), strict=True):
        value, error = sine(x)
        # All that the sine can be rounds to the same double.
        assert float(Fraction(value - error, one)) == y == float(Fraction(value + error, one))


def test_the_digest_covers_x_row_by_row_and_y():
    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    y = np.array([5.0, 6.0])
    digest = Dataset("mine", x, y).sha256
    assert Dataset("yours", x.copy(order="F"), y).sha256 == digest  # not the order in memory
    assert Dataset("mine", x.astype(">f8"), y.astype(">f8")).sha256 == digest
    assert Dataset("mine", x.T.copy(), y).sha256 != digest
    assert Dataset("mine", x, y[::-1].copy()).sha256 != digest
    # As bytes, minus zero is not zero.
    assert Dataset("m", x * 0.0, y).sha256 != Dataset("m", x * -0.0, y).sha256


def test_the_domain_of_two_features_is_two_ranges():
    dataset = Dataset("mine", np.array([[1.0, 7.0], [3.0, -4.0]]), np.array([5.0, 6.0]))
    assert dataset.rows == 2
    assert dataset.domain == ((1.0, 3.0), (-4.0, 7.0))

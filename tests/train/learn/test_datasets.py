"""The bits of the data: they define every optimum."""

import hashlib
import math
import struct
from fractions import Fraction

import numpy as np
import pytest
import torch

from train import Dataset
from train._learn.datasets import DATASETS, load_dataset

# Written down when the data were fixed. A change here changes every fit and every artifact.
DIGESTS = {
    "thermometer": "31ca5dbdf6ac2c7c3d98c5d323d76bb522656cefa0c3ce90d698238cf7fe0d90",
    "sine": "f9ea962f21fe585368a6f3a105c65e2924a9cf0ed50b6506c274d09e04bc8a36",
    "noisy_line": "224488d9a8c2d20c51267648dd3057868eb3f3ef54d8996512e58cd2c15d95ac",
    "noisy_plane": "2ba4a70900448edb6ca76f27e684d0cd124bbc2b13f4f0ce3ba31c24f4c71318",
}


def test_every_dataset_is_pinned():
    assert set(DIGESTS) == set(DATASETS)


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


def test_the_noisy_line_scatters_by_3_around_2x_plus_1():
    dataset = load_dataset("noisy_line")
    assert dataset.x.shape == dataset.y.shape == (1000,)
    assert 0.0 <= dataset.x.min() < 0.2
    assert 19.8 < dataset.x.max() < 20.0
    noise = (dataset.y - (2 * dataset.x + 1)) / 3
    # A thousand standard normal numbers: within three standard errors.
    assert abs(noise.mean()) < 3 / math.sqrt(1000)
    assert abs(noise.std() - 1) < 3 / math.sqrt(2000)
    assert (np.round(dataset.x, 4) == dataset.x).all()
    assert (np.round(dataset.y, 4) == dataset.y).all()


def test_the_noisy_plane_scatters_by_a_hundredth():
    dataset = load_dataset("noisy_plane")
    assert dataset.x.shape == (1000, 2)
    assert np.abs(dataset.x.mean(0)).max() < 3 / math.sqrt(1000)
    assert np.abs(dataset.x.std(0) - 1).max() < 3 / math.sqrt(2000)
    noise = (dataset.y - (dataset.x @ [2.0, -3.4] + 4.2)) / 0.01
    assert abs(noise.mean()) < 3 / math.sqrt(1000)
    assert abs(noise.std() - 1) < 3 / math.sqrt(2000)
    assert (np.round(dataset.x, 4) == dataset.x).all()
    assert (np.round(dataset.y, 4) == dataset.y).all()


@pytest.mark.parametrize("name", ["noisy_line", "noisy_plane"])
def test_noisy_data_can_be_drawn_anew(name):
    fixed, draw = load_dataset(name), DATASETS[name].draw
    with torch.random.fork_rng():
        torch.manual_seed(3)
        first, second = draw(1000), draw(1000)
        torch.manual_seed(3)
        again = draw(1000)
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0], second[0])
    assert first[0].shape == fixed.x.shape
    assert first[1].shape == fixed.y.shape
    # The same law: the same least-squares line or plane, as far as a thousand rows tell.
    for x, y in (first, (torch.tensor(fixed.x), torch.tensor(fixed.y))):
        columns = torch.column_stack((x.double(), torch.ones(1000)))
        solution = torch.linalg.lstsq(columns, y.double()).solution
        expected = [2.0, 1.0] if name == "noisy_line" else [2.0, -3.4, 4.2]
        assert solution.tolist() == pytest.approx(expected, abs=0.6)


def test_the_line_is_drawn_as_the_tutorial_draws_it():
    # The tutorial: x first, then n.
    with torch.random.fork_rng():
        torch.manual_seed(1000)
        x = 20 * torch.rand(32, 1)
        y = 2 * x + 1 + 3 * torch.randn(32, 1)
        torch.manual_seed(1000)
        drawn = DATASETS["noisy_line"].draw(32)
    assert torch.equal(drawn[0], x[:, 0])
    assert torch.allclose(drawn[1], y[:, 0], rtol=1e-6)


def test_the_digest_covers_x_row_by_row_and_y():
    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    y = np.array([5.0, 6.0])
    digest = Dataset("mine", x, y).sha256
    values = struct.pack("<6d", 1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
    assert digest == hashlib.sha256(values).hexdigest()
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

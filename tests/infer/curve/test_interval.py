"""``Model.interval``: against another program's figures, by its definition, in every container."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch

import infer
from infer import InputError, Interval
from infer._artifact.format import read_card, render
from infer._artifact.store import Artifact
from infer._curve.student_t import quantile
from infer._model import open_model

# statsmodels 0.15.0 on the eleven readings, at 20, 50 and 98.6 °F: OLS(t_c, [1, t_u]),
# get_prediction(…).summary_frame(alpha): obs_ci_lower, obs_ci_upper, mean_ci_lower, mean_ci_upper.
STATSMODELS = {
    (20.0, 0.5): (-8.168825986032, -4.969868183687, -7.458917301308, -5.679776868412),
    (20.0, 0.95): (-11.71828492574, -1.42040924398, -9.432993330042, -3.705700839678),
    (20.0, 0.999): (-17.45127082228, 4.312576652565, -12.62146521369, -0.5172289560248),
    (50.0, 0.5): (8.14469050399, 10.92293058074, 9.130503096719, 9.937117988014),
    (50.0, 0.95): (5.062046190941, 14.00557489379, 8.235509597678, 10.83211148705),
    (50.0, 0.999): (0.08304610361172, 18.98457498112, 6.789941359065, 12.27767972567),
    (98.6, 0.5): (33.80608105435, 37.4357707426, 34.38534335451, 36.85650844243),
    (98.6, 0.95): (29.77869610326, 41.46315569368, 31.64341940466, 39.59843239229),
    (98.6, 0.999): (23.27377760252, 47.96807419442, 27.21474123119, 44.02711056576),
}


@pytest.fixture
def measured_model(measured):
    """Return a function that gives the model of a document with an uncertainty."""

    def load(document=None, **changes):
        card = read_card(render(document or measured(**changes)), "own")
        return open_model(Artifact("", card), "python", "cpu")

    return load


@pytest.mark.parametrize(("x", "level"), STATSMODELS)
def test_f2c_has_the_intervals_of_statsmodels(x, level):
    low, high, mean_low, mean_high = STATSMODELS[x, level]
    model = infer.load("f2c")
    assert np.allclose(model.interval(x, level), (low, high), rtol=1e-10, atol=0)
    confidence = model.interval(x, level, "confidence")
    assert np.allclose(confidence, (mean_low, mean_high), rtol=1e-10, atol=0)


def test_an_interval_is_what_the_page_says(measured_model):
    x, level = 1.25, 0.8
    model = measured_model(typical_sigma=3.0)
    u = (x - 0.5) / 2.0
    curve = -2.75 + 1.0 * u
    variance = 0.625**2 + (0.125 + 0.875 * u) ** 2
    reach = quantile(level, 1) * 0.25
    for noise, found in (
        (0.0, model.interval(x, level, "confidence")),
        (9.0, model.interval(x, level)),
        (9.0, model.interval(x, level, "prediction")),
        (4.0, model.interval(x, level, sigma=2.0)),
        (0.0, model.interval(x, level, sigma=0)),
    ):
        half = reach * math.sqrt(noise + variance)
        assert np.allclose(found, (curve - half, curve + half), rtol=1e-14)


def test_several_features_and_powers(plane, measured_model):
    document = plane(
        uncertainty={
            "residual_sd": 0.5,
            "degrees_of_freedom": 7,
            "powers": [[0, 0], [2, 1]],
            "center": [1.0, -1.0],
            "half_width": [2.0, 4.0],
            "curve": [3.0, -2.0],
            "factor": [[0.25, 0.0], [0.5, 0.75]],
            "typical_sigma": 1.0,
        }
    )
    model = measured_model(document)
    term = ((5.0 - 1) / 2) ** 2 * ((2.0 + 1) / 4)
    half = quantile(0.95, 7) * 0.5 * math.sqrt(0.25**2 + (0.5 + 0.75 * term) ** 2)
    found = model.interval([5.0, 2.0], kind="confidence")
    assert np.allclose(found, (3 - 2 * term - half, 3 - 2 * term + half), rtol=1e-14)
    rows = model.interval(np.array([[[5.0, 2.0], [0.0, 0.0]]]), kind="confidence")
    assert rows.low.shape == (1, 2)
    assert rows.low[0, 0] == found.low
    with pytest.raises(InputError, match="own_plane takes 2 features"):
        model.interval(1.0)
    with pytest.raises(InputError, match=r"last axis of 2, found shape \(3,\)"):
        model.interval([1.0, 2.0, 3.0])
    with pytest.raises(InputError, match=r"last axis of 2, found shape \(3,\)"):
        model.interval(np.zeros(3))


def test_every_container_holds_the_same_bits(plane):
    for name in ("f2c", "line", "plane"):
        model = infer.load(name)
        features = (model.card.features,) if model.card.features else ()
        x = np.random.default_rng(3).uniform(-1e3, 1e3, (40_000, *features))
        arrays = model.interval(x)
        assert arrays.low.dtype == arrays.high.dtype == np.float64
        lists = model.interval(x[:100].tolist())
        tensors = model.interval(torch.tensor(x, requires_grad=True))
        for array, floats, tensor in zip(arrays, lists, tensors, strict=True):
            assert array.shape == (40_000,)
            assert (array[:100] == floats).all()
            assert tensor.dtype == torch.float64
            assert (tensor.numpy() == array).all()


def test_whatever_comes_in_goes_out():
    model = infer.load("f2c")
    one = model.interval(50.0)
    assert isinstance(one, Interval)
    assert one.low < model(50.0) < one.high
    assert one == model.interval(50) == model.interval(Fraction(50)) == model.interval(np.int8(50))
    assert model.interval([[50.0], [50]]) == Interval([[one.low]] * 2, [[one.high]] * 2)
    assert model.interval([]) == ([], [])
    assert model.interval(np.zeros((0, 3))).low.shape == (0, 3)
    scalar = model.interval(np.array(50.0))
    assert scalar == one
    assert scalar.low.shape == ()
    assert model.interval(torch.tensor(50)).low.item() == one.low
    half = model.interval(torch.tensor([50.0], dtype=torch.bfloat16))
    assert half.high.tolist() == [one.high]


def test_the_input_is_not_rounded_to_float32():
    model = infer.load("f2c")
    assert model.interval(98.6) != model.interval(float(np.float32(98.6)))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("x", [math.inf, -math.inf, math.nan, 1e308, -1e308])
def test_what_has_no_interval_has_infinite_or_no_ends(x, measured_model):
    model = measured_model(powers=[[0], [3]])
    found = model.interval(x)
    assert not any(map(math.isfinite, found))
    array = model.interval(np.array([x]))
    assert np.array_equal(array, [[end] for end in found], equal_nan=True)


@pytest.mark.parametrize("level", [0, 1, -0.5, 1.5, math.nan, "0.95", None, True])
def test_a_level_lies_between_0_and_1(level):
    with pytest.raises(InputError, match="level: expected a number between 0 and 1, found"):
        infer.load("f2c").interval(50.0, level)


def test_what_is_refused_says_what_to_type():
    model = infer.load("f2c")
    with pytest.raises(InputError, match=r"found 95; for 95 percent, type 0.95"):
        model.interval(50.0, 95)
    with pytest.raises(InputError, match=r"found 'predict'\. Did you mean 'prediction'\?"):
        model.interval(50.0, kind="predict")
    with pytest.raises(InputError, match="sigma is of a new reading"):
        model.interval(50.0, kind="confidence", sigma=1.0)
    for sigma in (-1.0, math.inf, math.nan, "1", True):
        with pytest.raises(InputError, match="sigma: expected a finite number of at least 0"):
            model.interval(50.0, sigma=sigma)
    with pytest.raises(InputError, match=r"sin_cubic has no uncertainty: .* calibrate readings"):
        infer.load("sin_cubic").interval(1.0)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ("50", "found text '50'"),
        (1j, "a complex number"),
        ([1, [2]], "ragged"),
        (np.array([1j]), "dtype complex128"),
        (np.ma.array([1.0]), "a masked one"),
        (torch.tensor([1j]), "a dense tensor of real numbers"),
    ],
)
def test_what_is_no_number_is_refused(x, message):
    with pytest.raises(InputError, match=message):
        infer.load("f2c").interval(x)

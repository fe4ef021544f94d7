"""What a calibration says to people, in words and in a picture."""

import math

import numpy as np
import pytest

import train
from export._calibrate.plot import bands, figure
from export._calibrate.text import as_record, as_text, middle
from export._cards.description import formula
from export._cards.words import equation, plain, slope_unit, with_unit
from train._calibration.families.family import raised

T = 2.0


def fitted(n=30, **options):
    x = np.linspace(0.0, 10.0, n)
    y = 1.0 + 2.0 * x + np.sin(7.0 * np.arange(n))
    return train.calibrate(x, y, name="probe", **options)


# Words.


@pytest.mark.parametrize(
    ("unit_y", "unit_x", "power", "unit"),
    [
        ("°C", "V", 0, "°C"),
        ("°C", "V", 1, "°C/V"),
        ("°C", "V", 12, "°C/V¹²"),
        ("°C", "m/s", 2, "°C/(m/s)²"),
        ("1", "V", 1, "1/V"),
        ("°C", "1", 3, "°C"),
        ("1", "1", 2, "1"),
    ],
)
def test_a_coefficient_has_a_unit(unit_y, unit_x, power, unit):
    assert slope_unit(unit_y, unit_x, power) == unit


def test_an_equation_has_signs_between_its_terms():
    assert (
        equation("y", [("-1.5", ""), ("2", "x"), ("-3e-05", "x²")]) == "y = -1.5 + 2·x - 3e-05·x²"
    )
    assert equation("y", [("2", "x")]) == "y = 2·x"
    assert raised(10) == "¹⁰"
    assert with_unit("3", "1") == "3"


def test_a_name_stays_on_its_line():
    assert plain(" a\n b\tc\x1b[31m ") == "a b c [31m"


# Text.


def test_the_text_shows_every_figure():
    text = as_text(fitted(degree=2, unit_x="V", unit_y="°C"), "line")
    calibration = fitted(degree=2)
    for row in calibration.coefficients:
        assert f"{row.value:.9g}" in text
        assert f"{row.standard_error:.4g}" in text
    for part in ("probe: a parabola, y (°C) from x (V)", "°C/V²", "27 degrees of freedom"):
        assert part in text
    assert f"{calibration.r2:.12g}" in text
    for row in calibration.largest_residuals:
        assert f"\n  {row.row:>4}  " in text
    assert all(line == line.rstrip() for line in text.split("\n"))


def test_a_long_equation_is_broken_before_a_sign():
    calibration = fitted(degree=9)
    lines = as_text(calibration).split("\n\n")[1].split("\n")
    assert len(lines) > 1
    assert all(len(line) <= 92 for line in lines)
    assert all(line.strip()[0] in "+-" for line in lines[1:])
    assert " ".join("".join(lines).split()) == formula(calibration)


def test_warnings_are_shown():
    text = as_text(train.calibrate([0.0, 0.0, 1.0, 1.0], [0.0, 0.1, 1.0, 1.1]))
    assert "\nwarning: 2 coefficients from 2 different x" in text


def test_the_record_has_no_infinite_number():
    calibration = train.calibrate([0.0, 1.0, 2.0, 3.0, 4.0, 5.0], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
    auto = train.calibrate(
        [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], degree="auto"
    )

    def numbers(value):
        if isinstance(value, dict):
            value = list(value.values())
        if isinstance(value, list):
            for item in value:
                yield from numbers(item)
        elif isinstance(value, float):
            yield value

    for record in (as_record(calibration), as_record(auto)):
        assert all(map(math.isfinite, numbers(record)))
    assert any(row["aicc"] is None for row in as_record(auto)["selection"])


@pytest.mark.parametrize(
    ("x", "y", "shown"),
    [
        ([0.0, 1.0, 2.0, 3.0], [0.0, 2.0, 4.0, 6.2], ("1.5", "3.05")),
        ([1e6, 1e6 + 1, 1e6 + 2], [0.0, 1.0, 1.9], ("1000001", "0.97")),
        ([0.0, 1.0, 2.0, 3.0], [5.0, 5.0, 5.0, 5.0], ("1.5", None)),
    ],
)
def test_the_middle_is_a_short_number_in_the_domain(x, y, shown):
    calibration = train.calibrate(x, y)
    assert middle(calibration) == shown
    assert x[0] <= float(shown[0]) <= x[-1]


def test_a_curve_that_turns_has_no_way_back():
    x = [0.0, 1.0, 2.0, 3.0, 4.0]
    assert middle(train.calibrate(x, [4.0, 1.0, 0.0, 1.1, 4.0], degree=2))[1] is None


# The picture.


@pytest.mark.parametrize("weighted", [False, True])
def test_the_bands_are_the_textbooks(weighted):
    # Draper and Smith, Applied Regression Analysis, 1.4: s²(1/n + (x - mean)²/Sxx) for a line.
    x = np.array([1.0, 2.0, 4.0, 7.0, 9.0])
    y = np.array([1.2, 1.9, 4.3, 6.8, 9.3])
    sigma = np.array([0.1, 0.1, 0.2, 0.3, 0.2]) if weighted else np.ones(5)
    calibration = train.calibrate(x, y, sigma=sigma if weighted else None)
    weights = 1 / sigma**2
    mean = np.average(x, weights=weights)
    at = np.array([0.0, 3.0, 10.0])
    spread = 1 / weights.sum() + (at - mean) ** 2 / np.sum(weights * (x - mean) ** 2)
    found = bands(calibration, at, T)
    scale = T * calibration.residual_sd
    assert found.curve == pytest.approx([calibration.predict(v) for v in at])
    assert found.confidence == pytest.approx(scale * np.sqrt(spread))
    typical = np.mean(sigma**2)
    assert found.prediction == pytest.approx(scale * np.sqrt(typical + spread))


def drawn(calibration):
    picture = figure(calibration, T)
    picture.draw_without_rendering()
    return picture.axes


def test_the_picture_shows_readings_curve_bands_and_residuals():
    calibration = fitted(unit_x="V", unit_y="$")
    upper, lower = drawn(calibration)
    dots, residuals = (
        next(line for line in axes.lines if line.get_marker() == "o") for axes in (upper, lower)
    )
    assert dots.get_xydata() == pytest.approx(np.column_stack([calibration.x, calibration.y]))
    expected = [
        y - calibration.predict(x) for x, y in zip(calibration.x, calibration.y, strict=True)
    ]
    assert residuals.get_ydata() == pytest.approx(expected, abs=1e-12)
    labels = [text.get_text() for text in upper.get_legend().get_texts()]
    assert labels == ["95% interval of a reading", "95% interval of the curve", "curve", "reading"]
    assert len(upper.collections) == 2
    assert (lower.get_xlabel(), upper.get_ylabel()) == ("x (V)", r"y (\$)")
    assert upper.get_xlim() == lower.get_xlim()


def test_what_is_far_off_is_marked_with_its_row():
    x = np.arange(40.0)
    y = 2.0 * x + np.sin(7.0 * x)
    y[11] += 30.0
    upper, lower = drawn(train.calibrate(x, y))
    assert [text.get_text() for text in lower.texts] == ["12"]
    ring = next(line for line in upper.lines if line.get_label() == "largest residuals")
    assert ring.get_xydata() == pytest.approx(np.array([[11.0, y[11]]]))


def test_uncertain_readings_have_bars():
    x = np.arange(10.0)
    sigma = np.linspace(0.1, 0.3, 10)
    upper, _ = drawn(train.calibrate(x, x + np.sin(x), sigma=sigma))
    (bars,) = upper.containers
    segments = np.array(bars.lines[2][0].get_segments())
    assert segments[:, 1, 1] - segments[:, 0, 1] == pytest.approx(2 * sigma)


def test_many_readings_are_drawn_as_density():
    upper, _ = drawn(fitted(20_000))
    assert "20,000 readings, 10,000 of them drawn" in [
        text.get_text() for text in upper.get_legend().get_texts()
    ]
    assert not [line for line in upper.lines if len(line.get_xdata()) > 1000]


def test_several_features_are_drawn_over_the_plane():
    x = np.random.default_rng(1).uniform(0, 1, (50, 2))
    calibration = train.calibrate(x, x @ [2.0, 3.0] + np.sin(np.arange(50.0)), features=["a", "b"])
    upper, lower = drawn(calibration)
    dots = next(line for line in upper.lines if line.get_marker() == "o")
    assert dots.get_xdata() == pytest.approx([calibration.predict(row) for row in x])
    assert lower.get_xlabel() == "y by the plane"

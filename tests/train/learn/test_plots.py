"""Pictures of a fit: what is on them, read back from matplotlib and from the files."""

import dataclasses
import io
import itertools
import math
import shutil
import subprocess
import sys
import textwrap
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgba
from PIL import Image

import train
from train._learn import plots
from train._learn.modules import Line
from train._learn.report import plot


def texts(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def points(line):
    return line.get_xydata().tolist()


@pytest.fixture(scope="module")
def short():
    """Return a fit that is off the optimum, with a history of few epochs."""
    return train.fit("f2c", recipe=train.Recipe("short", "SGD", 1e-2, 20, "mean"))


# The data with the curve.


def test_the_figure_has_readings_and_the_fitted_line(fitted):
    fit = fitted("f2c")
    left, _ = plots.figure(fit).axes
    observation, prediction = left.lines
    assert texts(left) == ["Observation", "Prediction"]
    assert points(observation) == [
        list(pair) for pair in zip(fit.dataset.x, fit.dataset.y, strict=True)
    ]
    assert observation.get_linestyle() == "None"
    assert prediction.get_linestyle() == "-"
    assert to_rgba(observation.get_color()) != to_rgba(prediction.get_color())
    x, y = prediction.get_xdata(), prediction.get_ydata()
    assert (x[0], x[-1]) == pytest.approx(fit.dataset.domain[0])
    w, b = fit.parameters["w"], fit.parameters["b"]
    assert y.tolist() == pytest.approx((w * (0.1 * x) + b).tolist(), rel=1e-5)
    assert left.get_xlabel() == "Reading of the unknown thermometer (°F)"
    assert left.get_ylabel() == "Temperature (°C)"
    assert fit.model.variants[0].formula in left.get_title()


def test_the_line_of_a_raw_recipe_is_not_scaled(fitted):
    fit = fitted("f2c", recipe="raw")
    _, prediction = plots.figure(fit).axes[0].lines
    x, y = prediction.get_xdata(), prediction.get_ydata()
    w, b = fit.parameters["w"], fit.parameters["b"]
    assert y.tolist() == pytest.approx((w * x + b).tolist(), rel=1e-5)


def test_the_figure_has_a_curve_a_variant(fitted):
    left, _ = plots.figure(fitted("dynamic_net")).axes
    assert texts(left) == ["Observation", *(f"Prediction order{order}" for order in (3, 4, 5))]
    assert len({line.get_linestyle() for line in left.lines[1:]}) == 3
    assert left.get_xlabel() == "Angle (rad)"
    assert left.get_ylabel() == "Sine of the angle"  # no unit, no brackets


def test_two_features_are_shown_as_prediction_against_observation(fitted):
    fit = fitted("plane")
    left, _ = plots.figure(fit).axes
    observation, diagonal = left.lines
    assert texts(left) == ["Observation", "Prediction = observation"]
    expected = fit.dataset.x @ [fit.parameters["w0"], fit.parameters["w1"]] + fit.parameters["b"]
    assert observation.get_xdata().tolist() == fit.dataset.y.tolist()
    assert observation.get_ydata().tolist() == pytest.approx(expected.tolist(), rel=1e-6)
    assert points(diagonal) == [[v, v] for v in (fit.dataset.y.min(), fit.dataset.y.max())]
    assert (left.get_xlabel(), left.get_ylabel()) == ("Observation", "Prediction")


def test_a_stream_is_drawn_in_part(recipe):
    # 16,000 points would only blacken the paper.
    fit = train.fit("line", recipe="manual")
    observation = plots.figure(fit).axes[0].lines[0]
    assert 1000 < len(observation.get_xdata()) <= 2000
    known = set(zip(fit.dataset.x.tolist(), fit.dataset.y.tolist(), strict=True))
    assert set(map(tuple, points(observation))) <= known


def test_held_out_rows_have_a_mark_of_their_own(fitted):
    fit = fitted("f2c", recipe="split")
    left, right = plots.figure(fit).axes
    assert texts(left) == ["Observation", "Prediction", "Validation"]
    observation, prediction, validation = left.lines
    assert points(validation) == [[35.7, 0.5], [81.9, 28.0]]
    assert len(observation.get_xdata()) == 9
    # All of them are on the paper, and the line goes as far.
    x, y = prediction.get_xdata(), left.get_ylim()
    assert x[0] == pytest.approx(21.8)
    assert x[-1] == pytest.approx(81.9)
    assert y[0] < -4.0
    assert y[1] > 28.0
    # Training beside validation loss.
    assert texts(right)[:2] == ["Training loss", "Validation loss"]
    assert right.lines[1].get_ydata().tolist() == [e.validation_loss for e in fit.history]


# The losses.


def test_the_figure_has_the_loss_over_the_epochs_and_the_best_one(short):
    _, right = plots.figure(short).axes
    loss, best = right.lines
    assert right.get_yscale() == "log"
    assert loss.get_xdata().tolist() == list(range(1, 21))
    assert loss.get_ydata().tolist() == list(short.losses)
    assert set(best.get_ydata()) == {short.best_loss}
    assert texts(right) == ["Training loss", f"Best possible {short.best_loss:.6g}"]
    assert right.get_xlabel() == "Epoch"
    assert "mean of squared errors" in right.get_ylabel()
    assert "Recipe short, learning rate 0.01" in right.get_title()


def test_one_epoch_is_a_figure_too(short):
    once = dataclasses.replace(short, history=short.history[:1])
    _, right = plots.figure(once).axes
    assert right.lines[0].get_xdata().tolist() == [1]
    assert plot(once, "png")


@pytest.mark.parametrize("rate", [1e-2, 1e38])
def test_what_diverged_can_be_drawn(recipe, rate):
    # Infinite losses and parameters that are nan: a picture all the same, and no warning.
    row = recipe("f2c", "raw-diverges", learning_rate=rate)
    with pytest.raises(train.DivergedError) as caught:
        train.fit("f2c", recipe=row)
    fit = caught.value.fit
    assert plot(fit, "png")
    assert plots.to_gif(
        plots.frames(dataclasses.replace(fit, history=(fit.history[0], fit.history[-1])))
    )


def test_what_diverged_at_once_can_be_drawn(own_model, recipe):
    data = train.Dataset("huge", np.array([1.0, 2.0, 4.0]), np.array([1e30, -1e30, 1e30]))
    model = own_model(Line, data, {"w": {(1,): 1}, "b": {(0,): 1}})
    with pytest.raises(train.DivergedError) as caught:
        train.fit(model, recipe=recipe("line", "autograd", batches="all", start={}))
    assert caught.value.fit.losses == (math.inf,)
    assert plot(caught.value.fit, "png")


def test_a_perfect_fit_can_be_drawn(own_model):
    # Zero has no logarithm, and targets that are all alike have no range.
    data = train.Dataset("zeros", np.array([1.0, 2.0, 4.0]), np.zeros(3))
    fit = train.fit(own_model(Line, data, {"w": {(1,): 1}, "b": {(0,): 1}}))
    assert set(fit.losses) == {0.0}
    assert plot(fit, "png")
    left, right = plots.figure(fit).axes
    assert left.get_ylim() == (-1.0, 1.0)
    assert right.get_yscale() == "linear"


# As files.


def test_a_png_is_an_image(short):
    with Image.open(io.BytesIO(plot(short, "png"))) as image:
        image.load()
        assert (image.format, image.size) == ("PNG", (1320, 540))
        colours = image.convert("RGB").getcolors(1320 * 540)
    assert len(colours) > 50  # and something is on it


def test_an_svg_is_a_drawing(short):
    root = ElementTree.fromstring(plot(short, "svg"))  # noqa: S314 - our own
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert len(root.findall(".//{http://www.w3.org/2000/svg}path")) > 50


# Animated.


def frames(data):
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "GIF"
        found, durations = [], []
        for number in range(image.n_frames):
            image.seek(number)
            found.append(np.asarray(image.convert("RGB")).copy())
            durations.append(image.info["duration"])
        return found, durations, image.info.get("loop")


def test_the_animation_shows_every_one_of_a_few_epochs(short):
    few = dataclasses.replace(short, history=short.history[:5])
    images, durations, loop = frames(plots.to_gif(plots.frames(few)))
    assert len(images) == 5
    assert loop == 0  # for ever
    assert durations[:4] == [100] * 4
    assert durations[-1] > 500  # it rests on the end
    for one, next_one in itertools.pairwise(images):
        assert one.shape == next_one.shape
        # Both halves move: the curve and the loss.
        half = one.shape[1] // 2
        assert (one[:, :half] != next_one[:, :half]).any()
        assert (one[:, half:] != next_one[:, half:]).any()


def test_the_animation_of_many_epochs_is_short(fitted, monkeypatch):
    # Frames lie denser at the beginning, and the last epoch is among them.
    drawn, losses = [], []
    monkeypatch.setattr(plots, "_draw_curve", lambda axes, scene, numbers: drawn.append(numbers))
    monkeypatch.setattr(plots, "_draw_losses", lambda axes, epochs, fit: losses.append(epochs))
    monkeypatch.setattr(plots, "FRAMES", 6)
    fit = fitted("f2c", recipe="raw")
    assert plots.to_gif(plots.frames(fit))
    wanted = sorted({round(100 ** (i / 5)) for i in range(6)})
    assert wanted == [1, 3, 6, 16, 40, 100]
    assert drawn == [fit.history[number - 1].parameters for number in wanted]
    assert losses == [fit.history[:number] for number in wanted]


# Live.


def test_without_a_display_live_says_what_to_do_instead():
    matplotlib.use("agg")
    model = train._learn.models.find_model("f2c")
    with pytest.raises(train.TrainError, match=r"no display .* use --gif FILE"):
        plots.live(model, model.recipes[0])


LIVE = """
    import sys
    from matplotlib import pyplot
    import train
    from train._learn import plots
    plots._LIVE_SECONDS = 0.0
    model = train._learn.models.find_model("f2c")
    recipe = train._learn.models.find_recipe(model, "raw")
    redraw = plots.live(model, recipe)
    (window,) = map(pyplot.figure, pyplot.get_fignums())
    left, right = window.axes
    seen = []
    def watch(epoch):
        redraw(epoch)
        labels = [line.get_label() for line in left.lines]
        # The line that is drawn is the line of this epoch's parameters.
        x, y = left.lines[1].get_data()
        w, b = epoch.parameters["w"], epoch.parameters["b"]
        assert abs(y - (w * x + b)).max() < 1e-4, (x, y, w, b)
        seen.append((labels, len(right.lines[0].get_xdata())))
    from dataclasses import replace
    fit = train.fit("f2c", recipe=replace(recipe, epochs=4), watch=watch)
    assert seen == [(["Observation", "Prediction"], n) for n in (1, 2, 3, 4)], seen
    assert right.lines[0].get_ydata().tolist() == list(fit.losses)
    assert "epoch 4" in left.get_title(), left.get_title()
    # And by the command, which says what it says without.
    plots._LIVE_SECONDS = 0.1
    from train._cli import main
    main.main(["f2c", "--recipe", "raw", "--live"], standalone_mode=False)
    assert len(pyplot.get_fignums()) == 2
    print(pyplot.get_backend().lower())
"""


@pytest.mark.skipif(shutil.which("xvfb-run") is None, reason="needs a display: Xvfb's xvfb-run")
def test_on_a_display_live_redraws_the_fit_every_epoch():
    pytest.importorskip("tkinter", reason="needs a window toolkit: tkinter")
    result = subprocess.run(
        ["xvfb-run", "-a", sys.executable, "-W", "error", "-c", textwrap.dedent(LIVE)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")
    *report, backend = result.stdout.splitlines()
    assert report[0].startswith("f2c: recipe raw, 100 epochs on cpu")
    assert backend != "agg"


def test_nan_is_not_drawn_as_a_number(short):
    # What is drawn stays within the data's frame, wherever the curve goes.
    far = dataclasses.replace(short, parameters={"w": 1e6, "b": math.nan})
    left, _ = plots.figure(far).axes
    low, high = left.get_ylim()
    assert -10 < low < -4
    assert 28 < high < 34

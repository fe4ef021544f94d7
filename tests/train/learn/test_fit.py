"""Fits end on the judge's bits, at the numbers that the tutorials print, or fail loudly."""

import dataclasses
import math
import re
from fractions import Fraction
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

import train
from train._learn import loop
from train._learn.datasets import load_dataset
from train._learn.fit import _settle_by_outputs
from train._learn.judge import judge
from train._learn.modules import Cubic, Line
from train._learn.spec import designs

# The thermometer's normalization in a model that is served in float32.
SCALE = np.float32(0.1).item()

LINEAR = ["f2c", "line", "plane", "sin_cubic", "dynamic_net"]
MODELS = [*LINEAR, "sin_legendre"]

# The tutorials: what the best fits print, in the format that shows every given digit.
PRINTED = {
    "f2c": {"w": ("{:.4f}", "5.3677"), "b": ("{:.4f}", "-17.3048")},
    "sin_cubic": {
        "a": ("{:.0f}", "0"),
        "b": ("{:.5f}", "0.85674"),
        "c": ("{:.0f}", "0"),
        "d": ("{:.5f}", "-0.09333"),
    },
    "dynamic_net": {
        "a": ("{:.4e}", "6.6477e-04"),
        "b": ("{:.5f}", "0.85766"),
        "c": ("{:.4e}", "-6.7288e-04"),
        "d": ("{:.6f}", "-0.093767"),
        "e": ("{:.4e}", "1.1919e-04"),
    },
}


def recipe(model, name=None, **changes):
    """Return a recipe of a model, the default for None, with changes."""
    rows = train._learn.models.find_model(model)
    return dataclasses.replace(train._learn.models.find_recipe(rows, name), **changes)


def bits(parameters, kind=np.float32):
    return {name: kind(value).tobytes() for name, value in parameters.items()}


# At the optimum.


@pytest.mark.parametrize("name", LINEAR)
def test_the_fit_has_the_bits_of_the_exact_optimum(fitted, name):
    fit = fitted(name)
    assert fit.differing_bits == 0
    assert fit.at_optimum
    assert bits(fit.parameters) == bits(fit.optimum)
    assert fit.name == name
    assert fit.best_loss <= fit.loss <= fit.best_loss * (1 + 1e-9)
    assert fit.epochs == len(fit.losses) < fit.recipe.epochs
    # The last epoch's loss is the best possible one, as far as torch's own sums can tell.
    assert fit.losses[-1] == pytest.approx(fit.best_loss, rel=1e-12)


@pytest.mark.parametrize("name", LINEAR)
def test_the_optimum_is_numpys_as_far_as_floats_go(fitted, name):
    # Singular values in doubles share nothing with the judge's fractions, nor with the training.
    fit = fitted(name)
    rows = fit.dataset.x.reshape(fit.dataset.rows, -1)
    blocks = [
        np.column_stack(
            [
                sum((c * (rows**e).prod(axis=1) for e, c in basis.items()), np.zeros(len(rows)))
                for basis in design.values()
            ]
        )
        for design in designs(fit.model, fit.recipe, fit.dtype)
    ]
    matrix, targets = np.concatenate(blocks), np.tile(fit.dataset.y, len(blocks))
    solution, (residual,), *_ = np.linalg.lstsq(matrix, targets, rcond=None)
    assert list(fit.parameters.values()) == pytest.approx(solution.tolist(), rel=1e-6, abs=1e-7)
    n, m = fit.dataset.rows, len(blocks)
    factor = {"sum": 1.0, "mean": 1 / n, "half-sum": 0.5, "half-mean": 0.5 / n}[fit.recipe.loss]
    assert fit.best_loss == pytest.approx(factor / m * residual, rel=1e-9)


def test_the_legendre_polynomial_is_the_best_cubic_in_disguise(fitted):
    fit, cubic = fitted("sin_legendre"), fitted("sin_cubic")
    assert fit.at_optimum
    assert f"{fit.loss:.8f}" == f"{cubic.loss:.8f}" == "8.81716541"
    assert not dataclasses.replace(fit, loss=fit.best_loss * (1 + 1e-8)).at_optimum
    # Not linear in its parameters: other bits may be as good, so there are none to differ from.
    assert fit.optimum is fit.differing_bits is None
    assert fit.best_loss == cubic.best_loss
    # Rounding four parameters to float32 costs next to nothing.
    assert fit.best_loss <= fit.loss <= fit.best_loss * (1 + 1e-9)
    assert fit.parameters["a"] == fit.parameters["c"] == 0.0
    assert math.copysign(1.0, fit.parameters["a"]) == math.copysign(1.0, fit.parameters["c"]) == 1.0
    b, d = fit.parameters["b"], fit.parameters["d"]
    assert b * d * -3 / 2 == pytest.approx(cubic.parameters["b"], rel=1e-6)
    assert b * d**3 * 5 / 2 == pytest.approx(cubic.parameters["d"], rel=1e-6)


# Served in float64.


@pytest.mark.parametrize("name", LINEAR)
def test_a_float64_fit_has_the_bits_of_its_own_optimum(fitted, name):
    fit = fitted(name, dtype="float64")
    assert fit.dtype == "float64"
    assert fit.differing_bits == 0
    assert fit.at_optimum
    assert bits(fit.parameters, np.float64) == bits(fit.optimum, np.float64)
    # The optimum of f2c is another one: its 0.1 is. The other one's, with more digits, are near.
    single = fitted(name)
    assert single.dtype == "float32"
    for key, value in fit.parameters.items():
        assert (float(np.float32(value)) != value) == bool(value)
        assert single.parameters[key] == pytest.approx(value, rel=2e-7)
    assert fit.best_loss <= fit.loss <= fit.best_loss * (1 + 2.0**-50)
    for variant in fit.model.variants:
        assert {p.dtype for p in fit.module(variant).parameters()} == {torch.float64}


def test_a_flipped_bit_of_a_double_is_counted(fitted):
    fit = fitted("line", dtype="float64")
    w = (np.float64(fit.parameters["w"]).view(np.uint64) ^ np.uint64(1 << 40 | 1)).view(np.float64)
    other = dataclasses.replace(fit, parameters={**fit.parameters, "w": float(w)})
    assert other.differing_bits == 2
    assert not other.at_optimum


def test_the_thermometers_tenth_is_that_of_the_dtype(fitted):
    for dtype, tenth in (("float32", SCALE), ("float64", 0.1)):
        fit = fitted("f2c", dtype=dtype)
        assert fit.module(fit.model.variants[0]).scale.item() == tenth
        # The optimum by the textbook, in fractions, for that constant.
        u = [Fraction(tenth) * Fraction(x) for x in fit.dataset.x.tolist()]
        c = list(map(Fraction, fit.dataset.y.tolist()))
        mean_u, mean_c = sum(u) / 11, sum(c) / 11
        w = sum((x - mean_u) * y for x, y in zip(u, c, strict=True))
        w /= sum((x - mean_u) ** 2 for x in u)
        assert fit.parameters["w"] == np.dtype(dtype).type(float(w))
        assert fit.parameters["b"] == np.dtype(dtype).type(float(mean_c - w * mean_u))


@pytest.mark.parametrize(("dtype", "served"), [("float32", 1.0), ("float64", 1 + 2.0**-24.1)])
def test_a_constant_is_rounded_before_the_fit(own_model, dtype, served):
    # It moves w by a whole unit in float32's last place.
    class Scaled(Line):
        def __init__(self):
            super().__init__()
            self.register_buffer("scale", torch.tensor(1 + 2.0**-24.1, dtype=torch.float64))

        def forward(self, x):
            return self.w * (self.scale * x) + self.b

    x = np.linspace(0.0, 4.0, 20)
    data = train.Dataset("own", x, 1.99 * x + np.cos(x))
    terms = {"w": {(1,): "scale"}, "b": {(0,): 1}}
    model = own_model(Scaled, data, terms, constants={"scale": 1 + 2.0**-24.1})
    fit = train.fit(model, dtype=dtype)
    assert fit.differing_bits == 0
    assert fit.module(model.variants[0]).scale.item() == served


def test_the_legendre_polynomial_is_the_best_cubic_in_float64_too(fitted):
    fit = fitted("sin_legendre", dtype="float64")
    assert fit.at_optimum
    assert fit.loss == fit.best_loss  # to the last bit of a double
    assert not dataclasses.replace(fit, loss=fit.best_loss * (1 + 1e-14)).at_optimum
    assert fit.parameters["a"] == fit.parameters["c"] == 0.0


def test_a_recipe_of_a_tutorial_is_not_refined():
    # It ends where its epochs end; float32 is what it trains in, and float64 holds that.
    single = train.fit("f2c", recipe=recipe("f2c", "sgd", epochs=100))
    double = train.fit("f2c", recipe=recipe("f2c", "sgd", epochs=100), dtype="float64")
    assert double.parameters == single.parameters
    assert double.recipe.dtype == "float32"
    assert double.differing_bits > 0


def test_an_unknown_dtype_is_an_error():
    with pytest.raises(train.UnknownNameError, match=r"no dtype named 'float46'\. Did you mean"):
        train.fit("f2c", dtype="float46")


@pytest.mark.parametrize(
    ("dtype", "shift", "seen"),
    [
        ("float32", 1e-3, True),
        ("float32", 1e-7, True),
        ("float32", 2e-8, False),
        ("float64", 1e-7, True),
        ("float64", 2.0**-51, True),
        ("float64", 2.0**-56, False),
    ],
)
def test_a_parameter_that_shows_in_no_output_is_zero(dtype, shift, seen):
    # The curve stays below 1, where half a unit in the last place is 3e-8 or 6e-17.
    sine = load_dataset("sine")
    data = train.Dataset("lifted", sine.x, sine.y + shift)
    model = dataclasses.replace(train._learn.models.find_model("sin_legendre"), dataset=data)
    fit = train.fit(model, dtype=dtype)
    assert fit.at_optimum
    assert fit.parameters["a"] == (pytest.approx(shift, rel=1e-3) if seen else 0.0)
    assert fit.parameters["c"] == 0.0


@pytest.mark.parametrize(("dtype", "digits"), [("float32", 24), ("float64", 53)])
def test_half_a_unit_in_the_last_place_of_the_largest_output_is_seen(fitted, dtype, digits):
    # Although float64's own outputs would move by a whole unit, or not at all.
    fit = fitted("sin_legendre", dtype=dtype)
    for share, seen in ((0.9, False), (1.1, True)):
        given = {**fit.parameters, "a": share * 2.0 ** (-digits - 1)}
        settled = _settle_by_outputs(fit.model, fit.recipe, fit.dataset, dtype, given)
        assert settled == (given if seen else fit.parameters)


@pytest.mark.parametrize("name", PRINTED)
def test_the_parameters_are_the_printed_ones(fitted, name):
    fit = fitted(name)
    assert list(fit.parameters) == list(PRINTED[name])
    for parameter, (form, printed) in PRINTED[name].items():
        assert form.format(fit.parameters[parameter]) == printed


def test_the_losses_of_the_best_fits_are_the_printed_ones(fitted):
    assert f"{fitted('f2c').loss:.7f}".startswith("2.92764")  # the tutorial cuts it off there
    assert f"{fitted('sin_cubic').loss:.5f}" == "8.81717"


def test_the_loss_is_that_of_the_served_parameters_computed_exactly():
    # Far from the optimum float32's own sum would show in the last digits.
    fit = train.fit("f2c", recipe=recipe("f2c", "sgd", epochs=100))
    w, b, scale = Fraction(fit.parameters["w"]), Fraction(fit.parameters["b"]), Fraction(SCALE)
    readings = zip(map(Fraction, fit.dataset.x), map(Fraction, fit.dataset.y), strict=True)
    assert fit.loss == float(sum((w * scale * u + b - c) ** 2 for u, c in readings) / 11)


@pytest.mark.parametrize(("order", "printed"), [(3, "8.85641"), (4, "8.84848"), (5, "8.56109")])
def test_the_losses_of_each_order_are_the_printed_ones(fitted, order, printed):
    fit = fitted("dynamic_net")
    # Without what contributes nothing at this order: no data determine it.
    (variant,) = (v for v in fit.model.variants if v.name == f"order{order}")
    design = {name: basis for name, basis in variant.terms.items() if basis}
    x, y = fit.dataset.x.tolist(), fit.dataset.y.tolist()
    served = {name: fit.parameters[name] for name in design}
    loss = judge([x], y, [design], mean=False, dtype="float32").loss(served)
    assert f"{loss:.5f}" == printed
    # And by the definition, point by point, with the powers that the tutorial names.
    a, b, c, d, e = (Fraction(fit.parameters[name]) for name in "abcde")
    total = Fraction(0)
    for point, target in zip(map(Fraction, x), map(Fraction, y), strict=True):
        answer = a + b * point + c * point**2 + d * point**3
        answer += e * sum(point**power for power in range(4, order + 1))
        total += (answer - target) ** 2
    assert loss == float(total)


def test_the_loss_of_dynamic_net_is_the_mean_over_its_orders(fitted):
    fit = fitted("dynamic_net")
    assert fit.loss == pytest.approx((8.85641 + 8.84848 + 8.56109) / 3, abs=1e-5)


@pytest.mark.parametrize("name", ["a", "c"])
def test_even_terms_of_the_sine_are_zero(fitted, name):
    fit = fitted("sin_cubic")
    # Plus zero, for both: the sign would show at x = -0.0.
    for parameters in (fit.parameters, fit.optimum):
        assert parameters[name] == 0.0
        assert math.copysign(1.0, parameters[name]) == 1.0


@pytest.mark.parametrize("name", MODELS)
def test_a_fit_repeats_itself_to_the_bit(fitted, name):
    first, second = fitted(name), train.fit(name)
    assert first is not second
    assert first.history == second.history
    assert bits(first.parameters) == bits(second.parameters)
    assert (first.loss, first.best_loss) == (second.loss, second.best_loss)


# What a fit holds.


@pytest.mark.parametrize("name", MODELS)
def test_the_module_is_ready_to_be_served(fitted, name):
    fit = fitted(name)
    for variant in fit.model.variants:
        module = fit.module(variant)
        assert not module.training
        for parameter, tensor in module.named_parameters():
            assert tensor.dtype == torch.float32
            assert tensor.device.type == "cpu"
            assert not tensor.requires_grad
            assert tensor.item() == fit.parameters[parameter]


def test_the_module_of_a_raw_recipe_takes_raw_readings(fitted):
    fit = fitted("f2c", recipe="raw")
    (variant,) = fit.model.variants
    w, b = fit.parameters["w"], fit.parameters["b"]
    assert fit.module(variant)(torch.tensor([50.0])).item() == pytest.approx(50 * w + b, rel=1e-6)


def test_the_loss_of_a_stream_is_that_of_a_batch(fitted):
    # Over all rows that went by, in batches: comparable with what each step shows.
    fit = fitted("line", recipe="manual")
    assert fit.dataset.rows == 500 * 32
    error = fit.parameters["w"] * fit.dataset.x + fit.parameters["b"] - fit.dataset.y
    assert fit.loss == pytest.approx(0.5 * (error @ error) / 500, rel=1e-9)
    assert fit.best_loss < fit.loss < 1.1 * fit.best_loss
    assert 0.5 * fit.loss < fit.losses[-1] < 2 * fit.loss


def test_modules_of_a_fit_are_independent(fitted):
    fit = fitted("f2c")
    (variant,) = fit.model.variants
    one, other = fit.module(variant), fit.module(variant)
    one.w.fill_(0.0)
    assert other.w.item() == fit.parameters["w"]


def test_a_watcher_is_told_every_epoch():
    told = []
    fit = train.fit("f2c", watch=told.append)
    assert tuple(told) == fit.history
    assert [epoch.number for epoch in told] == list(range(1, fit.epochs + 1))
    assert [epoch.loss for epoch in told] == list(fit.losses)
    # The last ones stood still, at what was found.
    assert told[-1].parameters == pytest.approx(dict(fit.parameters), rel=1e-6)


def test_a_watcher_ends_a_fit():
    with pytest.raises(train.StoppedError, match=r"f2c: stopped after epoch 3 of at most 5,000, "):
        train.fit("f2c", recipe="sgd", watch=lambda epoch: epoch.number == 3)
    with pytest.raises(train.StoppedError) as caught:
        train.fit("f2c", watch=lambda epoch: True)
    error = caught.value
    assert error.exit_code == 130  # as for Ctrl-C
    assert error.fit.stopped
    assert error.fit.epochs == 1
    # Only True ends it: what a list's append or a bar's update returns does not.
    assert train.fit("f2c", watch=lambda epoch: 1).epochs > 1


def test_differing_bits_are_counted(fitted):
    fit = fitted("f2c")
    w = np.float32(fit.parameters["w"])
    flipped = (w.view(np.uint32) ^ np.uint32(0b101)).view(np.float32)
    other = dataclasses.replace(fit, parameters={**fit.parameters, "w": float(flipped)})
    assert other.differing_bits == 2
    negative = dataclasses.replace(fit, parameters={**fit.parameters, "w": -float(w)})
    assert negative.differing_bits == 1
    broken = dataclasses.replace(fit, parameters={"w": math.nan, "b": 0.0})
    assert broken.differing_bits is None
    assert not broken.at_optimum


# Recipes that do not go on until the optimum.


def test_a_tutorials_recipe_may_end_anywhere():
    # Where exactly, test_printed.py compares with what was printed.
    fit = train.fit("f2c", recipe=recipe("f2c", "sgd", epochs=100))
    assert fit.epochs == 100
    assert fit.differing_bits > 0  # and that is no error: nobody asked for the optimum
    assert not fit.at_optimum
    assert fit.loss > fit.best_loss


def test_the_first_loss_is_that_of_the_start():
    # The tutorial's: w = 1, b = 0, with inputs times 0.1.
    fit = train.fit("f2c", recipe=recipe("f2c", "sgd", epochs=1))
    assert fit.losses == (pytest.approx(80.364342, rel=1e-6),)


def test_a_recipe_of_ones_own():
    mine = train.Recipe("mine", "SGD", 1e-2, 50, "mean", momentum=0.9)
    fit = train.fit("f2c", recipe=mine)
    assert fit.recipe is mine
    assert fit.epochs == 50
    plain = train.fit("f2c", recipe=dataclasses.replace(mine, momentum=0.0))
    assert fit.losses[0] == plain.losses[0]
    assert fit.losses[-1] != plain.losses[-1]


def test_fitting_leaves_the_callers_random_numbers_alone():
    rows = [
        ("f2c", None),
        ("dynamic_net", recipe("dynamic_net", "sgd", epochs=3)),
        ("plane", recipe("plane", "torch", epochs=1)),
        ("line", recipe("line", "manual", epochs=3)),
        ("f2c", recipe("f2c", "raw", epochs=3, validation_fraction=0.3)),
    ]
    torch.manual_seed(123)
    expected = torch.rand(5)
    for name, row in rows:
        torch.manual_seed(123)
        train.fit(name, recipe=row)
        assert torch.equal(torch.rand(5), expected)
    torch.manual_seed(123)
    with pytest.raises(train.DivergedError):
        train.fit("line", recipe=recipe("line", "manual", learning_rate=1.0))
    assert torch.equal(torch.rand(5), expected)


def test_the_callers_random_numbers_leave_a_fit_alone():
    row, ends = recipe("dynamic_net", "sgd", epochs=3), []
    for seed in (1, 2):
        torch.manual_seed(seed)
        ends.append(train.fit("dynamic_net", recipe=row).history)
    assert ends[0] == ends[1]


def test_the_seed_is_of_everything_random():
    row = recipe("dynamic_net", "sgd", epochs=3)
    assert train.fit("dynamic_net", recipe=row, seed=5).recipe.seed == 5
    histories = [train.fit("dynamic_net", recipe=row, seed=seed).history for seed in (5, 5, 6)]
    assert histories[0] == histories[1] != histories[2]


def test_each_step_of_a_random_net_is_of_one_order():
    # From one start: the loss of the first step is that of order 3, 4 or 5, each a third of times.
    row = recipe("dynamic_net", "sgd", epochs=1, start=dict.fromkeys("abcde", 0.5))
    seen = [train.fit("dynamic_net", recipe=row, seed=seed).losses[0] for seed in range(60)]
    x, y = load_dataset("sine").x, load_dataset("sine").y
    expected = [
        ((sum(0.5 * x**power for power in range(order + 1)) - y) ** 2).sum() for order in (3, 4, 5)
    ]
    counts = [sum(loss == pytest.approx(value, rel=1e-5) for loss in seen) for value in expected]
    assert sum(counts) == 60
    assert min(counts) >= 10


def test_batches_in_order_and_shuffled():
    # One row a batch, at a rate where the order shows.
    rows = {
        (kind, seed): recipe("f2c", "sgd", epochs=2, batches=kind, batch_size=1, seed=seed)
        for kind in ("in order", "shuffled")
        for seed in (0, 1)
    }
    ends = {key: train.fit("f2c", recipe=row).parameters for key, row in rows.items()}
    assert ends["in order", 0] == ends["in order", 1]
    assert len({tuple(end.values()) for end in ends.values()}) == 3
    # In order: the readings one by one, as written out here.
    w, b = 1.0, 0.0
    for _ in range(2):
        for t_u, t_c in zip(
            load_dataset("thermometer").x, load_dataset("thermometer").y, strict=True
        ):
            error = w * (SCALE * t_u) + b - t_c
            w, b = w - 1e-2 * 2 * error * SCALE * t_u, b - 1e-2 * 2 * error
    assert ends["in order", 0] == pytest.approx({"w": w, "b": b}, rel=1e-4)


def test_a_last_batch_may_be_shorter():
    by_fours = train.fit(
        "f2c", recipe=recipe("f2c", "sgd", epochs=1, batches="in order", batch_size=4)
    )
    w, b = 1.0, 0.0
    x, y = load_dataset("thermometer").x, load_dataset("thermometer").y
    for start in (0, 4, 8):
        part = slice(start, start + 4)
        error = w * (SCALE * x[part]) + b - y[part]
        w -= 1e-2 * 2 * (error * SCALE * x[part]).mean()
        b -= 1e-2 * 2 * error.mean()
    assert by_fours.parameters == pytest.approx({"w": w, "b": b}, rel=1e-4)


# Failures.


@pytest.mark.parametrize("rate", [1.0, 1e3])
def test_divergence_is_told_at_the_first_loss_that_is_not_finite(rate):
    told = []
    with pytest.raises(train.DivergedError) as caught:
        train.fit("f2c", recipe=recipe("f2c", "sgd", learning_rate=rate), watch=told.append)
    error = caught.value
    assert error.learning_rate == rate
    assert error.epoch == len(told) + 1 > 2
    assert all(math.isfinite(epoch.loss) for epoch in told)
    assert f"the loss of epoch {error.epoch} is not finite" in str(error)
    assert f"learning rate {rate:g}" in str(error)
    assert "smaller rate" in str(error)
    assert error.exit_code == 1
    # What there is of the fit comes along.
    assert error.fit.diverged_at == error.epoch
    assert error.fit.history[:-1] == tuple(told)
    assert not math.isfinite(error.fit.losses[-1])


@pytest.mark.parametrize("rate", [1e38, math.inf, math.nan])
def test_a_last_step_that_goes_too_far_is_divergence(rate):
    # Every loss was finite, but no parameter is; zero would be a lie.
    with pytest.raises(train.DivergedError) as caught:
        train.fit("f2c", recipe=recipe("f2c", "sgd", learning_rate=rate, epochs=1))
    assert caught.value.epoch == 2
    assert caught.value.fit.epochs == 1
    assert math.isnan(caught.value.fit.loss)


@pytest.mark.parametrize("name", MODELS)
def test_stopping_too_early_is_not_at_the_optimum(name):
    said = "not the best possible" if name == "sin_legendre" else "bits from the optimum"
    with pytest.raises(train.NotAtOptimumError, match=rf"^{name}: .* after 1 epochs .* {said}"):
        train.fit(name, recipe=recipe(name, epochs=1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("f2x", {}), "no model named 'f2x'. Did you mean 'f2c'?"),
        (("f2c", {"recipe": "lbgfs"}), "no recipe of f2c named 'lbgfs'. Did you mean 'lbfgs'?"),
        (("f2c", {"device": "cdua"}), "no device named 'cdua'. Did you mean 'cuda'?"),
    ],
)
def test_unknown_names_get_a_suggestion(arguments, message):
    name, options = arguments
    with pytest.raises(train.UnknownNameError, match=re.escape(message)):
        train.fit(name, **options)


@pytest.mark.skipif(torch.cuda.is_available(), reason="is about machines without a GPU")
def test_a_missing_gpu_is_said():
    with pytest.raises(train.TrainError, match="no CUDA device here"):
        train.fit("f2c", device="cuda")


def test_numpy_knows_no_gpu():
    with pytest.raises(train.TrainError, match="'numpy' computes with numpy; type --device cpu"):
        train.fit("sin_cubic", recipe="numpy", device="cuda")


def test_a_batch_that_diverges_ends_the_fit():
    with pytest.raises(train.DivergedError) as caught:
        train.fit("plane", recipe=recipe("plane", "scratch", learning_rate=1e3))
    assert caught.value.epoch == 1


@pytest.mark.parametrize("changes", [{"drawn": True}, {"batches": "stream", "batch_size": 2}])
def test_data_that_are_given_cannot_be_drawn(own_model, changes):
    data = train.Dataset("points", np.array([1.0, 2.0, 4.0]), np.array([1.0, 2.0, 3.0]))
    mine = own_model(Line, data, {"w": {(1,): 1}, "b": {(0,): 1}})
    for model, row in (
        (mine, recipe("line", **changes)),
        ("sin_cubic", recipe("sin_cubic", **changes)),
    ):
        with pytest.raises(train.TrainError, match="its data cannot be redrawn"):
            train.fit(model, recipe=row)


@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        ([1.0, 1.0], [1.0, 2.0], "the data do not determine"),
        ([1.0, math.nan], [1.0, 2.0], "not all numbers of dataset 'bad' are finite"),
        ([1.0, 2.0], [math.inf, 2.0], "not all numbers of dataset 'bad' are finite"),
        ([1.0, 2.0], [1e39, -1e39], "beyond the largest float32"),
    ],
)
def test_data_that_cannot_be_fitted_are_refused(x, y, said):
    data = train.Dataset("bad", np.array(x), np.array(y))
    line = dataclasses.replace(train._learn.models.find_model("line"), dataset=data)
    with pytest.raises(train.TrainError, match=f"^line: .*{said}"):
        train.fit(line)


# Models of one's own.


class Quintic(nn.Module):
    def __init__(self):
        super().__init__()
        for name in "abcdef":
            setattr(self, name, nn.Parameter(torch.tensor(0.0, dtype=torch.float64)))

    def forward(self, x):
        top = (self.f * x + self.e) * x + self.d
        return ((top * x + self.c) * x + self.b) * x + self.a


class Plane(nn.Module):
    def __init__(self):
        super().__init__()
        for name in "uvb":
            setattr(self, name, nn.Parameter(torch.tensor(0.0, dtype=torch.float64)))

    def forward(self, x):
        return self.u * x[..., 0] + self.v * x[..., 1] + self.b


def spec(module, dataset, terms):
    return train.ModelSpec(
        name="mine",
        module=module,
        dataset=dataset,
        input=train.Quantity("x", "what goes in", "1"),
        output=train.Quantity("y", "what comes out", "1"),
        recipes=(train.lbfgs("sum"),),
        variants=(train.Variant("", "Mine", "y = …", terms),),
        description="A model of a user.",
    )


def test_a_model_of_ones_own_on_known_data(fitted):
    quintic = spec(Quintic, "sine", {name: {(k,): 1} for k, name in enumerate("abcdef")})
    fit = train.fit(quintic)
    assert fit.differing_bits == 0
    assert [fit.parameters[name] for name in "ace"] == [0.0, 0.0, 0.0]  # the sine is odd
    # numpy's solver, by singular values in floats, agrees as far as floats go.
    x, y = load_dataset("sine").x, load_dataset("sine").y
    solution, (residual,), *_ = np.linalg.lstsq(np.vander(x, 6, increasing=True), y, rcond=None)
    assert [fit.parameters[n] for n in "bdf"] == pytest.approx(solution[1::2].tolist(), rel=1e-6)
    assert fit.best_loss == pytest.approx(residual, rel=1e-9)
    assert fit.best_loss < fitted("sin_cubic").best_loss / 10


def test_a_plane_over_data_of_ones_own():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(50, 2))
    y = x @ [2.0, -3.4] + 4.2 + 0.01 * generator.normal(size=50)
    terms = {"u": {(1, 0): 1}, "v": {(0, 1): 1}, "b": {(0, 0): 1}}
    fit = train.fit(spec(Plane, train.Dataset("noisy", x, y), terms))
    assert fit.differing_bits == 0
    assert list(fit.parameters.values()) == pytest.approx([2.0, -3.4, 4.2], abs=0.01)


def test_targets_that_are_all_zero(own_model):
    data = train.Dataset("zeros", np.array([1.0, 2.0, 4.0]), np.zeros(3))
    fit = train.fit(own_model(Line, data, {"w": {(1,): 1}, "b": {(0,): 1}}))
    assert dict(fit.parameters) == {"w": 0.0, "b": 0.0}
    assert (fit.loss, fit.best_loss, fit.differing_bits) == (0.0, 0.0, 0)


class Counting(Cubic):
    """A cubic that notes how many rows it is given."""

    sizes: ClassVar[list[int]] = []

    def forward(self, x):
        self.sizes.append(len(x))
        return super().forward(x)


def test_more_rows_than_a_block_end_on_the_judges_bits(own_model):
    # Four blocks of the loop, the last one shorter: sums by parts, for loss, slopes and whitening.
    generator = np.random.default_rng(0)
    x = np.sort(generator.uniform(-3.0, 3.0, 200_000))
    y = 0.5 - x + 0.25 * x**2 + 0.1 * x**3 + generator.normal(scale=0.1, size=len(x))
    assert len(x) > 3 * loop._BLOCK
    terms = {name: {(power,): 1} for power, name in enumerate("abcd")}
    Counting.sizes.clear()
    cubic = own_model(Counting, train.Dataset("many", x, y), terms)
    fit = train.fit(cubic)
    assert fit.differing_bits == 0
    solution, (residual,), *_ = np.linalg.lstsq(np.vander(x, 4, increasing=True), y, rcond=None)
    assert list(fit.parameters.values()) == pytest.approx(solution.tolist(), rel=1e-6)
    assert fit.losses[-1] == pytest.approx(residual, rel=1e-12)
    # No more rows at a time than a block: memory does not grow with the rows.
    assert max(Counting.sizes) == loop._BLOCK
    assert sum(Counting.sizes) > len(x)
    # It starts at zero: the first loss is that of the targets, by the sum and by the mean.
    assert fit.losses[0] == pytest.approx(y @ y, rel=1e-12)
    mean = train.fit(cubic, recipe=dataclasses.replace(fit.recipe, loss="mean"))
    assert mean.losses[0] == pytest.approx(y @ y / len(y), rel=1e-12)
    assert bits(mean.parameters) == bits(fit.parameters)


def test_rows_in_any_order_end_on_the_same_bits(fitted, own_model):
    known = load_dataset("sine")
    order = np.random.default_rng(0).permutation(known.rows)
    terms = {name: {(power,): 1} for power, name in enumerate("abcd")}
    fit = train.fit(own_model(Cubic, train.Dataset("m", known.x[order], known.y[order]), terms))
    assert bits(fit.parameters) == bits(fitted("sin_cubic").parameters)
    assert (fit.loss, fit.best_loss) == (fitted("sin_cubic").loss, fitted("sin_cubic").best_loss)

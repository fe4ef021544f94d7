"""Rows that validate, and what the losses say in words."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import train
from train._cli import main
from train._learn.datasets import load_dataset
from train._learn.models import MODELS
from train._learn.modules import Line
from train._learn.verdicts import advice, excess, verdict

EVERY = [
    pytest.param(name, row.name, id=f"{name}-{row.name}")
    for name, model in MODELS.items()
    for row in model.recipes
]


def rows(dataset):
    """Return the observations of a dataset."""
    x = dataset.x.reshape(dataset.rows, -1)
    return [(*map(float, row), float(y)) for row, y in zip(x, dataset.y, strict=True)]


# Which rows.


def test_split_holds_out_readings_0_and_3(recipe):
    fit = train.fit("f2c", recipe=recipe("f2c", "split", epochs=1))
    all_rows = rows(load_dataset("thermometer"))
    assert rows(fit.validation) == [all_rows[0], all_rows[3]]
    assert rows(fit.dataset) == all_rows[1:3] + all_rows[4:]
    assert (fit.dataset.rows, fit.validation.rows) == (9, 2)
    assert fit.dataset.name == "thermometer, training rows"
    assert fit.validation.name == "thermometer, validation rows"


def test_nothing_is_held_out_unless_asked(fitted):
    fit = fitted("f2c")
    assert fit.validation is None
    assert fit.validation_loss is None
    assert {epoch.validation_loss for epoch in fit.history} == {None}


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5, 0.9])
def test_a_fraction_of_rows_chosen_by_the_seed(recipe, fraction):
    row = recipe("line", "autograd", batches="all", learning_rate=1e-9, epochs=1)
    fits = [
        train.fit("line", recipe=row, validation_fraction=fraction, seed=seed) for seed in (0, 0, 1)
    ]
    for fit in fits:
        assert fit.recipe.validation_fraction == fraction
        assert fit.validation.rows == round(1000 * fraction)
        # Every row is in one of the two, in the order of the data.
        known = rows(load_dataset("noisy_line"))
        held_out = set(rows(fit.validation))
        assert [row for row in known if row in held_out] == rows(fit.validation)
        assert [row for row in known if row not in held_out] == rows(fit.dataset)
    same, again, other = fits
    assert rows(same.validation) == rows(again.validation)
    assert rows(same.validation) != rows(other.validation)


def test_a_fraction_replaces_the_rows_of_split(recipe):
    row = recipe("f2c", "split", epochs=1)
    fit = train.fit("f2c", recipe=row, validation_fraction=3 / 11, seed=1)
    assert fit.validation.rows == 3
    assert train.fit("f2c", recipe=row, validation_fraction=0.0).validation.rows == 2


def test_the_seed_of_the_start_and_of_the_rows_do_not_meet(recipe):
    # The rows are chosen by a generator of their own: the start is the same with and without.
    row = recipe("sin_cubic", "tensor", learning_rate=1e-30, epochs=1)
    plain = train.fit("sin_cubic", recipe=row)
    split = train.fit("sin_cubic", recipe=row, validation_fraction=0.5)
    assert plain.parameters == split.parameters


@pytest.mark.parametrize(("fraction", "left"), [(0.04, 0), (0.99, 11), (0.96, 11)])
def test_a_fraction_that_leaves_no_row_is_refused(fraction, left):
    message = f"leaves {left} of 11 rows for validation; at least one must validate and one train"
    with pytest.raises(train.TrainError, match=f"validation fraction of {fraction:g} {message}"):
        train.fit("f2c", validation_fraction=fraction)


@pytest.mark.parametrize("fraction", [-0.1, 1.0, 2.0, math.inf, math.nan])
def test_a_fraction_that_is_none_is_refused(fraction):
    with pytest.raises(train.TrainError, match="must be at least 0 and less than 1"):
        train.fit("f2c", validation_fraction=fraction)


@pytest.mark.parametrize(("name", "chosen"), EVERY)
def test_every_recipe_can_validate(recipe, name, chosen):
    row = recipe(name, chosen)
    if row.until == "epochs":
        row = dataclasses.replace(row, epochs=min(row.epochs, 3))
    fit = train.fit(name, recipe=row, validation_fraction=0.3, seed=2)
    assert fit.validation.rows == round(0.3 * load_dataset(MODELS[name].dataset).rows)
    assert all(math.isfinite(epoch.validation_loss) for epoch in fit.history)
    assert fit.validation_loss == fit.history[-1].validation_loss
    assert len(advice(fit)) == 2
    if row.until == "optimum":
        # The best of the rows that train, certified as without validation.
        assert fit.at_optimum
        assert fit.dataset.rows + fit.validation.rows == load_dataset(MODELS[name].dataset).rows


@pytest.mark.parametrize("seed", range(5))
def test_any_rows_of_the_sine_lead_to_their_best_legendre_polynomial(seed):
    fit = train.fit("sin_legendre", validation_fraction=0.3, seed=seed)
    assert fit.at_optimum
    cubic = train.fit("sin_cubic", validation_fraction=0.3, seed=seed)
    assert fit.best_loss == cubic.best_loss
    assert rows(fit.dataset) == rows(cubic.dataset)


# The losses.


def test_both_losses_are_those_before_the_step(recipe):
    # The tutorials print them side by side, of the same parameters.
    fit = train.fit("f2c", recipe=recipe("f2c", "split", epochs=3, dtype="float64"))
    before = {"w": 1.0, "b": 0.0}
    for epoch in fit.history:
        for dataset, loss in (
            (fit.dataset, epoch.loss),
            (fit.validation, epoch.validation_loss),
        ):
            scale = 13421773 * 2.0**-27
            error = before["w"] * (scale * dataset.x) + before["b"] - dataset.y
            assert loss == pytest.approx((error**2).mean(), rel=1e-12)
        before = epoch.parameters


def test_after_many_steps_both_losses_are_those_at_the_end(recipe):
    for name in ("scratch", "torch"):
        row = recipe("plane", name, epochs=2, validation_fraction=0.2, dtype="float64", seed=1)
        fit = train.fit("plane", recipe=row)
        factor = 0.5 if name == "scratch" else 1.0
        for epoch in fit.history:
            w0, w1, b = (epoch.parameters[key] for key in ("w0", "w1", "b"))
            for dataset, loss in (
                (fit.dataset, epoch.loss),
                (fit.validation, epoch.validation_loss),
            ):
                error = dataset.x @ [w0, w1] + b - dataset.y
                assert loss == pytest.approx(factor * (error**2).mean(), rel=1e-10)


# In words.


def standing(fit, loss, best=100.0, **changes):
    """Return a fit whose loss is so far from the best possible one."""
    return dataclasses.replace(fit, loss=loss, best_loss=best, **changes)


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (100.0, "at the optimum"),
        (99.0, "at the optimum"),  # below the best by rounding
        (100.0 * (1 + 0.9e-6), "at the optimum"),
        (100.0 * (1 + 1.1e-6), "near the optimum, +1.1e-06"),
        (100.09, "near the optimum, +0.0009"),
        (100.5, "near the optimum, +0.5%"),
        (109.9, "near the optimum, +9.9%"),
        (110.1, "underfit, 1.1 times the best"),
        (123456.0, "underfit, 1,235 times the best"),
    ],
)
def test_the_verdict_goes_by_the_share_above_the_best(fitted, loss, words):
    fit = standing(fitted("f2c"), loss)
    found = verdict(fit)
    assert found == words or found == words.replace("1,235", "1.23e+03")
    assert excess(fit) == pytest.approx(max(loss / 100 - 1, 0.0), abs=1e-12)


def test_a_best_loss_of_nothing(fitted):
    assert verdict(standing(fitted("f2c"), 0.0, 0.0)) == "at the optimum"
    assert excess(standing(fitted("f2c"), 1.0, 0.0)) == math.inf
    assert verdict(standing(fitted("f2c"), 1.0, 0.0)).startswith("underfit, inf")


def test_divergence_goes_first(fitted):
    fit = standing(fitted("f2c"), math.nan, diverged_at=1234)
    assert verdict(fit) == "diverged at epoch 1,234"
    assert advice(fit) == []


def test_split_is_neither_underfit_nor_overfit(fitted):
    # The tutorial: 2.911628 and 5.213466 after 4,000 epochs.
    fit = fitted("f2c", recipe="split")
    assert advice(fit) == [
        "Not underfit: the training loss 2.91163 is within 10% of the best possible 2.91115.",
        "Not overfit: the validation loss per row 5.21347 (2 rows) is 1.79 times the training "
        "loss per row 2.91163; overfitting is above 2.",
    ]
    assert verdict(fit) == "near the optimum, +0.00016"


def test_early_on_split_is_both(recipe):
    # After 500 epochs the tutorial prints 7.375591 and 33.852039.
    fit = train.fit("f2c", recipe=recipe("f2c", "split", epochs=500))
    under, over = advice(fit)
    assert under.startswith("Underfit: the training loss 7.36")
    assert "is 2.53 times the best possible 2.91115. More epochs or a higher rate" in under
    assert "inputs of one scale let one rate serve every parameter" in under
    assert over.startswith(
        "Overfit: the validation loss per row 33.852 (2 rows) is 4.59 times the "
    )


def test_without_validation_only_underfitting_is_said(fitted):
    assert advice(fitted("f2c")) == []
    raw = fitted("f2c", recipe="raw")
    (sentence,) = advice(raw)
    assert sentence.startswith("Underfit: the training loss 29.0")
    assert "is 9.91 times the best possible 2.92765." in sentence


def overfit_model(own_model):
    # Four points train and lie on a line; four validate and lie elsewhere.
    x = np.arange(8.0)
    y = np.where(x < 4, 2 * x + 1 + 0.01 * (-1) ** x, 9.0 - x)
    terms = {"w": {(1,): 1}, "b": {(0,): 1}}
    rows = (train.lbfgs("sum"), train.lbfgs("mean"))
    held = [dataclasses.replace(r, held_out=(4, 5, 6, 7), name=r.loss) for r in rows]
    return own_model(Line, train.Dataset("bent", x, y), terms, *held)


@pytest.mark.parametrize("loss", ["sum", "mean"])
def test_rows_that_were_never_seen_show_overfitting(own_model, loss):
    fit = train.fit(overfit_model(own_model), recipe=loss)
    assert fit.at_optimum
    under, over = advice(fit)
    assert under.startswith("Not underfit: ")
    # The same a row, however the losses are reduced.
    per_row = fit.losses[-1] / (4 if loss == "sum" else 1)
    validation = fit.validation_loss / (4 if loss == "sum" else 1)
    assert over == (
        f"Overfit: the validation loss per row {validation:.6g} (4 rows) is "
        f"{validation / per_row:.3g} times the training loss per row {per_row:.6g}; "
        "overfitting is above 2."
    )
    assert validation > 40


def test_a_sum_over_few_rows_is_not_compared_with_one_over_many():
    # 200 rows validate and 800 train: by sums, every fit would look four times better than it is.
    fit = train.fit("line", validation_fraction=0.2)
    assert fit.losses[-1] > 3 * fit.validation_loss
    over = advice(fit)[1]
    assert over.startswith("Not overfit: the validation loss per row ")
    ratio = (fit.validation_loss / 200) / (fit.losses[-1] / 800)
    assert f"is {ratio:.3g} times" in over
    assert 0.7 < ratio < 1.4


def test_the_loss_of_a_streamed_batch_is_one_of_32_rows():
    fit = train.fit("line", recipe="manual", validation_fraction=0.2)
    over = advice(fit)[1]
    assert over.startswith("Not overfit: ")
    assert f"the training loss per row {fit.losses[-1] / 32:.6g}; " in over
    assert fit.dataset.rows == 32 * 500  # the stream, as far as it went


def test_a_training_loss_of_zero(fitted):
    fit = fitted("f2c", recipe="split")
    last = fit.history[-1]._replace(loss=0.0)
    perfect = dataclasses.replace(fit, history=(last,))
    assert "is inf times the training loss per row 0; " in advice(perfect)[1]


# The command.


def test_the_command_validates_any_model_and_says_how_it_stands(tmp_path):
    arguments = ["--all", "--validation-fraction", "0.25", "--seed", "3"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0
    reports = result.output.split("judge: ")
    assert len(reports) == 7
    assert result.output.count("Not underfit: ") == 6
    assert result.output.count("verfit: the validation loss per row ") == 6
    assert result.output.count("\n  validation ") == 6
    assert ", seed 3" in result.output.splitlines()[0]


@pytest.mark.parametrize(
    ("fraction", "code", "message"),
    [
        ("1", 2, "0<=x<1"),
        ("-0.1", 2, "0<=x<1"),
        ("nan", 1, "validation fraction of nan must be at least 0 and less than 1"),
        ("0.99", 1, "leaves 11 of 11 rows"),
        ("0.01", 1, "leaves 0 of 11 rows for validation"),
    ],
)
def test_wrong_fractions_are_told(fraction, code, message):
    result = CliRunner().invoke(main, ["f2c", "--validation-fraction", fraction])
    assert isinstance(result.exception, SystemExit)
    assert result.exit_code == code
    assert message in result.output


def test_validation_rows_never_reach_the_gradient(recipe):
    # Whatever their targets are: the parameters are the same.
    known = load_dataset("thermometer")
    changed = np.array(known.y)
    changed[[0, 3]] = 1e6
    model = dataclasses.replace(MODELS["f2c"], dataset=train.Dataset("changed", known.x, changed))
    row = recipe("f2c", "split", epochs=50)
    ours, theirs = train.fit("f2c", recipe=row), train.fit(model, recipe=row)
    assert ours.losses == theirs.losses
    assert torch.equal(
        torch.tensor(list(ours.parameters.values())), torch.tensor(list(theirs.parameters.values()))
    )
    assert ours.validation_loss != theirs.validation_loss

"""Four ways to the same gradient."""

import dataclasses

import numpy as np
import pytest
import torch

import train
from train._learn.gradients import STRATEGIES, loss_of, reduce
from train._learn.models import MODELS, find_recipe
from train._learn.modules import Cubic, Legendre, Line, Thermometer, set_values

X = torch.tensor([-2.0, -0.5, 0.0, 1.0, 3.0], dtype=torch.float64)
Y = torch.tensor([1.0, 0.5, -1.0, 2.0, 4.0], dtype=torch.float64)
LOSSES = ["mean", "sum", "half-mean", "half-sum"]


def recipe(loss="mean", **settings):
    return train.Recipe("mine", "by hand", 0.1, 1, loss, **settings)


def gradient(module, strategy, chosen):
    loss, slopes = STRATEGIES[strategy](module, [module], X, Y, chosen)
    return float(loss), {name: float(slope) for name, slope in slopes.items()}


def test_what_the_losses_are():
    error = torch.tensor([1.0, -2.0, 4.0])
    assert [reduce(error, recipe(loss)).item() for loss in LOSSES] == [7.0, 21.0, 3.5, 10.5]
    assert reduce(np.array([1.0, -2.0, 4.0]), recipe("half-sum")) == 10.5
    # Over several forms of a model, their mean.
    forms = [lambda x: x, lambda x: x + 1]
    zero = torch.zeros(5, dtype=torch.float64)
    assert loss_of(forms, zero, zero, recipe("sum")).item() == 2.5


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kind", [Thermometer, Line, Cubic])
def test_by_hand_and_by_autograd_agree(kind, loss):
    module = kind()
    values = {name: 0.3 + i for i, (name, _) in enumerate(module.named_parameters())}
    set_values(module, values)
    by_hand = gradient(module, "by hand", recipe(loss))
    by_autograd = gradient(module, "autograd", recipe(loss))
    assert by_hand[0] == by_autograd[0]
    assert by_hand[1] == pytest.approx(by_autograd[1], rel=1e-13)


@pytest.mark.parametrize("delta", [0.1, 1.0])
def test_differences_are_exact_for_a_quadratic_loss(delta):
    # A central difference has no error of second order, and the loss has no higher one.
    module = Cubic()
    set_values(module, {"a": 0.25, "b": -1.5, "c": 0.5, "d": 2.0})
    found = gradient(module, "finite-difference", recipe(delta=delta))
    expected = gradient(module, "autograd", recipe())
    assert found[0] == expected[0]
    assert found[1] == pytest.approx(expected[1], rel=1e-11)
    # And the parameters are where they were.
    assert [p.item() for p in module.parameters()] == [0.25, -1.5, 0.5, 2.0]


def test_the_custom_function_gives_the_gradient_of_the_formula():
    module = Legendre()
    set_values(module, {"a": 0.25, "b": -1.5, "c": 0.5, "d": 0.75})
    found = gradient(module, "function", recipe("sum"))
    expected = gradient(module, "autograd", recipe("sum"))
    assert found[0] == pytest.approx(expected[0], rel=1e-13)
    assert found[1] == pytest.approx(expected[1], rel=1e-13)


def test_averaging_again_divides_by_the_rows():
    module = Thermometer()
    once = gradient(module, "by hand", recipe())[1]
    again = gradient(module, "by hand", recipe(average_again=True))[1]
    assert again == pytest.approx({name: slope / 5 for name, slope in once.items()}, rel=1e-15)


def test_what_a_form_does_not_use_has_no_slope():
    net = MODELS["dynamic_net"].make_module()
    _, slopes = STRATEGIES["autograd"](net, [net.at(3)], X, Y, recipe())
    assert slopes["e"].item() == 0.0
    assert slopes["d"].item() != 0.0


def test_the_strategies_of_the_table():
    # The tutorials say which recipe takes its gradient how.
    f2c = MODELS["f2c"]
    assert find_recipe(f2c, "finite-difference").gradient == "finite-difference"
    assert {find_recipe(f2c, n).gradient for n in ("raw", "raw-mean", "normalized")} == {"by hand"}
    assert {find_recipe(f2c, n).gradient for n in ("autograd", "sgd", "split")} == {"autograd"}
    assert find_recipe(MODELS["sin_legendre"], "function").gradient == "function"


# Whole fits: four ways to the same numbers.


class Product(torch.autograd.Function):
    """w·x, with a derivative of its own."""

    @staticmethod
    def forward(ctx, w, x):
        ctx.save_for_backward(x)
        return w * x

    @staticmethod
    def backward(ctx, slope):
        (x,) = ctx.saved_tensors
        return (slope * x).sum(), None


class OwnThermometer(Thermometer):
    """The thermometer, with a custom function in it."""

    def through_function(self, t_u):
        return Product.apply(self.w, self.scale * t_u) + self.b


def thermometer(**settings):
    """Return the row of f2c with a module that knows all four ways, and a recipe."""
    model = dataclasses.replace(MODELS["f2c"], module=OwnThermometer)
    row = train.Recipe("mine", "by hand", 1e-4, 20, "mean", dtype="float64")
    return model, dataclasses.replace(row, **settings)


@pytest.mark.parametrize("loss", LOSSES)
def test_four_ways_lead_to_the_same_fit(loss):
    ends = {}
    for way in STRATEGIES:
        model, row = thermometer(gradient=way, loss=loss)
        ends[way] = train.fit(model, recipe=row)
    assert len(ends) == 4
    for fit in ends.values():
        assert fit.losses == pytest.approx(ends["autograd"].losses, rel=1e-9)
        for epoch, expected in zip(fit.history, ends["autograd"].history, strict=True):
            assert epoch.parameters == pytest.approx(expected.parameters, rel=1e-8)
    # The gradient is kept where it is taken by hand.
    assert {way for way, fit in ends.items() if fit.gradient} == {"by hand", "finite-difference"}
    by_hand, by_differences = (ends[way].gradient for way in ("by hand", "finite-difference"))
    assert by_hand == pytest.approx(by_differences, rel=1e-8)


class Steeper(Thermometer):
    """A thermometer whose custom function claims to be twice as steep as it is."""

    def through_function(self, t_u):
        output = self(t_u)
        return output.detach() + 2 * (output - output.detach())


def test_the_custom_function_is_what_is_asked():
    model, row = thermometer(gradient="function", epochs=1)
    honest = train.fit(model, recipe=row).history[0]
    steeper = train.fit(dataclasses.replace(model, module=Steeper), recipe=row).history[0]
    assert steeper.loss == honest.loss
    assert steeper.parameters["b"] == pytest.approx(2 * honest.parameters["b"], rel=1e-12)


def test_the_loss_and_the_step_are_the_definition():
    data = train._learn.datasets.load_dataset("thermometer")
    error = data.x - data.y  # raw readings, w = 1, b = 0
    for loss, factor in (("mean", 1 / 11), ("sum", 1), ("half-mean", 1 / 22), ("half-sum", 0.5)):
        model, row = thermometer(gradient="by hand", loss=loss, epochs=1, constants={"scale": 1.0})
        fit = train.fit(model, recipe=row)
        assert fit.losses[0] == pytest.approx(factor * (error @ error), rel=1e-14)
        assert fit.gradient["w"] == pytest.approx(2 * factor * (error @ data.x), rel=1e-14)
        assert fit.gradient["b"] == pytest.approx(2 * factor * error.sum(), rel=1e-14)
        assert fit.history[0].parameters == {
            "w": 1.0 - 1e-4 * fit.gradient["w"],
            "b": 0.0 - 1e-4 * fit.gradient["b"],
        }


@pytest.mark.parametrize("seed", [0, 1])
def test_numpy_computes_the_same_as_torch(seed):
    by_numpy, by_torch = (
        train.fit(
            "sin_cubic",
            recipe=dataclasses.replace(
                find_recipe(MODELS["sin_cubic"], name), epochs=200, seed=seed, dtype="float64"
            ),
        )
        for name in ("numpy", "tensor")
    )
    # Two libraries add 2,000 numbers in two orders; the rest are the same doubles.
    assert by_numpy.losses == pytest.approx(by_torch.losses, rel=1e-12)
    for ours, theirs in zip(by_numpy.history, by_torch.history, strict=True):
        assert ours.parameters == pytest.approx(theirs.parameters, rel=1e-11, abs=1e-13)
    assert by_numpy.gradient == pytest.approx(by_torch.gradient, rel=1e-8)
    assert by_numpy.best_loss == by_torch.best_loss


def test_numpy_keeps_to_its_dtype():
    row = dataclasses.replace(find_recipe(MODELS["sin_cubic"], "numpy"), epochs=3, dtype="float32")
    for value in train.fit("sin_cubic", recipe=row).history[-1].parameters.values():
        assert type(value) is float
        assert float(np.float32(value)) == value

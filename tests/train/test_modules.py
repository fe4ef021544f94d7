"""The modules compute what the table says that they compute, and nothing else is in them."""

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from train._models import MODELS
from train._modules import SCALE, DynamicNet, Thermometer

VARIANTS = [
    pytest.param(name, index, id=f"{name}.{variant.name}".rstrip("."))
    for name in ("f2c", "sin_cubic", "dynamic_net")
    for index, variant in enumerate(MODELS[name].variants)
]
moderate = st.floats(-100.0, 100.0)


def filled(model, values):
    """Return a model's module, in float64, with these parameters, and the parameters by name."""
    module = model.module().double()
    names = [name for name, _ in module.named_parameters()]
    parameters = dict(zip(names, values, strict=False))
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.fill_(parameters[name])
    return module, parameters


@pytest.mark.parametrize(("name", "index"), VARIANTS)
@settings(deadline=None, max_examples=50)
@given(st.lists(moderate, min_size=5, max_size=5), moderate)
@example([1.0, 2.0, 3.0, 5.0, 7.0], 10.0)
def test_forward_is_the_sum_of_the_terms(name, index, values, x):
    model = MODELS[name]
    module, parameters = filled(model, values)
    variant = model.variants[index]
    assert set(variant.terms) == set(parameters)
    terms = [
        Fraction(parameters[parameter]) * Fraction(coefficient) * Fraction(x) ** power
        for parameter, basis in variant.terms.items()
        for (power,), coefficient in basis.items()
    ]
    (answer,) = variant.view(module)(torch.tensor([x], dtype=torch.float64)).tolist()
    # Horner's rule in double: at most two roundings a degree, relative to the sum of magnitudes.
    bound = 12 * 2.0**-53 * float(sum(map(abs, terms))) + 1e-300
    assert abs(Fraction(answer) - sum(terms)) <= bound


@pytest.mark.parametrize(("name", "index"), VARIANTS)
def test_a_module_is_elementwise(name, index):
    model = MODELS[name]
    module, _ = filled(model, [0.5, -1.5, 2.5, 0.25, 3.0])
    module = model.variants[index].view(module)
    x = torch.linspace(-2.0, 2.0, 12, dtype=torch.float64)
    with torch.no_grad():
        flat = module(x)
        for shape in ((), (0,), (1,), (3, 4), (2, 3, 2)):
            some = x[: math.prod(shape)].reshape(shape)
            answers = module(some)
            assert answers.shape == some.shape
            assert torch.equal(answers.flatten(), flat[: some.numel()])


@pytest.mark.parametrize(("name", "index"), VARIANTS)
def test_parameters_and_buffers_are_scalars(name, index):
    model = MODELS[name]
    module = model.variants[index].view(model.module())
    for tensor in (*module.parameters(), *module.buffers()):
        assert tensor.shape == ()
        assert tensor.dtype == torch.float64


def test_the_scale_is_the_float32_nearest_to_a_tenth():
    assert SCALE == 13421773 * 2.0**-27
    assert Thermometer().scale.item() == SCALE
    assert Thermometer().float().scale.item() == SCALE  # going to float32 loses nothing


@pytest.mark.parametrize("order", [3, 4, 5])
def test_a_view_shares_the_parameters(order):
    net = DynamicNet()
    view = net.at(order)
    own = dict(net.named_parameters())
    assert {name: id(p) for name, p in view.named_parameters()} == {
        name: id(p) for name, p in own.items()
    }
    # What training changes, every view sees; what a view learns, the net learns.
    x = torch.tensor([2.0], dtype=torch.float64)
    with torch.no_grad():
        net.e.fill_(1.0)
        assert view(x).item() == {3: 0.0, 4: 16.0, 5: 48.0}[order]
    view(x).sum().backward()
    assert net.b.grad.item() == 2.0
    assert (net.e.grad is None) == (order == 3)

"""The modules compute what the table says that they compute, and nothing else is in them."""

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from train._learn.models import MODELS
from train._learn.modules import (
    Cubic,
    DynamicNet,
    LegendreP3,
    Thermometer,
    round_constants,
    round_to,
    set_values,
    values,
)
from train._learn.spec import designs

VARIANTS = [
    pytest.param(name, index, id=f"{name}.{variant.name}".rstrip("."))
    for name, model in MODELS.items()
    for index, variant in enumerate(model.variants)
]
TWINS = [pytest.param(m, twin, id=f"{m}.{twin}") for m in MODELS for twin in MODELS[m].modules]
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
@given(st.lists(moderate, min_size=5, max_size=5), st.tuples(moderate, moderate))
@example([1.0, 2.0, 3.0, 5.0, 7.0], (10.0, -3.0))
def test_forward_is_the_sum_of_the_terms(name, index, numbers, point):
    model = MODELS[name]
    module, parameters = filled(model, numbers)
    terms = designs(model, model.recipes[0], "float64")[index]
    exact = {key: Fraction(value) for key, value in parameters.items()}
    coefficients = model.expand(exact) if model.expand else exact
    assert set(terms) == set(coefficients)
    features = len(next(iter(terms["b"])))
    x = point[:features]
    parts = [
        coefficients[key] * Fraction(c) * math.prod(map(pow, map(Fraction, x), powers))
        for key, basis in terms.items()
        for powers, c in basis.items()
    ]
    tensor = torch.tensor([x if features > 1 else x[0]], dtype=torch.float64)
    (answer,) = model.variants[index].view(module)(tensor).tolist()
    # Horner's rule in double: at most two roundings a degree, relative to the sum of magnitudes.
    size = sum(map(abs, parts))
    if model.expand:  # z = c + d·x may cancel before it is cubed
        a, b, c, d = (abs(exact[key]) for key in "abcd")
        z = c + d * abs(Fraction(x[0]))
        size = a + b * (Fraction(5, 2) * z**3 + Fraction(3, 2) * z)
    assert abs(Fraction(answer) - sum(parts)) <= 16 * 2.0**-53 * float(size) + 1e-300


@pytest.mark.parametrize(("name", "index"), VARIANTS)
def test_a_module_is_elementwise(name, index):
    model = MODELS[name]
    module, _ = filled(model, [0.5, -1.5, 2.5, 0.25, 3.0])
    module = model.variants[index].view(module)
    last = (2,) if name == "plane" else ()
    x = torch.linspace(-2.0, 2.0, 12 * math.prod(last), dtype=torch.float64).reshape(12, *last)
    with torch.no_grad():
        flat = module(x)
        for shape in ((), (0,), (1,), (3, 4), (2, 3, 2)):
            count = math.prod(shape)
            answers = module(x[:count].reshape((*shape, *last)))
            assert answers.shape == shape
            assert torch.equal(answers.flatten(), flat[:count])


@pytest.mark.parametrize(("name", "index"), VARIANTS)
def test_parameters_and_buffers_are_scalars(name, index):
    model = MODELS[name]
    module = model.variants[index].view(model.module())
    for tensor in (*module.parameters(), *module.buffers()):
        assert tensor.shape == ()
        assert tensor.dtype == torch.float64


@pytest.mark.parametrize(("dtype", "scale"), [("float32", 13421773 * 2.0**-27), ("float64", 0.1)])
def test_the_scale_is_the_float_of_the_dtype_nearest_to_a_tenth(dtype, scale):
    module = Thermometer()
    round_constants(module, dtype)
    assert module.scale.item() == scale
    assert module.scale.dtype == torch.float64  # to train in
    assert module.to(getattr(torch, dtype)).scale.item() == scale  # nothing is lost on the way


def test_numbers_are_rounded_once():
    assert round_to(0.1, "float64") == 0.1
    assert round_to(0.1, "float32") == 13421773 * 2.0**-27
    assert round_to(1 + 2.0**-24, "float32") == 1.0  # a tie, to even
    assert round_to(1e39, "float32") == math.inf


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


@pytest.mark.parametrize(("name", "twin"), TWINS)
def test_the_layers_compute_the_same_function(name, twin):
    # nn.Linear over features or powers, against the module that is served.
    model = MODELS[name]
    torch.manual_seed(0)
    layers = model.make_module(twin).double()
    served = model.make_module().double()
    numbers = {key: value.item() for key, value in values(layers).items()}
    assert set(numbers) == set(model.parameters)
    assert len(set(numbers.values())) == len(numbers)  # a random start
    set_values(served, numbers)
    x = torch.linspace(-3.0, 3.0, 20, dtype=torch.float64)
    x = x.reshape(10, 2) if name == "plane" else x
    assert torch.allclose(layers(x), served(x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["f2c", "line", "sin_cubic"])
def test_partials_are_the_derivatives(name):
    model = MODELS[name]
    module, _ = filled(model, [0.5, -1.5, 2.5, 0.25])
    x = torch.tensor([-3.0, 0.0, 0.5, 7.0], dtype=torch.float64)
    partials = module.partials(x)
    assert set(partials) == set(model.parameters)
    for row in range(len(x)):
        module.zero_grad()
        module(x)[row].backward()
        for key, parameter in module.named_parameters():
            part = torch.as_tensor(partials[key], dtype=torch.float64).expand(len(x))[row]
            assert parameter.grad.item() == pytest.approx(part.item(), rel=1e-14)


def test_the_custom_function_has_its_own_right_derivative():
    z = torch.linspace(-2.0, 2.0, 9, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(LegendreP3.apply, (z,))
    y = LegendreP3.apply(z)
    assert y.tolist() == pytest.approx([(5 * v**3 - 3 * v) / 2 for v in z.tolist()])
    assert type(y.grad_fn).__name__ == "LegendreP3Backward"
    model = MODELS["sin_legendre"]
    module, _ = filled(model, [0.5, -1.5, 0.25, 0.3])
    assert torch.allclose(module.through_function(z), module(z), rtol=1e-12)


def test_the_formula_as_text():
    module = Cubic()
    set_values(module, {"a": 0.0, "b": 0.8567408, "c": -1.5, "d": -0.0933304})
    assert module.string() == "y = 0 + 0.856741·x + -1.5·x² + -0.0933304·x³"


def test_values_are_set_by_name():
    module = Thermometer()
    set_values(module, {"w": 2.0, "scale": 1.0})
    assert (module.w.item(), module.b.item(), module.scale.item()) == (2.0, 0.0, 1.0)
    outer = torch.nn.Sequential(Cubic())
    set_values(outer, {"0.c": 3.0})  # a submodule's names have dots
    assert outer[0].c.item() == 3.0

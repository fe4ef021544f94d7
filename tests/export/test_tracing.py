"""From a forward to lines of text: what is written down, and what is refused."""

import pytest
import torch
from torch import nn

from export import ExportError
from export._tracing import trace
from train._learn.models import MODELS
from train._learn.modules import Cubic

CUBIC = ("s1 = d * x", "s2 = s1 + c", "s3 = s2 * x", "s4 = s3 + b", "s5 = s4 * x", "y = s5 + a")
PERMITTED = r"permitted: a \+ b, a - b, a \* b, -a, .*and x\[\.\.\., k\]"


def module(forward, **values):
    """Return a float32 module with this forward; floats are parameters, tensors buffers."""

    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            for name, value in values.items():
                if isinstance(value, torch.Tensor):
                    self.register_buffer(name, value)
                else:
                    setattr(self, name, nn.Parameter(torch.tensor(value)))

    Own.forward = forward
    return Own()


def lines(forward, **values):
    return trace(module(forward, **values), "x", "y").lines


# What is permitted.


@pytest.mark.parametrize(
    ("name", "variant", "expected"),
    [
        ("f2c", 0, ("s1 = scale * t_u", "s2 = w * s1", "t_c = s2 + b")),
        ("sin_cubic", 0, CUBIC),
        ("dynamic_net", 0, CUBIC),
        (
            "dynamic_net",
            1,
            (
                *("s1 = e * x", "s2 = s1 + d", "s3 = s2 * x", "s4 = s3 + c"),
                *("s5 = s4 * x", "s6 = s5 + b", "s7 = s6 * x", "y = s7 + a"),
            ),
        ),
        (
            "dynamic_net",
            2,
            (
                *("s1 = e * x", "s2 = s1 + e", "s3 = s2 * x", "s4 = s3 + d", "s5 = s4 * x"),
                *("s6 = s5 + c", "s7 = s6 * x", "s8 = s7 + b", "s9 = s8 * x", "y = s9 + a"),
            ),
        ),
    ],
)
def test_the_models_of_the_table(fitted, name, variant, expected):
    fit = fitted(name)
    row = MODELS[name].variants[variant]
    traced = trace(fit.module(row), fit.model.input.name, fit.model.output.name)
    assert traced.lines == expected
    used = {word for line in expected for word in line.replace("=", " ").split()}
    assert set(traced.constants) == used & {"a", "b", "c", "d", "e", "w", "scale"}
    assert {k: v for k, v in traced.constants.items() if k != "scale"} == {
        k: v for k, v in fit.parameters.items() if k in used
    }


def test_every_way_to_write_an_operation():
    assert lines(lambda m, x: (m.w + x).add(x), w=1.0) == ("s1 = w + x", "y = s1 + x")
    assert lines(lambda m, x: torch.sub(m.w - x, x).sub(m.w), w=1.0) == (
        *("s1 = w - x", "s2 = s1 - x", "y = s2 - w"),
    )
    assert lines(lambda m, x: torch.mul(m.w * x, x).mul(x), w=1.0) == (
        *("s1 = w * x", "s2 = s1 * x", "y = s2 * x"),
    )
    assert lines(lambda m, x: torch.add(-x, torch.neg(x) * x.neg()), w=1.0) == (
        *("s1 = -x", "s2 = -x", "s3 = -x", "s4 = s2 * s3", "y = s1 + s4"),
    )
    # The number comes first: not the same step as x - 1.
    assert lines(lambda m, x: 1 - x, w=1.0) == ("y = k1 - x",)


def test_a_value_may_be_used_twice():
    def forward(m, x):
        square = x * x
        return square * square + square

    assert lines(forward, w=1.0) == ("s1 = x * x", "s2 = s1 * s1", "y = s2 + s1")


def test_features_are_picked_from_the_last_axis():
    def forward(m, x):
        return m.w * x[..., 1] - x[..., 0]

    assert lines(forward, w=1.0) == ("s1 = x[1]", "s2 = w * s1", "s3 = x[0]", "y = s2 - s3")


def test_parameters_may_require_gradients_and_live_in_submodules():
    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = Cubic()

        def forward(self, x):
            return self.inner(x)

    traced = trace(Outer(), "x", "y")
    assert traced.lines[0] == "s1 = inner_d * x"
    assert traced.constants == dict.fromkeys(("inner_a", "inner_b", "inner_c", "inner_d"), 0.0)


def test_literals_are_named_by_value_around_the_names_that_are_taken():
    def forward(m, x):
        return (m.k1 * (x * 2.0) + 0.5) * 2 - m.k3

    traced = trace(module(forward, k1=7.0, k3=torch.tensor(9.0)), "x", "y")
    assert traced.lines == (
        *("s1 = x * k2", "s2 = k1 * s1", "s3 = s2 + k4", "s4 = s3 * k2", "y = s4 - k3"),
    )
    assert traced.constants == {"k1": 7.0, "k2": 2.0, "k3": 9.0, "k4": 0.5}


def test_the_zeros_are_two_literals():
    traced = trace(module(lambda m, x: (m.w * x + 0.0) * -0.0 + 0.0, w=1.0), "x", "y")
    assert traced.lines == ("s1 = w * x", "s2 = s1 + k1", "s3 = s2 * k2", "y = s3 + k1")
    assert {name: str(value) for name, value in traced.constants.items()} == {
        "w": "1.0",
        "k1": "0.0",
        "k2": "-0.0",
    }


def test_a_literal_has_to_fit_the_dtype():
    own = module(lambda m, x: m.w * (x * 2.1), w=1.0)
    with pytest.raises(ExportError) as caught:
        trace(own, "x", "y")
    assert "the number 2.1, which is not exactly a torch.float32" in str(caught.value)
    assert "register_buffer(name, torch.tensor(value, dtype=torch.float64))" in str(caught.value)
    # What is no float32 may well be a double; and the advice works.
    assert trace(own.double(), "x", "y").constants["k1"] == 2.1
    k = torch.tensor(2.1, dtype=torch.float64)
    buffered = module(lambda m, x: m.w * (x * m.k), w=1.0, k=k)
    assert trace(buffered, "x", "y").constants["k"] == 2.1
    assert trace(buffered.float(), "x", "y").constants["k"] == k.float().item()


# What is refused.


@pytest.mark.parametrize(
    ("forward", "said"),
    [
        (lambda m, x: m.w * x**2, "uses pow"),
        (lambda m, x: m.w * torch.sin(x), "uses sin"),
        (lambda m, x: m.w / x, "uses truediv"),
        (lambda m, x: m.w * x.abs(), "uses abs"),
        (lambda m, x: m.w * torch.relu(x), "uses relu"),
        (lambda m, x: nn.functional.linear(x, m.w), "uses linear"),
        (lambda m, x: x.add_(m.w), "uses add_"),
        (lambda m, x: m.w * x @ x, "uses matmul"),
        (lambda m, x: m.w * x[0], "uses getitem"),
        (lambda m, x: m.w * x[:, 0], "uses getitem"),
        (lambda m, x: m.w * x.shape[0], "uses getattr"),
        (lambda m, x: m.w * x * True, "uses True"),
        (lambda m, x: torch.add(x, m.w, alpha=2), "calls add with alpha="),
        (lambda m, x: x.sub(m.w, alpha=2), "calls sub with alpha="),
        (lambda m, x: m.w * x if x.sum() > 0 else x, "control flow"),
        (lambda m, x: sum(m.w * part for part in x), "iterat"),
    ],
)
def test_what_the_contract_does_not_permit_is_refused(forward, said):
    with pytest.raises(ExportError, match=PERMITTED) as caught:
        lines(forward, w=1.0)
    assert said in str(caught.value)


def test_a_layer_is_refused():
    own = module(lambda m, x: m.layer(x), w=1.0)
    own.layer = nn.Linear(1, 1)
    with pytest.raises(ExportError, match=f"forward calls 'layer'; {PERMITTED}"):
        trace(own, "x", "y")


def test_a_parameter_has_to_be_a_scalar():
    with pytest.raises(ExportError, match="w is not a 0-d tensor"):
        lines(lambda m, x: m.w * x, w=[1.0, 2.0])


def test_a_second_input_is_refused():
    # Silently, both would have been called x.
    with pytest.raises(ExportError, match="more than one input"):
        lines(lambda m, x, z: m.w * x + z, w=1.0)

"""On a GPU: the CPU's bits, also after the first calls, when TorchScript would begin to fuse."""

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn

import infer
from infer._artifact.format import SIBLING_FILES, read_card, render
from infer._artifact.store import find
from infer._ieee.patterns import specials
from infer._writers.siblings import content

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU"),
]

DTYPES = ["float32", "float64"]
ON_DEVICES = [name for name in ("torchscript", "torchexport") if name in infer.list_runtimes()]
COUNT = 1_000_000
CALLS = 6


class Fusible(nn.Module):
    """Products that are added, which a fused multiply-add rounds once instead of twice."""

    def __init__(self):
        super().__init__()
        self.a = nn.Parameter(torch.tensor(0.1))
        self.b = nn.Parameter(torch.tensor(-1.7))

    def forward(self, x):
        y = x * self.a + self.b
        return -(self.b - (y * x + 0.0) * y) - x


class FusibleFeatures(Fusible):
    """The same with two features."""

    def forward(self, x):
        y = x[..., 1] * self.a + x[..., 0]
        return -(self.b - (y * x[..., 0] + 0.0) * y) - x[..., 0]


def program(features, module):
    """Return what a card says of such a module."""
    values = {"a": module.a.item(), "b": module.b.item()}
    first = (
        ["q = x[1]", "p = x[0]", "s1 = q * a", "s2 = s1 + p"]
        if features
        else ["s1 = x * a", "s2 = s1 + b"]
    )
    x = "p" if features else "x"
    rest = [f"s3 = s2 * {x}", "s4 = s3 + k", "s5 = s4 * s2", "s6 = b - s5", "s7 = -s6"]
    return {
        "parameters": values,
        "constants": {"k": 0.0},
        "program": [*first, *rest, f"y = s7 - {x}"],
    }


@pytest.fixture(params=[None, 2], ids=["elementwise", "features"])
def features(request):
    return request.param


@pytest.fixture(params=DTYPES)
def dtype(request):
    return request.param


@pytest.fixture
def module(features, dtype):
    made = FusibleFeatures() if features else Fusible()
    if dtype == "float64":  # numbers that are no float32
        made = made.double()
        made.a.data.fill_(0.1)
        made.b.data.fill_(-1.7)
    return made.requires_grad_(False).eval()


@pytest.fixture
def folder(line, plane, write, module, features, dtype):
    """Write an artifact of the module."""
    document = (plane if features else line)(**program(features, module), dtype=dtype)
    for port in (*document["inputs"], *document["outputs"]):
        port["dtype"] = dtype
    card = read_card(render(document), "model.json")
    files = {file: bytes(content(file, card)) for file in SIBLING_FILES}
    document["files"] = {
        file: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for file, data in files.items()
    }
    folder = write(document)
    for file, data in files.items():
        (folder / file).write_bytes(data)
    return folder


def inputs(dtype, features):
    """Return specials and random patterns of shape (n,), or (n, features)."""
    width = features or 1
    unsigned = {"float32": np.uint32, "float64": np.uint64}[dtype]
    generator = np.random.default_rng(20_261)
    patterns = generator.integers(
        0, np.iinfo(unsigned).max, (COUNT, width), unsigned, endpoint=True
    )
    # Of two random patterns one is mostly too large or too small to matter to the other.
    near = generator.normal(size=(COUNT, width)).astype(dtype)
    corners = generator.choice(np.array(specials(dtype), dtype), (10_000, width))
    rows = np.concatenate([corners, patterns.view(dtype), near])
    return rows if features else rows[:, 0]


def differing(found, expected):
    """Count answers with other bits; any nan equals any nan."""
    found, expected = (np.array(array) for array in (found, expected))
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    for array in (found, expected):
        array[np.isnan(array)] = np.nan
    pattern = f"uint{8 * found.itemsize}"
    return int(np.count_nonzero(found.view(pattern) != expected.view(pattern)))


@pytest.mark.parametrize("runtime", ON_DEVICES)
def test_a_runtime_gives_the_cpus_bits(folder, dtype, features, runtime):
    x = inputs(dtype, features)
    expected = infer.load(folder, runtime="python")(x)
    model = infer.load(folder, runtime=runtime, device="cuda")
    tensor = torch.from_numpy(x).cuda()
    for _ in range(CALLS):
        assert differing(model(x), expected) == 0
        found = model(tensor)
        assert found.device == tensor.device
        assert differing(found.cpu().numpy(), expected) == 0
    assert np.isfinite(expected).mean() > 0.4


def test_eager_torch_and_the_program_on_a_tensor_give_the_cpus_bits(
    folder, module, dtype, features
):
    x = inputs(dtype, features)
    model = infer.load(folder, runtime="python")
    expected = model(x)
    there = module.cuda()
    tensor = torch.from_numpy(x).cuda()
    for _ in range(CALLS):
        assert differing(model(tensor).cpu().numpy(), expected) == 0
        assert differing(there(tensor).cpu().numpy(), expected) == 0


@pytest.mark.parametrize("runtime", ON_DEVICES)
def test_threads_give_the_cpus_bits(folder, dtype, features, runtime):
    # Each has optimizations of its own to switch off.
    x = inputs(dtype, features)
    expected = infer.load(folder, runtime="python")(x)
    model = infer.load(folder, runtime=runtime, device="cuda")
    tensor = torch.from_numpy(x).cuda()
    together = threading.Barrier(8)

    def compute(_):
        together.wait()
        return [differing(model(tensor).cpu().numpy(), expected) for _ in range(CALLS)]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(compute, range(8))) == [[0] * CALLS] * 8


@pytest.mark.parametrize("name", infer.list_models())
@pytest.mark.parametrize("runtime", ON_DEVICES)
def test_a_shipped_model_gives_the_cpus_bits(name, runtime):
    card = find(name).card
    x = inputs(card.dtype, card.features)
    expected = infer.load(name, runtime="python")(x)
    model = infer.load(name, runtime=runtime, device="cuda")
    for _ in range(CALLS):
        assert differing(model(x), expected) == 0


@pytest.mark.parametrize("runtime", ["auto", *ON_DEVICES])
@pytest.mark.parametrize("shape", [(), (0,), (1,), (7,), (3, 5), (2, 1, 4)])
def test_any_shape_gives_the_cpus_bits(runtime, shape):
    x = np.linspace(-60, 60, int(np.prod(shape)), dtype="float32").reshape(shape)
    expected = infer.load("sin_cubic", runtime="python")(x)
    model = infer.load("sin_cubic", runtime=runtime, device="cuda")
    assert differing(model(x), expected) == 0
    found = model(torch.from_numpy(x).cuda())
    assert found.shape == shape
    assert differing(found.cpu().numpy(), expected) == 0

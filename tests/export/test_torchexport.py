"""``model.pt2``: right bits with torch alone, and the same bytes wherever it was written."""

import getpass
import io
import json
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from export._artifact import build
from export._stored_graph import function_of
from infer._ieee.patterns import inputs
from train._learn.models import MODELS

ROOT = Path(__file__).resolve().parent.parent.parent
NAMES = [f"{m}.{v.name}".rstrip(".") for m, row in MODELS.items() for v in row.variants]
LENGTHS = (0, 1, 2, 7, 1000)

# Loads archives the way a stranger would: plain torch, and nothing of ours.
STRANGER = """
import sys
sys.modules.update(dict.fromkeys(("export", "infer", "train"), None))  # importing them raises
import numpy as np
import torch
for path in sys.argv[1:]:
    x = torch.from_numpy(np.load(path + ".x.npy"))
    program = torch.export.load(path + ".pt2")
    module = program.module()
    np.save(path + ".y.npy", module(x).numpy())
    for length in (0, 1, 2, 7, 1000):
        assert module(x[:length]).shape == (length,)
    print(path, len(program.state_dict), len(program.constants), program.example_inputs)
"""


def loaded(data):
    return torch.export.load(io.BytesIO(data)).module()


@pytest.fixture
def written(own_fit):
    """Return a function that gives model.pt2 of a user's module."""

    def make(module, features=None):
        parameters = {name: value.item() for name, value in module.named_parameters()}
        fit = own_fit(type(module), parameters, features=features)
        return build(fit, fit.model.variants[0], module)["model.pt2"]

    return make


def features_of(fit):
    return (*fit.dataset.x.shape[1:], None)[0]


@pytest.fixture(scope="module")
def archives(fitted, exported):
    """Return archives by name, with the module and the number of features of each."""

    def make(name):
        model, _, variant = name.partition(".")
        fit = fitted(model)
        (row,) = (row for row in fit.model.variants if row.name == variant)
        module = fit.module(row)
        data = (exported / name / "model.pt2").read_bytes()
        return data, module, features_of(fit)

    return {name: make(name) for name in NAMES}


def test_a_stranger_gets_the_right_bits(archives, tmp_path, same):
    expected = {}
    for name, (data, module, features) in archives.items():
        x = np.array(inputs(1 << 12, "float32", features, seed=2), np.float32)
        x = x if features else x[:, 0]
        np.save(tmp_path / f"{name}.x.npy", x)
        expected[name] = module(torch.from_numpy(x)).numpy()
        (tmp_path / f"{name}.pt2").write_bytes(data)
    # -I: no environment, no current folder on the path.
    result = subprocess.run(
        [sys.executable, "-I", "-W", "error", "-c", STRANGER, *NAMES],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stderr == ""
    # Frozen: the numbers are part of the code, there is no parameter left to load or to lose.
    assert result.stdout.splitlines() == [f"{name} 0 0 None" for name in NAMES]
    for name, right in expected.items():
        answers = np.load(tmp_path / f"{name}.y.npy")
        assert same(answers, right), name
        assert np.isfinite(answers).sum() > 1000


@pytest.mark.parametrize("name", NAMES)
def test_a_million_patterns_give_the_modules_bits(archives, name, same):
    data, module, features = archives[name]
    generator = np.random.default_rng(3)
    shape = (1_000_000, features) if features else (1_000_000,)
    x = generator.integers(0, 1 << 32, shape, np.uint32).view(np.float32)
    x = torch.from_numpy(x)
    assert same(loaded(data)(x).numpy(), module(x).numpy())
    # What export proves before it writes a file.
    assert same(function_of(data)(x).numpy(), loaded(data)(x).numpy())


def test_the_same_module_gives_the_same_bytes(fitted, archives):
    for name, (data, module, _) in reversed(archives.items()):
        model, _, variant = name.partition(".")
        fit = fitted(model)
        (row,) = (row for row in fit.model.variants if row.name == variant)
        assert build(fit, row, module)["model.pt2"] == data
    assert len({data for data, _, _ in archives.values()}) == len(NAMES)


def test_another_process_in_another_folder_writes_the_same_bytes(fitted, committed):
    # Those in the repository were written by another process, elsewhere, at another time.
    for name in ("f2c", "plane"):
        fit = fitted(name)
        (row,) = fit.model.variants
        files = build(fit, row, fit.module(row))
        assert files["model.pt2"] == (committed / name / "model.pt2").read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_nothing_of_this_machine_is_in_the_archive(archives, name):
    data, _, _ = archives[name]
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        entries = archive.infolist()
        content = b"\n".join(archive.read(entry) for entry in entries)
    names = [entry.filename for entry in entries]
    assert names == sorted(names)
    assert not [n for n in names if n.endswith("serialization_id")]
    for entry in entries:
        assert entry.date_time == (1980, 1, 1, 0, 0, 0)
        assert entry.compress_type == zipfile.ZIP_STORED
        assert (entry.create_system, entry.external_attr >> 16) == (3, 0o644)
    for word in (ROOT, sys.prefix, Path.home(), Path.cwd(), socket.gethostname()):
        assert str(word).encode() not in data
    for word in (b"/site-packages/", b".py", b"stack", b"forward(", b"+cpu"):
        assert word not in content
    if len(user := getpass.getuser()) > 4:  # a short one may stand in any word
        assert user.encode() not in data
    assert len(data) < 8000


def program(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return json.loads(archive.read("archive/models/model.json"))


def test_the_graph_is_the_program(archives):
    # Nothing is folded or decomposed behind our back: one operation a step.
    data, _, _ = archives["sin_cubic"]
    targets = [node["target"] for node in program(data)["graph_module"]["graph"]["nodes"]]
    assert sorted(targets) == ["torch.ops.aten.add.Tensor"] * 3 + ["torch.ops.aten.mul.Tensor"] * 3


@pytest.mark.parametrize("name", NAMES)
def test_the_archive_says_that_any_length_will_do(archives, name):
    data, _, _ = archives[name]
    (length,) = program(data)["range_constraints"].values()
    assert length == {"min_val": 0, "max_val": None}


class Everything(nn.Module):
    """Every operation that the contract permits, spelled in every way."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Module()
        self.inner.a = nn.Parameter(torch.tensor(0.1))
        self.b = nn.Parameter(torch.tensor(-1.7))
        self.register_buffer("minus_zero", torch.tensor(-0.0))

    def forward(self, x):
        y = self.inner.a.mul(x) + 0.0
        y = torch.sub(self.b, torch.mul(y, x)).add(self.minus_zero)
        y = 1.0 - (self.b - -y) * 2
        y = torch.add(self.b, torch.neg(y)).sub(self.inner.a)
        return y.neg() * x - 0.5 + (-0.0)


class Picked(nn.Module):
    """Features that are picked, in any order, one of them twice."""

    def __init__(self):
        super().__init__()
        self.a = nn.Parameter(torch.tensor(0.1))

    def forward(self, x):
        return -(x[..., 2] * self.a - x[..., 0]) * x[..., 2]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("kind", "features"), [(Everything, None), (Picked, 3)])
def test_every_step_keeps_its_bits_at_every_length(written, kind, features, dtype, same):
    module = kind().to(dtype).requires_grad_(False)
    next(module.parameters()).fill_(1 / 3)  # a float64 that is no float32
    name = str(dtype).removeprefix("torch.")
    x = torch.tensor(inputs(1 << 14, name, features, seed=4), dtype=dtype)
    x = x if features else x[:, 0]
    data = written(module, features)
    served = loaded(data)
    assert same(served(x).numpy(), module(x).numpy())
    assert same(function_of(data)(x).numpy(), served(x).numpy())
    assert served(x).isfinite().sum() > 1000
    for length in LENGTHS:
        answers = served(x[:length])
        assert answers.shape == (length,)
        assert answers.dtype == dtype
        assert same(answers.numpy(), module(x[:length]).numpy())


def test_a_zero_keeps_its_sign(written):
    class Zeros(nn.Module):
        def __init__(self, value):
            super().__init__()
            self.zero = nn.Parameter(torch.tensor(value), requires_grad=False)

        def forward(self, x):
            return x + self.zero

    for zero in (0.0, -0.0):
        (answer,) = loaded(written(Zeros(zero)))(torch.tensor([-0.0]))
        assert str(answer.item()) == str(zero)

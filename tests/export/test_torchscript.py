"""``model.pt``: right bits with torch alone, and the same bytes wherever it was written."""

import getpass
import io
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

import infer
from export._artifact import build
from infer._ieee.patterns import inputs
from train._learn.models import MODELS

ROOT = Path(__file__).resolve().parent.parent.parent
NAMES = [f"{m}.{v.name}".rstrip(".") for m, row in MODELS.items() for v in row.variants]

# Loads archives the way a stranger would: plain torch, and nothing of ours.
STRANGER = """
import sys
sys.modules.update(dict.fromkeys(("export", "infer", "train"), None))  # importing them raises
import warnings
import numpy as np
import torch
warnings.filterwarnings("ignore", "`torch.jit.load` is deprecated")
for path in sys.argv[1:]:
    x = torch.from_numpy(np.load(path + ".x.npy"))
    module = torch.jit.load(path)
    np.save(path + ".y.npy", module(x).numpy())
    rows = len(x) // 5 * 5
    assert module(x[:rows].reshape(-1, 5, *x.shape[1:])).shape == (rows // 5, 5)
    print(path, len(list(module.parameters())), len(list(module.buffers())))
"""


def modules(fitted):
    for name in NAMES:
        model, _, variant = name.partition(".")
        fit = fitted(model)
        (row,) = (row for row in fit.model.variants if row.name == variant)
        yield name, fit.module(row)


def test_a_stranger_gets_the_right_bits(fitted, exported, tmp_path, same):
    expected = {}
    for name, module in modules(fitted):
        features = fitted(name.partition(".")[0]).dataset.x.shape[1:]
        x = np.array(inputs(1 << 12, "float32", *features or [None], seed=2), np.float32)
        x = x if features else x[:, 0]
        np.save(tmp_path / f"{name}.x.npy", x)
        expected[name] = module(torch.from_numpy(x)).numpy()
        (tmp_path / name).write_bytes((exported / name / "model.pt").read_bytes())
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
    assert result.stdout.splitlines() == [f"{name} 0 0" for name in NAMES]
    for name, right in expected.items():
        answers = np.load(tmp_path / f"{name}.y.npy")
        assert same(answers, right), name
        assert np.isfinite(answers).sum() > 1000


def test_the_same_module_gives_the_same_bytes(fitted, exported):
    again = set()
    for name, module in reversed([*modules(fitted)]):
        model, _, variant = name.partition(".")
        fit = fitted(model)
        (row,) = (row for row in fit.model.variants if row.name == variant)
        data = build(fit, row, module)["model.pt"]
        assert data == (exported / name / "model.pt").read_bytes()
        again.add(data)
    assert len(again) == len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_of_this_machine_is_in_the_archive(exported, name):
    data = (exported / name / "model.pt").read_bytes()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        entries = archive.infolist()
        content = b"\n".join(archive.read(entry) for entry in entries)
    names = [entry.filename for entry in entries]
    assert names == sorted(names)
    assert not [n for n in names if n.endswith((".debug_pkl", "serialization_id"))]
    for entry in entries:
        assert entry.date_time == (1980, 1, 1, 0, 0, 0)
        assert entry.compress_type == zipfile.ZIP_STORED
        assert (entry.create_system, entry.external_attr >> 16) == (3, 0o644)
    assert b"torch_mangle" not in data
    for word in (ROOT, sys.prefix, Path.home(), Path.cwd(), socket.gethostname()):
        assert str(word).encode() not in data
    assert b"/site-packages/" not in data
    assert b".py:" not in content  # no source positions
    if len(user := getpass.getuser()) > 4:  # a short one may stand in any word
        assert user.encode() not in data


def test_the_code_is_the_program(exported):
    # A statement a step; nothing is folded or fused. Constants are in the order of their names.
    with zipfile.ZipFile(exported / "plane" / "model.pt") as archive:
        code = archive.read("archive/code/__torch__/samebits.py").decode()
    assert infer.load(exported / "plane").card.program == (
        "s1 = x[0]",
        "s2 = w0 * s1",
        "s3 = x[1]",
        "s4 = w1 * s3",
        "s5 = s2 + s4",
        "y = s5 + b",
    )
    assert code == CODE


CODE = """\
class Model(Module):
  __parameters__ = []
  __buffers__ = []
  def forward(self: __torch__.samebits.Model,
    x: Tensor) -> Tensor:
    _1 = torch.select(x, -1, 0)
    _2 = torch.mul(CONSTANTS.c1, _1)
    _3 = torch.select(x, -1, 1)
    _4 = torch.mul(CONSTANTS.c2, _3)
    _5 = torch.add(_2, _4)
    _6 = torch.add(_5, CONSTANTS.c0)
    return _6
"""

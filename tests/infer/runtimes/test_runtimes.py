import hashlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import metadata
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

import infer
from infer._artifact.store import find
from infer._runtimes._registry import RUNTIMES, Runtime, load_runtime

ROOT = Path(infer.__file__).resolve().parents[1]
USABLE = infer.list_runtimes()


def bare_python(program, *paths):
    """Run a program in a Python that has this package and no other one, no site-packages."""
    setup = f"import sys; sys.path[:0] = {[str(ROOT), *map(str, paths)]!r}\n"
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c", setup + program],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def test_what_is_usable_here():
    expected = [
        row.name
        for row in RUNTIMES
        if all(find_spec(package) for package in row.packages)
        and (row.before is None or sys.version_info < row.before)
    ]
    assert expected == USABLE
    assert USABLE[0] == "python"


def test_every_row_is_a_module_and_its_extra_exists():
    files = {path.stem for path in (ROOT / "infer" / "_runtimes").glob("[a-z]*.py")}
    assert {row.name for row in RUNTIMES} == files
    extras = metadata("samebits").get_all("Provides-Extra")
    assert {row.extra for row in RUNTIMES} - {""} <= set(extras)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("onnx", "Did you mean 'onnxruntime'?"),
        ("torch", "Did you mean 'torchscript' or 'torchexport'?"),
        ("Python", "Did you mean 'python'?"),
        ("atuo", "Did you mean 'auto'?"),
        ("", "Known: auto, python, onnxruntime, torchscript, torchexport."),
    ],
)
def test_an_unknown_runtime_suggests_the_nearest(wrong, hint):
    with pytest.raises(infer.RuntimeUnavailableError, match=r"no runtime named") as caught:
        infer.load("f2c", runtime=wrong)
    assert hint in str(caught.value)


def test_without_libraries_the_program_still_runs():
    lines = bare_python(
        "import infer\n"
        "print(infer.list_runtimes())\n"
        "for value in (98.6, 50, [98.6, 1.0]): print(infer.load('f2c')(value))\n"
        "print(infer.load('f2c')([50.0] * 300_000) == [infer.load('f2c')(50.0)] * 300_000)\n"
    )
    model = infer.load("f2c", runtime="python")
    answers = [model(98.6), model(50), model([98.6, 1.0]), True]
    assert lines == ["['python']", *map(str, answers)]


@pytest.mark.parametrize(
    ("runtime", "needs"),
    [
        ("onnxruntime", "numpy and onnxruntime, not installed here; type: pip install 'samebits[o"),
        ("torchscript", "numpy and torch, not installed here; type: pip install 'samebits[torch]'"),
        ("torchexport", "numpy and torch, not installed here; type: pip install 'samebits[torch]'"),
    ],
)
def test_a_runtime_that_is_not_installed_says_what_to_type(runtime, needs):
    if sys.version_info >= (3, 14) and runtime == "torchscript":
        pytest.skip("there it says that Python is too new")
    (line,) = bare_python(
        "import infer\n"
        f"try: infer.load('f2c', runtime={runtime!r})\n"
        "except infer.RuntimeUnavailableError as error: print(error)\n"
    )
    assert line.startswith(f"runtime {runtime!r} needs {needs}")


def test_only_what_is_absent_is_named(tmp_path):
    (tmp_path / "numpy.py").write_text("")
    (line,) = bare_python(
        "import infer\n"
        "try: infer.load('f2c', runtime='onnxruntime')\n"
        "except infer.RuntimeUnavailableError as error: print(error)\n",
        tmp_path,
    )
    assert line.startswith("runtime 'onnxruntime' needs onnxruntime, not installed here")


def test_a_broken_installation_is_told_from_an_absent_one(tmp_path):
    (tmp_path / "numpy.py").write_text("")
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('libcudart.so.12: not found')")
    lines = bare_python(
        "import infer\n"
        "print(infer.list_runtimes())\n"
        "try: infer.load('f2c', runtime='onnxruntime')\n"
        "except infer.RuntimeUnavailableError as error: print(error)\n",
        tmp_path,
    )
    assert lines == [
        "['python', 'onnxruntime']",
        "runtime 'onnxruntime' is installed here but cannot be imported: "
        "libcudart.so.12: not found",
    ]


def test_a_python_that_is_too_new_says_so():
    gone = Runtime("torchscript", ("numpy", "torch"), "torch", "model.pt", before=(3, 10))
    assert gone.missing() == (
        "runtime 'torchscript' does not exist on Python 3.10 and newer; use runtime='torchexport' "
        "or runtime='onnxruntime'"
    )
    assert gone._replace(before=(99, 0)).missing() is None or "torchscript" not in USABLE


@pytest.mark.parametrize("row", [row for row in RUNTIMES if row.file and row.name in USABLE])
def test_an_artifact_without_the_file_of_a_runtime(write, line, row):
    folder = write(line())
    # A file that the card does not vouch for is not run, be it a good one.
    (folder / row.file).write_bytes((ROOT / "artifacts" / "f2c" / row.file).read_bytes())
    with pytest.raises(infer.RuntimeUnavailableError) as caught:
        infer.load(folder, runtime=row.name)
    assert str(caught.value) == (
        f"runtime {row.name!r} needs {row.file}, which 'own_line' does not have; "
        "use runtime='python', which needs the card alone"
    )


@pytest.mark.parametrize("row", [row for row in RUNTIMES if row.file and row.name in USABLE])
@pytest.mark.parametrize("content", [b"", b"no model at all", b"PK\x03\x04 no archive"])
def test_a_file_that_is_no_model(write, line, row, content):
    sha256 = hashlib.sha256(content).hexdigest()
    folder = write(line(files={row.file: {"size": len(content), "sha256": sha256}}))
    (folder / row.file).write_bytes(content)
    with pytest.raises(
        infer.ArtifactError, match="expected the file that samebits writes"
    ) as caught:
        infer.load(folder, runtime=row.name)
    assert str(caught.value).startswith(str(folder / row.file))


@pytest.mark.parametrize("row", [row for row in RUNTIMES if row.file and row.name in USABLE])
def test_what_a_runtime_raises_when_called_names_its_file(row):
    # A model converts its input before; so this is what a fault of the runtime would look like.
    artifact = find("plane")
    evaluator = load_runtime(row.name, artifact, "cpu")
    wrong = np.ones((3, 1), "float32")  # a feature is missing
    if evaluator.carrier == "torch":
        wrong = torch.from_numpy(wrong)

    def message(_):
        with pytest.raises(infer.ArtifactError) as caught:
            evaluator.run(wrong)
        return str(caught.value)

    with ThreadPoolExecutor(4) as pool:
        for text in pool.map(message, range(8)):
            assert text.startswith(f"{artifact.path(row.file)}: ")
            assert "cannot run it: " in text


@pytest.mark.parametrize("runtime", USABLE)
@pytest.mark.parametrize("device", ["tpu", "", "cuda"])
def test_a_device_that_is_not_here(runtime, device):
    if device == "cuda" and torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(infer.RuntimeUnavailableError, match=runtime) as caught:
        infer.load("f2c", runtime=runtime, device=device)
    assert f"{device!r}" in str(caught.value)
    assert "cpu" in str(caught.value)


def test_auto_on_a_device_takes_a_runtime_that_has_devices():
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(infer.RuntimeUnavailableError, match=r"torchscript|onnxruntime"):
        infer.load("f2c", device="cuda")


@pytest.mark.parametrize("runtime", USABLE)
def test_one_model_serves_many_threads(runtime):
    reference = infer.load("dynamic_net", runtime="python")
    generator = np.random.default_rng(7)
    batches = [generator.normal(size=size).astype("float32") for size in (1, 2, 1000, 100_000) * 8]
    expected = [reference(batch) for batch in batches]
    floats = [[reference(x) for x in batch[:50].tolist()] for batch in batches]

    def compute(index):
        batch = batches[index]
        for _ in range(3):
            np.testing.assert_array_equal(model(batch), expected[index])
            np.testing.assert_array_equal(model(torch.from_numpy(batch)).numpy(), expected[index])
            assert [model(x) for x in batch[:50].tolist()] == floats[index]
        return True

    # Made afresh, so that threads meet while TorchScript still profiles and rewrites its graph.
    for _ in range(3):
        model = infer.load("dynamic_net", runtime=runtime)
        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(compute, range(len(batches))))

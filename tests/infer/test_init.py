import subprocess
import sys

import pytest

import infer

FACE = [
    "ArtifactError",
    "InferError",
    "InputError",
    "Interval",
    "Model",
    "ModelCard",
    "ModelNotFoundError",
    "RuntimeUnavailableError",
    "list_models",
    "list_runtimes",
    "load",
]


def loaded_after(program):
    """Return the top-level modules that a program has loaded in a fresh interpreter."""
    result = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.partition(".")[0] for name in result.stdout.split()}


@pytest.mark.parametrize(
    "program",
    [
        "import infer",
        "from infer import *",
        "import infer; infer.list_models(); infer.list_runtimes()",
        "import infer; infer.load('f2c')(98.6)",
        "import infer; infer.load('f2c')(98)",
        "import infer; infer.load('f2c', runtime='python')([[98.6], [50.0]])",
    ],
)
def test_nothing_heavy_is_imported_on_nobodys_behalf(program):
    loaded = loaded_after(program)
    assert "infer" in loaded
    ours = {"infer", "__main__"}
    foreign = loaded - set(sys.stdlib_module_names) - ours - loaded_after("pass")
    assert not foreign, foreign


def test_numpy_is_imported_for_a_list_that_is_worth_it():
    program = "import infer; infer.load('f2c')([1.0] * {})"
    assert "numpy" not in loaded_after(program.format(100_000))
    assert "numpy" in loaded_after(program.format(300_000))
    asked = "import infer; infer.load('f2c', runtime='python')([1.0] * 300_000)"
    assert "numpy" not in loaded_after(asked)


@pytest.mark.parametrize(
    ("runtime", "absent"),
    [("onnxruntime", {"torch", "click"}), ("torchscript", {"onnxruntime", "click"})],
)
def test_a_runtime_imports_its_own_library_only(runtime, absent):
    if runtime not in infer.list_runtimes():
        pytest.skip(f"no {runtime} here")
    loaded = loaded_after(f"import infer; infer.load('f2c', runtime={runtime!r})(98.6)")
    assert not loaded & absent


def test_a_command_imports_click_and_nothing_else():
    loaded = loaded_after("import infer._cli, infer._f2c")
    assert "click" in loaded
    assert not loaded & {"numpy", "torch", "onnxruntime", "onnx", "train", "export"}


def test_the_public_face():
    assert infer.__all__ == FACE
    assert set(FACE) <= set(dir(infer))
    for name in FACE:
        assert getattr(infer, name).__name__ == name
    scope = {}
    exec("from infer import *", scope)  # noqa: S102
    assert set(FACE) <= set(scope)


def test_what_is_not_public_is_no_attribute():
    with pytest.raises(AttributeError, match="module 'infer' has no attribute 'lod'"):
        _ = infer.lod


def test_errors_are_what_callers_already_catch():
    assert issubclass(infer.ModelNotFoundError, LookupError)
    assert issubclass(infer.InputError, ValueError)
    for name in FACE:
        value = getattr(infer, name)
        if isinstance(value, type) and name.endswith("Error"):
            assert issubclass(value, infer.InferError)

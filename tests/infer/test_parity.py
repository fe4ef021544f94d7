"""Every shipped model gives the same bits in every runtime, on many random inputs.

The reference is ``python`` on floats. Against it stand what others would run without this
package: eager torch, plain ``torch.jit.load`` and ``torch.export.load``, onnxruntime as it comes,
ONNX's own evaluator.
"""

import io
import warnings
from collections import defaultdict

import numpy as np
import onnx.reference
import onnxruntime
import pytest
import torch

import infer
from infer._artifact.store import find
from train._learn.fit import fitted_module
from train._learn.models import find_model

MODELS = infer.list_models()
SHAPES = [(), (0,), (1,), (7,), (3, 5), (2, 1, 4)]

# TorchScript's profiling executor rewrites the graph after the first calls.
CALLS = 4


def eager(artifact):
    """Return the torch module that the card describes."""
    name, _, variant_name = artifact.card.name.partition(".")
    model = find_model(name)
    (variant,) = [variant for variant in model.variants if variant.name == variant_name]
    # A parameter that a variant leaves out is not in its card.
    parameters = defaultdict(float, artifact.card.parameters)
    return fitted_module(model, parameters, variant, getattr(torch, artifact.card.dtype))


def plain_torchscript(artifact):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`torch\.jit\.load` is deprecated")
        return torch.jit.load(io.BytesIO(artifact.read("model.pt")))


def plain_torchexport(artifact):
    return torch.export.load(io.BytesIO(artifact.read("model.pt2"))).module()


def plain_onnxruntime(artifact):
    session = onnxruntime.InferenceSession(
        artifact.read("model.onnx"), providers=["CPUExecutionProvider"]
    )
    return lambda x: session.run(None, {artifact.card.input.name: x})[0]


def onnx_reference(artifact):
    model = onnx.load_from_string(artifact.read("model.onnx"))
    session = onnx.reference.ReferenceEvaluator(model)

    def run(x):
        with np.errstate(all="ignore"):
            return session.run(None, {artifact.card.input.name: x})[0]

    return run


def ways(artifact):
    """Return every way to compute an artifact, each from array to array."""

    def on_tensors(module):
        def run(x):
            with torch.no_grad():
                return module(torch.from_numpy(x)).numpy()

        return run

    python = infer.load(artifact.folder, runtime="python")
    result = {
        "python on numpy": python,
        "python on torch": on_tensors(python),
        "plain torchexport": on_tensors(plain_torchexport(artifact)),
        "eager torch": on_tensors(eager(artifact)),
        "plain onnxruntime": plain_onnxruntime(artifact),
        "onnx.reference": onnx_reference(artifact),
    }
    for name in infer.list_runtimes():
        result[name] = infer.load(artifact.folder, runtime=name)
    if "torchscript" in result:
        result["plain torchscript"] = on_tensors(plain_torchscript(artifact))
    return result


def bits(array):
    """Return bit patterns, the same for every nan."""
    array = np.array(array)
    array[np.isnan(array)] = np.nan
    return array.view(f"uint{8 * array.itemsize}")


@pytest.mark.parametrize("count", [100_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", MODELS)
def test_random_inputs_give_the_same_bits(name, count, random_inputs):
    artifact = find(name)
    x = random_inputs(artifact.card, count)
    floats = infer.load(name, runtime="python")(x.tolist())
    expected = bits(np.array(floats, artifact.card.dtype))
    differing = {}
    for way, run in ways(artifact).items():
        for _ in range(CALLS if "torchscript" in way else 1):
            found = run(x)
            assert found.dtype == artifact.card.dtype
            unlike = np.count_nonzero(bits(found) != expected)
            differing[way] = differing.get(way, 0) + unlike
    assert differing == dict.fromkeys(differing, 0)
    assert len(differing) >= 7
    # The comparison is not empty: most answers are numbers, and they differ from each other.
    assert np.isfinite(floats).mean() > 0.1
    assert len(np.unique(expected)) > 1000


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("shape", SHAPES)
def test_any_shape_gives_the_same_bits(name, shape):
    artifact = find(name)
    card = artifact.card
    x = np.linspace(-60, 60, int(np.prod(shape)) * (card.features or 1)).astype(card.dtype)
    x = x.reshape((*shape, card.features) if card.features else shape)
    model = infer.load(name, runtime="python")
    rows = x.reshape(-1, card.features) if card.features else x.reshape(-1)
    expected = bits(np.array([model(row) for row in rows.tolist()], card.dtype)).reshape(shape)
    modules = {"eager torch": eager(artifact)}
    if "torchscript" in infer.list_runtimes():
        modules["plain torchscript"] = plain_torchscript(artifact)
    for way, module in modules.items():
        for _ in range(CALLS):
            found = module(torch.from_numpy(x)).numpy()
            assert found.shape == shape, way
            assert np.array_equal(bits(found), expected), way
    for runtime in infer.list_runtimes():
        model = infer.load(name, runtime=runtime)
        for found in (model(x), model(torch.from_numpy(x)).numpy()):
            assert found.shape == shape, runtime
            assert np.array_equal(bits(found), expected), runtime
        if x.size:
            found = np.array(model(x.tolist()), card.dtype)
            assert np.array_equal(bits(found), expected), runtime

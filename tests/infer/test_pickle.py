"""Models and cards in other processes, by every protocol of pickle and every way to begin one."""

import copy
import gc
import inspect
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import weakref
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import joblib
import numpy as np
import pytest

import infer
from infer import ArtifactError, Model
from infer._artifact.frozen import FrozenMapping

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
# Few enough for torch to compute in one thread: its threads do not survive a fork.
VALUES = np.linspace(-300, 300, 1000, dtype="float32")

pytestmark = pytest.mark.filterwarnings(
    # Python 3.12 warns of every fork of a process with threads, joblib of a slow start.
    "ignore:This process .* is multi-threaded:DeprecationWarning"
)


def back(data):
    return pickle.loads(data)  # noqa: S301 - ours


def there_and_back(thing, protocol=None):
    return back(pickle.dumps(thing, protocol))


def answer(model, values):
    """Return the bits of a model's answers, as another process computes them."""
    return model(values).view("uint32").tolist(), model(50.0), type(model) is Model, os.getpid()


@pytest.fixture
def expected():
    """Return the bits of f2c's answers to the values, and its answer to 50.0."""
    model = infer.load("f2c")
    return model(VALUES).view("uint32").tolist(), model(50.0), True


def test_there_is_one_class_of_models():
    for name in ("f2c", "plane"):
        for runtime in ("auto", *infer.list_runtimes()):
            assert type(infer.load(name, runtime=runtime)) is Model


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", infer.list_models())
def test_a_card_comes_back_equal(name, protocol):
    card = infer.load(name).card
    again = there_and_back(card, protocol)
    assert again == card
    assert type(again) is type(card)
    for part in ("training", "uncertainty", "compiled", "inputs", "files", "parameters"):
        assert type(getattr(again, part)) is type(getattr(card, part))
        assert there_and_back(getattr(card, part), protocol) == getattr(card, part)
    with pytest.raises(TypeError):
        again.parameters["a"] = 1.0


def test_cards_with_readings_and_an_error_come_back_equal(write, measured):
    extra = {"readings": {"x": [1], "y": [-0.0]}, "evaluation_error": {"absolute": 1, "ulp": 1}}
    document = {**measured(), **extra}
    card = infer.load(write(document)).card
    for again in (there_and_back(card), copy.copy(card), copy.deepcopy(card)):
        assert again == card


def test_minus_zero_and_digits_survive(write, line):
    document = line(dtype="float64", parameters={"a": 0.1, "b": -0.0})
    document["inputs"][0]["dtype"] = document["outputs"][0]["dtype"] = "float64"
    again = there_and_back(infer.load(write(document)))
    assert repr(again.card.parameters["b"]) == "-0.0"
    assert repr(again(-0.0)) == "-0.0"
    assert again(3.0) == 0.1 * 3.0


def test_a_frozen_mapping_is_a_mapping_that_cannot_change():
    content = {"b": 1, "a": 2}
    mapping = FrozenMapping(content)
    content["c"] = 3
    assert mapping == {"a": 2, "b": 1}
    assert mapping != {"a": 2}
    assert list(mapping) == ["b", "a"]
    assert {**mapping} == dict(mapping) == {"a": 2, "b": 1}
    assert (len(mapping), mapping.get("c"), "a" in mapping) == (2, None, True)
    assert repr(mapping) == "FrozenMapping({'b': 1, 'a': 2})"
    with pytest.raises(TypeError):
        mapping["a"] = 1
    with pytest.raises(TypeError):
        del mapping["a"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("runtime", ["auto", *infer.list_runtimes()])
def test_a_model_comes_back_with_the_same_bits(runtime, protocol, expected):
    model = infer.load("f2c", runtime=runtime)
    again = there_and_back(model, protocol)
    assert (again.runtime, again.name, again.card) == (runtime, "f2c", model.card)
    assert repr(again) == repr(model)
    assert answer(again, VALUES)[:3] == expected


def test_a_model_with_features_comes_back():
    model = infer.load("plane")
    again = there_and_back(model)
    assert again([1.5, 2.0]) == model([1.5, 2.0])


def test_a_copy_is_the_model_itself():
    model = infer.load("f2c")
    assert copy.copy(model) is copy.deepcopy(model) is model
    assert copy.deepcopy({"models": [model]})["models"][0] is model


def test_what_was_made_ready_does_not_travel():
    model = infer.load("f2c")
    before = len(pickle.dumps(model))
    model.inverse(20.0)
    model.inverse_interval(20.0)
    assert len(pickle.dumps(model)) == before
    again = there_and_back(model)
    assert again.inverse(20.0) == model.inverse(20.0)
    assert again.inverse_interval(20.0) == model.inverse_interval(20.0)
    assert again.interval(20.0) == model.interval(20.0)


def test_the_program_needs_no_folder_and_the_files_are_checked_again(copied, expected):
    folder = copied()
    by_program = pickle.dumps(infer.load(folder))
    by_file = pickle.dumps(infer.load(folder, runtime="onnxruntime"))
    assert answer(back(by_file), VALUES)[:3] == expected
    (folder / "model.onnx").write_bytes((folder / "model.onnx").read_bytes() + b"\0")
    with pytest.raises(ArtifactError, match=r"as key 'files\.model\.onnx\.size' of model\.json"):
        back(by_file)
    (folder / "model.onnx").unlink()
    with pytest.raises(ArtifactError, match="expected a readable file"):
        back(by_file)
    (folder / "model.json").unlink()
    assert answer(back(by_program), VALUES)[:3] == expected


def test_a_relative_path_still_leads_there_from_another_folder(copied, monkeypatch, expected):
    folder = copied()
    monkeypatch.chdir(folder.parent)
    data = pickle.dumps(infer.load("./f2c", runtime="onnxruntime"))
    monkeypatch.chdir("/")
    assert answer(back(data), VALUES)[:3] == expected


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_a_pool_of_processes(method, expected):
    # A fork server's process begins as a spawned one does: light runtimes will do.
    runtimes = infer.list_runtimes() if method != "forkserver" else ("python", "onnxruntime")
    models = [infer.load("f2c", runtime=runtime) for runtime in ("auto", *runtimes)]
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        found = list(pool.map(partial(answer, values=VALUES), models, timeout=100))
    for *same, pid in found:
        assert tuple(same) == expected
        assert pid != os.getpid()


def send(model, queue):
    queue.put(answer(model, VALUES))


def test_a_spawned_process_takes_a_model_as_argument(expected):
    context = multiprocessing.get_context("spawn")
    queue = context.SimpleQueue()
    process = context.Process(target=send, args=(infer.load("f2c"), queue))
    process.start()
    *same, pid = queue.get()
    process.join(60)
    assert (tuple(same), pid, process.exitcode) == (expected, process.pid, 0)


@pytest.mark.parametrize("backend", ["loky", "multiprocessing", "threading"])
def test_joblib(backend, expected):
    models = [infer.load("f2c"), infer.load("f2c", runtime="onnxruntime")]
    with joblib.Parallel(2, backend=backend, timeout=100) as parallel:
        found = parallel(joblib.delayed(answer)(model, VALUES) for model in models)
    assert [tuple(same) for *same, _ in found] == [expected] * 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_after_a_fork_torch_computes_in_one_thread():
    """Where torch has threads, the child of a fork waits for them for ever, unless told not to."""
    program = """
import os
import numpy as np, torch
import infer
model = infer.load("sin_cubic", runtime="torchscript")
values = np.linspace(-3, 3, 2_000_000, dtype="float32")
torch.set_num_threads(2)
expected = model(values)
child = os.fork()
if child == 0:
    torch.set_num_threads(1)
    os._exit(0 if np.array_equal(model(values), expected) else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""
    command = [sys.executable, "-W", "ignore", "-c", program]
    subprocess.run(command, check=True, timeout=60)


def test_the_signature_is_that_of_a_call():
    model = infer.load("f2c")
    assert str(inspect.signature(model)) == "(x, *, out=None)"
    assert callable(model)
    assert "Compute the model" in Model.__slots__["__call__"]
    assert list(inspect.signature(Model).parameters) == [
        *("artifact", "runtime", "device", "evaluator"),
    ]


def test_a_model_that_nobody_holds_goes_at_once():
    gc.disable()
    try:
        for runtime in ("auto", *infer.list_runtimes()):
            model = infer.load("f2c", runtime=runtime)
            model(50.0)
            gone = weakref.ref(model)
            del model
            assert gone() is None
    finally:
        gc.enable()


def test_threads_share_a_model_that_another_process_sent():
    model = there_and_back(infer.load("sin_cubic"))
    expected = [model(value / 100) for value in range(300)]
    found = []

    def work():
        found.append([model(value / 100) for value in range(300)])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4

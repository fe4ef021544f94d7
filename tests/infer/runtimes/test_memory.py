import gc
import threading

import numpy as np
import pytest
import torch

import infer
from infer._runtimes import _memory
from infer._runtimes._memory import empty, empty_tensor

COUNT = 1 << 20
F4 = np.dtype("float32")


@pytest.fixture(autouse=True)
def nothing_free():
    _memory._free.clear()
    yield
    _memory._free.clear()


def address(array):
    return array.__array_interface__["data"][0]


def test_memory_is_used_again_when_nobody_holds_it():
    first = empty(COUNT, F4)
    where = address(first)
    assert first.shape == (COUNT,)
    assert first.dtype == F4
    assert first.flags.writeable
    del first
    assert address(empty(COUNT, F4)) == where


@pytest.mark.parametrize(
    "holder",
    {
        "itself": lambda a: a,
        "a view": lambda a: a[5:9],
        "a view of a view": lambda a: a[5:9][::2],
        "a shape": lambda a: a.reshape(2, -1),
        "another dtype": lambda a: a.view("uint32"),
        "a tensor": torch.from_numpy,
        "a memoryview": memoryview,
        "a part of a memoryview": lambda a: memoryview(a)[3:],
        "an exported buffer": lambda a: np.frombuffer(a, "float32"),
        "dlpack": torch.utils.dlpack.from_dlpack,
    }.items(),
    ids=lambda item: item[0],
)
def test_memory_that_somebody_holds_is_not_used_again(holder):
    array = empty(COUNT, F4)
    array.fill(7)
    held = holder[1](array)
    del array
    gc.collect()
    for _ in range(3):
        empty(COUNT, F4).fill(8)
    content = np.asarray(held).tobytes()
    assert content == np.float32(7).tobytes() * (len(content) // 4)


def test_memory_of_another_size_is_not_kept():
    large = empty(4 * COUNT, F4)
    del large
    (memory,) = _memory._free
    small = empty(COUNT, F4)  # a quarter of it would waste the rest
    assert address(small) != address(memory)
    assert _memory._free == []
    del small
    (memory,) = _memory._free
    assert memory.nbytes == 4 * COUNT
    assert address(empty(4 * COUNT, F4)) != address(memory)


def test_small_and_huge_answers_go_their_own_way():
    for count in (0, 1, 1000, (1 << 24) + 1):
        assert empty(count, F4).base is None


def test_answers_stay_what_they_were():
    model = infer.load("sin_cubic")
    x = np.linspace(-3, 3, COUNT, dtype="float32")
    first = model(x)
    kept, copy = first[10:20], first.copy()
    second = model(-x)
    assert np.array_equal(first, copy)
    del first
    third = model(2 * x)
    assert np.array_equal(kept, copy[10:20])
    assert not np.array_equal(second, third)


def test_threads_never_share_memory():
    model = infer.load("f2c")
    xs = [np.full(COUNT // 2, float(number), "float32") for number in range(6)]
    expected = [model(float(number)) for number in range(6)]
    wrong = []

    def work(number):
        for _ in range(20):
            answers = model(xs[number])
            if answers.min() != expected[number] or answers.max() != expected[number]:
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_tensors_use_memory_again_too():
    like = torch.zeros(1)
    first = empty_tensor(COUNT, like)
    where = first.data_ptr()
    assert (first.shape, first.dtype) == ((COUNT,), torch.float32)
    kept = first[7:]
    del first
    assert empty_tensor(COUNT, like).data_ptr() != where
    _memory._free.clear()
    del kept
    assert empty_tensor(COUNT // 2, like.double()).data_ptr() == where
    assert empty_tensor(3, like.double()).dtype == torch.float64


@pytest.mark.parametrize("runtime", ["auto", "torchscript", "torchexport"])
def test_tensors_stay_what_they_were(runtime):
    model = infer.load("sin_cubic", runtime=runtime)
    x = torch.linspace(-3, 3, COUNT)
    first = model(x)
    kept, copy = first[10:20], first.clone()
    model(-x)
    assert torch.equal(first, copy)
    del first
    model(2 * x)
    assert torch.equal(kept, copy[10:20])

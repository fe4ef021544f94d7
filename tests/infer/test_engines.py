import threading
import time

import pytest

from infer._engines import load_engine
from infer._engines._window import in_order
from infer._engines.local import LocalEngine
from infer._errors import EngineUnavailableError


def test_pieces_are_taken_as_they_are_needed_and_come_in_order():
    taken = []

    def pieces():
        for number in range(50):
            taken.append(number)
            yield number

    results = in_order(lambda n: (time.sleep(0.002 * (n % 3)), n * n)[1], pieces(), 4)
    for expected in range(50):
        assert next(results) == expected * expected
        assert len(taken) <= expected + 7
    assert list(results) == []


def test_pieces_are_computed_side_by_side():
    both = threading.Barrier(2, timeout=20)
    assert len(list(LocalEngine(2).map(lambda _: both.wait(), range(8)))) == 8


@pytest.mark.parametrize("workers", [1, 3])
def test_the_first_error_ends_all(workers):
    begun, stopped = [], []

    def work(number):
        begun.append(number)
        if number == 4:
            raise KeyError(number)
        return number

    results = LocalEngine(workers).map(work, range(1000), lambda: stopped.append(len(begun)))
    got = []
    with pytest.raises(KeyError, match="4"):
        got.extend(results)
    assert got == [(n, n) for n in range(4)]
    assert len(begun) <= 4 + workers + 2
    assert len(stopped) == 1


def test_an_unknown_engine_is_refused_with_the_nearest():
    with pytest.raises(EngineUnavailableError, match=r"'rey'\. Did you mean 'ray'\? Known: local"):
        load_engine("rey")


def test_the_local_engine_joins_no_cluster():
    with pytest.raises(EngineUnavailableError, match="type: --engine ray"):
        load_engine("local", "10.0.0.1:6379")


def test_an_engine_that_is_not_installed_says_what_to_type(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EngineUnavailableError, match=r"type: pip install 'samebits\[ray\]'"):
        load_engine("ray")

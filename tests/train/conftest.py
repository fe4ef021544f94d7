"""Fits that many tests look at; each is made once."""

from functools import cache

import pytest

import train


@pytest.fixture(scope="session")
def fitted():
    """Return a function from a model's name to its fit by the default recipe."""
    return cache(train.fit)

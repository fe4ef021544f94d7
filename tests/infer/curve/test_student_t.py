"""Student's quantile, against 40 digits."""

import math

import mpmath
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infer._curve.student_t import quantile

DEGREES = [1, 2, 3, 4, 9, 30, 99, 100, 998, 10_000, 10**6, 10**9]
LEVELS = [1e-12, 0.3, 0.5, 0.5000001, 0.683, 0.95, 0.99, 0.999999, 1 - 2**-53]


def relative_error(level, nu):
    """Return how far a quantile is from the true one: the error in its level, over the slope."""
    with mpmath.workdps(40):
        t, n = mpmath.mpf(quantile(level, nu)), mpmath.mpf(nu)
        logarithm = mpmath.loggamma((n + 1) / 2) - mpmath.loggamma(n / 2)
        peak = mpmath.exp(logarithm) / mpmath.sqrt(n * mpmath.pi)

        def density(s):
            return peak * mpmath.exp(-(n + 1) / 2 * mpmath.log1p(s * s / n))

        if level <= 0.5:
            found, wanted = 2 * mpmath.quad(density, [0, t]), mpmath.mpf(level)
        elif nu < 1000:
            x = n / (n + t * t)
            found = mpmath.betainc(n / 2, mpmath.mpf(1) / 2, 0, x, regularized=True)
            wanted = 1 - mpmath.mpf(level)
        else:
            found = 2 * mpmath.quad(density, [t, t + 1, t + 3, t + 10, t + 30])
            wanted = 1 - mpmath.mpf(level)
        return float(abs(found - wanted) / (2 * density(t) * t))


@pytest.mark.parametrize("nu", DEGREES)
def test_thirteen_digits(nu):
    assert max(relative_error(level, nu) for level in LEVELS) < 1e-14


@given(st.integers(1, 200), st.floats(1e-6, 1 - 1e-9))
@settings(deadline=None, max_examples=40)
def test_thirteen_digits_anywhere(nu, level):
    assert relative_error(level, nu) < 1e-14


def test_one_and_two_degrees_are_known_in_closed_form():
    for level in (0.1, 0.5, 0.9, 0.99):
        assert math.isclose(quantile(level, 1), math.tan(math.pi * level / 2), rel_tol=1e-14)
        two = level * math.sqrt(2 / (1 - level * level))
        assert math.isclose(quantile(level, 2), two, rel_tol=1e-14)


def test_the_quantile_of_the_tables():
    assert f"{quantile(0.95, 9):.12f}" == "2.262157162798"


def test_it_rises_with_the_level_across_the_two_methods():
    for nu in (1, 5, 1000):
        below, at, above = (quantile(level, nu) for level in (0.4999999, 0.5, 0.5000001))
        assert below < at < above

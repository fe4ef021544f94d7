"""The quantile of Student's t distribution, with the standard library alone.

With f the density and f₀ = f(0), the chance of staying within ±t is a power series without
cancellation (I_y(1/2, ν/2) of NIST's DLMF 8.17.8, y = t²/(ν + t²)), which converges fast up to
the median of |T|. The chance of leaving is 2·f(t) times an integral over a decaying
function, which the double exponential formula computes to the last digits in a tail as thin as one
likes, for one degree of freedom as for a billion (H. Takahasi, M. Mori, "Double exponential
formulas for numerical integration", Publ. RIMS 9, 1974). Newton's method turns either round.
"""

from __future__ import annotations

import math
from functools import lru_cache

_STEP = 1 / 16
# Nodes beyond these add less than one part in 1e18.
_FIRST, _LAST = -64, 64
_SERIES = (-1 / 8, 1 / 128, 5 / 1024, -21 / 32768, -399 / 262144, 869 / 4194304)


@lru_cache(maxsize=64)
def quantile(level: float, degrees_of_freedom: float) -> float:
    """Return t such that Student's T lies in [-t, t] with the probability ``level``.

    Args:
        level: between 0 and 1, both excluded.
        degrees_of_freedom: at least 1.

    The relative error is below 1e-13.
    """
    if level <= 0.5:
        return _from_within(level, degrees_of_freedom)
    return _from_outside(1 - level, degrees_of_freedom)


def _from_within(level: float, nu: float) -> float:
    """Solve for the probability within ±t, at most one half.

    It is concave in t, and in logarithms too: from below Newton's method rises to the root.
    """
    peak = _peak(nu)
    t = level / (2 * peak)
    for _ in range(50):
        ratio = t * t / nu
        y = ratio / (1 + ratio)
        term = total = 1.0
        n = 0
        while term > 1e-18 * total:
            term *= (nu / 2 + 0.5 + n) / (1.5 + n) * y
            total += term
            n += 1
        # P = 2·f₀·t·(1 + t²/ν)^(-(ν+1)/2)·total = 2·t·f(t)·total
        decay = math.exp(-(nu + 1) / 2 * math.log1p(ratio))
        step = total * math.log(level / (2 * peak * t * decay * total))
        t *= math.exp(step)
        if abs(step) < 1e-9:
            break
    return t


def _from_outside(alpha: float, nu: float) -> float:
    """Solve for the probability outside ±t, below one half; its logarithm is concave in log t."""
    peak = _peak(nu)
    # Wallace's normal approximation, turned round (Ann. Math. Statist. 30, 1959).
    bent = (_normal(alpha) * (8 * nu + 3) / (8 * nu + 1)) ** 2 / nu
    t = math.sqrt(nu * math.expm1(bent))
    for _ in range(50):
        tail = _tail(t, nu)
        density = peak * math.exp(-(nu + 1) / 2 * math.log1p(t * t / nu))
        step = tail / t * math.log(2 * density * tail / alpha)
        t *= math.exp(step)
        if abs(step) < 1e-9:
            break
    return t


def _tail(t: float, nu: float) -> float:
    """Return ∫ f(s) ds / f(t) over s > t: between 1/(t + 1/t) for many degrees and t for one."""
    # f(t + w)/f(t) = (1 + w·(2t + w)/(ν + t²))^(-(ν+1)/2), on w = scale·exp(π/2·sinh k).
    scale = (nu + t * t) / ((nu + 1) * t)
    total = 0.0
    for index in range(_FIRST, _LAST + 1):
        k = index * _STEP
        w = scale * math.exp(math.pi / 2 * math.sinh(k))
        fall = math.exp(-(nu + 1) / 2 * math.log1p(w * (2 * t + w) / (nu + t * t)))
        total += fall * w * math.cosh(k)
    return total * _STEP * math.pi / 2


def _peak(nu: float) -> float:
    """Return the density at 0: Γ((ν+1)/2) / (Γ(ν/2)·√(πν))."""
    half = nu / 2
    if half < 50:
        ratio = math.gamma(half + 0.5) / math.gamma(half)
    else:  # R. L. Graham, D. E. Knuth, O. Patashnik, Concrete Mathematics, exercise 9.60
        series = 0.0
        for coefficient in reversed(_SERIES):
            series = (series + coefficient) / half
        ratio = math.sqrt(half) * (1 + series)
    return ratio / math.sqrt(math.pi * nu)


def _normal(alpha: float) -> float:
    """Return the normal deviate that is left with that probability, within 5e-4.

    M. Abramowitz, I. A. Stegun, Handbook of Mathematical Functions, 26.2.23.
    """
    r = math.sqrt(-2 * math.log(alpha / 2))
    above = 2.515517 + r * (0.802853 + r * 0.010328)
    return r - above / (1 + r * (1.432788 + r * (0.189269 + r * 0.001308)))

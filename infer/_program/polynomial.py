"""Exact polynomials in one variable: from a program, and where they turn.

A program's constants are binary fractions, so what it would compute without rounding is a
polynomial with rational coefficients. Coefficients are listed from the lowest power up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import zip_longest
from typing import NamedTuple

from infer._program.operations import OperationError
from infer._program.program import Program

Polynomial = list[Fraction]

# A program of a few steps can have any degree, and numbers with any number of digits; nobody
# calibrates with more than this.
MAX_DEGREE = 64
MAX_BITS = 1 << 14
# Bits from which numbers are cut where a sign is asked for.
_LONG = 1 << 12
# Products of 32-bit digits, about a tenth of a second.
_MAX_WORK = 1 << 26


class ExpansionError(ValueError):
    """A program is no polynomial, or one that is too large to be written down."""


def of_program(program: Program) -> Polynomial:
    """Return what an elementwise program computes without any rounding.

    Raises:
        ExpansionError: it has an operation that no polynomial has, its degree is too high, its
            numbers have too many digits, or it takes too long.
    """
    at = {name: _of_double(value) for name, value in program.constants.items()}
    at[program.input] = _Dyadic([0, 1], 0)
    needed = {program.output}
    for step in reversed(program.steps):
        if step.target in needed:
            needed.update(step.operands)
    expander = Expander()
    for step in program.steps:
        if step.target not in needed:
            continue
        try:
            expand = getattr(expander, step.rule("polynomial"))
        except OperationError as error:
            raise ExpansionError(f"a function with {step.operator!r}") from error
        at[step.target] = result = expand(*[at[name] for name in step.operands])
        if len(result.numbers) > MAX_DEGREE + 1:
            raise ExpansionError(f"a polynomial of degree {len(result.numbers) - 1}")
        if _bits(result) + abs(result.places) > MAX_BITS:
            raise ExpansionError(f"a polynomial with numbers of more than {MAX_BITS:,} bits")
    numbers, places = at[program.output]
    return [Fraction(n, 1 << places) if places > 0 else Fraction(n << -places) for n in numbers]


class _Dyadic(NamedTuple):
    """A polynomial whose coefficients are ``numbers`` over 2^places; never all of them even."""

    numbers: list[int]
    places: int


def _of_double(value: float) -> _Dyadic:
    numerator, denominator = value.as_integer_ratio()
    return _reduced([numerator], denominator.bit_length() - 1)


class Expander:
    """Carries out operations on polynomials: a method for each that the table names.

    Each raises ExpansionError before all of them together take too long.
    """

    def __init__(self) -> None:
        """Begin with no work done."""
        self._work = 0

    def add(self, a: _Dyadic, b: _Dyadic) -> _Dyadic:
        """Return the sum."""
        self._spend(_digits(a) + _digits(b))
        places = max(a.places, b.places)
        left = [n << (places - a.places) for n in a.numbers]
        right = [n << (places - b.places) for n in b.numbers]
        return _reduced([p + q for p, q in zip_longest(left, right, fillvalue=0)], places)

    def negate(self, a: _Dyadic) -> _Dyadic:
        """Return the polynomial with the other sign."""
        return a._replace(numbers=[-n for n in a.numbers])

    def subtract(self, a: _Dyadic, b: _Dyadic) -> _Dyadic:
        """Return the difference."""
        return self.add(a, self.negate(b))

    def multiply(self, a: _Dyadic, b: _Dyadic) -> _Dyadic:
        """Return the product."""
        self._spend(_digits(a) * _digits(b))
        product = [0] * (len(a.numbers) + len(b.numbers) - 1)
        for i, p in enumerate(a.numbers):
            for j, q in enumerate(b.numbers):
                product[i + j] += p * q
        return _reduced(product, a.places + b.places)

    def _spend(self, work: int) -> None:
        self._work += work
        if self._work > _MAX_WORK:
            raise ExpansionError("a polynomial that takes too long to write down")


def _digits(polynomial: _Dyadic) -> int:
    return len(polynomial.numbers) * (_bits(polynomial) // 32 + 1)


def _reduced(numbers: list[int], places: int) -> _Dyadic:
    while len(numbers) > 1 and not numbers[-1]:
        numbers.pop()
    # The lowest bit that any of them has is that of all of them together.
    together = 0
    for n in numbers:
        together |= n
    if not together:
        return _Dyadic([0], 0)
    even = (together & -together).bit_length() - 1
    return _Dyadic([n >> even for n in numbers], places - even)


def _bits(polynomial: _Dyadic) -> int:
    return max(n.bit_length() for n in polynomial.numbers)


def add(a: Polynomial, b: Polynomial) -> Polynomial:
    """Return the sum, without leading zeros."""
    return _trimmed([p + q for p, q in zip_longest(a, b, fillvalue=Fraction(0))])


def multiply(a: Polynomial, b: Polynomial) -> Polynomial:
    """Return the product, without leading zeros."""
    product = [Fraction(0)] * (len(a) + len(b) - 1)
    for i, p in enumerate(a):
        for j, q in enumerate(b):
            product[i + j] += p * q
    return _trimmed(product)


def derivative(a: Sequence[Fraction]) -> Polynomial:
    """Return the derivative."""
    return [power * value for power, value in enumerate(a)][1:] or [Fraction(0)]


def substitute(a: Polynomial, start: Fraction, step: Fraction) -> Polynomial:
    """Return the polynomial in z that a is at ``start + step·z``."""
    numbers, denominator = substituted(a, start, step)
    return _trimmed([Fraction(n, denominator) for n in numbers])


def substituted(a: Polynomial, start: Fraction, step: Fraction) -> tuple[list[int], int]:
    """Return the same as whole numbers and what they are divided by, without reducing any."""
    over = math.lcm(start.denominator, step.denominator)
    first, times = int(start * over), int(step * over)
    common = math.lcm(*(value.denominator for value in a))
    result: list[int] = []
    power = 1
    for value in reversed(a):
        moved = [n * first for n in result] + [0]
        for index, n in enumerate(result):
            moved[index + 1] += n * times
        moved[0] += int(value * common) * power
        result = moved
        power *= over
    return result, common * over ** (len(a) - 1)


def value_at(a: Sequence[Fraction], x: Fraction) -> Fraction:
    """Return the polynomial's value, exactly."""
    common = math.lcm(*(value.denominator for value in a))
    total, power = 0, 1
    for value in reversed(a):
        total = total * x.numerator + int(value * common) * power
        power *= x.denominator
    return Fraction(total, common * (power // x.denominator))


def _trimmed(a: Polynomial) -> Polynomial:
    while len(a) > 1 and not a[-1]:
        a = a[:-1]
    return a


def sign_changes(a: Polynomial, places: int) -> list[int]:
    """Return where in (0, 1) a polynomial in z changes its sign, in units of 2^-places, downwards.

    Between two sign changes of its derivative a polynomial is monotone and changes its own sign
    at most once; so the sign changes of each derivative, from the last one down, isolate those of
    the one before, and bisection on integers finds them exactly. Two that are nearer to each
    other than a unit are taken as none.
    """
    common = math.lcm(*(value.denominator for value in a))
    chain = [[int(value * common) for value in a]]
    while len(chain[-1]) > 1:
        chain.append([power * value for power, value in enumerate(chain[-1])][1:])
    turns: list[int] = []
    for member in reversed(chain):
        turns = _between(_Gridded(member, places), [0, *turns, 1 << places])
    return turns


class _Gridded:
    """A polynomial on the places x·2^-places, for whole x from 0 to 2^places.

    The sign of a long polynomial is nearly always known from numbers of twice as many bits as a
    place has, and three more for each of them: by so much they can cancel (P. L. Chebyshev).
    """

    def __init__(self, numbers: list[int], places: int) -> None:
        longest = max(n.bit_length() for n in numbers)
        cut = longest - 2 * places - 3 * len(numbers) - 16
        is_long = longest + places * len(numbers) > _LONG
        cuts = [n >> cut if cut > 0 else n << -cut for n in reversed(numbers)]
        self._cut = cuts if is_long else []
        self._exact = numbers
        self._places = places
        # Each of the numbers, and each product, is cut by less than one.
        self._slack = 2 * len(numbers)

    def at(self, x: int) -> int:
        """Return a number with the sign of the value, and nearly a multiple of it."""
        places = self._places
        total = 0
        for n in self._cut:
            total = (total * x >> places) + n
        if -self._slack < total < self._slack:
            exact, shift = 0, 0
            for n in reversed(self._exact):
                exact = exact * x + (n << shift)
                shift += places
            return (exact > 0) - (exact < 0) if self._cut else exact
        return total


def _between(a: _Gridded, breaks: list[int]) -> list[int]:
    """Return the sign changes of a polynomial that is monotone between the breaks."""
    found: list[int] = []
    last, at_last, zero = 0, 0, None
    for place in breaks:
        value = a.at(place)
        if not value:
            zero = place
            continue
        if at_last and (value > 0) != (at_last > 0):
            found.append(_search(a, last, place, at_last, value) if zero is None else zero)
        last, at_last, zero = place, value, None
    return found


def _search(a: _Gridded, low: int, high: int, at_low: int, at_high: int) -> int:
    """Return the last place with the sign of the lower end, or the place of a zero.

    A straight line between the ends guesses in which of 2^k parts the sign changes. If it does, k
    is doubled, so few steps give many bits; else the middle is tried, as bisection would (J.
    Abbott, "Quadratic interval refinement for real roots", 2006).
    """
    rising = at_high > 0
    k = 1
    while high - low > 1:
        before = high - low
        width = before >> k or 1
        guess = low + before * at_low // (at_low - at_high)
        start = low + (guess - low) // width * width
        for place in (start, start + width):
            if low < place < high:
                value = a.at(place)
                if not value:
                    return place
                if (value > 0) == rising:
                    high, at_high = place, value
                    break
                low, at_low = place, value
        if high - low <= width:
            k *= 2
            continue
        k = k // 2 or 1
        if high - low > before >> 1:
            middle = (low + high) // 2
            value = a.at(middle)
            if not value:
                return middle
            if (value > 0) == rising:
                high, at_high = middle, value
            else:
                low, at_low = middle, value
    return low


def monotone_breaks(a: Polynomial, low: Fraction, high: Fraction, places: int) -> list[Fraction]:
    """Return low, where the polynomial turns between, and high.

    A turn is exact if it is a simple fraction, among them most doubles; any other is at most a
    part of 2^-places of the range too low.
    """
    width = high - low
    unit = width / (1 << places)
    slope = derivative(a)
    turns = []
    for turn in sign_changes(substitute(slope, low, width), places):
        place = low + unit * turn
        simple = place.limit_denominator(1 << 60)
        exact = abs(simple - place) <= unit and not value_at(slope, simple)
        turns.append(simple if exact else place)
    return [low, *turns, high]

"""From an answer back to the input: exact to the last bit that the curve resolves."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from infer._artifact.card import ModelCard
from infer._errors import InputError
from infer._ieee.floats import DType, bits, from_bits, from_number
from infer._program.bounds import rounding
from infer._program.on_floats import compile_floats
from infer._program.polynomial import (
    ExpansionError,
    derivative,
    monotone_breaks,
    of_program,
    substituted,
    value_at,
)

# Values of the dtype on either side of the exact root that are tried: rounding moves a served
# answer by a few units in the last place, so near a root that is well defined a few are enough.
NEIGHBOURS = 64

# Where the curve turns is known to this part of the domain.
_PLACES = 128


class MonotonePiece(NamedTuple):
    """A part of the domain on which the exact curve rises or falls all the way.

    Attributes:
        low: its lower end, exact.
        high: its upper end, exact.
        direction: 1 where the curve rises, -1 where it falls.
        center: a double near its middle.
        half_width: a double, about half its width.
        local: the curve as a polynomial of (x - center)/half_width, rounded to doubles.
        slope: the derivative of ``local``.
        values: the curve at both ends, rounded to doubles.
        inside: ordinals of the first and the last value of the dtype in it.
    """

    low: Fraction
    high: Fraction
    direction: int
    center: float
    half_width: float
    local: list[float]
    slope: list[float]
    values: tuple[float, float]
    inside: tuple[int, int]


class Inverse:
    """The inverse of an elementwise model, ready to be asked.

    The program's constants define an exact polynomial, the exact curve. It is cut where it turns
    within the domain; the domain's ends are rounded to the dtype first, as every input is.

    Attributes:
        pieces: the parts of the domain between the turns.
        turns: where the exact curve turns within the domain.
        is_line: whether the exact curve is a straight line.
    """

    def __init__(self, card: ModelCard) -> None:
        """Expand the program and find where the curve turns.

        Raises:
            InputError: the model has features, or its curve cannot be inverted anywhere.
        """
        if card.features is not None:
            raise InputError(
                f"{card.name} takes {card.features} feature(s) along an axis; "
                "only a model of one number can be inverted"
            )
        self._card, self._dtype = card, card.dtype
        self._serve = compile_floats(card.compiled)
        self._ends = tuple(_into(value, card.dtype) for value in card.domain[0])
        low, high = (Fraction(value) for value in self._ends)
        try:
            curve = of_program(card.compiled)
        except ExpansionError as error:
            raise InputError(f"{card.name} is {error}, which is not inverted") from None
        slope = derivative(curve)
        self.is_line = len(curve) == 2
        if low == high or not any(slope):
            raise InputError(f"{card.name} is constant over its domain: {self._domain()}")
        self._ordinals = tuple(ordinal(value, card.dtype) for value in self._ends)
        self._rounding = rounding(card.compiled, *self._ends)
        self._scale = math.lcm(*(value.denominator for value in curve))
        self._integers = [int(value * self._scale) for value in curve]
        self._breaks = monotone_breaks(curve, low, high, _PLACES)
        self.turns = self._breaks[1:-1]
        try:
            self._marks = [_Mark.at(curve, place, low, high) for place in self._breaks]
            self.pieces = [self._piece(curve, index) for index in range(len(self._breaks) - 1)]
        except OverflowError:
            raise InputError(f"{card.name} leaves the range of doubles over its domain") from None

    def _piece(self, curve: list[Fraction], index: int) -> MonotonePiece:
        low, high = self._breaks[index : index + 2]
        start, end = self._marks[index].value, self._marks[index + 1].value
        # Half of the narrowest domain there is rounds to zero.
        center, half = float((low + high) / 2), float((high - low) / 2) or math.ulp(0.0)
        local, over = substituted(curve, Fraction(center), Fraction(half))
        rising = value_at(curve, high) > value_at(curve, low)
        return MonotonePiece(
            low,
            high,
            1 if rising else -1,
            center,
            half,
            [n / over for n in local],
            [power * n / over for power, n in enumerate(local)][1:] or [0.0],
            (start, end),
            (_first_inside(low, self._dtype), -_first_inside(-high, self._dtype)),
        )

    def __call__(self, y: float) -> float:
        """Return the input that gives y; see ``Model.inverse``.

        Raises:
            InputError: y is no number, or is reached never or more than once.
        """
        piece, place = self._locate(y)
        nearest = self._nearest(piece, place, y)
        return self._best(piece, nearest, place, y)

    def _locate(self, y: float) -> tuple[MonotonePiece, Fraction | None]:
        """Return the only piece on which the curve reaches y; and the place, where that is an end.

        Raises:
            InputError: there is none, or more than one.
        """
        if math.isnan(y):
            raise InputError("expected a number to find the input of, found nan")
        above = [mark.compare(y) for mark in self._marks]
        found: list[tuple[MonotonePiece, Fraction | None]] = []
        for index, piece in enumerate(self.pieces):
            if not above[index]:
                found.append((piece, self._breaks[index]))
            elif above[index] * above[index + 1] < 0:
                found.append((piece, None))
        if not above[-1]:
            found.append((self.pieces[-1], self._breaks[-1]))
        if not found:
            # A served answer can lie beyond the exact curve, by its rounding.
            found = [
                (self.pieces[max(index - 1, 0)], self._breaks[index])
                for index, mark in enumerate(self._marks)
                if math.isfinite(y) and abs(mark.value - y) <= self._rounding
            ]
        if len(found) == 1:
            return found[0]
        if found:
            places = [
                f"{float(place) if place is not None else self._root(piece, y):.6g}"
                for piece, place in found
            ]
            raise InputError(
                f"{self._quantity(y)} is reached at {len(places)} places of the domain, so it has "
                f"no single input: {self._card.input.name} = {', '.join(places)}"
            )
        values = [mark.value for mark in self._marks]
        unit = _unit(self._card.output.unit)
        raise InputError(
            f"{self._quantity(y)} is never reached: over the domain, {self._domain()}, the curve "
            f"goes from {min(values):.9g} to {max(values):.9g}{unit}"
        )

    def _quantity(self, y: float) -> str:
        return f"{self._card.output.name} = {y!r}{_unit(self._card.output.unit)}"

    def _domain(self) -> str:
        low, high = self._card.domain[0]
        return f"{low:.9g} to {high:.9g}{_unit(self._card.input.unit)}"

    def _root(self, piece: MonotonePiece, y: float) -> float:
        """Return the root within a piece, nearly: Newton's method, within a shrinking bracket."""
        local, slope, direction = piece.local, piece.slope, piece.direction
        low, high = -1.0, 1.0
        start, end = piece.values
        v = 2 * (y - start) / (end - start) - 1 if start != end else 0.0
        if not low < v < high:
            v = 0.0
        for _ in range(100):
            error, rate = local[-1], 0.0
            for value in local[-2::-1]:
                error = error * v + value
            error -= y
            for value in reversed(slope):
                rate = rate * v + value
            if error * direction > 0:
                high = v
            else:
                low = v
            step = error / rate if rate else math.inf
            following = v - step
            if not low < following < high:
                following = (low + high) / 2
            if abs(following - v) <= 1e-16:
                break
            v = following
        return piece.center + piece.half_width * v

    def _below(self, piece: MonotonePiece, y: tuple[int, int], n: int) -> bool:
        """Return whether the exact root lies above the middle between ordinals n - 1 and n."""
        first, last = piece.inside
        if n <= first:
            return True
        if n > last:
            return False
        a = from_ordinal(n - 1, self._dtype).as_integer_ratio()
        b = from_ordinal(n, self._dtype).as_integer_ratio()
        over = max(a[1], b[1])
        return (
            self._excess(a[0] * (over // a[1]) + b[0] * (over // b[1]), 2 * over, y)[0]
            * (piece.direction)
            < 0
        )

    def _excess(self, x: int, over: int, y: tuple[int, int]) -> tuple[int, int]:
        """Return the exact curve at x/over less y, as a numerator and a denominator above 0."""
        total, power = 0, 1
        for value in reversed(self._integers):
            total = total * x + value * power
            power *= over
        power //= over
        scale = self._scale * power
        return total * y[1] - y[0] * scale, scale * y[1]

    def _nearest(self, piece: MonotonePiece, place: Fraction | None, y: float) -> int:
        """Return the ordinal of the value of the dtype that is nearest to the exact root."""
        low, high = self._ordinals
        if place is not None:
            n = ordinal(_into(float(place), self._dtype), self._dtype)
            return min(max(n, low), high)
        exact = y.as_integer_ratio()
        x = self._root(piece, y)
        if self._dtype == "float64":
            # The residual is exact, so one more step of Newton's method gives the last bits.
            up, down = self._excess(*x.as_integer_ratio(), exact)
            rate = 0.0
            v = (x - piece.center) / piece.half_width
            for value in reversed(piece.slope):
                rate = rate * v + value
            if rate:
                x -= up / down / (rate / piece.half_width)
        n = min(max(ordinal(_into(x, self._dtype), self._dtype), low), high)
        # The last n with the root above the middle below it; nearly always the one at hand.
        known, step = n, 1
        if self._below(piece, exact, n):
            while self._below(piece, exact, known + step):
                known, step = known + step, 2 * step
            beyond = known + step
        else:
            beyond, known = n, n - step
            while not self._below(piece, exact, known):
                beyond, step = known, 2 * step
                known -= step
        while beyond - known > 1:
            middle = (known + beyond) // 2
            if self._below(piece, exact, middle):
                known = middle
            else:
                beyond = middle
        return min(max(known, low), high)

    def _best(self, piece: MonotonePiece, nearest: int, place: Fraction | None, y: float) -> float:
        """Return the neighbour of the root whose served answer is nearest to y."""
        serve, dtype = self._serve, self._dtype
        x = from_ordinal(nearest, dtype)
        served = serve(x)
        if served == from_number(y, dtype):
            return x  # nothing can be nearer, to y or to the root
        sides = []
        for step in (1, -1):
            best: tuple[float, int] | None = None
            limit = self._ordinals[step > 0]
            for n in _outward(nearest, step, limit):
                value = serve(from_ordinal(n, dtype))
                if best is None or _nearer(value, best[0], y) < 0:
                    best = value, n
                elif self._is_past(piece, nearest, step, value, best[0], y):
                    break
            if best is not None and _nearer(best[0], served, y) < 0:
                sides.append(best)
        if not sides:
            return x
        if len(sides) == 1:
            return from_ordinal(sides[0][1], dtype)
        (above, up), (below, down) = sides
        closer = _nearer(above, below, y) or self._closer(piece, place, y, up, down)
        return from_ordinal(up if closer < 0 else down, dtype)

    def _is_past(
        self, piece: MonotonePiece, nearest: int, step: int, value: float, best: float, y: float
    ) -> bool:
        """Return whether no further neighbour on this side can serve anything nearer to y.

        The exact curve only leads away from y, and what is served lies within the rounding of it.
        """
        first, last = piece.inside
        if not first <= nearest + step * NEIGHBOURS <= last:
            return False
        away = (value - y) * piece.direction * step
        return away > 1.001 * (abs(best - y) + 2 * self._rounding)

    def _closer(
        self, piece: MonotonePiece, place: Fraction | None, y: float, up: int, down: int
    ) -> int:
        """Return -1 if the root is nearer to the upper of two values, otherwise 1."""
        a, b = (Fraction(from_ordinal(n, self._dtype)) for n in (up, down))
        middle = (a + b) / 2
        if place is not None:
            return -1 if place > middle else 1
        if not piece.low < middle < piece.high:
            return -1 if middle <= piece.low else 1
        excess, _ = self._excess(middle.numerator, middle.denominator, y.as_integer_ratio())
        return -1 if excess * piece.direction < 0 else 1


class _Mark(NamedTuple):
    """The exact curve at an end of a piece, made for comparing.

    Attributes:
        value: rounded to a double.
        rest: sign of the exact value less ``value``; 0 also where the place is a turn that is
            not known closely enough to tell.
    """

    value: float
    rest: int

    @classmethod
    def at(cls, curve: list[Fraction], place: Fraction, low: Fraction, high: Fraction) -> _Mark:
        exact = value_at(curve, place)
        value = float(exact)
        slack = Fraction(0)
        if low < place < high:  # the curve turns between here and one unit further
            unit = (high - low) / (1 << _PLACES)
            slope = derivative(curve)
            slack = unit * (abs(value_at(slope, place)) + abs(value_at(slope, place + unit)))
        rest = exact - Fraction(value)
        return cls(value, 0 if abs(rest) <= slack else 1 if rest > 0 else -1)

    def compare(self, y: float) -> int:
        """Return the sign of y less the exact value."""
        return (y > self.value) - (y < self.value) or -self.rest


def ordinal(value: float, dtype: DType) -> int:
    """Return the place of a value among all of its dtype, counted from 0.0."""
    pattern = bits(abs(value), dtype)
    return -pattern if value < 0 else pattern


def from_ordinal(number: int, dtype: DType) -> float:
    """Return the value at a place."""
    return from_bits(number, dtype) if number >= 0 else -from_bits(-number, dtype)


def _outward(start: int, step: int, limit: int) -> Iterator[int]:
    last = min(start + NEIGHBOURS, limit) if step > 0 else max(start - NEIGHBOURS, limit)
    return iter(range(start + step, last + step, step))


def _nearer(a: float, b: float, y: float) -> int:
    """Return -1 if a is nearer to y than b is, 1 if farther, 0 if neither; exactly."""
    if (a <= y) == (b <= y):
        away = (a > b) - (a < b)
        return -away if a <= y else away
    if not (math.isfinite(a) and math.isfinite(b)):
        return 1 if math.isfinite(b) else -1 if math.isfinite(a) else 0
    total = Fraction(a) + Fraction(b) - 2 * Fraction(y)
    sign = (total > 0) - (total < 0)
    return sign if a > b else -sign


def _into(value: float, dtype: DType) -> float:
    """Round a finite double to the nearest finite value of the dtype."""
    rounded = from_number(value, dtype)
    if math.isfinite(rounded):
        return rounded
    return math.copysign(from_bits(0x7F7FFFFF, "float32"), value)


def _first_inside(low: Fraction, dtype: DType) -> int:
    """Return the ordinal of the smallest value of the dtype that is not below a number."""
    n = ordinal(_into(float(low), dtype), dtype)
    return n + (from_ordinal(n, dtype) < low)


def _unit(unit: str) -> str:
    return "" if unit == "1" else f" {unit}"

"""*Spread* of section 5.3: variance and process capability, from private totals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.reference.exact_sum import (
    LAST,
    Piece,
    PrivateSign,
    PublicSign,
    Row,
    Run,
    Running,
    bit_of,
    limb_plan,
)
from tests.reference.gadgets import Gadgets, Ranged, Values
from tests.reference.polynomial import Point, Polynomial, column, constant
from tests.reference.records import Slot, affine
from tests.reference.syntax import Capability, Condition, Number, Variance
from tests.reference.totals import CUTS, ONE, Multiple, Summand, row_of

LIMB_BITS = 12


@dataclass(frozen=True)
class Moments:
    """A combination of n (the number of records), S = sum x and Q = sum x^2."""

    n: int = 0
    s: int = 0
    q: int = 0

    def times(self, factor: int) -> Moments:
        """factor * self."""
        return Moments(self.n * factor, self.s * factor, self.q * factor)

    def plus(self, other: Moments) -> Moments:
        """self + other."""
        return Moments(self.n + other.n, self.s + other.s, self.q + other.q)


class HeldTotal:
    """A total as columns with one value on all rows, limb by limb."""

    def __init__(self, gadgets: Gadgets, row: Row) -> None:
        low, high = row.total_bounds
        pieces = [*row.pieces]
        while max(high, -low) >> (pieces[-1].shift + LIMB_BITS):
            pieces.append(Piece(pieces[-1].shift + LIMB_BITS, constant(0), 0, 0))
        self._running = Running(gadgets, pieces, limb_plan(pieces, 0), Run())
        self._columns = gadgets.columns(len(pieces) + 1)
        shift = self._running.top_shift
        bounds = [(limb.shift, 0, (1 << limb.width) - 1) for limb in self._running.plan]
        self.limbs = [
            (at, Ranged(column(index), least, most))
            for index, (at, least, most) in zip(
                self._columns, [*bounds, (shift, low >> shift, high >> shift)], strict=True
            )
        ]

    def constraints(self, point: Point) -> Values:
        """The running total, then each column."""
        yield from self._running.constraints(point)
        last = LAST.at(point)
        for index, limb in zip(self._columns, self._running.after, strict=True):
            yield point.following[index] - point.here[index]
            yield last * (limb.at(point) - point.here[index])


class AllOf:
    """A public bit: the product of four bits on the last active row."""

    lowest, highest = 0, 1

    def __init__(self, gadgets: Gadgets, bits: Sequence[Polynomial]) -> None:
        self._bits = bits
        self._public = gadgets.publics(1)[0]
        self._halves = gadgets.columns(2)

    def constraints(self, point: Point) -> Values:
        """Two products, and the product of both."""
        last = LAST.at(point)
        low, high, *others = (bit.at(point) for bit in self._bits)
        halves = [point.here[index] for index in self._halves]
        yield last * (halves[0] - low * high)
        yield last * (halves[1] - others[0] * others[1])
        yield last * (point.limbs[self._public] - halves[0] * halves[1])

    def limbs_of(self, total: int) -> list[int]:
        """The public bit."""
        return bit_of(total)


class Spread:
    """A number of every record as x = 0, 1, ... units above its least value, and guards."""

    def __init__(
        self, gadgets: Gadgets, slots: Sequence[Slot], number: Number, where: Condition | None
    ) -> None:
        self.gadgets, self.slots = gadgets, slots
        values = [slot.number(number).whole() for slot in slots]
        least = min(value.integer.low for value in values)
        self.unit = values[0].unit
        self.zero = self.unit * least
        self._x = [
            slot.committed(affine(value.integer, 1, -least))
            for slot, value in zip(slots, values, strict=True)
        ]
        self._guards = [slot.guard(where) for slot in slots]

    def _multiple(self, factor: int, left: Ranged, *, times_x: bool) -> Multiple:
        return Multiple.of(
            factor,
            [
                Summand(guard, left, x if times_x else ONE)
                for guard, x in zip(self._guards, self._x, strict=True)
            ],
        )

    def total(self, wanted: Moments) -> list[Multiple]:
        """A combination as terms."""
        squares = [Summand(g, x, x) for g, x in zip(self._guards, self._x, strict=True)]
        terms = [
            self._multiple(wanted.n, ONE, times_x=False),
            self._multiple(wanted.s, ONE, times_x=True),
            Multiple.of(wanted.q, squares),
        ]
        return [term for term in terms if term.coefficient]

    def products(self, u: Moments, w: Moments) -> Row:
        """n * u + S * w."""
        terms = []
        for wanted, times_x in ((u, False), (w, True)):
            row = row_of(self.slots, self.total(wanted), CUTS)
            held = self.gadgets.add(HeldTotal(self.gadgets, row))
            terms += [self._multiple(1 << at, limb, times_x=times_x) for at, limb in held.limbs]
        return row_of(self.slots, terms, CUTS)


def variance(spread: Spread, wanted: Variance) -> PublicSign:
    """n Q - S^2 against bound * n^2."""
    bound = wanted.bound / spread.unit**2
    sign = 1 if wanted.relation == "<=" else -1
    u = Moments(n=bound.numerator, q=-bound.denominator).times(sign)
    w = Moments(s=bound.denominator).times(sign)
    return PublicSign(spread.gadgets, spread.products(u, w), 0)


def capability(spread: Spread, wanted: Capability) -> AllOf:
    """Both sides' room is at least 0, and its square at least (3 bound)^2 (n Q - S^2)."""
    gadgets = spread.gadgets
    low, high = ((end - spread.zero) / spread.unit for end in (wanted.low, wanted.high))
    scale = low.denominator * high.denominator
    rooms = Moments(n=-int(low * scale), s=scale), Moments(n=int(high * scale), s=-scale)
    share = (3 * wanted.bound * scale) ** 2
    bits = []
    for room in rooms:
        row = row_of(spread.slots, spread.total(room))
        bits.append(gadgets.add(PrivateSign(gadgets, row, 0, per_window=False)).bit)
        u = room.times(room.n * share.denominator).plus(Moments(q=-share.numerator))
        w = room.times(room.s * share.denominator).plus(Moments(s=share.numerator))
        row = spread.products(u, w)
        bits.append(gadgets.add(PrivateSign(gadgets, row, 0, per_window=False)).bit)
    return AllOf(gadgets, bits)

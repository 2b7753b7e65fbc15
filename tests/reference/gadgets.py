"""The gadgets of one record in section 5.2: columns, and constraint values at a point."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol, TypeVar

from tests.reference.facts import DT_BITS
from tests.reference.field import Extension, P, linear
from tests.reference.polynomial import Point, Polynomial, column, selector, total
from tests.reference.spelling import Spelled, boolean, in_digits

FIRST_BLOCK_COLUMN = 8
ACTIVE = 148
LARGEST = (P - 1) // 2
MAXIMUM_VALUE_BITS = 30

Values = Iterator[Extension]


class Gadget(Protocol):
    """Columns, and constraints on them."""

    def constraints(self, point: Point) -> Values:
        """The constraints' values at z, in order."""
        ...


AnyGadget = TypeVar("AnyGadget", bound=Gadget)


class Gadgets:
    """All gadgets of a circuit in the order in which they are made, with what they take.

    ``data`` is 1 on rows with records; ``carried`` are the limbs of what is carried from claim to
    claim.
    """

    def __init__(self, first_column: int, *, state: bool = False) -> None:
        self.state = state
        self.data = column(ACTIVE) - selector("closing")
        if state:
            self.data = self.data - selector("state_before")
        self.column_count = first_column
        self.public_count = 0
        self.made: list[Gadget] = []
        self.carried: list[Polynomial] = []
        self._known: dict[Hashable, Gadget] = {}

    def columns(self, count: int) -> range:
        """The next so many columns."""
        taken = range(self.column_count, self.column_count + count)
        self.column_count = taken.stop
        return taken

    def spelled(self, bits: int) -> Spelled:
        """The next columns, for an integer of so many bits."""
        return Spelled(self.columns(in_digits(bits)), bits)

    def publics(self, count: int) -> range:
        """The next so many public limbs."""
        taken = range(self.public_count, self.public_count + count)
        self.public_count = taken.stop
        return taken

    def add(self, gadget: AnyGadget) -> AnyGadget:
        """Append a gadget that is not shared."""
        self.made.append(gadget)
        return gadget

    def once(
        self, kind: type[AnyGadget], make: Callable[[], AnyGadget], *key: Hashable
    ) -> AnyGadget:
        """The gadget of this kind and key, made where it is first wanted."""
        known = self._known.get((kind, key))
        if not isinstance(known, kind):
            known = self._known[kind, key] = self.add(make())
        return known


@dataclass(frozen=True)
class Ranged:
    """An integer of every record: a polynomial, and low <= it <= high."""

    e: Polynomial
    low: int
    high: int

    def __post_init__(self) -> None:
        if max(-self.low, self.high) > LARGEST:
            raise OverflowError(f"{self.low}..{self.high}")


class Reaches:
    """*Reaches*: a bit that is 1 exactly where an integer of degree 1 is at least the threshold.

    low < threshold <= high. The bit has no column: it is a polynomial that is a bit on rows with
    data. Distance and bit together spell the integer less (threshold - 2^n).
    """

    def __init__(self, gadgets: Gadgets, integer: Ranged, threshold: int) -> None:
        farthest = _farthest(integer, threshold)
        self.distance_bits = farthest.bit_length()
        self._turn = 1 << self.distance_bits
        if self._turn - 1 >= P - 1 - farthest:
            raise OverflowError(f"{integer.low}..{integer.high} is too far from {threshold}")
        self._data = gadgets.data
        self._distance = gadgets.spelled(self.distance_bits)
        self._away = integer.e - threshold - self._distance.now
        self.bit = self._away * pow(self._turn, -1, P) + 1

    def constraints(self, point: Point) -> Values:
        """Ranges; the distance is that from the threshold, or from 2^n below it."""
        yield from self._distance.ranges(point)
        away = self._away.at(point)
        yield self._data.at(point) * away * (away + self._turn)

    def cut(self, first: int, count: int) -> Polynomial:
        """What so many bits from this one on spell, of the integer less (threshold - 2^n)."""
        distance = self._distance.cut(first, count)
        if first + count <= self.distance_bits:
            return distance
        return distance + self.bit * (1 << (self.distance_bits - first))


def _farthest(integer: Ranged, threshold: int) -> int:
    return max(integer.high - threshold, threshold - integer.low - 1)


def distance_bits(integer: Ranged, threshold: int) -> int:
    """The n of *Reaches*."""
    return _farthest(integer, threshold).bit_length()


class Segments:
    """*Segments*: which of three or more ascending thresholds a channel's reading reaches."""

    def __init__(
        self, gadgets: Gadgets, x: Polynomial, bits: int, thresholds: Sequence[int]
    ) -> None:
        self._data, self._x, self._thresholds = gadgets.data, x, thresholds
        self._inside = gadgets.columns(len(thresholds))
        self._offset, self._rest = gadgets.spelled(bits), gadgets.spelled(bits)
        borders = [0, *thresholds, 1 << bits]
        self._longest = [end - start - 1 for start, end in pairwise(borders)]

    def bit(self, threshold: int) -> Polynomial:
        """Whether the reading reaches a threshold."""
        return total(column(s) for s in self._inside[self._thresholds.index(threshold) :])

    def constraints(self, point: Point) -> Values:
        """Ranges; one segment at most; the reading lies in it."""
        inside = [point.here[index] for index in self._inside]
        offset, rest = self._offset.at(point), self._rest.at(point)
        yield from map(boolean, inside)
        yield from self._offset.ranges(point)
        yield from self._rest.ranges(point)
        data, above_first = self._data.at(point), linear(inside, [1] * len(inside))
        yield data * above_first * (above_first - 1)
        begin = linear(inside, self._thresholds)
        yield data * (self._x.at(point) - begin - offset)
        longest = linear([1 - above_first, *inside], self._longest)
        yield data * (longest - offset - rest)


class Equals:
    """*Equals*: a bit that is 1 exactly where an integer of degree 1 has this value."""

    def __init__(self, gadgets: Gadgets, integer: Ranged, value: int) -> None:
        if integer.high - integer.low >= P:
            raise OverflowError(f"{integer.low}..{integer.high}")
        self._data, self.apart = gadgets.data, integer.e - value
        self._bit, self._inverse = gadgets.columns(2)

    @property
    def bit(self) -> Polynomial:
        """The bit."""
        return column(self._bit)

    def constraints(self, point: Point) -> Values:
        """0 where it differs, 1 where it does not."""
        bit, inverse = point.here[self._bit], point.here[self._inverse]
        apart, data = self.apart.at(point), self._data.at(point)
        yield data * bit * apart
        yield data * (1 - bit - apart * inverse)


class Committed:
    """*Committed*: a column that holds a polynomial on rows with data."""

    def __init__(self, gadgets: Gadgets, e: Polynomial) -> None:
        self._data, self.e = gadgets.data, e
        self._column = gadgets.columns(1)[0]

    @property
    def value(self) -> Polynomial:
        """The column."""
        return column(self._column)

    def constraints(self, point: Point) -> Values:
        """Equal to the polynomial on rows with data."""
        yield self._data.at(point) * (point.here[self._column] - self.e.at(point))


class Counted:
    """*Counted*: a column that is weight * condition on all rows."""

    def __init__(self, gadgets: Gadgets, condition: Polynomial, weight: Polynomial) -> None:
        self.product = weight * condition
        self._column = gadgets.columns(1)[0]

    @property
    def value(self) -> Polynomial:
        """The column."""
        return column(self._column)

    def constraints(self, point: Point) -> Values:
        """Equal to the product on every row."""
        yield point.here[self._column] - self.product.at(point)


class _Digits:
    """The digits of e where there is data; all zero elsewhere."""

    def __init__(self, gadgets: Gadgets, e: Polynomial, count: int) -> None:
        self._data, self.e = gadgets.data, e
        self._spelled = gadgets.spelled(count)

    def cut(self, first: int, count: int) -> Polynomial:
        """What so many bits from this one on spell."""
        return self._spelled.cut(first, count)

    def constraints(self, point: Point) -> Values:
        """Ranges, then the spelling."""
        yield from self._spelled.ranges(point)
        yield self._data.at(point) * self.e.at(point) - self._spelled.at(point)


class TimeStepDigits(_Digits):
    """*Time step digits* of one slot."""

    def __init__(self, gadgets: Gadgets, e: Polynomial) -> None:
        super().__init__(gadgets, e, DT_BITS)


class ValueDigits(_Digits):
    """*Value digits*: of e - low."""

    def __init__(self, gadgets: Gadgets, integer: Ranged) -> None:
        count = (integer.high - integer.low).bit_length()
        if count > MAXIMUM_VALUE_BITS:
            raise OverflowError(f"{integer.low}..{integer.high}")
        super().__init__(gadgets, integer.e - integer.low, count)

"""Numbers and conditions of the record in one slot, lowered to polynomials and gadgets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from tests.reference.facts import DT_BITS, Schema
from tests.reference.gadgets import (
    FIRST_BLOCK_COLUMN,
    Committed,
    Counted,
    Equals,
    Gadgets,
    Ranged,
    Reaches,
    Segments,
    TimeStepDigits,
    ValueDigits,
    distance_bits,
)
from tests.reference.polynomial import Polynomial, column, constant, selector
from tests.reference.registers import Held, Rising, WindowTime
from tests.reference.syntax import (
    Absolute,
    Between,
    Both,
    Compare,
    Condition,
    Constant,
    IsHeld,
    Missing,
    Number,
    Opposite,
    Plus,
    Reading,
    Rises,
    Scaled,
    TimeOfDay,
    Times,
    TimeStep,
    minus,
    plus,
)
from tests.reference.terms import known

SEGMENTS = 3  # thresholds


@dataclass(frozen=True)
class Value:
    """unit * integer + constant; ``channel`` where the integer is that channel's reading."""

    integer: Ranged
    unit: Fraction
    constant: Fraction = Fraction(0)
    channel: str | None = None

    def whole(self) -> Value:
        """The same with the constant made part of the integer."""
        if not self.constant:
            return self
        unit = common_unit(self.unit, self.constant)
        factor, added = self.unit / unit, self.constant / unit
        return Value(affine(self.integer, int(factor), int(added)), unit)


def common_unit(*units: Fraction) -> Fraction:
    """The greatest common divisor."""
    denominator = math.lcm(*(unit.denominator for unit in units))
    return Fraction(math.gcd(*(int(unit * denominator) for unit in units)), denominator)


def affine(integer: Ranged, factor: int, added: int) -> Ranged:
    """factor * integer + added; of an integer that is always 0 it is ``added``."""
    if integer.low == integer.high == 0:
        return Ranged(integer.e + added, added, added)
    ends = [integer.low * factor + added, integer.high * factor + added]
    return Ranged(integer.e * factor + added, min(ends), max(ends))


def corners(left: tuple[int, int], right: tuple[int, int]) -> tuple[int, int]:
    """The least and the greatest product."""
    products = [a * b for a in left for b in right]
    return min(products), max(products)


Thresholds = Mapping[str, Sequence[int]]


class Records:
    """The records of a block, slot by slot.

    ``thresholds`` are those of the whole contract, by channel and ascending, as far as they are
    known; ``compared`` collects them.
    """

    def __init__(self, gadgets: Gadgets, schema: Schema, thresholds: Thresholds) -> None:
        self.gadgets, self.schema, self.thresholds = gadgets, schema, thresholds
        self.compared: dict[str, set[int]] = {}
        self.slots = [Slot(self, index) for index in range(schema.slots)]

    def found(self) -> dict[str, list[int]]:
        """The thresholds of every channel that is compared."""
        return {name: sorted(own) for name, own in self.compared.items()}

    def segments(self, channel: str) -> Sequence[int]:
        """The thresholds of a channel that *Segments* serve."""
        own = self.thresholds.get(channel, ())
        return own if len(own) >= SEGMENTS else ()

    def single(self, channel: str) -> int | None:
        """The least threshold of a channel that *Reaches* serve, if there is any."""
        own = self.thresholds.get(channel, ())
        return own[0] if 0 < len(own) < SEGMENTS else None


class Slot:
    """The record in one slot of a block."""

    def __init__(self, records: Records, index: int) -> None:
        self.records, self.gadgets, self.schema = records, records.gadgets, records.schema
        self.index = index
        padding = selector(f"padding {index}") if index else constant(0)
        self.weight = self.gadgets.data - padding

    def _element(self, position: int) -> Polynomial:
        return column(FIRST_BLOCK_COLUMN + self.index * self.schema.width + position)

    # --- gadgets -------------------------------------------------------------------------------

    def committed(self, integer: Ranged) -> Ranged:
        """The same integer in degree 1; a shared column leaves it its own bounds."""
        if integer.e.degree <= 1:
            return integer
        gadget = self.gadgets.once(Committed, lambda: Committed(self.gadgets, integer.e), integer.e)
        return replace(integer, e=gadget.value)

    def counted(self, condition: Polynomial) -> Polynomial:
        """weight * condition in degree 1."""
        gadget = self.gadgets.once(
            Counted,
            lambda: Counted(self.gadgets, condition, self.weight),
            condition,
            self.weight,
        )
        return gadget.value

    def guard(self, where: Condition | None) -> Polynomial:
        """weight * condition in degree 1, the condition None being always true."""
        return self.weight if where is None else self.counted(self.condition(where))

    def threshold(self, factor: Ranged) -> int | None:
        """The threshold by which a factor is *compared*, if it is a channel's reading that is."""
        for channel in self.schema.channels:
            if factor == self._reading(channel.name).integer:
                return self.records.single(channel.name)
        return None

    def digit_range(self, factor: Ranged, threshold: int | None) -> tuple[int, int]:
        """The integer above which a factor's digits count, and how many bits they are."""
        if threshold is None:
            return factor.low, (factor.high - factor.low).bit_length()
        bits = distance_bits(factor, threshold)
        return threshold - (1 << bits), bits + 1

    def digits_of(
        self, integer: Ranged, threshold: int | None
    ) -> TimeStepDigits | ValueDigits | Reaches:
        """The digits of a factor, compared with the threshold if there is one."""
        if threshold is not None:
            return self._reach(integer, threshold)
        if self.schema.period_ms is None and integer == self._time_step().integer:
            e = integer.e
            return self.gadgets.once(TimeStepDigits, lambda: TimeStepDigits(self.gadgets, e), e)
        return self.gadgets.once(ValueDigits, lambda: ValueDigits(self.gadgets, integer), integer)

    def _reaches(self, integer: Ranged, threshold: int) -> Polynomial:
        if threshold <= integer.low or threshold > integer.high:
            return constant(int(threshold <= integer.low))
        return self._reach(self.committed(integer), threshold).bit

    def _reach(self, integer: Ranged, threshold: int) -> Reaches:
        bits = distance_bits(integer, threshold)
        return self.gadgets.once(
            Reaches, lambda: Reaches(self.gadgets, integer, threshold), integer.e, threshold, bits
        )

    def _value_reaches(self, value: Value, threshold: int) -> Polynomial:
        name, integer = value.channel, value.integer
        if name is not None and integer.low < threshold <= integer.high:
            self.records.compared.setdefault(name, set()).add(threshold)
            thresholds = self.records.segments(name)
            if thresholds:
                x, bits = integer.e, integer.high.bit_length()
                gadget = self.gadgets.once(
                    Segments, lambda: Segments(self.gadgets, x, bits, thresholds), x
                )
                return gadget.bit(threshold)
        return self._reaches(integer, threshold)

    # --- numbers -------------------------------------------------------------------------------

    def number(self, node: Number) -> Value:
        """A number of the record."""
        if isinstance(node, Reading):
            return self._reading(node.channel)
        if isinstance(node, TimeStep):
            return self._time_step()
        if isinstance(node, Constant):
            return Value(Ranged(constant(0), 0, 0), Fraction(1), node.value)
        if isinstance(node, Scaled):
            return self._scaled(self.number(node.inner), node.factor)
        if isinstance(node, Plus):
            return self._sum(self.number(node.left), self.number(node.right))
        if isinstance(node, Times):
            return self._product(self.number(node.left), self.number(node.right))
        if isinstance(node, Absolute):
            return self._bent(self.number(node.inner), -1)
        return self._bent(self.number(plus(node.inner, Constant(-node.limit))), 0)

    def _reading(self, name: str) -> Value:
        position = [channel.name for channel in self.schema.channels].index(name)
        channel = self.schema.channels[position]
        x = Ranged(self._element(position), 0, (1 << channel.bits) - 1)
        return Value(x, channel.scale, channel.offset, name)

    def _time_step(self) -> Value:
        if self.schema.period_ms is None:
            element = self._element(len(self.schema.channels))
            return Value(Ranged(element, 0, (1 << DT_BITS) - 1), Fraction(1))
        e = 1 - selector("opening") if self.index == 0 else constant(1)
        return Value(Ranged(e, 0, 1), Fraction(self.schema.period_ms))

    def _scaled(self, value: Value, factor: Fraction) -> Value:
        value = replace(value, unit=value.unit * abs(factor), constant=value.constant * factor)
        if factor > 0:
            return value
        return replace(value, integer=affine(value.integer, -1, 0), channel=None)

    def _sum(self, left: Value, right: Value) -> Value:
        added = left.constant + right.constant
        for one, other in ((left, right), (right, left)):
            if one.integer.low == one.integer.high == 0:
                return replace(other, constant=added)
        unit = common_unit(left.unit, right.unit)
        a = affine(left.integer, int(left.unit / unit), 0)
        b = affine(right.integer, int(right.unit / unit), 0)
        return Value(Ranged(a.e + b.e, a.low + b.low, a.high + b.high), unit, added)

    def _product(self, left: Value, right: Value) -> Value:
        left, right = left.whole(), right.whole()
        a, b = left.integer, right.integer
        low, high = corners((a.low, a.high), (b.low, b.high))
        Ranged(constant(0), low, high)  # before any column is made
        e = self.committed(a).e * self.committed(b).e
        return Value(Ranged(e, low, high), left.unit * right.unit)

    def _bent(self, value: Value, below: int) -> Value:
        """The number where it is at least 0, ``below`` times it elsewhere."""
        value = value.whole()
        integer = self.committed(value.integer)
        if integer.low >= 0:
            return value
        if integer.high <= 0 and below:
            return Value(affine(integer, below, 0), value.unit)
        sign = self._reaches(integer, 0)
        e = (sign * (1 - below) + below) * integer.e
        return Value(Ranged(e, 0, max(0, integer.high, below * integer.low)), value.unit)

    # --- conditions ----------------------------------------------------------------------------

    def condition(self, node: Condition) -> Polynomial:
        """0 or 1, of degree 2 at most."""
        if isinstance(node, Compare):
            return self._compared(node)
        if isinstance(node, Between):
            value = self.number(node.inner)
            return self._at_least(value, node.low) - self._above(value, node.high)
        if isinstance(node, Opposite):
            return 1 - self.condition(node.inner)
        if isinstance(node, Rises | IsHeld):
            return self._carried(node)
        if isinstance(node, TimeOfDay):
            gadget = self.gadgets.once(
                WindowTime,
                lambda: WindowTime(self.gadgets, node.start, node.end),
                node,
            )
            return gadget.bit
        if isinstance(node, Missing):
            reading = self._reading(node.channel).integer
            return self._equals(reading, reading.high)
        a, b = self._single(node.left), self._single(node.right)
        return a * b if isinstance(node, Both) else a + b - a * b

    def _single(self, node: Condition) -> Polynomial:
        return self.committed(Ranged(self.condition(node), 0, 1)).e

    def _carried(self, node: Rises | IsHeld) -> Polynomial:
        """A condition on this record and those before it: made for all slots at once."""

        def parts() -> tuple[list[Polynomial], list[Polynomial]]:
            conditions = [slot._single(node.inner) for slot in self.records.slots]
            may_miss = self.schema.may_miss
            return conditions, [slot.guard(known(may_miss, node)) for slot in self.records.slots]

        if isinstance(node, Rises):
            rising = self.gadgets.once(Rising, lambda: Rising(self.gadgets, *parts()), node)
            return rising.bit(self.index)
        limit = node.count
        held = self.gadgets.once(Held, lambda: Held(self.gadgets, limit, *parts()), node)
        return held.bit(self.index)

    def _compared(self, node: Compare) -> Polynomial:
        value = self.number(minus(node.left, node.right))
        zero = Fraction(0)
        if node.relation == ">=":
            return self._at_least(value, zero)
        if node.relation == ">":
            return self._above(value, zero)
        if node.relation == "<":
            return 1 - self._at_least(value, zero)
        if node.relation == "<=":
            return 1 - self._above(value, zero)
        wanted = -value.constant / value.unit
        if wanted.denominator == 1 and value.integer.low <= wanted <= value.integer.high:
            equal = self._equals(value.integer, int(wanted))
        else:
            equal = constant(0)
        return equal if node.relation == "==" else 1 - equal

    def _equals(self, integer: Ranged, value: int) -> Polynomial:
        integer = self.committed(integer)
        gadget = self.gadgets.once(
            Equals, lambda: Equals(self.gadgets, integer, value), integer.e, value
        )
        return gadget.bit

    def _at_least(self, value: Value, bound: Fraction) -> Polynomial:
        return self._value_reaches(value, math.ceil((bound - value.constant) / value.unit))

    def _above(self, value: Value, bound: Fraction) -> Polynomial:
        return self._value_reaches(value, math.floor((bound - value.constant) / value.unit) + 1)

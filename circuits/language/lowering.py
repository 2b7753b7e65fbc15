"""From a record's numbers and conditions to polynomials, one slot at a time.

A number is unit * integer + constant with an exact unit and an integer whose interval holds for
every record a device can commit to (all codes of a channel, the reserved one too). A condition is
an integer that is 0 or 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, floor, gcd

import numpy as np
from numpy.typing import NDArray

from circuits.builder import Builder, Column, Log
from circuits.circuit import Trace
from circuits.expression import Expression
from circuits.gadgets.equality import add_equals
from circuits.gadgets.held import add_held
from circuits.gadgets.reach import add_reaches
from circuits.gadgets.rising import add_rising
from circuits.gadgets.segments import CHEAPER_FROM, add_segments
from circuits.gadgets.slot_values import RowValues, SlotInteger, add_guard, commit, require_range
from circuits.gadgets.window_time import add_window_time
from circuits.language import syntax as s
from circuits.language.record_parsing import plus, scaled
from circuits.language.terms import known
from circuits.schema import DT_CHANNEL, MAX_DT_MS


@dataclass(frozen=True)
class Value:
    """unit * integer + constant; ``channel`` when the integer is that channel's raw reading."""

    integer: SlotInteger
    unit: Fraction
    constant: Fraction = Fraction(0)
    channel: str | None = None

    def whole(self) -> Value:
        """The same number with the constant inside the integer."""
        if self.constant == 0:
            return self
        unit = common_unit(self.unit, abs(self.constant))
        factor, added = self.unit / unit, self.constant / unit
        return Value(affine(self.integer, factor.numerator, added.numerator), unit)


def common_unit(left: Fraction, right: Fraction) -> Fraction:
    """The largest unit of which both are whole multiples."""
    common = gcd(left.numerator * right.denominator, right.numerator * left.denominator)
    return Fraction(common, left.denominator * right.denominator)


def affine(integer: SlotInteger, factor: int, added: int) -> SlotInteger:
    """factor * integer + added, the factor not 0."""
    if integer.low == integer.high == 0:
        factor = 1  # any factor would do; this one fits
    ends = sorted((integer.low * factor + added, integer.high * factor + added))
    if (factor, added) == (1, 0):
        return integer
    multiple = integer.name if factor == 1 else f"{factor} * {integer.name}"
    made = SlotInteger(
        f"{multiple} + {added}" if added else multiple,
        integer.expression * factor + added,
        ends[0],
        ends[1],
        lambda trace: integer.values(trace) * factor + added,
    )
    return require_range(made)


def product_range(left: SlotInteger, right: SlotInteger) -> tuple[int, int]:
    """The least and the greatest product."""
    corners = [a * b for a in (left.low, left.high) for b in (right.low, right.high)]
    return min(corners), max(corners)


class RecordCompiler:
    """Lowers numbers and conditions of the record in a slot; equal requests share columns.

    ``thresholds`` are those that the contract compares channels with: what ``requested`` holds
    after a compilation without any. ``summed`` collects the channels whose readings are added up.
    """

    def __init__(self, builder: Builder, log: Log, thresholds: Mapping[str, Sequence[int]]) -> None:
        self.builder, self.log, self._thresholds = builder, log, thresholds
        self.requested: dict[str, set[int]] = {}
        self.summed: set[str] = set()
        self.slots = range(log.schema.records_per_block)
        self._numbers: dict[tuple[s.Number, int], Value] = {}
        self._conditions: dict[tuple[s.Condition, int], SlotInteger] = {}
        self._running: dict[s.Rising | s.Held, list[SlotInteger]] = {}

    def known_thresholds(self) -> dict[str, Sequence[int]]:
        """For each channel its thresholds, ascending, where it is cheaper to know them beforehand:
        where segments should serve them, or a sum can use the digits of a comparison."""
        found = {channel: sorted(asked) for channel, asked in self.requested.items()}
        return {
            channel: asked
            for channel, asked in found.items()
            if len(asked) >= CHEAPER_FROM or channel in self.summed
        }

    def compared(self, slot: int, integer: SlotInteger) -> int | None:
        """The lowest threshold of the channel whose reading the integer is, unless segments serve
        it: a comparison with it is made at any rate."""
        for channel in self.log.schema.channels:
            if (integer.low, integer.high) != (0, channel.maximum_code):
                continue
            graph, element = self.builder.graph, self.log.element(slot, channel.name)
            if graph.form(integer.expression) == graph.form(element):
                self.summed.add(channel.name)
                known = self._thresholds.get(channel.name, ())
                return known[0] if 0 < len(known) < CHEAPER_FROM else None
        return None

    def weight(self, slot: int) -> SlotInteger:
        """1 where the slot holds a record, 0 everywhere else on the trace."""
        expression = self.log.data
        if slot:
            expression = expression - self.builder.selector(f"padding {slot}")
        return SlotInteger(f"record@{slot}", expression, 0, 1, lambda t: t.slot_weights[:, slot])

    def single(self, integer: SlotInteger) -> SlotInteger:
        """The same integer in degree at most 1."""
        return commit(self.builder, self.log, integer)

    def number(self, node: s.Number, slot: int) -> Value:
        """A number of the record; ``BadInput`` OVERFLOW when it does not fit the field."""
        key = (node, slot)
        if key not in self._numbers:
            value = self._lower(node, slot)
            if not value.integer.name:
                value = replace(value, integer=replace(value.integer, name=f"{node.text}@{slot}"))
            require_range(value.integer)
            self._numbers[key] = value
        return self._numbers[key]

    def _lower(self, node: s.Number, slot: int) -> Value:
        if isinstance(node, s.Reading):
            return self._reading(node.channel, slot)
        if isinstance(node, s.TimeStep):
            return self._time_step(slot)
        if isinstance(node, s.Constant):
            return Value(self._fixed(0, slot), Fraction(1), node.value)
        if isinstance(node, s.Scaled):
            inner, factor = self.number(node.inner, slot), node.factor
            kept = replace(inner, unit=inner.unit * abs(factor), constant=inner.constant * factor)
            if factor > 0:
                return kept
            return replace(kept, integer=affine(inner.integer, -1, 0), channel=None)
        if isinstance(node, s.Plus):
            return self._plus(self.number(node.left, slot), self.number(node.right, slot))
        if isinstance(node, s.Times):
            return self._times(self.number(node.left, slot), self.number(node.right, slot))
        if isinstance(node, s.Absolute):
            return self._bent(self.number(node.inner, slot), -1)
        limited = plus(node.inner, s.Constant(-node.limit))
        return self._bent(self.number(limited, slot), 0)

    def _fixed(self, value: int, slot: int) -> SlotInteger:
        def values(trace: Trace) -> NDArray[np.int64]:
            return np.full(len(trace.blocks), value, dtype=np.int64)

        constant = self.builder.graph.constant(value)
        return SlotInteger(f"{value}@{slot}", constant, value, value, values)

    def _element(self, name: str, slot: int, high: int) -> SlotInteger:
        position = self.log.index(slot, name)

        def values(trace: Trace) -> NDArray[np.int64]:
            # a closing row's block is a salt: no reading, and none of its size
            return np.where(trace.data_rows, trace.blocks[:, position], 0).astype(np.int64)

        return SlotInteger(f"{name}@{slot}", self.log.element(slot, name), 0, high, values)

    def _reading(self, name: str, slot: int) -> Value:
        channel = self.log.schema.channels[self.log.schema.position(name)]
        integer = self._element(name, slot, channel.maximum_code)
        return Value(integer, channel.scale, channel.offset, name)

    def _time_step(self, slot: int) -> Value:
        period = self.log.schema.period_ms
        if period is None:
            return Value(self._element(DT_CHANNEL, slot, MAX_DT_MS), Fraction(1))

        def values(trace: Trace) -> NDArray[np.int64]:
            steps = np.ones(len(trace.blocks), dtype=np.int64)
            if slot == 0:
                steps[trace.layout.opening] = 0
            return steps

        expression = self.builder.graph.constant(1)
        if slot == 0:
            expression = expression - self.builder.selector("opening")
        return Value(SlotInteger("", expression, 0, 1, values), Fraction(period))

    def _plus(self, left: Value, right: Value) -> Value:
        constant = left.constant + right.constant
        for one, other in ((left, right), (right, left)):
            if one.integer.low == one.integer.high == 0:
                return replace(other, constant=constant)
        unit = common_unit(left.unit, right.unit)
        a = affine(left.integer, (left.unit / unit).numerator, 0)
        b = affine(right.integer, (right.unit / unit).numerator, 0)
        total = SlotInteger(
            "",
            a.expression + b.expression,
            a.low + b.low,
            a.high + b.high,
            lambda trace: a.values(trace) + b.values(trace),
        )
        return Value(total, unit, constant)

    def _times(self, left: Value, right: Value) -> Value:
        left, right = left.whole(), right.whole()
        low, high = product_range(left.integer, right.integer)
        unit = left.unit * right.unit
        # the range first: no column for what is refused
        require_range(
            SlotInteger(
                f"({left.integer.name} * {right.integer.name})",
                left.integer.expression,
                low,
                high,
                left.integer.values,
            )
        )
        a, b = self.single(left.integer), self.single(right.integer)
        expression = a.expression * b.expression
        values = _product_values(a.values, b.values)
        return Value(SlotInteger("", expression, low, high, values), unit)

    def _bent(self, value: Value, below: int) -> Value:
        """The number itself where it is at least 0, ``below`` times it elsewhere."""
        value = value.whole()
        integer = self.single(value.integer)
        if integer.low >= 0:
            return value
        if integer.high <= 0 and below:
            return replace(value, integer=affine(integer, below, 0), channel=None)
        sign = self.reaches(integer, 0)
        factor = sign.expression * (1 - below) + below
        low, high = 0, max(integer.high, below * integer.low, 0)

        def values(trace: Trace) -> NDArray[np.int64]:
            inner = integer.values(trace)
            return np.where(inner >= 0, inner, below * inner)

        return Value(SlotInteger("", factor * integer.expression, low, high, values), value.unit)

    def reaches(self, integer: SlotInteger, threshold: int) -> SlotInteger:
        """1 where the integer is at least the threshold."""
        if threshold <= integer.low or threshold > integer.high:
            return self._fixed(int(threshold <= integer.low), 0)
        return replace(add_reaches(self.builder, self.log, integer, threshold), name="")

    def condition(self, node: s.Condition, slot: int) -> SlotInteger:
        """1 where the condition holds for the record, else 0; of degree at most 2."""
        key = (node, slot)
        if key not in self._conditions:
            lowered = self._condition(node, slot)
            self._conditions[key] = replace(lowered, name=f"{node.text}@{slot}")
        return self._conditions[key]

    def _condition(self, node: s.Condition, slot: int) -> SlotInteger:
        if isinstance(node, s.Compare):
            return self._compare(node, slot)
        if isinstance(node, s.Between):
            value = self.number(node.inner, slot)
            lower = self._at_least(value, node.low)
            above = self._above(value, node.high)
            # whatever is above the upper end has reached the lower one
            return _bit(
                "",
                lower.expression - above.expression,
                lambda trace: (lower.values(trace) - above.values(trace)) == 1,
            )
        if isinstance(node, s.Opposite):
            return _opposite(self.condition(node.inner, slot))
        if isinstance(node, s.Rising | s.Held):
            return self._carried(node)[slot]
        if isinstance(node, s.TimeOfDay):
            return _column_bit(add_window_time(self.builder, node.start, node.end))
        if isinstance(node, s.Missing):
            return self._missing(node.channel, slot)
        a = self.single(self.condition(node.left, slot))
        b = self.single(self.condition(node.right, slot))
        both = a.expression * b.expression
        if isinstance(node, s.Both):
            return _bit("", both, lambda t: (a.values(t) & b.values(t)) == 1)
        either = a.expression + b.expression - both
        return _bit("", either, lambda t: (a.values(t) | b.values(t)) == 1)

    def _carried(self, node: s.Rising | s.Held) -> list[SlotInteger]:
        """A condition on this record and those before it, in every slot."""
        if node not in self._running:
            inner = [self.single(self.condition(node.inner, slot)) for slot in self.slots]
            weights = [self.guard(known(node, self.log.schema), slot) for slot in self.slots]
            if isinstance(node, s.Rising):
                self._running[node] = add_rising(self.builder, node.text, inner, weights)
            else:
                self._running[node] = add_held(self.builder, node.text, node.count, inner, weights)
        return self._running[node]

    def _missing(self, channel: str, slot: int) -> SlotInteger:
        reading = self._reading(channel, slot).integer
        bit = add_equals(self.builder, self.log, reading, reading.high)
        return _bit("", bit.now, lambda trace: reading.values(trace) == reading.high)

    def guard(self, where: s.Condition | None, slot: int) -> SlotInteger:
        """1 where the slot holds a record that fulfils ``where``, else 0; of degree 1."""
        weight = self.weight(slot)
        if where is None:
            return weight
        condition = self.condition(where, slot)

        def values(trace: Trace) -> NDArray[np.int64]:
            return weight.values(trace) * condition.values(trace)

        kept = replace(condition, low=0, high=1, values=values)
        return add_guard(self.builder, weight.expression, kept)

    def _compare(self, node: s.Compare, slot: int) -> SlotInteger:
        difference = plus(node.left, scaled(node.right, Fraction(-1)))
        value = self.number(difference, slot)
        zero = Fraction(0)
        if node.relation == ">=":
            return self._at_least(value, zero)
        if node.relation == ">":
            return self._above(value, zero)
        if node.relation == "<=":
            return _opposite(self._above(value, zero))
        if node.relation == "<":
            return _opposite(self._at_least(value, zero))
        equal = self._equals(value, slot)
        return equal if node.relation == "==" else _opposite(equal)

    def _at_least(self, value: Value, bound: Fraction) -> SlotInteger:
        return self._reached(value, ceil((bound - value.constant) / value.unit))

    def _above(self, value: Value, bound: Fraction) -> SlotInteger:
        return self._reached(value, floor((bound - value.constant) / value.unit) + 1)

    def _reached(self, value: Value, threshold: int) -> SlotInteger:
        integer, channel = value.integer, value.channel
        if channel is not None and integer.low < threshold <= integer.high:
            self.requested.setdefault(channel, set()).add(threshold)
            planned = self._thresholds.get(channel, ())
            if len(planned) >= CHEAPER_FROM:
                made = add_segments(self.builder, self.log, integer, planned)
                return replace(made[planned.index(threshold)], name="")
        return self.reaches(integer, threshold)

    def _equals(self, value: Value, slot: int) -> SlotInteger:
        wanted = -value.constant / value.unit
        if wanted.denominator != 1 or not value.integer.low <= wanted <= value.integer.high:
            return self._fixed(0, slot)
        target = wanted.numerator
        bit = add_equals(self.builder, self.log, value.integer, target)
        return _bit("", bit.now, lambda trace: value.integer.values(trace) == target)


def _bit(
    name: str, expression: Expression, holds: Callable[[Trace], NDArray[np.bool_]]
) -> SlotInteger:
    return SlotInteger(name, expression, 0, 1, lambda trace: holds(trace).astype(np.int64))


def _column_bit(column: Column) -> SlotInteger:
    return _bit("", column.now, lambda t: t.columns[column.index, : len(t.blocks)] == 1)


def _opposite(bit: SlotInteger) -> SlotInteger:
    return _bit(bit.name, 1 - bit.expression, lambda trace: bit.values(trace) == 0)


def _product_values(left: RowValues, right: RowValues) -> RowValues:
    return lambda trace: left(trace) * right(trace)

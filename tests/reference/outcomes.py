"""The outcome gadgets of section 5.2: columns, constraint values at a point, public limbs."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from tests.reference.facts import DT_BITS, Refusal, Schema
from tests.reference.field import ZERO, Extension, P, spelled, total

LOG2_ROWS = 20
TIME_LIMB_BITS = (12, 8, 6, 4, 3, 2, 1)
FIRST_BLOCK_COLUMN = 8

FORMULA = re.compile(
    r"\s*(?P<aggregate>sum|count)\s*\(\s*(?P<channel>\w+)\s*"
    r"(?:(?P<product>\*\s*dt_ms)|(?P<relation><=|>=)\s*(?P<bound>[-+\d./]+))?\s*\)"
    r"\s*(?:/\s*\d+)?\s*"
)


@dataclass(frozen=True)
class Point:
    """The columns at z and gz, the selectors at z, and the public inputs."""

    here: Sequence[Extension]
    following: Sequence[Extension]
    first: Extension
    last: Extension
    closing: Extension
    opening: Extension
    padding: Sequence[Extension]
    data: Extension
    limbs: Sequence[int]


Values = Iterator[Extension]
Piece = Callable[[Point], Extension]


def boolean(bit: Extension) -> Extension:
    """The constraint that a column is 0 or 1."""
    return bit * (bit - 1)


class Columns:
    """Hands out columns in order."""

    def __init__(self, used: int) -> None:
        self.used = used

    def take(self, count: int) -> range:
        """The next so many columns."""
        taken = range(self.used, self.used + count)
        self.used = taken.stop
        return taken


class AtLeast:
    """A bit that is 1 exactly where a reading reaches a threshold."""

    def __init__(self, columns: Columns, element: int, bits: int, threshold: int) -> None:
        largest = (1 << bits) - 1
        self.element, self.threshold = element, threshold
        self.bit = columns.take(1)[0]
        self.distance = columns.take(max(largest - threshold, threshold - 1).bit_length())

    def constraints(self, point: Point) -> Values:
        """Booleanity, then the distance on the side that the bit names."""
        bit = point.here[self.bit]
        distance = [point.here[column] for column in self.distance]
        above = point.here[self.element] - self.threshold
        yield boolean(bit)
        yield from map(boolean, distance)
        yield point.data * (bit * (2 * above + 1) - above - 1 - spelled(distance))


class TimeStep:
    """The bits of one slot's time step."""

    def __init__(self, columns: Columns, element: int) -> None:
        self.element = element
        self.bits = columns.take(DT_BITS)

    def constraints(self, point: Point) -> Values:
        """Booleanity, then the spelling; all zero where there is no data."""
        bits = [point.here[column] for column in self.bits]
        yield from map(boolean, bits)
        yield point.data * point.here[self.element] - spelled(bits)


@dataclass(frozen=True)
class Limb:
    """One limb's place, width and carry."""

    shift: int
    width: int
    lowest_carry: int
    carry_bits: int


Ranges = Sequence[tuple[int, int, int]]  # shift, low, high of each piece


def limb_plan(ranges: Ranges) -> tuple[Limb, ...] | None:
    """The limbs of an exact sum; None where an equation could wrap."""
    _, low, high = ranges[0]
    if len(ranges) == 1 and max(-low, high) << LOG2_ROWS < (P - 1) // 2:
        return ()
    limbs = []
    carry_low = carry_high = 0
    for number, (shift, piece_low, piece_high) in enumerate(ranges):
        low, high = piece_low + carry_low, piece_high + carry_high
        if number + 1 < len(ranges):
            width = ranges[number + 1][0] - shift
        else:
            width = max(1, max(-low, high).bit_length() - 7)
        lowest = low >> width
        highest = (high + (1 << width) - 1) >> width
        bits = (highest - lowest).bit_length()
        spelled_high = lowest + (1 << bits) - 1
        left = (lowest << width, (1 << width) - 1 + (spelled_high << width))
        right = (low, (1 << width) - 1 + high)
        if max(left[1] - right[0], right[1] - left[0]) >= P:
            return None
        limbs.append(Limb(shift, width, lowest, bits))
        carry_low, carry_high = lowest, spelled_high  # what the carry's bits can spell
    if max(-carry_low, carry_high) << LOG2_ROWS >= P // 2:
        return None
    return tuple(limbs)


class ExactSum:
    """Running limbs, their carries, and the top."""

    def __init__(
        self, columns: Columns, pieces: Sequence[Piece], ranges: Ranges, first_public: int
    ) -> None:
        plan = limb_plan(ranges)
        if plan is None:
            raise OverflowError("OVERFLOW")
        self.pieces, self.plan, self.first_public = pieces, plan, first_public
        self.lowest = sum(low << shift for shift, low, _ in ranges) << LOG2_ROWS
        self.highest = sum(high << shift for shift, _, high in ranges) << LOG2_ROWS
        self.columns = [(columns.take(limb.width), columns.take(limb.carry_bits)) for limb in plan]
        self.top = columns.take(1)[0]

    def constraints(self, point: Point) -> Values:
        """Limb by limb, then the top."""
        publics = point.limbs[self.first_public :]
        carry = ZERO
        for number, (limb, (a_columns, c_columns)) in enumerate(
            zip(self.plan, self.columns, strict=True)
        ):
            a_bits = [point.here[column] for column in a_columns]
            c_bits = [point.here[column] for column in c_columns]
            a = spelled(a_bits)
            a_next = spelled([point.following[column] for column in a_columns])
            carried = spelled(c_bits) + limb.lowest_carry
            yield from map(boolean, a_bits)
            yield from map(boolean, c_bits)
            yield a_next + carried * (1 << limb.width) - a - self.pieces[number](point) - carry
            yield point.first * a
            yield point.last * (a_next - publics[number])
            carry = carried
        step = carry if self.plan else self.pieces[0](point)
        top, top_next = point.here[self.top], point.following[self.top]
        yield top_next - top - step
        yield point.first * top
        yield point.last * (top_next - publics[len(self.plan)])

    def limbs_of(self, integer: int) -> list[int]:
        """The public limbs of a total."""
        if not self.lowest <= integer <= self.highest:
            raise Refusal("OUTCOME_RANGE")
        limbs = [(integer >> limb.shift) % (1 << limb.width) for limb in self.plan]
        below = self.plan[-1].shift + self.plan[-1].width if self.plan else 0
        return [*limbs, (integer >> below) % P]


Gadget = AtLeast | TimeStep | ExactSum


class Outcomes:
    """All outcomes of a contract, in its order."""

    def __init__(self, schema: Schema, formulas: Sequence[str], first_column: int) -> None:
        self.schema = schema
        self.columns = Columns(first_column)
        self.gadgets: list[Gadget] = []
        self.sums: list[ExactSum] = []
        self._at_least: dict[tuple[int, int, int], AtLeast] = {}
        self._time_steps: dict[int, TimeStep] = {}
        self._publics = 0
        for formula in formulas:
            self._add(formula)

    @property
    def column_count(self) -> int:
        """Columns of the whole circuit."""
        return self.columns.used

    def constraints(self, point: Point) -> Values:
        """The values of all outcome constraints, in order."""
        for gadget in self.gadgets:
            yield from gadget.constraints(point)

    def publics(self, totals: Sequence[int]) -> list[int]:
        """The public limbs of every total, in the contract's order."""
        return [
            limb
            for exact, integer in zip(self.sums, totals, strict=True)
            for limb in exact.limbs_of(integer)
        ]

    def _element(self, slot: int, channel: int) -> int:
        return FIRST_BLOCK_COLUMN + slot * self.schema.width + channel

    def _add(self, formula: str) -> None:
        match = FORMULA.fullmatch(formula)
        if match is None:
            raise ValueError(f"no formula: {formula}")
        names = [channel.name for channel in self.schema.channels]
        channel = names.index(match["channel"])
        if match["relation"]:
            self._count(channel, match["relation"], Fraction(match["bound"]))
        elif match["product"] and self.schema.period_ms is None:
            self._timed(channel)
        elif match["product"]:
            self._periodic(channel)
        else:
            self._sum(channel)

    def _exact(self, pieces: Sequence[Piece], ranges: Ranges) -> None:
        exact = ExactSum(self.columns, pieces, ranges, self._publics)
        self._publics += len(exact.plan) + 1
        self.gadgets.append(exact)
        self.sums.append(exact)

    def _sum(self, channel: int) -> None:
        slots = self.schema.slots
        elements = [self._element(slot, channel) for slot in range(slots)]

        def piece(point: Point) -> Extension:
            return point.data * total(point.here[element] for element in elements)

        largest = (1 << self.schema.channels[channel].bits) - 1
        self._exact([piece], [(0, 0, slots * largest)])

    def _count(self, number: int, relation: str, bound: Fraction) -> None:
        channel = self.schema.channels[number]
        raw = (bound - channel.offset) / channel.scale
        threshold = math.ceil(raw) if relation == ">=" else math.floor(raw) + 1
        threshold = min(max(threshold, 0), 1 << channel.bits)
        bits = [
            self._at_least_bit(number, threshold, slot).bit for slot in range(self.schema.slots)
        ]

        def piece(point: Point) -> Extension:
            counted = ZERO
            for slot, column in enumerate(bits):
                bit = point.here[column]
                holds = bit if relation == ">=" else 1 - bit
                counted = counted + (point.data - point.padding[slot]) * holds
            return counted

        self._exact([piece], [(0, 0, self.schema.slots)])

    def _at_least_bit(self, number: int, threshold: int, slot: int) -> AtLeast:
        key = (number, threshold, slot)
        if key not in self._at_least:
            bits = self.schema.channels[number].bits
            gadget = AtLeast(self.columns, self._element(slot, number), bits, threshold)
            self._at_least[key] = gadget
            self.gadgets.append(gadget)
        return self._at_least[key]

    def _shifted(self, number: int) -> tuple[int, int, int, int]:
        """k and m of x~ = k x + m, and the range of x~ over all codes."""
        channel = self.schema.channels[number]
        ratio = channel.offset / channel.scale
        k, m = ratio.denominator, ratio.numerator
        return k, m, m, k * ((1 << channel.bits) - 1) + m

    def _timed(self, number: int) -> None:
        slots = self.schema.slots
        k, m, low, high = self._shifted(number)
        for slot in range(slots):
            if slot not in self._time_steps:
                element = self._element(slot, len(self.schema.channels))
                self._time_steps[slot] = TimeStep(self.columns, element)
                self.gadgets.append(self._time_steps[slot])
        steps = [self._time_steps[slot].bits for slot in range(slots)]
        elements = [self._element(slot, number) for slot in range(slots)]
        for width in TIME_LIMB_BITS:
            largest = (1 << width) - 1
            ranges = [
                (shift, slots * min(0, low * largest), slots * max(0, high * largest))
                for shift in range(0, DT_BITS, width)
            ]
            if limb_plan(ranges) is not None:
                break

        def piece_at(shift: int) -> Piece:
            def piece(point: Point) -> Extension:
                return total(
                    (k * point.here[element] + m)
                    * spelled([point.here[column] for column in bits[shift : shift + width]])
                    for element, bits in zip(elements, steps, strict=True)
                )

            return piece

        self._exact([piece_at(shift) for shift, _, _ in ranges], ranges)

    def _periodic(self, number: int) -> None:
        slots = self.schema.slots
        k, m, low, high = self._shifted(number)
        elements = [self._element(slot, number) for slot in range(slots)]

        def piece(point: Point) -> Extension:
            shifted = [k * point.here[element] + m for element in elements]
            counted = total(
                (point.data - point.padding[slot]) * value for slot, value in enumerate(shifted)
            )
            return counted - point.opening * shifted[0]

        self._exact([piece], [(0, slots * min(0, low), slots * max(0, high))])

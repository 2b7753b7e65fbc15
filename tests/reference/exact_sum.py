"""Exact sums of section 5.2, and the sign of one that stays private."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.reference.facts import Refusal
from tests.reference.field import ZERO, Extension, P
from tests.reference.gadgets import Gadgets, Values
from tests.reference.polynomial import (
    Point,
    Polynomial,
    column,
    following,
    selector,
)
from tests.reference.spelling import boolean

LOG2_ROWS = 20
BARE_SUM = P // 2
BARE_PRIVATE = 1 << 28
LARGEST_TOTAL = 1 << 96

FIRST, LAST, CLOSING = selector("first"), selector("last"), selector("closing")


@dataclass(frozen=True)
class Piece:
    """2^shift * e, with low <= e <= high on every row."""

    shift: int
    e: Polynomial
    low: int
    high: int


@dataclass(frozen=True)
class Limb:
    """One limb's place, width and carry."""

    shift: int
    width: int
    lowest_carry: int
    carry_bits: int


@dataclass(frozen=True)
class Row:
    """What a row adds: its pieces, and low <= their sum <= high.

    The bounds are those before anything is cut, which can be closer than the pieces' together.
    """

    pieces: Sequence[Piece]
    low: int
    high: int

    @property
    def total_bounds(self) -> tuple[int, int]:
        """The least and the greatest total of 2^20 rows: Tmin and Tmax."""
        return self.low << LOG2_ROWS, self.high << LOG2_ROWS

    def require_claimable(self) -> None:
        """OverflowError unless a claim has room for the total."""
        low, high = self.total_bounds
        if max(-low, high) >= LARGEST_TOTAL:
            raise OverflowError(f"{low}..{high}")


def limb_plan(
    pieces: Sequence[Piece], bare: int = BARE_SUM, *, reduced: bool = False
) -> tuple[Limb, ...]:
    """The limbs of an exact sum; OverflowError where an equation could wrap.

    Where the last piece has none, there is one less than pieces.
    """
    limbs: list[Limb] = []
    carry_low = carry_high = 0
    for number, piece in enumerate(pieces):
        low, high = piece.low + carry_low, piece.high + carry_high
        if number + 1 < len(pieces):
            width = pieces[number + 1].shift - piece.shift
        elif max(-low, high) << LOG2_ROWS < bare:
            return tuple(limbs)
        else:
            width = max(1, max(-low, high).bit_length() - 7)
        low -= (1 << width) - 1 if reduced else 0
        lowest = low >> width
        highest = (high + (1 << width) - 1) >> width
        bits = (highest - lowest).bit_length()
        spelled_high = lowest + (1 << bits) - 1
        left = (lowest << width, (1 << width) - 1 + (spelled_high << width))
        right = (low, (1 << width) - 1 + high)
        if max(left[1] - right[0], right[1] - left[0]) >= P:
            raise OverflowError(f"{right} and {left}")
        limbs.append(Limb(piece.shift, width, lowest, bits))
        carry_low, carry_high = lowest, spelled_high  # what the carry's digits can spell
    if max(-carry_low, carry_high) << LOG2_ROWS >= P // 2:
        raise OverflowError(f"{carry_low}..{carry_high}")
    return tuple(limbs)


@dataclass(frozen=True)
class Run:
    """How a running total starts and ends.

    It starts at ``start`` at the first row, or is carried (None); with ``per_window`` also behind
    every closing row. Its limbs at the end are ``public``, or, with ``taken``, so much of them is
    taken away on the last row.
    """

    start: int | None = 0
    per_window: bool = False
    taken: bool = False
    publics: range | None = None


class Running:
    """Running limbs with their carries, and the top."""

    def __init__(
        self, gadgets: Gadgets, pieces: Sequence[Piece], plan: Sequence[Limb], run: Run
    ) -> None:
        self.plan = plan
        self.top_shift = plan[-1].shift + plan[-1].width if plan else 0
        self._pieces, self._run = pieces, run
        self._starts = self.cut(run.start or 0)
        self._limbs = [
            (gadgets.spelled(limb.width), gadgets.spelled(limb.carry_bits)) for limb in plan
        ]
        self._top = gadgets.columns(1)[0]

    def cut(self, integer: int) -> list[int]:
        """The limbs of an integer, the top last and whole."""
        limbs = [(integer >> limb.shift) % (1 << limb.width) for limb in self.plan]
        return [*limbs, integer >> self.top_shift]

    @property
    def now(self) -> list[Polynomial]:
        """Every limb on this row, the top last."""
        return [*(a.now for a, _ in self._limbs), column(self._top)]

    @property
    def after(self) -> list[Polynomial]:
        """Every limb on the next row, the top last."""
        return [*(a.after for a, _ in self._limbs), following(self._top)]

    def constraints(self, point: Point) -> Values:
        """Limb by limb, then the top."""
        first, last, closing = (gate.at(point) for gate in (FIRST, LAST, CLOSING))
        run, carry = self._run, ZERO
        publics = [point.limbs[k] for k in run.publics] if run.publics is not None else None
        for k, (now, after) in enumerate(zip(self.now, self.after, strict=True)):
            limb, limb_after = now.at(point), after.at(point)
            added = self._pieces[k].e.at(point) if k < len(self._pieces) else ZERO
            step = limb_after - limb - added - carry
            if k < len(self.plan):
                a, c = self._limbs[k]
                yield from a.ranges(point)
                yield from c.ranges(point)
                carry = c.at(point) + self.plan[k].lowest_carry
                step = step + carry * (1 << self.plan[k].width)
            if run.taken and publics is not None:
                step = step + last * publics[k]
            if run.per_window:
                step = step + closing * (limb - self._starts[k])
            yield step
            if run.start is not None:
                yield first * (limb - self._starts[k])
            if publics is not None and not run.taken:
                yield last * (limb_after - publics[k])


class ExactSum:
    """*Exact sum*: the total is public, limb by limb."""

    def __init__(self, gadgets: Gadgets, row: Row) -> None:
        row.require_claimable()
        plan = limb_plan(row.pieces)
        run = Run(publics=gadgets.publics(len(plan) + 1))
        self._running = Running(gadgets, row.pieces, plan, run)
        low, self.highest = row.total_bounds
        self.lowest = min(0, low)

    def constraints(self, point: Point) -> Values:
        """From 0 to the public limbs."""
        return self._running.constraints(point)

    def limbs_of(self, total: int) -> list[int]:
        """The public limbs of a total."""
        if not self.lowest <= total <= self.highest:
            raise Refusal("OUTCOME_RANGE")
        return [limb % P for limb in self._running.cut(total)]


class _Sign:
    """Whether start + an exact sum is 0 or more, the sum staying private."""

    def __init__(self, gadgets: Gadgets, row: Row, start: int, *, per_window: bool) -> None:
        low, high = row.total_bounds
        start = min(max(start, -(high + 1)), -low)
        plan = limb_plan(row.pieces, BARE_PRIVATE)
        self._running = Running(gadgets, row.pieces, plan, Run(start, per_window))
        lowest, highest = ((start + end) >> self._running.top_shift for end in (low, high))
        width = max(highest, -lowest - 1).bit_length()
        if (1 << width) + max(highest, -lowest) >= P:
            raise OverflowError(f"{lowest}..{highest}")
        self._spelled = gadgets.spelled(width)
        self._gate = CLOSING if per_window else LAST
        self._top = (self._running.now if per_window else self._running.after)[-1]

    def signed(self, point: Point, bit: Extension | int) -> Values:
        """The running total, and that it has the sign that the bit names."""
        yield from self._running.constraints(point)
        yield from self._spelled.ranges(point)
        signed = self._top.at(point) + (1 - bit) * (1 << self._spelled.bits)
        yield self._gate.at(point) * (signed - self._spelled.at(point))


class PublicSign(_Sign):
    """A predicate: the bit is public."""

    lowest, highest = 0, 1

    def __init__(self, gadgets: Gadgets, row: Row, start: int) -> None:
        super().__init__(gadgets, row, start, per_window=False)
        self._public = gadgets.publics(1)[0]

    def constraints(self, point: Point) -> Values:
        """The sign of the total."""
        return self.signed(point, point.limbs[self._public])

    def limbs_of(self, total: int) -> list[int]:
        """The public bit."""
        return bit_of(total)


class PrivateSign(_Sign):
    """The bit is a column: on the last active row, or on every closing row for its window."""

    def __init__(self, gadgets: Gadgets, row: Row, start: int, *, per_window: bool) -> None:
        self._bit = gadgets.columns(1)[0]
        super().__init__(gadgets, row, start, per_window=per_window)

    @property
    def bit(self) -> Polynomial:
        """The bit."""
        return column(self._bit)

    def constraints(self, point: Point) -> Values:
        """The bit is one, then the sign of the total."""
        bit = point.here[self._bit]
        yield boolean(bit)
        yield from self.signed(point, bit)


def bit_of(total: int) -> list[int]:
    """A total that is a bit."""
    if total not in (0, 1):
        raise Refusal("OUTCOME_RANGE")
    return [total]

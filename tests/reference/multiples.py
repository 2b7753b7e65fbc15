"""*Multiples* of section 5.3: a total as whole steps, what is left over staying private."""

from __future__ import annotations

from tests.reference.exact_sum import (
    BARE_PRIVATE,
    LAST,
    Row,
    Run,
    Running,
    limb_plan,
)
from tests.reference.facts import Refusal
from tests.reference.field import ZERO, P
from tests.reference.gadgets import Gadgets, Values
from tests.reference.polynomial import Point
from tests.reference.spelling import boolean


class Multiples:
    """How often a step fits into start + the total, or into what is carried + the total (None)."""

    def __init__(self, gadgets: Gadgets, row: Row, step: int, start: int | None) -> None:
        row.require_claimable()
        low, high = row.total_bounds
        low, high = min(low + (start or 0), 0), max(high + (start or 0), 0) + step
        plan = limb_plan(row.pieces, BARE_PRIVATE, reduced=True)
        run = Run(start, taken=True, publics=gadgets.publics(len(plan) + 1))
        self._running = Running(gadgets, row.pieces, plan, run)
        self._step, self._most = step, self._running.cut(step - 1)
        self.lowest, self.highest = low // step, high // step
        top_bits = self._most[-1].bit_length()
        largest_top = (high - step * self.lowest) >> self._running.top_shift
        if largest_top + 1 + (2 << top_bits) >= P:
            raise OverflowError(f"multiples of {step}")
        self._rests = [(gadgets.columns(1)[0], gadgets.spelled(limb.width)) for limb in plan]
        self._top, self._top_room = gadgets.spelled(top_bits), gadgets.spelled(top_bits)
        if start is None:
            gadgets.carried.extend(self._running.now)

    def constraints(self, point: Point) -> Values:
        """The running total; what remains is at least 0 and less than the step."""
        yield from self._running.constraints(point)
        last, borrow = LAST.at(point), ZERO
        remains = [limb.at(point) for limb in self._running.after]
        for k, (limb, (borrow_column, room)) in enumerate(
            zip(self._running.plan, self._rests, strict=True)
        ):
            borrowed = point.here[borrow_column]
            yield boolean(borrowed)
            yield from room.ranges(point)
            left = self._most[k] - remains[k] - borrow + borrowed * (1 << limb.width)
            yield last * (left - room.at(point))
            borrow = borrowed
        yield from self._top.ranges(point)
        yield from self._top_room.ranges(point)
        yield last * (remains[-1] - self._top.at(point))
        yield last * (self._most[-1] - remains[-1] - borrow - self._top_room.at(point))

    def limbs_of(self, total: int) -> list[int]:
        """The public limbs of so many steps."""
        if not self.lowest <= total <= self.highest:
            raise Refusal("OUTCOME_RANGE")
        return [limb % P for limb in self._running.cut(total * self._step)]

"""A total as constant columns, so that it can be multiplied with what stands on every row.

The running total of ``exact_sum`` is cut into limbs of at most 12 bits. A column per limb has one
value on all rows and equals the limb's final value. The limbs are bits, and the top's exact range
is known: so each column holds an integer of a known range.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from circuits.builder import Builder
from circuits.circuit import Trace
from circuits.field import P
from circuits.gadgets.exact_sum import (
    Piece,
    RowSum,
    Run,
    RunningLimb,
    accumulate,
    plan_limbs,
    total_range,
)
from circuits.gadgets.slot_values import SlotInteger

LIMB_BITS = 12


def add_held_total(builder: Builder, name: str, row: RowSum) -> list[tuple[int, SlotInteger]]:
    """(shift, limb) from the lowest on: the total is sum(2^shift * limb)."""
    lowest, highest = total_range(row)
    pieces = [*row.pieces]
    while max(highest, -lowest) >> (pieces[-1].shift + LIMB_BITS):
        pieces.append(_nothing(builder, pieces[-1].shift + LIMB_BITS))
    running = accumulate(builder, name, pieces, plan_limbs(name, pieces, 0), Run())
    return [(r.limb.shift, _hold(builder, r, lowest, highest)) for r in running]


def _hold(builder: Builder, running: RunningLimb, lowest: int, highest: int) -> SlotInteger:
    last, limb = builder.selector("last"), running.limb
    column = builder.column(f"{running.label} held")
    builder.constrain(f"{running.label} is constant", column.next - column.now)
    builder.constrain(f"{running.label} is held", last * (running.following - column.now))

    def fill(trace: Trace) -> None:
        trace.columns[column.index] = running.value(trace, trace.layout.active_rows) % P

    builder.fillers.append(fill)

    def values(trace: Trace) -> NDArray[np.int64]:
        return np.full(len(trace.blocks), running.value(trace, trace.layout.active_rows))

    if limb.width is None:
        low, high = lowest >> limb.shift, highest >> limb.shift
    else:
        low, high = 0, (1 << limb.width) - 1
    return SlotInteger(running.label, column.now, low, high, values)


def _nothing(builder: Builder, shift: int) -> Piece:
    return Piece(
        shift,
        builder.graph.constant(0),
        0,
        0,
        lambda trace: np.zeros(len(trace.blocks), dtype=np.int64),
    )

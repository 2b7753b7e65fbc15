"""The greatest (or least) reading of a channel over the records that count, as a constant column.

The column h has one value on all rows. On every record that counts, h - x (or x - h) is spelled in
the channel's bits, so h is not below (above) any. On one of them, marked by a bit, h = x: the marks
add up to 1 at the end unless h is the value for no record, 0 (or 2^bits - 1):

    guard * (h - x) - sum(4^i * v_i) = 0      mark * (1 - guard) = 0      mark * (h - x) = 0
    last * (h - empty) * (marks' - 1) = 0

There are fewer than p records, so a sum of marks that is 1 modulo p is 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from circuits.builder import Builder
from circuits.circuit import Trace
from circuits.gadgets.running import in_order
from circuits.gadgets.slot_values import SlotInteger


def add_extreme(
    builder: Builder,
    name: str,
    readings: Sequence[SlotInteger],
    guards: Sequence[SlotInteger],
    *,
    greatest: bool,
) -> SlotInteger:
    """The extreme of the readings (one per slot, 0..2^bits - 1) where the guards are 1.

    Readings and guards are of degree at most 1, a guard is 0 where there is no record.
    """
    low, high = readings[0].low, readings[0].high
    empty, sign = (low, 1) if greatest else (high, -1)
    first, last = builder.selector("first"), builder.selector("last")
    extreme = builder.column(name)
    builder.constrain(f"{name} is constant", extreme.next - extreme.now)
    found = builder.column(f"{name} marks")
    builder.constrain(f"{name} marks start", first * found.now)
    marks, distances = [], []
    count = found.now
    for slot, (reading, guard) in enumerate(zip(readings, guards, strict=True)):
        away = (extreme.now - reading.expression) * sign
        distance = builder.spelling(f"{name} distance@{slot}", (high - low).bit_length())
        mark = builder.flags(f"{name} mark@{slot}", 1)[0]
        builder.constrain(f"{name} reaches@{slot}", guard.expression * away - distance.now)
        builder.constrain(f"{name} mark@{slot} counts", mark.now * (1 - guard.expression))
        builder.constrain(f"{name} mark@{slot} equals", mark.now * away)
        count = count + mark.now
        marks.append(mark)
        distances.append(distance)
    builder.constrain(f"{name} marks add up", found.next - count)
    builder.constrain(f"{name} is reached", last * (extreme.now - empty) * (found.next - 1))

    def fill(trace: Trace) -> None:
        counted = in_order(trace, guards)
        values = np.stack([reading.values(trace) for reading in readings], axis=1)
        chosen = values[counted]
        extremes = [empty, *(chosen.max(initial=empty), chosen.min(initial=empty))]
        best = int(extremes[1] if greatest else extremes[2])
        trace.columns[extreme.index] = best
        places = np.argwhere(counted & (values == best))[:1]
        rows = len(values)
        for slot, distance in enumerate(distances):
            away = np.where(counted[:, slot], (best - values[:, slot]) * sign, 0)
            distance.write(trace, away, slice(rows))
        for row, slot in places:
            trace.columns[marks[slot].index, row] = 1
            trace.columns[found.index, row + 1 :] = 1

    builder.fillers.append(fill)

    def extreme_values(trace: Trace) -> np.ndarray:
        return trace.columns[extreme.index, : len(trace.blocks)].astype(np.int64)

    return SlotInteger(name, extreme.now, low, high, extreme_values)

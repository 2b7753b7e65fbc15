"""The reading of a channel on the last, or on the first, record that counts.

A register v starts at 0. On a record that counts the last one's becomes v = x; the first one's does
so only while the register f, which then turns to 1, is still 0:

    v_after = v + guard * (x - v)
    v_after = v + guard * (1 - f) * (x - v)      f_after = f + guard * (1 - f)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from circuits.builder import Builder
from circuits.circuit import Trace
from circuits.gadgets.running import Register, add_register, fill_register, in_order
from circuits.gadgets.slot_values import SlotInteger


def add_edge(
    builder: Builder,
    name: str,
    readings: Sequence[SlotInteger],
    guards: Sequence[SlotInteger],
    *,
    latest: bool,
) -> SlotInteger:
    """The value after all records, valid on the last active row; 0 when no guard is ever 1.

    Readings (one per slot, lowest 0) and guards are of degree at most 1.
    """
    slots = len(readings)
    first = builder.selector("first")
    value = add_register(builder, name, slots)
    found: Register | None = None if latest else add_register(builder, f"{name} found", slots)
    builder.constrain(f"{name} starts", first * value.now.now)
    if found is not None:
        builder.constrain(f"{name} found starts", first * found.now.now)
    for slot, (reading, guard) in enumerate(zip(readings, guards, strict=True)):
        change = guard.expression * (reading.expression - value.before(slot))
        if found is not None:
            change = change * (1 - found.before(slot))
            seen = found.before(slot) + guard.expression * (1 - found.before(slot))
            builder.constrain(f"{name} found slot {slot}", found.after(slot) - seen)
        builder.constrain(f"{name} slot {slot}", value.after(slot) - value.before(slot) - change)

    def fill(trace: Trace) -> None:
        counted = in_order(trace, guards)
        chosen = np.stack([reading.values(trace) for reading in readings], axis=1)[counted]
        if found is not None:
            fill_register(trace, found, counted, 0, np.ones(len(chosen), dtype=np.int64))
            chosen = np.broadcast_to(chosen[:1], chosen.shape)
        fill_register(trace, value, counted, 0, chosen)

    builder.fillers.append(fill)

    def values(trace: Trace) -> NDArray[np.int64]:
        return trace.columns[value.now.index, : len(trace.blocks)].astype(np.int64)

    return SlotInteger(name, value.now.now, 0, readings[0].high, values)

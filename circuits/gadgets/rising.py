"""Whether a condition did not hold on the record before: what ``rising`` needs.

The register n is 1 when there was a record before in the epoch and the condition c did not hold on
it, so a record rises where c * n = 1. With the slot's weight a:

    entering = n * (1 - opening)            after = before + a * (1 - c - before)

It is carried from claim to claim. By induction it is 0 or 1: 0 at a contract's start and where an
epoch opens, 1 - c after every record that counts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from circuits.builder import Builder
from circuits.circuit import Trace
from circuits.gadgets.running import add_opening, add_register, fill_register, in_order
from circuits.gadgets.slot_values import SlotInteger


def add_rising(
    builder: Builder,
    name: str,
    conditions: Sequence[SlotInteger],
    weights: Sequence[SlotInteger],
) -> list[SlotInteger]:
    """For each slot whether the condition rises there; ``name`` is the carried variable's.

    Conditions and weights are 0 or 1 and of degree at most 1.
    """
    register = add_register(builder, name, len(conditions))
    entering = add_opening(builder, name, register.now)
    before = [entering.now, *(column.now for column in register.between)]
    for slot, (condition, weight) in enumerate(zip(conditions, weights, strict=True)):
        change = weight.expression * (1 - condition.expression - before[slot])
        builder.constrain(f"{name} slot {slot}", register.after(slot) - before[slot] - change)
    builder.carry(name, [register.now.now], [1])
    columns = [entering, *register.between]

    def fill(trace: Trace) -> None:
        counted = in_order(trace, weights)
        held = in_order(trace, conditions)[counted]
        fill_register(
            trace, register, counted, trace.before.get(name, 0), (~held).astype(np.int64), entering
        )

    builder.fillers.append(fill)

    def bit(slot: int) -> SlotInteger:
        condition, column = conditions[slot], columns[slot]
        return SlotInteger(
            "",
            condition.expression * column.now,
            0,
            1,
            lambda t: condition.values(t) * t.columns[column.index, : len(t.blocks)],
        )

    return [bit(slot) for slot in range(len(conditions))]

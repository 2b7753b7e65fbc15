"""On how many records in a row a condition held, up to a limit: what ``held`` needs.

The register L counts, f says that L has reached the limit n. With the slot's weight a and the
condition c, where an epoch opens L and f enter as 0:

    after = before + a * (c * (before + 1 - f) - before)
    f * (L - n) = 0        1 - f - (L - n) * inverse = 0

so that L stays within 0..n, f is 1 exactly where L = n, and a record is held where f is 1 after it.
L is carried from claim to claim; f follows from it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from circuits.builder import Builder, Column
from circuits.circuit import Trace
from circuits.expression import Expression
from circuits.field import P, power
from circuits.gadgets.running import add_opening, add_register, fill_register, in_order
from circuits.gadgets.slot_values import SlotInteger


def add_held(
    builder: Builder,
    name: str,
    limit: int,
    conditions: Sequence[SlotInteger],
    weights: Sequence[SlotInteger],
) -> list[SlotInteger]:
    """For each slot whether the condition held on the last ``limit`` records, that one included.

    Conditions and weights are 0 or 1 and of degree at most 1; ``name`` is the carried variable's.
    """
    slots = len(conditions)
    lengths = add_register(builder, name, slots)
    full = add_register(builder, f"{name} full", slots)
    inverses = add_register(builder, f"{name} inverse", slots)
    stages = [(lengths.now, full.now, inverses.now)]
    stages += zip(lengths.between, full.between, inverses.between, strict=True)
    for slot, (column, reached, inverse) in enumerate(stages):
        away = column.now - limit
        label = f"{name} full before slot {slot}"
        builder.constrain(f"{label}, only if", reached.now * away)
        builder.constrain(f"{label}, if", 1 - reached.now - away * inverse.now)
    entering = add_opening(builder, name, lengths.now)
    entering_full = add_opening(builder, f"{name} full", full.now)
    before: list[tuple[Expression, Expression]] = [(entering.now, entering_full.now)]
    before += [
        (column.now, reached.now)
        for column, reached in zip(lengths.between, full.between, strict=True)
    ]
    for slot, (condition, weight) in enumerate(zip(conditions, weights, strict=True)):
        length, is_full = before[slot]
        grown = condition.expression * (length + 1 - is_full)
        change = weight.expression * (grown - length)
        builder.constrain(f"{name} slot {slot}", lengths.after(slot) - length - change)
    builder.carry(name, [lengths.now.now], [limit.bit_length()])

    def fill(trace: Trace) -> None:
        counted = in_order(trace, weights)
        initial = 0 if trace.layout.opening.size else trace.before.get(name, 0)
        runs = run_lengths(in_order(trace, conditions)[counted], initial, limit)
        fill_register(trace, lengths, counted, trace.before.get(name, 0), runs, entering)
        for column, reached, inverse in stages:
            trace.columns[reached.index] = trace.columns[column.index] == limit
            lengths_here, places = np.unique(trace.columns[column.index], return_inverse=True)
            away = (lengths_here.astype(np.int64) - limit) % P
            trace.columns[inverse.index] = power(away.astype(np.uint64), P - 2)[places]
        trace.columns[entering_full.index] = trace.columns[full.now.index]
        trace.columns[entering_full.index, trace.layout.opening] = 0

    builder.fillers.append(fill)
    return [_bit(full.after(slot), full.between, full.now, slot) for slot in range(slots)]


def _bit(
    expression: Expression, between: Sequence[Column], register: Column, slot: int
) -> SlotInteger:
    def values(trace: Trace) -> NDArray[np.int64]:
        if slot < len(between):
            return trace.columns[between[slot].index, : len(trace.blocks)].astype(np.int64)
        return trace.columns[register.index, 1 : len(trace.blocks) + 1].astype(np.int64)

    return SlotInteger("", expression, 0, 1, values)


def run_lengths(held: NDArray[np.bool_], initial: int, limit: int) -> NDArray[np.int64]:
    """After each record how many in a row held, at most ``limit``, ``initial`` before the first."""
    places = np.arange(len(held), dtype=np.int64)
    last_not = np.maximum.accumulate(np.where(held, -1 - initial, places))
    runs: NDArray[np.int64] = np.minimum(places - last_not, limit)
    return runs

"""``bit = 1 if and only if integer >= threshold``, constrained both ways, for any slot integer.

With d = integer - threshold the constraint is data * (b (2 d + 1) - d - 1 - distance) = 0 and the
distance is spelled in n bits: b = 1 forces d into 0..2^n - 1 modulo p, b = 0 forces -d - 1 there.
n is what the interval of d needs, and the wrong side is p away: a negative d would have to equal
p + d <= 2^n - 1, a d >= 0 would have to equal p - d - 1 <= 2^n - 1; both are refused at compile
time. Holds on rows with data; elsewhere the bit is free and never counted.
"""

from __future__ import annotations

import numpy as np

from circuits.builder import Builder, Column, Log
from circuits.circuit import Trace
from circuits.errors import BadInput, InputReason
from circuits.field import P
from circuits.gadgets.slot_values import SlotInteger, commit, unused_name


def add_reaches(builder: Builder, log: Log, integer: SlotInteger, threshold: int) -> Column:
    """The column whose bit says integer >= threshold; low < threshold <= high.

    ``BadInput`` OVERFLOW when the distances do not fit the field. The integer's degree is at
    most 2.
    """
    single = commit(builder, log, integer)
    key = f"reach {builder.graph.form(single.expression)} {threshold}"
    known = builder.shared.get(key)
    if isinstance(known, Column):
        return known
    low, high = single.low - threshold, single.high - threshold
    width = max(high, -low - 1).bit_length()
    if (1 << width) - 1 >= min(P + low, P - high - 1):
        raise BadInput(
            InputReason.OVERFLOW,
            f"{single.name} lies {low}..{high} steps from {threshold}: too far to compare",
        )
    name = unused_name(builder, f"{single.name} >= {threshold}")
    bit = builder.column(name)
    builder.constrain(f"{name} boolean", bit.now * (bit.now - 1))
    distance = builder.spelling(f"{name} distance", width)
    difference = single.expression - threshold
    signed = bit.now * (2 * difference + 1) - difference - 1
    builder.constrain(f"{name} distance", log.data * (signed - distance.now))

    def fill(trace: Trace) -> None:
        above = single.values(trace) - threshold
        below = above >> 63  # -1 where the integer is below the threshold
        gap = above ^ below  # -1 - above there
        elsewhere = np.flatnonzero(~trace.data_rows)
        gap[elsewhere], below[elsewhere] = 0, -1
        trace.columns[bit.index, : len(above)] = below + 1
        distance.write(trace, gap, slice(len(above)))

    builder.fillers.append(fill)
    builder.shared[key] = bit
    return bit

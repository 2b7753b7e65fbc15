"""``bit = 1 if and only if integer = value``, with an inverse column.

With d = integer - value: data * bit * d = 0 and data * (1 - bit - d * inverse) = 0. Where d is not
0 modulo p the first forces bit = 0; where it is 0 the second forces bit = 1. |d| < p, so d is 0
modulo p only when it is 0. Holds on rows with data; elsewhere both columns are free.
"""

from __future__ import annotations

import numpy as np

from circuits.builder import Builder, Column, Log
from circuits.circuit import Trace
from circuits.errors import BadInput, InputReason
from circuits.field import P, power
from circuits.gadgets.slot_values import SlotInteger, commit, unused_name


def add_equals(builder: Builder, log: Log, integer: SlotInteger, value: int) -> Column:
    """The column whose bit says integer = value; low <= value <= high, degree at most 2."""
    single = commit(builder, log, integer)
    key = f"equal {builder.graph.form(single.expression)} {value}"
    known = builder.shared.get(key)
    if isinstance(known, Column):
        return known
    if single.high - single.low >= P:
        raise BadInput(
            InputReason.OVERFLOW,
            f"{single.name} ranges over {single.low}..{single.high} steps: too wide to compare",
        )
    name = unused_name(builder, f"{single.name} == {value}")
    bit, reciprocal = builder.column(name), builder.column(f"{name} inverse")
    difference = single.expression - value
    builder.constrain(f"{name} only if", log.data * bit.now * difference)
    builder.constrain(f"{name} if", log.data * (1 - bit.now - difference * reciprocal.now))

    def fill(trace: Trace) -> None:
        rows = trace.data_rows
        apart = np.where(rows, single.values(trace) - value, 0)
        trace.columns[bit.index, : len(apart)] = (apart == 0) & rows
        inverses = power((apart % P).astype(np.uint64), P - 2)  # of 0: 0
        trace.columns[reciprocal.index, : len(apart)] = inverses

    builder.fillers.append(fill)
    builder.shared[key] = bit
    return bit

"""The bits of any slot integer above its lowest value: ``time_step`` for everything else.

data * (integer - low) - sum(2^k * bit_k) = 0 on every row. high - low needs at most 30 bits, so
both sides lie below p and the spelling is the only one; without data all bits are 0.
"""

from __future__ import annotations

import numpy as np

from circuits.builder import Builder, Column, Log, from_bits
from circuits.circuit import Trace
from circuits.errors import BadInput, InputReason
from circuits.gadgets.slot_values import SlotInteger, unused_name

MAXIMUM_BITS = 30


def add_value_bits(builder: Builder, log: Log, integer: SlotInteger) -> list[Column]:
    """The bits of integer - low, lowest first; the integer's degree is at most 2."""
    key = f"bits {builder.graph.form(integer.expression)} {integer.low} {integer.high}"
    known = builder.shared.get(key)
    if isinstance(known, list):
        return known
    width = (integer.high - integer.low).bit_length()
    if width > MAXIMUM_BITS:
        raise BadInput(
            InputReason.OVERFLOW,
            f"{integer.name} ranges over {integer.low}..{integer.high} steps: more than"
            f" {MAXIMUM_BITS} bits",
        )
    name = unused_name(builder, f"{integer.name} bits")
    bits = builder.bits(name, width)
    spelled = from_bits(bits) if bits else builder.graph.constant(0)
    builder.constrain(name, log.data * (integer.expression - integer.low) - spelled)

    def fill(trace: Trace) -> None:
        above = np.where(trace.data_rows, integer.values(trace) - integer.low, 0)
        for k, column in enumerate(bits):
            trace.columns[column.index, : len(above)] = (above >> k) & 1

    builder.fillers.append(fill)
    builder.shared[key] = bits
    return bits

"""The bits of ``dt_ms``, once for all outcomes that need them.

sum(2^k * bit_k) = data * dt on every row, so on closing and padding rows, where the element is a
salt or free, all bits are zero (24 bits cannot reach p) and a product with them counts nothing.
"""

from __future__ import annotations

import numpy as np

from circuits.builder import Builder, Column, Log, from_bits
from circuits.circuit import Trace
from circuits.schema import DT_BITS, DT_CHANNEL


def add_time_step_bits(builder: Builder, log: Log, slot: int) -> list[Column]:
    """The 24 bit columns of the record in ``slot``, lowest first."""
    key = f"dt_ms bits@{slot}"
    known = builder.shared.get(key)
    if isinstance(known, list):
        return known
    bits = builder.bits(key, DT_BITS)
    builder.constrain(key, log.data * log.element(slot, DT_CHANNEL) - from_bits(bits))
    position = log.index(slot, DT_CHANNEL)

    def fill(trace: Trace) -> None:
        step = np.where(trace.data_rows, trace.blocks[:, position], 0)
        for k, column in enumerate(bits):
            trace.columns[column.index, : len(step)] = (step >> k) & 1

    builder.fillers.append(fill)
    builder.shared[key] = bits
    return bits

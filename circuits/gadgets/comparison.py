"""``bit = 1 if and only if reading >= threshold``, constrained both ways.

With v = bit * (x - T) + (1 - bit) * (T - 1 - x) decomposed into k bits, bit = 1 forces x >= T and
bit = 0 forces x <= T - 1; 2^k exceeds both distances that a reading of the declared width can have,
and T + 2^k < p, so nothing wraps. Holds on slots of data rows; the bit means nothing elsewhere and
is never counted there.
"""

from __future__ import annotations

import numpy as np

from circuits.builder import Builder, Column, Log, from_bits
from circuits.circuit import Trace


def add_at_least(builder: Builder, log: Log, slot: int, channel: str, threshold: int) -> Column:
    """The column whose bit says ``channel >= threshold`` (raw) for the record in ``slot``.

    0 <= threshold <= 2^bits of the channel; one column for equal requests.
    """
    key = f"{channel}>={threshold}@{slot}"
    known = builder.shared.get(key)
    if isinstance(known, Column):
        return known
    width = log.schema.channels[log.schema.position(channel)].bits
    farthest = max((1 << width) - 1 - threshold, threshold - 1, 0)
    bit = builder.bits(key, 1)[0]
    distance = builder.bits(f"{key} distance", farthest.bit_length())
    value = log.element(slot, channel)
    difference = value - threshold
    signed = bit.now * (2 * difference + 1) - difference - 1
    spelled = from_bits(distance) if distance else builder.graph.constant(0)
    builder.constrain(f"{key} distance", log.data * (signed - spelled))

    position = log.index(slot, channel)

    def fill(trace: Trace) -> None:
        rows = trace.data_rows
        raw = trace.blocks[:, position].astype(np.int64)
        holds = (raw >= threshold) & rows
        gap = np.where(raw >= threshold, raw - threshold, threshold - 1 - raw)
        trace.columns[bit.index, : len(raw)] = holds
        for k, column in enumerate(distance):
            trace.columns[column.index, : len(raw)] = (gap >> k) & 1 & rows

    builder.fillers.append(fill)
    builder.shared[key] = bit
    return bit

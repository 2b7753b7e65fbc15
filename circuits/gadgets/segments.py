"""Where a reading lies among three or more thresholds: a bit per threshold, all for two spellings.

The thresholds T_1 < ... < T_k cut 0..2^bits - 1 into segments that begin at T_0 = 0, T_1, ...,
T_k. A bit s_j, j >= 1, says that the reading x lies in segment j; s_0 is 1 less their sum. With the
lengths of the segments and o and r spelled in the channel's bits, on rows with data:

    sum(s) * (sum(s) - 1) = 0      x - sum(s_j * T_j) = o      sum(s_j * (length_j - 1)) - o = r

So one s_j is 1 and T_j <= x <= T_j + length_j - 1; nothing comes near p. x >= T_j is s_j + ... +
s_k. A threshold by itself (``reach``) takes one spelling and no bit: two take fewer columns than
these do, three take more, unless the channel is narrow.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from circuits.builder import Builder, Log
from circuits.circuit import Trace
from circuits.expression import Expression, weighted_sum
from circuits.gadgets.slot_values import SlotInteger

CHEAPER_FROM = 3  # thresholds


def add_segments(
    builder: Builder, log: Log, reading: SlotInteger, thresholds: Sequence[int]
) -> list[SlotInteger]:
    """For each threshold whether the reading reaches it; 0 = low < ascending thresholds <= high.

    The reading's degree is at most 1.
    """
    key = f"segments {reading.name}"
    known = builder.shared.get(key)
    if isinstance(known, list):
        return known
    starts = [0, *thresholds]
    ends = [*thresholds, reading.high + 1]
    spans = [end - start - 1 for start, end in zip(starts, ends, strict=True)]
    width = reading.high.bit_length()
    inside = builder.flags(f"{key} inside", len(thresholds))
    offset = builder.spelling(f"{key} offset", width)
    rest = builder.spelling(f"{key} rest", width)
    bits = [bit.now for bit in inside]
    any_of = weighted_sum(bits, [1] * len(bits))
    builder.constrain(f"{key} at most one", log.data * any_of * (any_of - 1))
    begin = weighted_sum(bits, list(thresholds))
    builder.constrain(key, log.data * (reading.expression - begin - offset.now))
    longest = weighted_sum(bits, [span - spans[0] for span in spans[1:]]) + spans[0]
    builder.constrain(f"{key} end", log.data * (longest - offset.now - rest.now))

    def fill(trace: Trace) -> None:
        rows = trace.data_rows
        values = reading.values(trace)
        segment = np.searchsorted(np.array(thresholds), values, side="right")
        above = values - np.array(starts)[segment]
        below = np.array(spans)[segment] - above
        for k, column in enumerate(inside):
            trace.columns[column.index, : len(values)] = (segment == k + 1) & rows
        offset.write(trace, above * rows, slice(len(values)))
        rest.write(trace, below * rows, slice(len(values)))

    builder.fillers.append(fill)
    made = [
        _reached(reading, threshold, weighted_sum(bits[k:], [1] * len(bits[k:])))
        for k, threshold in enumerate(thresholds)
    ]
    builder.shared[key] = made
    return made


def _reached(reading: SlotInteger, threshold: int, expression: Expression) -> SlotInteger:
    return SlotInteger(
        f"{reading.name} >= {threshold}",
        expression,
        0,
        1,
        lambda trace: (reading.values(trace) >= threshold).astype(np.int64),
    )

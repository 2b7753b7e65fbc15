"""``dt_ms`` spelled, once for all outcomes that need it.

sum(4^k * digit_k) = data * dt on every row, so on closing and padding rows, where the element is a
salt or free, all digits are zero (24 bits cannot reach p) and a product with them counts nothing.
"""

from __future__ import annotations

import numpy as np

from circuits.builder import Builder, Log, Spelling
from circuits.circuit import Trace
from circuits.schema import DT_BITS, DT_CHANNEL


def add_time_step_bits(builder: Builder, log: Log, slot: int) -> Spelling:
    """The 24 bits of the record in ``slot``."""
    key = f"dt_ms digits@{slot}"
    known = builder.shared.get(key)
    if isinstance(known, Spelling):
        return known
    spelled = builder.spelling(key, DT_BITS)
    builder.constrain(key, log.data * log.element(slot, DT_CHANNEL) - spelled.now)
    position = log.index(slot, DT_CHANNEL)

    def fill(trace: Trace) -> None:
        step = np.where(trace.data_rows, trace.blocks[:, position], 0).astype(np.int64)
        spelled.write(trace, step, slice(len(step)))

    builder.fillers.append(fill)
    builder.shared[key] = spelled
    return spelled

"""Any slot integer above its lowest value, spelled: ``time_step`` for everything else.

data * (integer - low) - sum(4^k * digit_k) = 0 on every row. high - low needs at most 30 bits, so
both sides lie below p and the spelling is the only one; without data all digits are 0.
"""

from __future__ import annotations

import numpy as np

from circuits.builder import Builder, Log, Spelling
from circuits.circuit import Trace
from circuits.errors import BadInput, InputReason
from circuits.gadgets.slot_values import SlotInteger, unused_name

MAXIMUM_BITS = 30


def add_value_bits(builder: Builder, log: Log, integer: SlotInteger) -> Spelling:
    """integer - low, spelled; the integer's degree is at most 3."""
    key = f"bits {builder.graph.form(integer.expression)} {integer.low} {integer.high}"
    known = builder.shared.get(key)
    if isinstance(known, Spelling):
        return known
    width = (integer.high - integer.low).bit_length()
    if width > MAXIMUM_BITS:
        raise BadInput(
            InputReason.OVERFLOW,
            f"{integer.name} ranges over {integer.low}..{integer.high} steps: more than"
            f" {MAXIMUM_BITS} bits",
        )
    name = unused_name(builder, f"{integer.name} digits")
    spelled = builder.spelling(name, width)
    builder.constrain(name, log.data * (integer.expression - integer.low) - spelled.now)

    def fill(trace: Trace) -> None:
        above = np.where(trace.data_rows, integer.values(trace) - integer.low, 0)
        spelled.write(trace, above, slice(len(above)))

    builder.fillers.append(fill)
    builder.shared[key] = spelled
    return spelled

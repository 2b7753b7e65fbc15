"""Whether a total is 0 or more, as one public bit; the total itself stays private.

The running total of ``exact_sum`` starts at a constant, and its final limbs are not public. The
limbs below the top one are not negative, so the total has the sign of the top counter, whose exact
range at the end is known. On the last active row, with k bits s_i:

    last * (top' + (1 - bit) * 2^k - sum(2^i * s_i)) = 0

The public bit is 0 or 1 (the verifier refuses any other total). bit = 1 forces top' into
0..2^k - 1 modulo p and bit = 0 forces it into -2^k..-1. The top lies in -2^k..2^k - 1 and
2^k + |top| < p, so neither can hold for a top of the other sign.
"""

from __future__ import annotations

import numpy as np

from circuits.builder import Builder, from_bits
from circuits.circuit import Limb, Trace
from circuits.errors import BadInput, InputReason
from circuits.field import P
from circuits.gadgets.exact_sum import Piece, Total, accumulate, plan_limbs, total_range

_BARE = 1 << 28  # a counter without limbs: |start| and |total| stay below it


def add_total_sign(builder: Builder, name: str, pieces: list[Piece], start: int) -> Total:
    """The bit start + total >= 0. A start that no total can make up for is brought nearer."""
    lowest, highest = total_range(pieces)
    start = min(max(start, -(highest + 1)), -lowest)  # the sign stays as it was
    last = builder.selector("last")
    stages = plan_limbs(name, pieces, _BARE)
    top = accumulate(builder, name, pieces, stages, start, lambda _: None)[-1]
    least, greatest = (start + lowest) >> top.limb.shift, (start + highest) >> top.limb.shift
    width = max(greatest, -least - 1).bit_length()
    if (1 << width) + max(greatest, -least) >= P:
        raise BadInput(
            InputReason.OVERFLOW, f"{name}: the total's top limb ranges over {least}..{greatest}"
        )
    sign = builder.bits(f"{name} sign bits", width)
    bit = builder.public(f"{name} holds")
    spelled = from_bits(sign) if sign else builder.graph.constant(0)
    builder.constrain(f"{name} sign", last * (top.following + (1 - bit) * (1 << width) - spelled))

    index = builder.columns.index(f"{name} top")

    def fill(trace: Trace) -> None:
        row = trace.layout.active_rows - 1
        final = int(trace.columns[index, row + 1])
        final -= P if final > P // 2 else 0
        above = final if final >= 0 else final + (1 << width)
        for k, column in enumerate(sign):
            trace.columns[column.index, row] = np.uint32((above >> k) & 1)

    builder.fillers.append(fill)
    return Total((Limb(0, 1),), 0, 1)

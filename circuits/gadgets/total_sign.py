"""Whether a total is 0 or more, as one bit; the total itself stays private.

The running total of ``exact_sum`` starts at a constant, and its final limbs are not public. The
limbs below the top one are not negative, so the total has the sign of the top counter, whose exact
range is known. Where the total stands (behind the last active row, or on every closing row), with s
spelled in k bits:

    gate * (top + (1 - bit) * 2^k - s) = 0

The bit is 0 or 1: a boolean column, or a public input (the verifier refuses any other total).
bit = 1 forces top into 0..2^k - 1 modulo p and bit = 0 forces it into -2^k..-1. The top lies in
-2^k..2^k - 1 and 2^k + |top| < p, so neither can hold for a top of the other sign.
"""

from __future__ import annotations

from circuits.builder import Builder, Column
from circuits.circuit import Limb, Trace
from circuits.errors import BadInput, InputReason
from circuits.expression import Expression
from circuits.field import P
from circuits.gadgets.exact_sum import (
    PRIVATE_BARE,
    RowSum,
    Run,
    Total,
    accumulate,
    plan_limbs,
    total_range,
)


def add_total_sign(builder: Builder, name: str, row: RowSum, start: int) -> Total:
    """The bit start + total >= 0, public.

    A start that no total can make up for is brought nearer.
    """
    _sign(builder, name, row, start, None, per_window=False)
    return Total((Limb(0, 1),), 0, 1)


def add_sign(builder: Builder, name: str, row: RowSum, start: int, *, per_window: bool) -> Column:
    """The same as a column: valid on the last active row, or for a window on its closing row."""
    bit = builder.flags(f"{name} holds", 1)[0]
    _sign(builder, name, row, start, bit, per_window=per_window)
    return bit


def _sign(
    builder: Builder,
    name: str,
    row: RowSum,
    start: int,
    column: Column | None,
    *,
    per_window: bool,
) -> None:
    lowest, highest = total_range(row)
    start = min(max(start, -(highest + 1)), -lowest)  # the sign stays as it was
    stages = plan_limbs(name, row.pieces, PRIVATE_BARE)
    top = accumulate(builder, name, row.pieces, stages, Run(start, per_window))[-1]
    least, greatest = (start + lowest) >> top.limb.shift, (start + highest) >> top.limb.shift
    width = max(greatest, -least - 1).bit_length()
    if (1 << width) + max(greatest, -least) >= P:
        raise BadInput(
            InputReason.OVERFLOW, f"{name}: the total's top limb ranges over {least}..{greatest}"
        )
    spelled = builder.spelling(f"{name} sign digits", width)
    bit: Expression = builder.public(f"{name} holds") if column is None else column.now
    gate = builder.selector("closing" if per_window else "last")
    # on a closing row nothing is added any more: the window's total stands on the row itself
    value = top.now if per_window else top.following
    builder.constrain(f"{name} sign", gate * (value + (1 - bit) * (1 << width) - spelled.now))

    index = builder.columns.index(f"{name} top")

    def fill(trace: Trace) -> None:
        rows = trace.layout.closing if per_window else trace.layout.closing[-1:]
        final = trace.columns[index, rows + (not per_window)].astype("int64")
        final[final > P // 2] -= P
        spelled.write(trace, final, rows)  # two's complement: top + 2^k if < 0
        if column is not None:
            trace.columns[column.index, rows] = final >= 0

    builder.fillers.append(fill)

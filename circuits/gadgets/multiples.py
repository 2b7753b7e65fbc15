"""A total as whole multiples of a step; what is left over stays private.

The running total begins with what was left over before (or 0). On the last active row
``step * multiples``, public, is taken away limb by limb, and what remains must be a remainder: at
least 0 and less than the step. So the multiples are the quotient and the remainder is the only
one possible. With e_k the limbs of what remains and m_k those of step - 1, limb by limb on the
last active row, b_k a borrow bit and x_k, y and z spelled in bits:

    m_k - e_k - b_(k-1) + 2^w * b_k = x_k        top: e = y, m - e - b = z

The remainder is carried to the next claim, or dropped.
"""

from __future__ import annotations

import numpy as np

from circuits.builder import Builder, Column, Spelling
from circuits.circuit import Trace
from circuits.errors import BadInput, InputReason
from circuits.expression import Expression
from circuits.field import P
from circuits.gadgets.exact_sum import (
    PRIVATE_BARE,
    RowSum,
    Run,
    RunningLimb,
    Total,
    accumulate,
    limbs_of,
    plan_limbs,
    require_claimable,
    total_range,
)


def add_multiples(builder: Builder, name: str, row: RowSum, step: int, start: int | str) -> Total:
    """The quotient of the total by ``step``, which begins at a constant, or at the remainder kept.

    ``start`` as a text is the carried remainder's name.

    The public limbs spell step * quotient. ``BadInput`` OVERFLOW when that does not fit.
    """
    require_claimable(name, row)
    lowest, highest = total_range(row)
    constant, carried = (start, None) if isinstance(start, int) else (0, start)
    lowest, highest = min(lowest + constant, 0), max(highest + constant, 0) + step
    stages = plan_limbs(name, row.pieces, PRIVATE_BARE, reduced=True)

    def ends(trace: Trace) -> tuple[int, int]:
        before = constant if carried is None else trace.before.get(carried, 0)
        total = sum(int(p.values(trace).sum()) << p.shift for p in row.pieces)
        return before, (before + total) // step * step

    run = Run(constant if carried is None else None, taken=builder.public, ends=ends)
    running = accumulate(builder, name, row.pieces, stages, run)
    least, most = lowest // step, highest // step
    largest = limbs_of(step - 1, [r.limb for r in running])
    spread = (highest - least * step) >> running[-1].limb.shift
    if spread + 1 + (2 << largest[-1].bit_length()) >= P:
        raise BadInput(
            InputReason.OVERFLOW,
            f"{name}: the total ranges too widely for multiples of {step} steps",
        )
    _require_remainder(builder, name, running, largest)
    if carried is not None:
        widths = [r.limb.width or largest[-1].bit_length() for r in running]
        builder.carry(carried, [r.now for r in running], widths)
    return Total(tuple(r.limb for r in running), least, most)


def _require_remainder(
    builder: Builder, name: str, running: list[RunningLimb], largest: list[int]
) -> None:
    """0 <= what remains <= the integer with the limbs ``largest``."""
    last = builder.selector("last")
    borrow: Expression = builder.graph.constant(0)
    borrows: list[Column] = []
    rests: list[Spelling] = []
    for k, (limb, most) in enumerate(zip(running[:-1], largest[:-1], strict=True)):
        width = limb.limb.width or 0  # only the top has none
        room = most - limb.following - borrow
        borrows += builder.flags(f"{name} remainder borrow {k}", 1)
        borrow = borrows[-1].now
        rests.append(builder.spelling(f"{name} remainder room {k}", width))
        room = room + borrow * (1 << width)
        builder.constrain(f"{name} remainder limb {k}", last * (room - rests[-1].now))
    final, width = running[-1].following, largest[-1].bit_length()
    top = builder.spelling(f"{name} remainder top", width)
    rests.append(builder.spelling(f"{name} remainder top room", width))
    builder.constrain(f"{name} remainder top", last * (final - top.now))
    rest = largest[-1] - final - borrow - rests[-1].now
    builder.constrain(f"{name} remainder top room", last * rest)

    def fill(trace: Trace) -> None:
        row = trace.layout.active_rows - 1
        values = [limb.value(trace, row + 1) for limb in running]
        taken = 0
        for k, (value, most, spelled) in enumerate(zip(values, largest, rests, strict=True)):
            room = most - value - taken
            if k < len(borrows):
                taken = int(room < 0)
                trace.columns[borrows[k].index, row] = taken
                room += taken << spelled.bits
            spelled.write(trace, np.array([room]), slice(row, row + 1))
        top.write(trace, np.array(values[-1:]), slice(row, row + 1))

    builder.fillers.append(fill)

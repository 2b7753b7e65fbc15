"""An exact integer sum over all rows, carried in range-checked limbs.

The row adds sum_j 2^shift_j * piece_j. Limb i keeps bits [shift_i, shift_{i+1}) of the running
total: a_i' + 2^w * c_i = a_i + piece_i + c_{i-1}, a_i' spelled by w bits and the carry c_i by bits
above its lowest value, so that the split is the only one possible. Carries may be negative (floor
division), which makes a negative total two's complement. Above the last limb an unreduced counter
adds the last carry; it cannot reach p/2 within the longest trace. Interval arithmetic below proves
each of these bounds or refuses to compile.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from circuits.builder import Builder, Column, from_bits
from circuits.circuit import Limb, Trace
from circuits.errors import BadInput, InputReason
from circuits.expression import Expression
from circuits.field import P
from circuits.layout import MAXIMUM_LOG2_ROWS

MAXIMUM_ROWS = 1 << MAXIMUM_LOG2_ROWS
MAXIMUM_TOTAL_BITS = 96  # a claim carries totals as signed 128-bit integers
_TOP_CARRY = 1 << 9

RowValues = Callable[[Trace], NDArray[np.int64]]


@dataclass(frozen=True)
class Piece:
    """2^shift * expression, with low <= expression <= high on every row of an honest log."""

    shift: int
    expression: Expression
    low: int
    high: int
    values: RowValues


@dataclass(frozen=True)
class Total:
    """The public shape of a sum: its limbs and the range that any claim's total can take."""

    limbs: tuple[Limb, ...]
    minimum: int
    maximum: int


def fits(pieces: list[Piece]) -> bool:
    """True when every intermediate value of the limb chain stays clear of p."""
    try:
        plan_limbs("", pieces)
    except BadInput:
        return False
    return True


@dataclass(frozen=True)
class Stage:
    """One limb of a plan: its bits, its lowest carry, and the bits that spell the rest of it."""

    width: int
    carry_low: int
    carry_bits: int


def _refuse(name: str, low: int, high: int) -> BadInput:
    return BadInput(
        InputReason.OVERFLOW, f"{name}: intermediate range {low}..{high} does not fit the field"
    )


def plan_limbs(name: str, pieces: list[Piece], bare: int = P // 2) -> list[Stage]:
    """Widths and carry ranges of every limb, or ``BadInput`` OVERFLOW with the range.

    A single piece whose total stays below ``bare`` needs no limb.
    """
    minimum = sum(p.low << p.shift for p in pieces) * MAXIMUM_ROWS
    maximum = sum(p.high << p.shift for p in pieces) * MAXIMUM_ROWS
    if max(-minimum, maximum) >= 1 << MAXIMUM_TOTAL_BITS:
        raise _refuse(name, minimum, maximum)
    single = pieces[-1]
    if len(pieces) == 1 and max(-single.low, single.high) * MAXIMUM_ROWS < bare:
        return []
    stages: list[Stage] = []
    carry_low = carry_high = 0
    for k, piece in enumerate(pieces):
        low, high = piece.low + carry_low, piece.high + carry_high
        if k + 1 < len(pieces):
            width = pieces[k + 1].shift - piece.shift
        else:
            width = max(1, max(-low, high).bit_length() - (_TOP_CARRY.bit_length() - 3))
        high += (1 << width) - 1
        carry_low, wanted = low >> width, high >> width
        bits = (wanted - carry_low).bit_length()
        carry_high = carry_low + (1 << bits) - 1
        spelled_low = carry_low << width
        spelled_high = (carry_high << width) + (1 << width) - 1
        if max(high - spelled_low, spelled_high - low) >= P:
            raise _refuse(name, min(low, spelled_low), max(high, spelled_high))
        stages.append(Stage(width, carry_low, bits))
    if max(-carry_low, carry_high) * MAXIMUM_ROWS >= P // 2:
        raise _refuse(name, carry_low * MAXIMUM_ROWS, carry_high * MAXIMUM_ROWS)
    return stages


@dataclass(frozen=True)
class RunningLimb:
    """A limb of the running total: before this row, after it, and what it was at the start."""

    label: str
    now: Expression
    following: Expression
    limb: Limb
    start: int


def add_exact_sum(builder: Builder, name: str, pieces: list[Piece]) -> Total:
    """Accumulate the pieces (ascending shifts, the first 0) and bind the total to public limbs."""
    last = builder.selector("last")

    def bind(running: RunningLimb) -> None:
        public = builder.public(running.label)
        builder.constrain(f"{running.label} is public", last * (running.following - public))

    limbs = accumulate(builder, name, pieces, plan_limbs(name, pieces), 0, bind)
    minimum, maximum = total_range(pieces)
    return Total(tuple(running.limb for running in limbs), min(0, minimum), maximum)


def total_range(pieces: list[Piece]) -> tuple[int, int]:
    """The least and the greatest total of the longest trace."""
    return (
        sum(p.low << p.shift for p in pieces) * MAXIMUM_ROWS,
        sum(p.high << p.shift for p in pieces) * MAXIMUM_ROWS,
    )


def accumulate(
    builder: Builder,
    name: str,
    pieces: list[Piece],
    stages: list[Stage],
    start: int,
    bind: Callable[[RunningLimb], None],
) -> list[RunningLimb]:
    """The running total, from ``start`` on; ``bind`` says of each limb what it becomes at last."""
    first = builder.selector("first")
    limbs: list[RunningLimb] = []
    columns: list[tuple[list[Column], list[Column]]] = []

    def begin(now: Expression, following: Expression, limb: Limb) -> None:
        label = f"{name} limb {len(limbs)}"
        initial = start >> limb.shift
        if limb.width is not None:
            initial &= (1 << limb.width) - 1
        at_start = "starts at zero" if start == 0 else "starts at its constant"
        builder.constrain(f"{label} {at_start}", first * (now - initial))
        limbs.append(RunningLimb(label, now, following, limb, initial))
        bind(limbs[-1])

    carry: Expression = builder.graph.constant(0)
    for k, stage in enumerate(stages):
        limb_bits = builder.bits(f"{name} limb {k} bits", stage.width)
        carry_bits = builder.bits(f"{name} carry {k} bits", stage.carry_bits)
        now, following = from_bits(limb_bits), from_bits(limb_bits, following=True)
        out: Expression = builder.graph.constant(stage.carry_low)
        if carry_bits:
            out = out + from_bits(carry_bits)
        builder.constrain(
            f"{name} limb {k} adds",
            following + out * (1 << stage.width) - now - pieces[k].expression - carry,
        )
        begin(now, following, Limb(pieces[k].shift, stage.width))
        columns.append((limb_bits, carry_bits))
        carry = out
    top = builder.column(f"{name} top")
    increment = carry if stages else pieces[0].expression
    builder.constrain(f"{name} top adds", top.next - top.now - increment)
    top_shift = pieces[-1].shift + stages[-1].width if stages else 0
    begin(top.now, top.next, Limb(top_shift, None))
    starts = [running.start for running in limbs]
    builder.fillers.append(lambda trace: _fill(trace, pieces, stages, columns, top, starts))
    return limbs


def _fill(
    trace: Trace,
    pieces: list[Piece],
    stages: list[Stage],
    columns: list[tuple[list[Column], list[Column]]],
    top: Column,
    starts: list[int],
) -> None:
    """Running totals before each row; rows after the last active one repeat the final total."""
    rows = trace.columns.shape[1]
    active = trace.layout.active_rows
    carried = np.zeros(rows + 1, dtype=np.int64)
    if not stages:
        carried[1 : active + 1] = np.cumsum(pieces[0].values(trace))
        carried[active + 1 :] = carried[active]
    for piece, stage, (limb_bits, carry_bits), start in zip(
        pieces, stages, columns, starts[:-1], strict=bool(stages)
    ):
        running = carried + start
        running[1 : active + 1] += np.cumsum(piece.values(trace))
        running[active + 1 :] += running[active] - carried[active] - start
        limb = running & ((1 << stage.width) - 1)
        carried = running >> stage.width
        step = np.diff(carried) - stage.carry_low
        for k, column in enumerate(limb_bits):
            trace.columns[column.index] = (limb[:-1] >> k) & 1
        for k, column in enumerate(carry_bits):
            trace.columns[column.index] = (step >> k) & 1
    trace.columns[top.index] = ((carried[:-1] + starts[-1]) % P).astype(np.uint32)

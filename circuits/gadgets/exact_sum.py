"""An exact integer sum over all rows, carried in range-checked limbs.

The row adds sum_j 2^shift_j * piece_j. Limb i keeps bits [shift_i, shift_{i+1}) of the running
total: a_i' + 2^w * c_i = a_i + piece_i + c_{i-1}, a_i' spelled in w bits and the carry c_i in bits
above its lowest value, so that the split is the only one possible. Carries may be negative (floor
division), which makes a negative total two's complement. Above the last limb an unreduced counter
adds the last carry, and the last piece if it is small; it cannot reach p/2 within the longest
trace. Interval arithmetic below proves each of these bounds or refuses to compile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from circuits.builder import Builder, Column, Spelling
from circuits.circuit import Limb, Trace
from circuits.errors import BadInput, InputReason
from circuits.expression import Expression
from circuits.field import P
from circuits.layout import MAXIMUM_LOG2_ROWS

MAXIMUM_ROWS = 1 << MAXIMUM_LOG2_ROWS
MAXIMUM_TOTAL_BITS = 96  # a claim carries totals as signed 128-bit integers
_TOP_CARRY = 1 << 9
PRIVATE_BARE = 1 << 28  # a private counter without limbs, its start included, stays below it

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
class RowSum:
    """What a row adds: its pieces, shifts ascending from 0, and the range of their sum.

    The range may be narrower than the pieces' own ranges together.
    """

    pieces: tuple[Piece, ...]
    low: int
    high: int

    @classmethod
    def of(cls, piece: Piece) -> RowSum:
        """One piece, of shift 0."""
        return cls((piece,), piece.low, piece.high)


@dataclass(frozen=True)
class Total:
    """The public shape of a sum: its limbs and the range that any claim's total can take."""

    limbs: tuple[Limb, ...]
    minimum: int
    maximum: int


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


def require_claimable(name: str, row: RowSum) -> None:
    """``BadInput`` OVERFLOW unless a claim has room for the total."""
    minimum, maximum = total_range(row)
    if max(-minimum, maximum) >= 1 << MAXIMUM_TOTAL_BITS:
        raise _refuse(name, minimum, maximum)


def plan_limbs(
    name: str, pieces: Sequence[Piece], bare: int = P // 2, *, reduced: bool = False
) -> list[Stage]:
    """Widths and carry ranges of every limb, or ``BadInput`` OVERFLOW with the range.

    The last piece needs no limb if its total and what is carried to it stay below ``bare``.
    ``reduced``: a row may also take any integer that the limbs can spell away from the total.
    """
    stages: list[Stage] = []
    carry_low = carry_high = 0
    for k, piece in enumerate(pieces):
        low, high = piece.low + carry_low, piece.high + carry_high
        if k + 1 == len(pieces) and max(-low, high) * MAXIMUM_ROWS < bare:
            return stages
        if k + 1 < len(pieces):
            width = pieces[k + 1].shift - piece.shift
        else:
            width = max(1, max(-low, high).bit_length() - (_TOP_CARRY.bit_length() - 3))
        high += (1 << width) - 1
        low -= (1 << width) - 1 if reduced else 0
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
    """A limb of the running total: before this row, and after it; the top limb is one column."""

    label: str
    limb: Limb
    cells: Spelling | Column

    @property
    def now(self) -> Expression:
        """The limb before this row."""
        return self.cells.now

    @property
    def following(self) -> Expression:
        """The limb after it."""
        return self.cells.next

    def value(self, trace: Trace, row: int) -> int:
        """The limb before a row of a filled trace."""
        if isinstance(self.cells, Spelling):
            return self.cells.read(trace, row)
        cell = int(trace.columns[self.cells.index, row])
        return cell - P if cell > P // 2 else cell


def add_exact_sum(builder: Builder, name: str, row: RowSum) -> Total:
    """Accumulate what every row adds and bind the total to public limbs."""
    require_claimable(name, row)
    last = builder.selector("last")

    def bind(running: RunningLimb) -> None:
        public = builder.public(running.label)
        builder.constrain(f"{running.label} is public", last * (running.following - public))

    limbs = accumulate(builder, name, row.pieces, plan_limbs(name, row.pieces), Run(), bind)
    minimum, maximum = total_range(row)
    return Total(tuple(running.limb for running in limbs), min(0, minimum), maximum)


def total_range(row: RowSum) -> tuple[int, int]:
    """The least and the greatest total of the longest trace."""
    return row.low * MAXIMUM_ROWS, row.high * MAXIMUM_ROWS


def limbs_of(value: int, limbs: Sequence[Limb]) -> list[int]:
    """The limbs of an integer: two's complement, the last one whole."""
    return [
        value >> limb.shift if limb.width is None else value >> limb.shift & ((1 << limb.width) - 1)
        for limb in limbs
    ]


@dataclass(frozen=True)
class Run:
    """Where a running total starts, and where it starts anew.

    ``start``: at the first row; None when it is carried from claim to claim, and then ``ends``
    says, for the filler, with what integer it begins and how much is taken away at last.
    ``per_window``: it starts anew behind every closing row. ``taken``: what the last active row
    takes away from each limb, given its label.
    """

    start: int | None = 0
    per_window: bool = False
    taken: Callable[[str], Expression] | None = None
    ends: Callable[[Trace], tuple[int, int]] | None = None


def accumulate(
    builder: Builder,
    name: str,
    pieces: Sequence[Piece],
    stages: list[Stage],
    run: Run,
    bind: Callable[[RunningLimb], None] = lambda _: None,
) -> list[RunningLimb]:
    """The running total; ``bind`` says of each limb what it becomes at last."""
    shapes = [Limb(p.shift, stage.width) for p, stage in zip(pieces, stages, strict=False)]
    # the last piece has a limb of its own, or is the top's
    above = stages[-1].width if len(stages) == len(pieces) else 0
    shapes.append(Limb(pieces[-1].shift + above, None))
    starts = limbs_of(run.start or 0, shapes)
    limbs: list[RunningLimb] = []
    columns: list[tuple[Spelling, Spelling]] = []

    def step(cells: Spelling | Column, out: Expression | int, added: Expression) -> None:
        """following + out * 2^width = now + added, with what the run changes about it."""
        limb, label = shapes[len(limbs)], f"{name} limb {len(limbs)}"
        now, following = cells.now, cells.next
        carried_out = out * (1 << (limb.width or 0))
        if run.taken is not None:
            added = added - builder.selector("last") * run.taken(label)
        if run.per_window:
            added = added - builder.selector("closing") * (now - starts[len(limbs)])
        builder.constrain(f"{label} adds", following + carried_out - now - added)
        if run.start is not None:
            initial = now - starts[len(limbs)]
            builder.constrain(f"{label} starts", builder.selector("first") * initial)
        limbs.append(RunningLimb(label, limb, cells))
        bind(limbs[-1])

    carry: Expression = builder.graph.constant(0)
    for k, stage in enumerate(stages):
        limb_cells = builder.spelling(f"{name} limb {k} digits", stage.width)
        carry_cells = builder.spelling(f"{name} carry {k} digits", stage.carry_bits)
        out = carry_cells.now + stage.carry_low
        step(limb_cells, out, pieces[k].expression + carry)
        columns.append((limb_cells, carry_cells))
        carry = out
    top = builder.column(f"{name} top")
    step(top, 0, carry if len(stages) == len(pieces) else pieces[-1].expression + carry)
    builder.fillers.append(lambda trace: _fill(trace, pieces, stages, shapes, columns, top, run))
    return limbs


def _fill(
    trace: Trace,
    pieces: Sequence[Piece],
    stages: list[Stage],
    shapes: list[Limb],
    columns: list[tuple[Spelling, Spelling]],
    top: Column,
    run: Run,
) -> None:
    """Running totals before each row; rows after the last active one repeat the final total."""
    rows = trace.columns.shape[1]
    active = trace.layout.active_rows
    initial, taken = (run.start or 0, 0) if run.ends is None else run.ends(trace)
    starts, less = limbs_of(initial, shapes), limbs_of(taken, shapes)
    # the first row of each row's window; 0 for a run over all of them
    begins = np.zeros(active, dtype=np.int64)
    if run.per_window:
        closing = trace.layout.closing
        begins = np.concatenate([[0], closing + 1])[np.searchsorted(closing, np.arange(active))]

    def summed(values: NDArray[np.int64], limb: int) -> NDArray[np.int64]:
        """The running sum of one limb's pieces, before every row and behind the last one."""
        values[-1] -= less[limb]
        sums = np.zeros(rows + 1, dtype=np.int64)
        sums[1 : active + 1] = np.cumsum(values)
        sums[active + 1 :] = sums[active]
        sums[:active] -= sums[begins]
        if run.per_window:
            sums[active:] = 0
        return sums + starts[limb]

    nothing = np.zeros(active, dtype=np.int64)
    carried = np.zeros(rows + 1, dtype=np.int64)
    for k, (stage, (limb_cells, carry_cells)) in enumerate(zip(stages, columns, strict=True)):
        running = carried + summed(pieces[k].values(trace).copy(), k)
        limb = running & ((1 << stage.width) - 1)
        carried = running >> stage.width
        step = np.diff(carried)
        if run.per_window:
            step[trace.layout.closing] = 0
        step -= stage.carry_low
        limb_cells.write(trace, limb[:-1], slice(rows))
        carry_cells.write(trace, step, slice(rows))
    above = nothing if len(stages) == len(pieces) else pieces[-1].values(trace).copy()
    trace.columns[top.index] = (carried + summed(above, len(stages)))[:-1] % P

"""Values that go on from record to record: a register, and what it is between a row's slots.

A register is a column: its value before the row's first record. Slot by slot the value changes
where the slot's weight is 1, and on the next row the register is what the last slot left. Rows
without records change nothing, so it stands still over closing rows, over the rows of the state
commitments and over padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from circuits.builder import Builder, Column
from circuits.circuit import Trace
from circuits.expression import Expression
from circuits.gadgets.slot_values import SlotInteger


@dataclass(frozen=True)
class Register:
    """``now`` is the register's column, ``between[s]`` the column behind slot s (not the last)."""

    now: Column
    between: tuple[Column, ...]

    def before(self, slot: int) -> Expression:
        """The value before the record in ``slot``."""
        return self.between[slot - 1].now if slot else self.now.now

    def after(self, slot: int) -> Expression:
        """The value after it; on the next row for the last slot."""
        return self.between[slot].now if slot < len(self.between) else self.now.next


def add_register(builder: Builder, name: str, slots: int) -> Register:
    """The columns of a register, without constraints."""
    now = builder.column(name)
    return Register(now, tuple(builder.column(f"{name} after slot {s}") for s in range(slots - 1)))


def add_opening(builder: Builder, name: str, register: Column) -> Column:
    """The register's value, or 0 on the row of an epoch's first record."""
    opening = builder.selector("opening")
    entering = builder.column(f"{name} entering")
    builder.constrain(f"{name} enters", entering.now - register.now * (1 - opening))
    return entering


def in_order(trace: Trace, weights: Sequence[SlotInteger]) -> NDArray[np.bool_]:
    """Where a slot counts, (active_rows, slots); read row by row it is the order of records."""
    return np.stack([weight.values(trace) == 1 for weight in weights], axis=1)


def fill_register(
    trace: Trace,
    register: Register,
    counted: NDArray[np.bool_],
    initial: int,
    values: NDArray[np.int64],
    entering: Column | None = None,
) -> None:
    """Write a register that is ``initial`` before and ``values[i]`` after the i-th counted record.

    Where an epoch opens the register starts from 0 instead: ``entering`` receives what it is when
    a row begins, and ``values`` must have been computed from 0 then.
    """
    rows, slots = counted.shape
    passed = np.cumsum(counted.reshape(-1)).reshape(rows, slots)
    before = np.concatenate([np.zeros(1, dtype=np.int64), passed[:-1, -1]])
    opening = int(trace.layout.opening[0]) if entering and trace.layout.opening.size else -1
    history = np.concatenate([np.array([initial if opening < 0 else 0], dtype=np.int64), values])
    for column, past in zip(
        (register.now, *register.between), (before, *passed.T[:-1]), strict=True
    ):
        trace.columns[column.index, :rows] = history[past]
        trace.columns[column.index, rows:] = history[-1]
        trace.columns[column.index, : max(opening, 0)] = initial
    if opening >= 0:
        trace.columns[register.now.index, opening] = initial
    if entering is not None:
        trace.columns[entering.index] = trace.columns[register.now.index]
        trace.columns[entering.index, trace.layout.opening] = 0

"""Integers that belong to the record in one slot of a row, and columns that hold them.

Such an expression equals its integer modulo p wherever the slot holds a record. Elsewhere it means
nothing: on closing rows the block is a salt, on padding rows it is free. Whatever uses one either
multiplies by ``data`` or a weight that is 0 there, or does not care.

A committed column: data * (column - expression) = 0. Where data is 0 the column is free, which is
sound because every use is guarded in the same way. It turns degree 2 into degree 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from circuits.builder import Builder, Column, Log
from circuits.circuit import Trace
from circuits.errors import BadInput, InputReason
from circuits.expression import Expression
from circuits.field import P

RowValues = Callable[[Trace], NDArray[np.int64]]


@dataclass(frozen=True)
class SlotInteger:
    """low <= the integer <= high for every record; ``values`` gives it for every active row.

    ``name`` says what it is and in which slot, for columns that are made from it.
    """

    name: str
    expression: Expression
    low: int
    high: int
    values: RowValues

    @property
    def magnitude(self) -> int:
        """The largest absolute value."""
        return max(-self.low, self.high)


def require_range(integer: SlotInteger) -> SlotInteger:
    """``BadInput`` OVERFLOW, with the range, unless the integer stays clear of p / 2."""
    if integer.magnitude > (P - 1) // 2:
        raise BadInput(
            InputReason.OVERFLOW,
            f"{integer.name} ranges over {integer.low}..{integer.high} steps, beyond the field's"
            f" {(P - 1) // 2}",
        )
    return integer


def unused_name(builder: Builder, name: str) -> str:
    """``name``, marked until no column or array of columns has it."""
    while name in builder.taken:
        name += "*"
    return name


def commit(builder: Builder, log: Log, integer: SlotInteger) -> SlotInteger:
    """The integer as an expression of degree at most 1; one column for equal expressions.

    The expression's degree is at most 2.
    """
    if builder.degree(integer.expression) <= 1:
        return integer
    require_range(integer)
    key = f"committed {builder.graph.form(integer.expression)}"
    known = builder.shared.get(key)
    if isinstance(known, Column):
        # the column is shared, the interval is this integer's own: another formula for the same
        # polynomial may have a narrower one, which this formula's other slots would not have
        return replace(integer, expression=known.now)
    name = unused_name(builder, integer.name)
    column = builder.column(name)
    builder.constrain(f"{name} committed", log.data * (column.now - integer.expression))

    def fill(trace: Trace) -> None:
        held = np.where(trace.data_rows, integer.values(trace), 0) % P
        trace.columns[column.index, : len(held)] = held

    builder.fillers.append(fill)
    builder.shared[key] = column
    return replace(integer, expression=column.now)


def add_guard(builder: Builder, weight: Expression, condition: SlotInteger) -> SlotInteger:
    """weight * condition as a column: column - weight * condition = 0 on every row.

    ``weight`` is 1 where the slot holds a record and 0 everywhere else, and the constraint is not
    multiplied by ``data``: so the column is 0 wherever there is no record, and can itself stand
    for a weight. The condition's degree is at most 2.
    """
    key = f"guard {builder.graph.form(condition.expression)} {builder.graph.form(weight)}"
    known = builder.shared.get(key)
    if isinstance(known, SlotInteger):
        return known
    name = unused_name(builder, f"{condition.name} counted")
    column = builder.column(name)
    builder.constrain(name, column.now - weight * condition.expression)

    def fill(trace: Trace) -> None:
        held = condition.values(trace)
        trace.columns[column.index, : len(held)] = held

    builder.fillers.append(fill)
    made = SlotInteger(name, column.now, 0, 1, condition.values)
    builder.shared[key] = made
    return made

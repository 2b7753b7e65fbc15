"""The workbench on which gadgets are put together into a circuit."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from circuits.circuit import (
    MAXIMUM_DEGREE,
    Circuit,
    CompiledOutcome,
    Constraint,
    Filler,
    Trace,
)
from circuits.errors import BadInput, InputReason
from circuits.expression import AtomKind, Expression, Graph, weighted_sum
from circuits.schema import BLOCK_ELEMENTS, Schema
from circuits.state import StateVariable


@dataclass(frozen=True)
class Column:
    """A committed column; ``now`` and ``next`` are its value on this row and on the next."""

    index: int
    now: Expression
    next: Expression


@dataclass(frozen=True)
class Spelling:
    """An integer 0..2^bits - 1 in digits 0..3, lowest first; an odd width ends with a bit.

    Digits and not bits: half the columns, for constraints of degree 4 (``docs/performance.md``).
    """

    graph: Graph
    columns: tuple[Column, ...]
    bits: int

    @property
    def now(self) -> Expression:
        """The integer on this row."""
        return self._sum([column.now for column in self.columns])

    @property
    def next(self) -> Expression:
        """The integer on the next row."""
        return self._sum([column.next for column in self.columns])

    def part(self, first: int, count: int) -> Expression:
        """What ``count`` bits from bit ``first``, which is even, spell; an odd count only at last.

        ``ValueError`` where a digit would have to be divided.
        """
        end = min(first + count, self.bits)
        if first % 2 or (end % 2 and end != self.bits):
            raise ValueError(f"bits {first}..{end - 1} of {self.bits} are no whole digits")
        return self._sum([column.now for column in self.columns[first // 2 : (end + 1) // 2]])

    def write(
        self, trace: Trace, values: NDArray[np.int64], rows: slice | NDArray[np.int64]
    ) -> None:
        """Spell ``values`` on these rows; of a negative one its lowest bits (two's complement)."""
        low = values.astype(np.uint32)  # no spelling is wider
        for k, column in enumerate(self.columns):
            most = 1 if 2 * k + 1 == self.bits else 3
            trace.columns[column.index, rows] = low >> np.uint32(2 * k) & np.uint32(most)

    def read(self, trace: Trace, row: int) -> int:
        """The integer on a row of a filled trace."""
        cells = [int(trace.columns[column.index, row]) for column in self.columns]
        return sum(digit << 2 * k for k, digit in enumerate(cells))

    def _sum(self, digits: list[Expression]) -> Expression:
        if not digits:
            return self.graph.constant(0)
        return weighted_sum(digits, [4**k for k in range(len(digits))])


@dataclass(frozen=True)
class Carried:
    """A variable that a contract carries, and its limbs on this row."""

    variable: StateVariable
    limbs: tuple[Expression, ...]


@dataclass
class Builder:
    """Collects columns, constraints, public inputs and fillers; ``finish`` freezes them."""

    schema: Schema
    graph: Graph = field(default_factory=Graph)
    columns: list[str] = field(default_factory=list)
    selectors: list[str] = field(default_factory=list)
    publics: list[str] = field(default_factory=list)
    constraints: list[Constraint] = field(default_factory=list)
    fillers: list[Filler] = field(default_factory=list)
    carried: list[Carried] = field(default_factory=list)
    shared: dict[str, object] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)

    def column(self, name: str) -> Column:
        """A new committed column."""
        self.columns.append(name)
        self.taken |= {name, name.split("[", 1)[0]}
        return self.existing(len(self.columns) - 1)

    def existing(self, index: int) -> Column:
        """A column that is there already."""
        now = self.graph.atom(AtomKind.COLUMN, index)
        return Column(index, now, self.graph.atom(AtomKind.NEXT, index))

    def copy(self) -> Builder:
        """The same, to go on with; expressions of the original do not belong to it."""
        kept = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "schema"}
        return Builder(self.schema, **{name: copy(content) for name, content in kept.items()})

    def column_array(self, name: str, count: int) -> list[Column]:
        """``count`` new columns name[0], name[1], ..."""
        return [self.column(f"{name}[{k}]") for k in range(count)]

    def selector(self, name: str) -> Expression:
        """A public row selector (see ``Layout.selector``)."""
        if name not in self.selectors:
            self.selectors.append(name)
        return self.graph.atom(AtomKind.SELECTOR, self.selectors.index(name))

    def carry(self, name: str, limbs: Sequence[Expression], widths: Sequence[int]) -> None:
        """Carry an integer from claim to claim: ``limbs`` are its columns' expressions of degree 1.

        They hold the state before the claim up to the first record and keep what they are after
        the last one; ``add_state_rows`` ties both ends to the commitments.
        """
        self.carried.append(Carried(StateVariable(name, tuple(widths)), tuple(limbs)))

    def public(self, name: str) -> Expression:
        """A new public input."""
        self.publics.append(name)
        return self.graph.atom(AtomKind.PUBLIC, len(self.publics) - 1)

    def degree(self, expression: Expression) -> int:
        """Columns and selectors count one, public inputs nothing."""
        return max((self.graph.degrees[atom] for atom in expression.terms), default=0)

    def constrain(self, name: str, expression: Expression) -> None:
        """Require ``expression`` = 0 on every row that is not exempt."""
        form = self.graph.form(expression)
        degree = self.graph.form_degree(form)
        if degree > MAXIMUM_DEGREE:
            raise BadInput(InputReason.FORMULA, f"constraint {name} has degree {degree}")
        self.constraints.append(Constraint(name, form, degree))

    def flags(self, name: str, count: int) -> list[Column]:
        """``count`` boolean columns."""
        columns = self.column_array(name, count)
        for column in columns:
            self._boolean(column)
        return columns

    def spelling(self, name: str, bits: int) -> Spelling:
        """Columns that spell an integer 0..2^bits - 1 on every row; none for 0 bits."""
        columns = self.column_array(name, (bits + 1) // 2)
        for column in columns[: bits // 2]:
            # (x (x - 3)) (x (x - 3) + 2) is x (x - 1) (x - 2) (x - 3)
            outer = column.now * (column.now - 3)
            self.constrain(f"{self.columns[column.index]} digit", outer * (outer + 2))
        for column in columns[bits // 2 :]:
            self._boolean(column)
        return Spelling(self.graph, tuple(columns), bits)

    def _boolean(self, column: Column) -> None:
        label = self.columns[column.index]
        self.constrain(f"{label} boolean", column.now * (column.now - 1))

    def finish(self, outcomes: list[CompiledOutcome]) -> Circuit:
        """The finished circuit."""
        return Circuit(
            schema=self.schema,
            graph=self.graph,
            columns=tuple(self.columns),
            selectors=tuple(self.selectors),
            publics=tuple(self.publics),
            constraints=tuple(self.constraints),
            outcomes=tuple(outcomes),
            fillers=tuple(self.fillers),
            state=tuple(carried.variable for carried in self.carried),
        )


@dataclass(frozen=True)
class Log:
    """What every gadget may read: the absorbed block and which rows hold records."""

    block: list[Column]
    active: Column
    data: Expression
    schema: Schema

    def element(self, slot: int, name: str) -> Expression:
        """Channel ``name`` of the record in ``slot`` of this row."""
        return self.block[slot * self.schema.width + self.schema.position(name)].now

    def index(self, slot: int, name: str) -> int:
        """The position of that element within the block, 0..7."""
        index = slot * self.schema.width + self.schema.position(name)
        if index >= BLOCK_ELEMENTS:
            raise IndexError(index)
        return index

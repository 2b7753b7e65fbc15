"""Cells of a trace that can be changed, one at a time, without any constraint noticing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from circuits.circuit import Circuit, Trace
from circuits.expression import Atom, AtomKind
from circuits.field import Array, P
from circuits.layout import Layout

RANDOM_TRIES = 2
_P = np.uint64(P)
Leaves = Sequence[frozenset[tuple[AtomKind, int]]]


@dataclass(frozen=True)
class Freedom:
    """A column and its free cells: those that some other value fits as well.

    ``cells`` and ``tried`` count cells by kind of row; ``any_value`` says that even random values
    went unnoticed where the column is free, not 0 and 1 only.
    """

    column: str
    cells: Counter[str]
    tried: Counter[str]
    any_value: bool

    @property
    def everywhere(self) -> bool:
        """No cell of the column is bound."""
        return self.cells == self.tried

    @property
    def text(self) -> str:
        """``34 of 70 data rows, 3 of 3 padding rows``."""
        return ", ".join(f"{n} of {self.tried[kind]} {kind} rows" for kind, n in self.cells.items())


def row_kinds(layout: Layout, rows: int) -> list[str]:
    """What each of the first rows is for: data, closing, padding, state before or after."""
    kinds = ["padding"] * rows
    kinds[: layout.active_rows] = ["data"] * layout.active_rows
    kinds[: layout.state_rows] = ["state before"] * layout.state_rows
    for row in layout.closing.tolist():
        kinds[row] = "closing"
    behind = layout.active_rows + layout.state_rows
    kinds[layout.active_rows : behind] = ["state after"] * layout.state_rows
    return kinds


def column_freedom(
    circuit: Circuit,
    leaves: Leaves,
    traces: Sequence[tuple[Trace, Array]],
    progress: Callable[[str, float], None],
) -> Iterator[Freedom]:
    """The free cells of every column, over traces that satisfy all constraints with their publics.

    ``leaves`` are what every form of the circuit reads.
    """
    reading: list[list[int]] = [[] for _ in circuit.columns]
    for constraint in circuit.constraints:
        for kind, index in leaves[constraint.form]:
            if kind in (AtomKind.COLUMN, AtomKind.NEXT) and constraint.form not in reading[index]:
                reading[index].append(constraint.form)
    tables = [_Table(circuit, leaves, trace, publics) for trace, publics in traces]
    # no constraint begins on the last row: its cells are not tried
    kinds = [row_kinds(trace.layout, trace.columns.shape[1] - 1) for trace, _ in traces]
    tried = Counter(kind for each in kinds for kind in each)
    for column, name in enumerate(circuit.columns):
        progress("columns", column / len(circuit.columns))
        cells: Counter[str] = Counter()
        any_value = True
        for table, names in zip(tables, kinds, strict=True):
            unnoticed = table.unnoticed(column, reading[column])
            free = unnoticed.any(axis=1)
            any_value = any_value and bool(unnoticed[free, -RANDOM_TRIES:].all())
            cells.update(names[row] for row in np.nonzero(free)[0])
        yield Freedom(name, cells, tried, any_value)


class _Table:
    """One trace, and what forms are on it while one column is changed.

    Arrays have the shape (2, rows, tries): for every cell first the constraint on its own row, then
    the one on the row before, to which it is on the next row. ``rows`` leaves out the last one.
    """

    def __init__(self, circuit: Circuit, leaves: Leaves, trace: Trace, publics: Array) -> None:
        self.graph, self.leaves, self.publics = circuit.graph, leaves, publics
        self.columns = trace.columns.astype(np.uint64)
        rows = self.columns.shape[1]
        self.selectors = np.zeros((len(circuit.selectors), rows), dtype=np.uint64)
        for k, name in enumerate(circuit.selectors):
            self.selectors[k, trace.layout.selector(name)] = 1
        every = np.arange(rows - 1)
        self.row = np.stack([every, np.maximum(every - 1, 0)])
        self.real = np.stack([every >= 0, every > 0])[:, :, None]  # no row before the first
        self.random = np.random.default_rng(rows)
        self.column, self.tries = -1, np.zeros((rows - 1, 0), dtype=np.uint64)
        self.honest: dict[int, Array] = {}
        self.changed: dict[int, Array] = {}

    def unnoticed(self, column: int, forms: Sequence[int]) -> NDArray[np.bool_]:
        """Which other values pass every one of these forms, (rows, tries); the last are random."""
        honest = self.columns[column][:-1, None]
        drawn = self.random.integers(0, P, (len(honest), RANDOM_TRIES), dtype=np.uint64)
        zero, one = np.zeros_like(honest), np.ones_like(honest)
        self.column, self.changed = column, {}
        self.tries = np.concatenate([zero, one, (honest + one) % _P, drawn], axis=1)
        noticed = np.zeros((2, *self.tries.shape), dtype=np.bool_)
        for form in forms:
            noticed |= self._form(form) != 0
        found: NDArray[np.bool_] = ~(noticed & self.real).any(axis=0) & (self.tries != honest)
        return found

    def _form(self, form: int) -> Array:
        total = np.full((1, 1, 1), self.graph.forms[form].constant, dtype=np.uint64)
        for atom, coefficient in self.graph.forms[form].terms:
            total = (total + np.uint64(coefficient) * self._atom(atom)) % _P
        return total

    def _atom(self, number: int) -> Array:
        atom = self.graph.atoms[number]
        mine = {(AtomKind.COLUMN, self.column), (AtomKind.NEXT, self.column)}
        if atom.kind is AtomKind.PRODUCT:
            same = mine.isdisjoint(self.leaves[atom.index] | self.leaves[atom.other])
        else:
            same = (atom.kind, atom.index) not in mine
        known = self.honest if same else self.changed
        if number not in known:
            known[number] = (
                self._product(atom) if atom.kind is AtomKind.PRODUCT else self._leaf(atom)
            )
        return known[number]

    def _product(self, atom: Atom) -> Array:
        left = self._form(atom.index)
        right = left if atom.other == atom.index else self._form(atom.other)
        product: Array = left * right % _P
        return product

    def _leaf(self, atom: Atom) -> Array:
        if atom.kind is AtomKind.PUBLIC:
            return np.full((1, 1, 1), self.publics[atom.index], dtype=np.uint64)
        if atom.kind is AtomKind.SELECTOR:
            chosen: Array = self.selectors[atom.index][self.row][:, :, None]
            return chosen
        following = int(atom.kind is AtomKind.NEXT)
        value: Array = self.columns[atom.index][self.row + following][:, :, None]
        if atom.index == self.column:
            value = np.repeat(value, self.tries.shape[1], axis=2)
            value[following] = self.tries
        return value

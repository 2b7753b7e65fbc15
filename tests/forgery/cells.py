"""Changing one cell of a trace at a time: what no constraint notices, and need not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from circuits.circuit import Circuit, Trace
from circuits.expression import AtomKind
from circuits.field import Array, P
from circuits.gadgets.log_hash import COLUMN_COUNT
from circuits.statement import Statement
from tests.forgery.claims import Contract, forge
from tests.forgery.strategies import failing
from tests.forgery.traces import selector_values

_P = np.uint64(P)
RANDOM_TRIES = 2


@dataclass(frozen=True)
class Free:
    """Columns whose cells are free where it does not matter what they hold.

    ``columns`` is a pattern for all of a name; ``where`` is ``no data``, ``not last`` or ``not
    closing``, of rows, or ``beside X``: where X, what the pattern leaves of the name, holds 1.
    """

    columns: str
    where: str
    reason: str


FREE = (
    Free(
        r".+ committed",
        "no data",
        "every use has a factor that is 0 there: data, a weight, or a guard",
    ),
    Free(r".+ >= -?\d+ digits\[\d+\]", "no data", "a comparison of no record is not counted"),
    Free(r".+ == -?\d+( inverse)?", "no data", "a comparison of no record is not counted"),
    Free(
        r"(?P<bit>.+ == -?\d+) inverse",
        "beside {bit}",
        "the difference is 0 there, which has no inverse",
    ),
    Free(
        r"segments .+ (inside|offset|rest)\[\d+\]", "no data", "no record lies in a segment there"
    ),
    Free(
        r"(?P<name>held\(.+\)) inverse(?P<slot>( after slot \d+)?)",
        "beside {name} full{slot}",
        "the run is full there: no inverse is needed",
    ),
    Free(
        r"outcome \d+ ((low|high) (side|square) )?sign digits\[\d+\]",
        "not last",
        "the sign is that of the final total",
    ),
    Free(
        r"outcome \d+ (low|high) (side|square) holds\[0\]",
        "not last",
        "the sign is that of the final total",
    ),
    Free(r"outcome \d+ (low|high) holds", "not last", "the bits that it is made of hold at last"),
    Free(
        r"outcome \d+ windows\S* (holds|sign digits)\[\d+\]",
        "not closing",
        "a window's total stands on its closing row, and only there the bit is counted",
    ),
    Free(r"outcome \d+ remainder .+", "not last", "what remains is compared at last"),
)


def check_cells(contract: Contract) -> None:
    """In an honest trace every cell is either bound or free by one of the rules above."""
    forged = forge(contract)
    assert not failing(contract.circuit, forged.trace, forged.statement)
    found = set(unnoticed_changes(contract.circuit, forged.trace, forged.statement))
    expected = {(column, row) for _, column, row in free_cells(contract.circuit, forged.trace)}
    assert found - expected == set(), "free for no known reason"
    assert expected - found == set(), "bound, though a rule says that they are free"


def free_cells(circuit: Circuit, trace: Trace) -> Iterator[tuple[Free, str, int]]:
    """The cells that may hold something else, by rule: the rule, column and row."""
    layout = trace.layout
    rows = np.arange(trace.columns.shape[1] - 1)
    data = np.zeros(len(rows), dtype=np.bool_)
    data[: layout.active_rows] = trace.data_rows
    places = {
        "no data": ~data,
        "not last": rows != layout.active_rows - 1,
        "not closing": ~np.isin(rows, layout.closing),
    }
    names = {constraint.name for constraint in circuit.constraints}
    for column in circuit.columns[COLUMN_COUNT:]:
        label = f"{column} committed" if f"{column} committed" in names else column
        for rule in FREE:
            found = re.fullmatch(rule.columns, label)
            if found is None:
                continue
            where = rule.where.format(**found.groupdict())
            if where in places:
                chosen = places[where]
            else:
                beside = circuit.columns.index(where.removeprefix("beside "))
                chosen = trace.columns[beside, :-1] == 1
            yield from ((rule, column, int(row)) for row in rows[chosen])


def unnoticed_changes(
    circuit: Circuit, trace: Trace, statement: Statement, seed: int = 0
) -> Iterator[tuple[str, int]]:
    """Column and row of the cells which other values fit as well, those of the log hash aside.

    Tried are 0..4, p - 1, one more and random values on every row but the last one, on which no
    constraint begins.
    """
    readers = constraints_by_column(circuit)
    random = np.random.default_rng(seed)
    base = Changed(circuit, trace, statement)
    rows = base.rows - 1
    for column in range(COLUMN_COUNT, circuit.column_count):
        honest = trace.columns[column, :rows].astype(np.uint64)
        ends = [np.full((1, rows), value, dtype=np.uint64) for value in (*range(5), P - 1)]
        drawn = random.integers(0, P, (RANDOM_TRIES, rows), dtype=np.uint64)
        values = np.concatenate([*ends, (honest + np.uint64(1))[None] % _P, drawn])
        passed = base.passes(column, values, readers[column]) & (values != honest)
        for row in np.nonzero(passed.any(axis=0))[0].tolist():
            yield circuit.columns[column], row


def constraints_by_column(circuit: Circuit) -> list[list[int]]:
    """For every column the forms of the constraints that read it."""
    graph = circuit.graph
    reads: list[frozenset[int]] = []

    def of_form(form: int) -> frozenset[int]:
        return frozenset().union(*(reads[atom] for atom, _ in graph.forms[form].terms))

    for atom in graph.atoms:
        if atom.kind is AtomKind.PRODUCT:
            reads.append(of_form(atom.index) | of_form(atom.other))
        else:
            is_column = atom.kind in (AtomKind.COLUMN, AtomKind.NEXT)
            reads.append(frozenset([atom.index] if is_column else []))
    out: list[list[int]] = [[] for _ in circuit.columns]
    for constraint in circuit.constraints:
        for column in of_form(constraint.form):
            out[column].append(constraint.form)
    return out


class Changed:
    """Forms over a trace in which every second cell of one column is changed at a time.

    A constraint reads its row and the next one, so that changes two rows apart do not meet.
    """

    def __init__(self, circuit: Circuit, trace: Trace, statement: Statement) -> None:
        self.graph = circuit.graph
        self.columns = trace.columns.astype(np.uint64)
        self.rows = self.columns.shape[1]
        self.selectors = selector_values(circuit, trace.layout, self.rows)
        self.publics: Array = statement.public_inputs(circuit)

    def passes(self, column: int, values: Array, forms: list[int]) -> NDArray[np.bool_]:
        """Where all these forms vanish with a value put in, (tries, rows - 1)."""
        tries, rows = values.shape
        out = np.ones((tries, rows), dtype=np.bool_)
        for parity in (0, 1):
            changed = np.tile(self.columns[column], (tries, 1))
            changed[:, parity:rows:2] = values[:, parity::2]
            known: dict[int, Array] = {}
            for form in forms:
                fails = np.broadcast_to(
                    self._form(form, column, changed, known) != 0, (tries, rows)
                )
                noticed = fails.copy()
                noticed[:, 1:] |= fails[:, :-1]  # the row before reads the cell as the next one
                out[:, parity::2] &= ~noticed[:, parity::2]
        return out

    def _form(self, form: int, column: int, changed: Array, known: dict[int, Array]) -> Array:
        this = self.graph.forms[form]
        total = np.full((1, self.rows - 1), this.constant, dtype=np.uint64)
        for atom, coefficient in this.terms:
            total = (total + np.uint64(coefficient) * self._atom(atom, column, changed, known)) % _P
        return total

    def _atom(self, number: int, column: int, changed: Array, known: dict[int, Array]) -> Array:
        if number not in known:
            atom = self.graph.atoms[number]
            if atom.kind is AtomKind.PRODUCT:
                left = self._form(atom.index, column, changed, known)
                known[number] = left * self._form(atom.other, column, changed, known) % _P
            elif atom.kind is AtomKind.PUBLIC:
                known[number] = np.full((1, 1), self.publics[atom.index], dtype=np.uint64)
            elif atom.kind is AtomKind.SELECTOR:
                known[number] = self.selectors[atom.index][None, :-1]
            else:
                cells = changed if atom.index == column else self.columns[atom.index][None]
                known[number] = cells[:, 1:] if atom.kind is AtomKind.NEXT else cells[:, :-1]
        return known[number]

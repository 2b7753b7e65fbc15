"""Small contracts over chosen records, and claims of a lying prover about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from circuits.circuit import Circuit, Trace
from circuits.compile import compile_circuit
from circuits.errors import Rejected
from circuits.field import P
from circuits.gadgets.log_hash import COLUMN_COUNT, HALF, fill_log_hash, row_roles
from circuits.schema import BLOCK_ELEMENTS, Schema
from circuits.state import Commitment
from circuits.statement import Statement
from tests.circuits.logs import SignedLog, reference_trace, sign_log
from tests.forgery.following import Lie, follow
from tests.forgery.sheet import Sheet
from tests.forgery.strategies import failing

PADDING_ROWS = 3

Window = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Contract:
    """Formulas and an honest log: raw records of every window, carried values before them.

    Without ``opens`` the epoch has earlier records.
    """

    schema: Schema
    formulas: tuple[str, ...]
    windows: tuple[Window, ...]
    before: tuple[tuple[str, int], ...] = ()
    opens: bool = True

    @property
    def circuit(self) -> Circuit:
        """The compiled contract."""
        return _compiled(self.schema, self.formulas)

    @property
    def log(self) -> SignedLog:
        """The honest log."""
        return _signed(self)

    @property
    def honest(self) -> Statement:
        """The true statement."""
        return self.log.statement(self.circuit)


@cache
def _compiled(schema: Schema, formulas: tuple[str, ...]) -> Circuit:
    return compile_circuit(schema, formulas)


@cache
def _signed(contract: Contract) -> SignedLog:
    elements = contract.schema.elements
    windows = [np.array(w, dtype=np.uint64).reshape(-1, elements) for w in contract.windows]
    log = sign_log(contract.schema, windows, earlier_records=0 if contract.opens else 5)
    before: Mapping[str, int] = MappingProxyType(dict(contract.before))
    return replace(log, before=before)


@dataclass(frozen=True)
class Forgery:
    """A claim and the trace that is to pass for it."""

    contract: Contract
    statement: Statement
    trace: Trace

    @property
    def is_false(self) -> bool:
        """Whether it claims something else than the log's records come to."""
        return self.statement != self.contract.honest


def forge(contract: Contract, lie: Lie | None = None, rows: int | None = None) -> Forgery:
    """The claim that a prover can make with this lie, and its trace of so many rows."""
    lie, circuit, log = lie or Lie(), contract.circuit, contract.log
    true = contract.honest
    layout = true.layout(circuit)
    rows = rows or layout.active_rows + layout.state_rows + PADDING_ROWS
    honest = _honest(contract, rows)
    used = layout.active_rows + lie.late
    believed_layout = replace(layout, active_rows=used)
    if not lie.opening:
        believed_layout = replace(believed_layout, opening=layout.opening[:0])
    trace = Trace(
        np.zeros((circuit.column_count, rows), dtype=np.uint32),
        believed_layout,
        honest.columns[HALF : 2 * HALF, :used].T.copy(),
        log.before if lie.believed is None else lie.believed,
    )
    for fill in circuit.fillers:
        fill(trace)
    trace.layout = layout
    trace.columns[:COLUMN_COUNT] = honest.columns[:COLUMN_COUNT]
    sheet = Sheet(circuit, trace, true.public_inputs(circuit), lie.wild, lie.turns)
    statement = replace(true, totals=follow(sheet, lie))
    if true.state is not None:
        after = _rehash_state(sheet, true, lie.left)
        statement = replace(statement, state=replace(true.state, after=after))
    return Forgery(contract, statement, trace)


def refusing(forgery: Forgery) -> set[str]:
    """The constraints that refuse a false claim; empty also for a true one and beyond its range."""
    circuit, statement = forgery.contract.circuit, forgery.statement
    try:
        for outcome, total in zip(circuit.outcomes, statement.totals, strict=True):
            outcome.check_total(total)
    except Rejected:
        return set()
    return failing(circuit, forgery.trace, statement) if forgery.is_false else set()


@lru_cache(maxsize=64)
def _honest(contract: Contract, rows: int) -> Trace:
    circuit, log = contract.circuit, contract.log
    layout = contract.honest.layout(circuit)
    return reference_trace(circuit, log, rows - layout.active_rows - layout.state_rows)


def _rehash_state(sheet: Sheet, statement: Statement, left: Mapping[int, int]) -> Commitment:
    """Absorb what the columns carry at last, or what is left by place; the commitment to it."""
    trace, circuit = sheet.trace, sheet.circuit
    begin, behind = trace.layout.active_rows, trace.layout.active_rows + circuit.state_rows
    absorbed: NDArray[np.uint32] = trace.columns[HALF : 2 * HALF]
    for place in range((circuit.state_rows - 1) * BLOCK_ELEMENTS):
        row, element = divmod(place, BLOCK_ELEMENTS)
        absorbed[element, begin + row] = 0
        residue = sheet.residues(f"state after [{place}]")[begin + row]
        absorbed[element, begin + row] = left.get(place, -residue) % P
    fill_log_hash(
        trace.columns[:, begin:],
        np.array(statement.checkpoints[-1].chain, dtype=np.uint64),
        absorbed[:, begin:behind].T.copy(),
        row_roles(trace.layout)[begin:],
        trace.columns.shape[1] - begin,
    )
    return tuple(int(v) for v in trace.columns[:HALF, behind])

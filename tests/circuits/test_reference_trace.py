"""The plain trace satisfies every constraint, and the prover's is the same."""

from __future__ import annotations

import numpy as np
import pytest

from circuits.circuit import Circuit
from circuits.compile import compile_circuit
from circuits.errors import BadInput, InputReason
from circuits.reference_trace import PADDING_ROWS, reference_trace
from circuits.schema import Schema
from circuits.state import initial_opening
from circuits.synthetic_log import synthetic_claims
from circuits.trace_check import check_trace
from prover.log import WindowLog
from prover.witness import fill_trace
from tests.circuits.logs import channel

SCHEMA = Schema((channel("a", 6), channel("b", 9, "0.1", "-3")))
PLAIN = ("sum(a * dt)", "all(b <= 40)")
CARRYING = ("count(rising(a >= 9))", "sum(dt, where=held(b > 2, 3))", "rounded(sum(a * b), 50)")


@pytest.fixture(scope="module", params=[PLAIN, CARRYING], ids=["plain", "carrying"])
def circuit(request: pytest.FixtureRequest) -> Circuit:
    return compile_circuit(SCHEMA, request.param)


def test_true_statements_satisfy_every_constraint(circuit: Circuit) -> None:
    for claim in synthetic_claims(circuit):
        trace, publics = claim.trace(circuit), claim.statement.public_inputs(circuit)
        rows = trace.layout.active_rows + trace.layout.state_rows + PADDING_ROWS
        assert trace.columns.shape == (circuit.column_count, rows)
        assert check_trace(circuit, trace, publics, rows - 1) == []


def test_the_second_claim_goes_on_where_the_first_one_ended(circuit: Circuit) -> None:
    first, second = synthetic_claims(circuit)
    assert first.statement.checkpoints[-1] == second.statement.checkpoints[0]
    if not circuit.state:
        assert first.openings is None
        assert second.statement.state is None
        return
    assert first.openings is not None
    assert second.openings is not None
    assert first.statement.state is not None
    assert second.statement.state is not None
    assert first.openings[0] == initial_opening()
    assert first.openings[1] == second.openings[0]
    assert any(second.openings[0].values.values())
    assert first.statement.state.after == second.statement.state.before


def test_the_prover_fills_the_same_trace(circuit: Circuit) -> None:
    for claim in synthetic_claims(circuit):
        windows = [WindowLog(records, salt) for records, salt in claim.windows]
        filled = fill_trace(circuit, claim.statement, windows, 9, 148, claim.openings)
        rows = (1 << 9) - 148
        used = filled.layout.active_rows + filled.layout.state_rows
        plain = reference_trace(
            circuit, claim.statement, claim.windows, claim.openings, rows - used
        )
        assert np.array_equal(filled.columns[:, :rows], plain.columns)
        assert np.array_equal(filled.blocks, plain.blocks)


def test_a_wrong_state_or_total_is_noticed() -> None:
    circuit = compile_circuit(SCHEMA, CARRYING)
    _, claim = synthetic_claims(circuit)
    assert claim.openings is not None
    before, after = claim.openings
    publics = claim.statement.public_inputs(circuit)
    for openings in ((initial_opening(), after), (before, before)):
        trace = reference_trace(circuit, claim.statement, claim.windows, openings)
        assert check_trace(circuit, trace, publics, trace.columns.shape[1] - 1)


def test_what_does_not_fit_the_counts_is_refused(circuit: Circuit) -> None:
    _, claim = synthetic_claims(circuit)
    wrong = None if circuit.state else (initial_opening(), initial_opening())
    for windows, openings in ((claim.windows[1:], claim.openings), (claim.windows, wrong)):
        with pytest.raises(BadInput) as refusal:
            reference_trace(circuit, claim.statement, windows, openings)
        assert refusal.value.reason is InputReason.STORE_CORRUPT

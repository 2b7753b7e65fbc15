"""The rows that open what is carried: where its chain begins, resumes and ends."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from circuits.chain import CHAIN_ELEMENTS, Role, absorb, sample_elements
from circuits.checkpoint import Link, as_chain
from circuits.circuit import Circuit
from circuits.compile import compile_circuit
from circuits.field import Array
from circuits.schema import Schema
from circuits.state import commit_state, state_blocks, state_rows
from tests.circuits.claims import broken, check, check_chain, opened
from tests.circuits.logs import SignedLog, channel, random_windows, sign_log

SCHEMA = Schema((channel("a", 6), channel("b", 9, "0.1", "-3")))
FORMULAS = (
    "count(rising(a > 30)) + count(falling(b > 9))",
    "sum(dt, where=held(a > 5, 3))",
    "rounded(sum(a * b * dt), 50)",
    "rounded(sum(a * dt), 0.7)",
)
PADDING = 3


@pytest.fixture(scope="module")
def circuit() -> Circuit:
    return compile_circuit(SCHEMA, FORMULAS)


def an_earlier_state(circuit: Circuit) -> dict[str, int]:
    state = sign_log(SCHEMA, random_windows(SCHEMA, [7, 5], 8)).measured(circuit).after
    assert all(state[variable.name] for variable in circuit.state[2:])
    return state


@pytest.fixture(scope="module", params=["opens an epoch", "goes on"])
def log(request: pytest.FixtureRequest, circuit: Circuit) -> SignedLog:
    windows = random_windows(SCHEMA, [3, 0, 5], 2)
    link = Link(7, 30, 0, as_chain(sample_elements(b"", b"the end of an epoch", 8)))
    earlier = 0 if request.param == "opens an epoch" else 12
    signed = sign_log(SCHEMA, windows, earlier_records=earlier, link=link)
    return replace(signed, before=an_earlier_state(circuit))


def test_the_chain_goes_through_both_commitments(circuit: Circuit, log: SignedLog) -> None:
    openings, statement = log.openings(circuit), log.statement(circuit)
    assert openings is not None
    assert statement.state is not None
    before, after = (state_blocks(circuit.state, opening) for opening in openings)
    rows = len(before)
    assert rows == len(after) == circuit.state_rows == state_rows(circuit.state) == 3
    trace = opened(circuit, log, statement, openings)
    first, used = log.checkpoints[0], trace.layout.active_rows + rows
    earlier = first.link.chain if first.link is not None else first.chain
    assert (first.link is not None) == log.starts_epoch
    chain: Array = np.array(earlier, dtype=np.uint64)
    blocks = [*before, *trace.blocks[rows:].astype(np.uint64), *after]
    blocks += [np.zeros(8, dtype=np.uint64)] * PADDING
    closing = set(trace.layout.closing.tolist())
    for row, block in enumerate(blocks):
        role = Role.CLOSING if row in closing else Role.DATA
        if row < rows or used - rows <= row < used:
            role = Role.STATE
        if row == rows:
            assert as_chain(chain) == statement.state.before
            chain = np.array(first.chain, dtype=np.uint64)
        if row == used - rows:
            assert as_chain(chain) == log.checkpoints[-1].chain
        if row == used:
            assert as_chain(chain) == statement.state.after
        assert trace.columns[:CHAIN_ELEMENTS, row].tolist() == chain.tolist()
        assert trace.columns[CHAIN_ELEMENTS:16, row].tolist() == block.tolist()
        chain = absorb(chain, block, role)


def test_the_claim_is_admitted_and_goes_on(circuit: Circuit, log: SignedLog) -> None:
    check(circuit, log)
    check_chain(circuit, log, 1)


def test_any_blinding_will_do_and_another_one_is_another_commitment(
    circuit: Circuit, log: SignedLog
) -> None:
    openings, statement = log.openings(circuit), log.statement(circuit)
    assert openings is not None
    assert statement.state is not None
    _, after = openings
    other = replace(after, blinding=tuple(range(8)))
    commitment = commit_state(circuit.state, other, log.checkpoints[-1].chain)
    assert commitment != statement.state.after
    trace = opened(circuit, log, statement, (openings[0], other))
    link = replace(statement.state, after=commitment)
    assert broken(circuit, replace(statement, state=link), trace) == set()
    wanted = {f"state_out[{k}]" for k in range(CHAIN_ELEMENTS)}
    assert broken(circuit, statement, trace) == wanted


@pytest.mark.parametrize("end", ["before", "after"])
def test_a_commitment_of_another_place_is_refused(
    circuit: Circuit, log: SignedLog, end: str
) -> None:
    # equal states of two places have different commitments: none can be shown again elsewhere
    openings, statement = log.openings(circuit), log.statement(circuit)
    assert openings is not None
    assert statement.state is not None
    opening = openings[end == "after"]
    elsewhere = as_chain(sample_elements(b"", b"another chain value", CHAIN_ELEMENTS))
    commitment = commit_state(circuit.state, opening, elsewhere)
    link = replace(statement.state, **{end: commitment})
    trace = opened(circuit, log, statement, openings)
    name = "chain flows" if end == "before" else "state_out"
    wanted = {f"{name}[{k}]" for k in range(CHAIN_ELEMENTS)}
    assert broken(circuit, replace(statement, state=link), trace) == wanted


def test_what_is_carried_stands_still_where_there_is_no_record(
    circuit: Circuit, log: SignedLog
) -> None:
    openings, statement = log.openings(circuit), log.statement(circuit)
    assert openings is not None
    trace = opened(circuit, log, statement, openings)
    last = trace.columns.shape[1] - 1
    still = [k for k in range(last) if k >= len(trace.blocks) or not trace.data_rows[k]]
    for name in ("rising((a > 30))", "held((a > 5), 3)"):
        column = circuit.columns.index(name)
        for row in still:
            assert trace.columns[column, row] == trace.columns[column, row + 1]
            trace.columns[column, row + 1] += 1
            found = broken(circuit, statement, trace)
            assert any(constraint.startswith(f"{name} slot") for constraint in found)
            trace.columns[column, row + 1] -= 1
    assert broken(circuit, statement, trace) == set()

"""Carried state in the prover: openings, their commitments, and claims that follow each other."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from circuits.chain import CHAIN_ELEMENTS
from circuits.errors import BadInput, InputReason, Reason, Rejected
from circuits.field import P
from circuits.state import StateOpening, commit_state, initial_opening
from circuits.statement import StateLink, Statement
from prover import claims
from prover.claims import Measured, Plan, claim_windows, measure_windows, plan_claim
from prover.prove import prove
from prover.recording import record_log
from prover.state import Openings, link_state, opening_at
from prover.statements import open_statements
from prover.store import Store, StoredEpoch, open_store
from prover.witness import fill_trace
from tests.prover.rig import PUMP, Rig, make_rig, steady_log
from tests.support import DEVICE, OPERATOR, SUPPLIER, Before, World, carrying_world, following
from verifier.claim import check_claim
from verifier.contract import Start, Terms
from verifier.kernel.parameters import STANDARD
from verifier.kernel.verify import verify

OUTCOMES = """
[[outcomes]]
name = "whole litres"
formula = "rounded(sum(flow * dt_ms) / 60000, 1)"
unit = "L"
reveal = "exact"
[[outcomes]]
name = "held"
formula = "sum(dt_ms, where=held(flow >= 31, 3) & rising(flow >= 33))"
unit = "ms"
reveal = "exact"
"""
TEMPLATE = PUMP.read_text(encoding="utf-8").replace('reveal = "exact"', 'reveal = "amount"')
TEMPLATE += OUTCOMES.replace("whole litres", "whole")


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Rig:
    """Windows 0..5 of epoch 0, then 0..2 of epoch 1."""
    rig = make_rig(tmp_path_factory.mktemp("carrying"), TEMPLATE)
    for text in (steady_log(330), steady_log(130, first_second=400)):
        (rig.directory / "log.csv").write_text(text)
        record_log(rig.directory / "log.csv", rig.terms, rig.store, rig.device)
    return rig


@pytest.fixture(scope="module")
def carrying() -> World:
    return carrying_world()


def plan(rig: Rig, first: int, last: int, epoch: int, start: Start | None = None) -> Plan:
    contract = rig.load()
    if start is not None:
        contract = replace(contract, terms=replace(contract.terms, start=start))
    with open_store(rig.store) as store:
        return plan_claim(contract, rig.operator_key, store, first, last, epoch)


def link(made: Plan) -> StateLink:
    assert made.statement.state is not None
    return made.statement.state


def test_every_claim_begins_where_the_one_before_ended(rig: Rig) -> None:
    plans = [plan(rig, *span) for span in ((0, 1, 0), (2, 5, 0), (0, 0, 1), (1, 2, 1))]
    state = rig.terms.circuit.state
    assert len(state) == 4
    assert link(plans[0]).before == commit_state(state, initial_opening(), (0,) * 8)
    for earlier, later in pairwise(plans):
        assert link(later).before == link(earlier).after
        assert later.before.totals == tuple(
            a + b for a, b in zip(earlier.before.totals, earlier.own.totals, strict=True)
        )
    whole = plan(rig, 0, 5, 0)
    # how the windows are cut changes neither what is carried nor the blinding
    assert link(whole).after == link(plans[1]).after
    parts = [a + b for a, b in zip(plans[0].own.totals, plans[1].own.totals, strict=True)]
    assert list(whole.own.totals) == parts
    assert min(whole.own.totals) > 0


def test_claims_over_two_epochs_are_accepted(rig: Rig, tmp_path: Path) -> None:
    before: StateLink | None = None
    for first, last, epoch in ((0, 5, 0), (0, 1, 1), (2, 2, 1)):
        claim, _ = claim_windows(
            rig.load(), rig.store, tmp_path, rig.operator_key, (first, last), epoch
        )
        check_claim(claim, rig.load())
        assert claim.state is not None
        assert before is None or claim.state.before == before.after
        before = claim.state


@pytest.mark.parametrize(("first", "epoch"), [(4, 0), (0, 1)])
def test_the_log_is_measured_from_the_last_claim_on(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: int, epoch: int
) -> None:
    keys = tmp_path / "keys"
    for span in ((0, 3), (4, 5)):
        if epoch or span[0] < first:
            claim_windows(rig.load(), rig.store, keys, rig.operator_key, span, 0)
    measured: list[tuple[int, int]] = []

    def spy(terms: Terms, store: Store, stored: StoredEpoch, low: int, *rest: Any) -> Measured:
        measured.append((stored.epoch, low))
        return measure_windows(terms, store, stored, low, *rest)

    monkeypatch.setattr(claims, "measure_windows", spy)
    with open_store(rig.store) as store, open_statements(keys) as statements:
        contract, key, last = rig.load(), rig.operator_key, first + 1
        short = plan_claim(contract, key, store, first, last, epoch, statements)
    assert measured == [(epoch, first)]
    whole = plan(rig, first, last, epoch)
    assert (short.before, short.carried, short.own) == (whole.before, whole.carried, whole.own)
    assert short.statement == whole.statement


@pytest.mark.parametrize("index", [2, 6])
def test_a_contract_that_starts_later_begins_with_nothing(rig: Rig, index: int) -> None:
    """Also where the start is the end of an epoch, and the first claim the next one's."""
    with open_store(rig.store) as store:
        at = store.checkpoints(rig.terms.parties.device, 0, index, index)[0].checkpoint
    start = Start(0, index, at.chain)
    made = plan(rig, *((2, 3, 0) if index == 2 else (0, 0, 1)), start)
    assert made.state is not None
    assert made.state[0] == initial_opening()
    following_one = plan(rig, *((4, 4, 0) if index == 2 else (1, 1, 1)), start)
    assert link(following_one).before == link(made).after
    assert link(made).after != link(plan(rig, *((2, 3, 0) if index == 2 else (0, 0, 1)))).after


def test_blindings_are_the_operators_own_and_of_one_place(carrying: World) -> None:
    places = [signed.checkpoint for signed in carrying.epoch.checkpoints]
    digest = carrying.terms.digest
    made = opening_at(OPERATOR, digest, places[1], {"a": 1})
    assert made == opening_at(OPERATOR, digest, places[1], {"a": 1})
    assert made.values == {"a": 1}
    assert len(made.blinding) == CHAIN_ELEMENTS
    assert max(made.blinding) < P
    others = [
        opening_at(OPERATOR, digest, places[2], {}),
        opening_at(OPERATOR, bytes(32), places[1], {}),
        opening_at(SUPPLIER, digest, places[1], {}),
        opening_at(DEVICE, digest, places[1], {}),
        initial_opening(),
    ]
    words = {word for opening in (made, *others) for word in opening.blinding}
    assert len(words) == 5 * CHAIN_ELEMENTS + 1


def second(carrying: World) -> tuple[Statement, Openings]:
    """The statement of windows 2..4 and its openings."""
    before = carrying.before_second
    after = following(carrying.terms, carrying.epoch, 2, 4, before)
    return carrying.second.statement, (before.state, after.state)


def test_openings_are_there_exactly_where_state_is(world: World, carrying: World) -> None:
    statement, state = second(carrying)
    plain = world.second.statement
    windows = carrying.epoch.windows[2:]
    given = replace(plain, state=statement.state)
    for circuit, wrong, openings in (
        (carrying.terms.circuit, statement, None),
        (carrying.terms.circuit, replace(statement, state=None), state),
        (world.terms.circuit, plain, state),
        (world.terms.circuit, given, None),
    ):
        with pytest.raises(BadInput, match="carried state") as refusal:
            fill_trace(circuit, wrong, windows, 8, STANDARD.random_rows, openings)
        assert refusal.value.reason is InputReason.STORE_CORRUPT


def test_rows_of_both_commitments_surround_the_log(carrying: World) -> None:
    circuit = carrying.terms.circuit
    statement, state = second(carrying)
    trace = fill_trace(circuit, statement, carrying.epoch.windows[2:], 9, 148, state)
    rows, end = circuit.state_rows, trace.layout.active_rows
    chain = trace.columns[:CHAIN_ELEMENTS]
    first, last = statement.checkpoints[0], statement.checkpoints[-1]
    assert statement.state is not None
    assert tuple(chain[:, 0]) == first.chain  # what the claim before ended with
    assert tuple(chain[:, rows]) == first.chain
    assert tuple(chain[:, end]) == last.chain
    assert tuple(chain[:, end + rows]) == statement.state.after
    blinding = trace.columns[CHAIN_ELEMENTS : 2 * CHAIN_ELEMENTS, rows - 1]
    assert tuple(blinding) == state[0].blinding


@pytest.mark.parametrize(
    ("side", "place"),
    [("after", 0), ("after", 1), ("after", 2), ("after", 3), ("before", 0), ("before", 3)],
)
def test_no_other_state_satisfies_the_statement(carrying: World, side: str, place: int) -> None:
    """A false value with the commitment to it: any one after the log, other remainders before."""
    circuit = carrying.terms.circuit
    statement, (before, after) = second(carrying)
    variable = circuit.state[place]
    checkpoints = statement.checkpoints
    wrong = after if side == "after" else before
    values = {**wrong.values, variable.name: wrong.values[variable.name] ^ 1}
    changed = StateOpening(values, wrong.blinding)
    state = (before, changed) if side == "after" else (changed, after)
    lie = replace(statement, state=link_state(circuit, checkpoints[0], checkpoints[-1], state))
    windows = carrying.epoch.windows[2:]
    with pytest.raises(BadInput, match="does not satisfy the statement"):
        prove(circuit, STANDARD, lie, windows, state=state)
    proof = prove(circuit, STANDARD, lie, windows, state=state, check=False)
    with pytest.raises(Rejected) as refusal:
        verify(circuit, STANDARD, lie, proof, 120)
    assert refusal.value.reason is Reason.PROOF_CONSTRAINTS


def test_a_value_out_of_range_is_never_committed_to(carrying: World) -> None:
    variable = carrying.terms.circuit.state[0]
    places = [signed.checkpoint for signed in carrying.epoch.checkpoints]
    for value in (-1, 1 << sum(variable.widths)):
        wrong = StateOpening({variable.name: value}, (0,) * CHAIN_ELEMENTS)
        with pytest.raises(BadInput) as refusal:
            link_state(carrying.terms.circuit, places[0], places[1], (wrong, initial_opening()))
        assert refusal.value.reason is InputReason.STORE_CORRUPT


def test_a_claim_over_nothing_carries_everything_on(carrying: World) -> None:
    """Window 2 is empty: the same values behind it, under another commitment."""
    after = following(carrying.terms, carrying.epoch, 2, 2, carrying.before_second)
    assert after.state.values == carrying.before_second.state.values
    assert after.state.blinding != carrying.before_second.state.blinding
    assert isinstance(after, Before)

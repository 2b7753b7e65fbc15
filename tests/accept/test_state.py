"""Carried state from claim to claim: every one continues where the last one ended."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from circuits.errors import Reason, Rejected
from circuits.field import P
from circuits.state import Commitment, StateOpening, commit_state, initial_opening
from circuits.statement import StateLink
from tests.accept.refusals import (
    accepted,
    after_claims,
    fresh,
    reason_of_accept,
    reason_offline,
    require_refused,
)
from tests.support import Before, World, carrying_world, make_claim, resign, signed
from verifier.accept import accept
from verifier.claim import Claim, check_claim, decode_claim
from verifier.claim.checks import starts_contract
from verifier.commitments import NO_STATE, encode_commitment
from verifier.contract import Start


@pytest.fixture(scope="module")
def carrying() -> World:
    return carrying_world()


def links(claim: Claim) -> StateLink:
    assert claim.state is not None
    return claim.state


def test_state_goes_from_claim_to_claim_and_into_the_receipts(carrying: World) -> None:
    assert len(carrying.terms.circuit.state) == 4
    state, nanos = fresh(carrying), 0
    expected: Commitment = commit_state(carrying.terms.circuit.state, initial_opening(), (0,) * 8)
    for claim in (carrying.first, carrying.second, carrying.third):
        assert decode_claim(claim.encode()) == claim
        assert links(claim).before == expected
        decision = accepted(claim, state)
        expected = links(claim).after
        assert decision.head.state == expected
        assert decision.receipt.state == encode_commitment(expected)
        nanos += decision.receipt.amount_nanos
        state = replace(state, head=decision.head)
    litres, starts, steady = carrying.terms.outcome_values(carrying.third.totals_after)
    # the same litres as the contract that reveals them exactly, but for less than one nano
    plain = World()
    exact = plain.terms.outcome_values(plain.third.totals_after)[0]
    assert 0 <= exact - litres < Fraction(1, 2_000_000)
    assert (litres * 2_000_000).denominator == 1
    assert nanos == litres * 2_000_000 + starts * 100_000_000
    assert starts > 0
    assert steady > 0
    assert steady % 1500 == 0


def test_what_a_claim_without_state_looks_like(world: World) -> None:
    decision = accepted(world.first, fresh(world))
    assert world.first.state is None
    assert decision.head.state is None
    assert decision.receipt.state == NO_STATE


@pytest.mark.reason(Reason.STATE_MISMATCH)
def test_state_is_named_exactly_where_the_contract_carries_some(
    world: World, carrying: World
) -> None:
    require_refused(Reason.STATE_MISMATCH, resign(carrying.first, state=None), carrying)
    given = resign(world.first, state=links(carrying.first))
    require_refused(Reason.STATE_MISMATCH, given, world)


@pytest.mark.reason(Reason.STATE_MISMATCH)
@pytest.mark.parametrize("opening", ["initial", "remainder", "blinding"])
def test_a_claim_that_carries_on_something_else(carrying: World, opening: str) -> None:
    # a remainder taken twice, or a count begun anew: proven truly, from a state that is not there
    true = carrying.before_second.state
    name = carrying.terms.circuit.state[0].name
    more = {**true.values, name: (true.values[name] + 1) % 16}
    before = {
        "initial": initial_opening(),
        "remainder": replace(true, values=more),
        "blinding": StateOpening(true.values, (1, *true.blinding[1:])),
    }[opening]
    claim = make_claim(
        carrying.terms, carrying.epoch, 2, 4, replace(carrying.before_second, state=before)
    )
    check_claim(claim, carrying.contract)  # in itself it is sound
    state = after_claims(carrying, carrying.first)
    assert reason_of_accept(claim, state) is Reason.STATE_MISMATCH
    accepted(carrying.second, state)


@pytest.mark.reason(Reason.STATE_MISMATCH)
def test_a_contract_begins_with_nothing(carrying: World) -> None:
    # seen without a head too: the initial commitment is public
    name = carrying.terms.circuit.state[0].name
    head_start = Before(state=StateOpening({name: 15}, (0,) * 8))
    claim = make_claim(carrying.terms, carrying.epoch, 0, 1, head_start)
    require_refused(Reason.STATE_MISMATCH, claim, carrying)


def test_commitments_that_were_not_proven(carrying: World) -> None:
    link = links(carrying.second)
    for changed in (
        StateLink(link.after, link.after),
        StateLink(link.before, link.before),
        StateLink(link.before, (*link.after[:7], (link.after[7] + 1) % P)),
    ):
        lie = resign(carrying.second, state=changed)
        assert reason_offline(lie, carrying.contract) is Reason.PROOF_CONSTRAINTS


def test_the_statement_covers_the_commitments(carrying: World) -> None:
    link = links(carrying.first)
    other = replace(carrying.first, state=StateLink(link.after, link.before))
    assert other.statement_digest != carrying.first.statement_digest


@pytest.mark.reason(Reason.CLAIM_MALFORMED)
@pytest.mark.parametrize("where", ["flag", "first word", "last word"])
def test_commitments_have_one_encoding(carrying: World, where: str) -> None:
    data = bytearray(carrying.first.encode())
    link = links(carrying.first)
    at = data.index(b"\1" + encode_commitment(link.before) + encode_commitment(link.after))
    if where == "flag":
        data[at] = 2
    else:
        word = at + 1 + (0 if where == "first word" else 60)
        data[word : word + 4] = P.to_bytes(4, "little")
    with pytest.raises(Rejected) as refusal:
        decode_claim(bytes(data))
    assert refusal.value.reason is Reason.CLAIM_MALFORMED


def test_a_repeat_of_a_claim_with_state(carrying: World) -> None:
    state = after_claims(carrying, carrying.first)
    assert (
        accept(carrying.first.encode(), state, 0).receipt
        == accepted(carrying.first, fresh(carrying)).receipt
    )


def test_which_claim_is_a_contracts_first(world: World) -> None:
    terms, epoch = world.terms, world.epoch
    places = [signed.checkpoint for signed in epoch.checkpoints]
    assert [starts_contract(place, terms) for place in places] == [True] + [False] * 5
    middle = replace(terms, start=Start(0, 2, places[2].chain))
    assert [starts_contract(place, middle) for place in places] == [k == 2 for k in range(6)]
    opening = world.next_epoch.checkpoints[0].checkpoint
    end = replace(terms, start=Start(0, 5, places[5].chain))
    assert starts_contract(opening, end)
    assert not starts_contract(opening, middle)
    own = replace(terms, start=Start(1, 0, opening.chain))
    assert starts_contract(opening, own)
    assert not starts_contract(opening, replace(own, start=Start(1, 0, places[0].chain)))


@pytest.mark.parametrize("form", ["named", "next opening"])
def test_a_start_later_in_the_log(carrying: World, form: str) -> None:
    """State begins anew at a contract's start, wherever that is."""
    if form == "named":
        epoch, first = carrying.epoch, 2
        at = epoch.checkpoints[2].checkpoint
    else:
        epoch, first = carrying.next_epoch, 0
        at = carrying.epoch.checkpoints[-1].checkpoint
    terms = replace(carrying.terms, start=Start(at.epoch, at.index, at.chain))
    contract = signed(terms)
    claim = make_claim(terms, epoch, first, first)
    check_claim(claim, contract)
    assert accepted(claim, fresh(carrying, contract=contract)).head.state == links(claim).after

"""Acceptance against a head and a clock: what continues, what repeats, what contradicts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from circuits.checkpoint import ZERO_CHAIN, Link
from circuits.errors import Reason
from tests.accept.refusals import (
    accepted,
    after_claims,
    fresh,
    reason_of_accept,
)
from tests.support import (
    NOW_MS,
    OPERATOR,
    World,
    after,
    make_claim,
    record_epoch,
    resign,
    sign_as_device,
    signed,
    with_checkpoint,
)
from verifier.accept import Account, DeviceConflict, DeviceStatus, Duplicate, accept
from verifier.claim import Claim, build_claim
from verifier.contract import SignedContract, Start
from verifier.receipt import NO_RECEIPT


def under(world: World, contract: SignedContract) -> Claim:
    """The first claim made anew under other terms."""
    return make_claim(contract.terms, world.epoch, 0, 1)


def test_three_claims_over_two_epochs(world: World) -> None:
    state = fresh(world)
    paid = 0
    previous = NO_RECEIPT
    for sequence, claim in enumerate((world.first, world.second, world.third), start=1):
        decision = accepted(claim, state)
        receipt = decision.receipt
        assert receipt.sequence == sequence
        assert receipt.previous == previous
        assert receipt.head == claim.last.digest
        assert sum(entry.nanos for entry in decision.entries) == 0
        assert {e.account: e.nanos for e in decision.entries} == {
            Account.ESCROW: -claim.amount_nanos,
            Account.PAYABLE: claim.amount_nanos,
        }
        paid += claim.amount_nanos
        assert receipt.cumulative_nanos == paid
        assert receipt.unmetered_ms == (3_600_000 if sequence == 3 else 0)
        previous = receipt.digest
        state = replace(state, head=decision.head)
    totals = (world.first.totals[0] + world.second.totals[0] + world.third.totals[0],)
    assert paid == world.terms.cumulative_nanos(totals)


def test_accept_is_pure(world: World) -> None:
    state = fresh(world)
    data = world.first.encode()
    assert accept(data, state, NOW_MS) == accept(data, state, NOW_MS)


def test_a_claim_without_records(world: World) -> None:
    # the empty window 2 alone: proved, worth nothing, no entries
    claim = make_claim(world.terms, world.epoch, 2, 2, after(world.first))
    decision = accepted(claim, after_claims(world, world.first))
    assert decision.entries == ()
    assert decision.receipt.records == 0
    assert decision.receipt.cumulative_nanos == world.first.amount_nanos


def test_a_repeat_returns_the_first_receipt(world: World) -> None:
    state = after_claims(world, world.first)
    decision = accept(world.first.encode(), state, NOW_MS + 1)
    assert isinstance(decision, Duplicate)
    assert decision.receipt == state.receipts[world.first.statement_digest]


def test_a_repeat_with_another_proof_is_still_a_repeat(world: World) -> None:
    again = make_claim(world.terms, world.epoch, 0, 1)
    assert again.proof != world.first.proof  # the prover's randomness is fresh
    assert isinstance(accept(again.encode(), after_claims(world, world.first), NOW_MS), Duplicate)


def test_a_repeat_is_answered_whatever_changed_since(world: World) -> None:
    state = replace(
        after_claims(world, world.first),
        active=False,
        escrow_nanos=0,
        device=DeviceStatus(revoked_from_ms=0, frozen=True),
    )
    assert isinstance(accept(world.first.encode(), state, 0), Duplicate)


@pytest.mark.reason(Reason.CONTRACT_INACTIVE)
def test_closed_contract(world: World) -> None:
    # the supplier closed the contract
    state = fresh(world, active=False)
    assert reason_of_accept(world.first, state) is Reason.CONTRACT_INACTIVE


@pytest.mark.reason(Reason.DEVICE_FROZEN)
def test_frozen_device(world: World) -> None:
    # the device contradicted itself earlier
    state = fresh(world, device=DeviceStatus(frozen=True))
    assert reason_of_accept(world.first, state) is Reason.DEVICE_FROZEN


@pytest.mark.reason(Reason.DEVICE_FROZEN)
def test_two_checkpoints_for_one_position(world: World) -> None:
    # the accepted last checkpoint, signed a second time with another end
    state = after_claims(world, world.first)
    end = world.second.first.end_ms
    twisted = with_checkpoint(world.second, 0, end_ms=end - 1)
    with pytest.raises(DeviceConflict) as caught:
        accept(twisted.encode(), state, NOW_MS)
    assert caught.value.reason is Reason.DEVICE_FROZEN
    assert caught.value.earlier == world.first.checkpoints[-1]
    assert caught.value.later == twisted.checkpoints[0]


@pytest.mark.reason(Reason.DEVICE_REVOKED)
def test_revoked_device(world: World) -> None:
    # the device was revoked a millisecond before the last window ended
    end = world.first.last.end_ms
    state = fresh(world, device=DeviceStatus(revoked_from_ms=end - 1))
    assert reason_of_accept(world.first, state) is Reason.DEVICE_REVOKED
    accepted(world.first, fresh(world, device=DeviceStatus(revoked_from_ms=end)))


@pytest.mark.reason(Reason.CHECKPOINT_FUTURE)
def test_checkpoint_future(world: World) -> None:
    # the last window ends later than the clock and the allowed skew
    state = fresh(world)
    latest = world.first.last.end_ms - state.clock_skew_ms
    assert reason_of_accept(world.first, state, latest - 1) is Reason.CHECKPOINT_FUTURE
    accepted(world.first, state, latest)


@pytest.mark.reason(Reason.CLAIM_LATE)
def test_claim_late(world: World) -> None:
    # an hour to claim a window, and a millisecond more has passed since the first one
    contract = signed(replace(world.terms, claim_deadline_seconds=3600))
    claim = under(world, contract)
    state = fresh(world, contract=contract)
    latest = claim.checkpoints[1].checkpoint.end_ms + 3_600_000
    assert reason_of_accept(claim, state, latest + 1) is Reason.CLAIM_LATE
    accepted(claim, state, latest)


@pytest.mark.reason(Reason.HEAD_MISMATCH)
def test_a_window_left_out(world: World) -> None:
    # after windows 0..1 a claim for 3..4: window 2 is missing
    claim = make_claim(world.terms, world.epoch, 3, 4, after(world.first))
    state = after_claims(world, world.first)
    assert reason_of_accept(claim, state) is Reason.HEAD_MISMATCH


@pytest.mark.reason(Reason.HEAD_MISMATCH)
def test_the_start_left_out(world: World) -> None:
    # a first claim that does not begin at checkpoint 0 of epoch 0
    assert reason_of_accept(world.second, fresh(world)) is Reason.HEAD_MISMATCH


@pytest.mark.reason(Reason.HEAD_MISMATCH)
def test_an_epoch_left_out(world: World) -> None:
    # epoch 2 after epoch 0
    end = world.third.last
    link = Link(end.epoch, end.index, end.end_ms, end.chain)
    epoch = record_epoch([3], epoch=2, start_ms=end.end_ms, previous=link)
    claim = make_claim(world.terms, epoch, 0, 0, after(world.third))
    state = after_claims(world, world.first, world.second)
    assert reason_of_accept(claim, state) is Reason.HEAD_MISMATCH


@pytest.mark.reason(Reason.EPOCH_LINK)
def test_an_epoch_that_hides_the_end_of_the_last(world: World) -> None:
    # epoch 1 right after windows 0..1 of epoch 0: its link names the end of window 4
    claim = make_claim(world.terms, world.next_epoch, 0, 0, after(world.first))
    state = after_claims(world, world.first)
    assert reason_of_accept(claim, state) is Reason.EPOCH_LINK


@pytest.mark.reason(Reason.EQUIVOCATION)
def test_the_same_windows_with_another_statement(world: World) -> None:
    # windows 0..2 after windows 0..1 were paid
    state = after_claims(world, world.first)
    assert reason_of_accept(world.wider, state) is Reason.EQUIVOCATION


@pytest.mark.reason(Reason.EQUIVOCATION)
def test_the_same_windows_at_another_amount(world: World) -> None:
    # the very same windows, only the stated sums differ
    claim = resign(world.first, amount_nanos=world.first.amount_nanos - 1)
    state = after_claims(world, world.first)
    assert reason_of_accept(claim, state) is Reason.EQUIVOCATION


def test_a_named_start(world: World) -> None:
    start = world.epoch.checkpoints[2].checkpoint
    contract = signed(replace(world.terms, start=Start(0, 2, start.chain)))
    claim = make_claim(contract.terms, world.epoch, 2, 3)
    decision = accepted(claim, fresh(world, contract=contract))
    before = make_claim(contract.terms, world.epoch, 0, 1)
    state = fresh(world, contract=contract, head=decision.head)
    assert reason_of_accept(before, state) is Reason.HEAD_MISMATCH  # never accepted, no repeat


@pytest.mark.reason(Reason.HEAD_MISMATCH)
def test_another_start_than_the_named_one(world: World) -> None:
    # right position, another checkpoint
    contract = signed(replace(world.terms, start=Start(0, 0, ZERO_CHAIN)))
    state = fresh(world, contract=contract)
    assert reason_of_accept(under(world, contract), state) is Reason.HEAD_MISMATCH


@pytest.mark.reason(Reason.CUMULATIVE_MISMATCH)
def test_cumulative_totals_that_are_not_the_heads(world: World) -> None:
    # a claim that forgets what came before: consistent in itself, and cheaper by a remainder
    state = after_claims(world, world.first)
    forgetful = build_claim(
        world.terms,
        world.second.checkpoints,
        world.second.totals,
        world.first.records_after,
        (0,),
        world.second.proof,
        OPERATOR,
    )
    assert reason_of_accept(forgetful, state) is Reason.CUMULATIVE_MISMATCH


@pytest.mark.reason(Reason.CUMULATIVE_MISMATCH)
def test_cumulative_records_that_are_not_the_heads(world: World) -> None:
    # the records before are one too many
    state = after_claims(world, world.first)
    claim = resign(
        world.second,
        records_before=world.second.records_before + 1,
        records_after=world.second.records_after + 1,
    )
    assert reason_of_accept(claim, state) is Reason.CUMULATIVE_MISMATCH


@pytest.mark.reason(Reason.ESCROW_SHORT)
def test_escrow_short(world: World) -> None:
    # one nano less in the escrow than the claim is worth
    amount = world.first.amount_nanos
    state = fresh(world, escrow_nanos=amount - 1)
    assert reason_of_accept(world.first, state) is Reason.ESCROW_SHORT
    accepted(world.first, fresh(world, escrow_nanos=amount))


def test_resigned_checkpoints_are_the_same_checkpoints(world: World) -> None:
    # another signature over the same bytes is no contradiction
    state = after_claims(world, world.first)
    again = tuple(sign_as_device(c.checkpoint) for c in world.second.checkpoints)
    accepted(resign(world.second, checkpoints=again), state)

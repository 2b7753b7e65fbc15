"""What a contract adds to acceptance: its start, fixed spans, deadlines, flags; unmetered time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from circuits.checkpoint import Status
from circuits.errors import Reason
from tests.accept.refusals import accepted, after_claims, fresh, reason_of_accept, reason_offline
from tests.support import (
    NOW_MS,
    T0_MS,
    WINDOW_MS,
    Epoch,
    World,
    after,
    make_claim,
    record_epoch,
    sign_as_device,
    signed,
)
from verifier.claim import check_claim
from verifier.contract import SignedContract, Start

# --- where counting begins


def tip_contract(world: World) -> SignedContract:
    """Terms that start at the last checkpoint of epoch 0."""
    end = world.epoch.checkpoints[-1].checkpoint
    return signed(replace(world.terms, start=Start(0, end.index, end.chain)))


def test_a_device_that_restarts_before_the_contract_begins(world: World) -> None:
    # the start is the end of epoch 0: epoch 1 names it, and nothing is claimed in epoch 0
    contract = tip_contract(world)
    claim = make_claim(contract.terms, world.next_epoch, 0, 0)
    decision = accepted(claim, fresh(world, contract=contract))
    assert decision.receipt.unmetered_ms == 3_600_000


@pytest.mark.reason(Reason.EPOCH_LINK)
def test_a_restart_that_hides_windows_after_the_start(world: World) -> None:
    # the start is one window before the end of epoch 0, and epoch 1 comes first
    start = world.epoch.checkpoints[-2].checkpoint
    contract = signed(replace(world.terms, start=Start(0, start.index, start.chain)))
    claim = make_claim(contract.terms, world.next_epoch, 0, 0)
    assert reason_of_accept(claim, fresh(world, contract=contract)) is Reason.EPOCH_LINK


# --- fixed spans


def in_spans_of(world: World, windows: int, **changes: Any) -> SignedContract:
    return signed(replace(world.terms, windows_per_claim=windows, **changes))


def test_the_rest_of_an_epoch_is_a_shorter_claim(world: World) -> None:
    # five windows in spans of two: 0..1, 2..3, 4..4, then the next epoch
    contract = in_spans_of(world, 2)
    state = fresh(world, contract=contract)
    before = None
    epochs = [(world.epoch, 0, 1), (world.epoch, 2, 3), (world.epoch, 4, 4)]
    for epoch, first, last in [*epochs, (world.next_epoch, 0, 0)]:
        claim = make_claim(contract.terms, epoch, first, last, before)
        state = replace(state, head=accepted(claim, state).head)
        before = after(claim)


@pytest.mark.reason(Reason.CLAIM_SPAN)
def test_after_a_shorter_claim_its_epoch_is_over(world: World) -> None:
    # 0..0 in spans of two: window 1 begins no span
    contract = in_spans_of(world, 2)
    state = fresh(world, contract=contract)
    short = make_claim(contract.terms, world.epoch, 0, 0)
    state = replace(state, head=accepted(short, state).head)
    for last in (1, 2):
        claim = make_claim(contract.terms, world.epoch, 1, last, after(short))
        assert reason_of_accept(claim, state) is Reason.CLAIM_SPAN


@pytest.mark.reason(Reason.CLAIM_SPAN)
def test_spans_count_from_the_start_in_its_epoch(world: World) -> None:
    # the start is checkpoint 1: spans of two are 1..2 and 3..4; 2..3 is none
    start = world.epoch.checkpoints[1].checkpoint
    contract = in_spans_of(world, 2, start=Start(0, 1, start.chain))
    state = fresh(world, contract=contract)
    claim = make_claim(contract.terms, world.epoch, 1, 2)
    state = replace(state, head=accepted(claim, state).head)
    accepted(make_claim(contract.terms, world.epoch, 3, 4, after(claim)), state)
    crooked = make_claim(contract.terms, world.epoch, 2, 3)
    assert reason_of_accept(crooked, fresh(world, contract=contract)) is Reason.CLAIM_SPAN


# --- waivers


def test_a_waiver_lets_late_claims_through_until_its_end(world: World) -> None:
    contract = signed(replace(world.terms, claim_deadline_seconds=3600))
    claim = make_claim(contract.terms, world.epoch, 0, 1)
    state = fresh(world, contract=contract, late_until_ms=NOW_MS)
    accepted(claim, state, NOW_MS)
    assert reason_of_accept(claim, state, NOW_MS + 1) is Reason.CLAIM_LATE
    flags_only = replace(state, late_until_ms=None, flags_until_ms=NOW_MS)
    assert reason_of_accept(claim, flags_only) is Reason.CLAIM_LATE


def flagged_epoch(flags: Status, at: int) -> Epoch:
    """Two windows; the device reports ``flags`` from checkpoint ``at`` on."""
    epoch = record_epoch([7, 4])
    checkpoints = tuple(
        sign_as_device(replace(c.checkpoint, flags=flags)) if c.checkpoint.index >= at else c
        for c in epoch.checkpoints
    )
    return Epoch(checkpoints, epoch.windows)


@pytest.mark.reason(Reason.DEVICE_FLAGS)
def test_flags_that_the_contract_refuses(world: World) -> None:
    # the device reports tampering in window 1
    contract = signed(replace(world.terms, refuse_flags=Status.TAMPER | Status.MISSED))
    state = fresh(world, contract=contract)
    epoch = flagged_epoch(Status.TAMPER | Status.CLOCK_SET, at=2)
    claim = make_claim(contract.terms, epoch, 0, 1)
    assert reason_of_accept(claim, state) is Reason.DEVICE_FLAGS
    assert reason_offline(claim, contract) is Reason.DEVICE_FLAGS
    assert accepted(make_claim(contract.terms, epoch, 0, 0), state).receipt.flags is Status.NONE
    check_claim(claim, contract, flags_waived=True)
    waived = replace(state, flags_until_ms=NOW_MS)
    assert accepted(claim, waived).receipt.flags == Status.TAMPER | Status.CLOCK_SET
    assert reason_of_accept(claim, replace(state, late_until_ms=NOW_MS)) is Reason.DEVICE_FLAGS


def test_other_flags_are_on_the_receipt_only(world: World) -> None:
    contract = signed(replace(world.terms, refuse_flags=Status.TAMPER))
    claim = make_claim(contract.terms, flagged_epoch(Status.BROWN_OUT, at=1), 0, 1)
    receipt = accepted(claim, fresh(world, contract=contract)).receipt
    assert receipt.flags.words == ("brown_out",)


# --- time in no window


def test_every_gap_is_unmetered_time(world: World) -> None:
    # 5 s before the first window, 10 hours between two: both are on the receipt
    epoch = record_epoch([7, 4])
    first = T0_MS + 5_000
    second = first + WINDOW_MS + 36_000_000
    moved = [
        replace(c.checkpoint, start_ms=start, end_ms=start + WINDOW_MS)
        for c, start in zip(epoch.checkpoints[1:], (first, second), strict=True)
    ]
    late = Epoch((epoch.checkpoints[0], *(sign_as_device(c) for c in moved)), epoch.windows)
    both = accepted(make_claim(world.terms, late, 0, 1), fresh(world)).receipt
    assert both.unmetered_ms == 36_005_000
    claim = make_claim(world.terms, late, 0, 0)
    decision = accepted(claim, fresh(world))
    assert decision.receipt.unmetered_ms == 5_000
    rest = make_claim(world.terms, late, 1, 1, after(claim))
    receipt = accepted(rest, fresh(world, head=decision.head)).receipt
    assert receipt.unmetered_ms == 36_000_000


def test_a_voucher_must_extend_what_the_head_holds(world: World) -> None:
    """Even a head that disagrees with its own totals is never paid beyond its vouchers."""
    state = after_claims(world, world.first)
    assert state.head is not None
    odd = replace(state.head, cumulative_nanos=state.head.cumulative_nanos + 1)
    assert reason_of_accept(world.second, replace(state, head=odd)) is Reason.VOUCHER_MISMATCH

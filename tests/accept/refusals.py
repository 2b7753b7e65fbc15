"""Asking for a decision in tests: the state of a fresh store, and the reason of a refusal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from circuits.errors import Reason, Rejected
from tests.support import NOW_MS, RICH, World
from verifier.accept import Accepted, AcceptState, accept
from verifier.claim import Claim, SignedCheckpoint, check_claim, decode_claim
from verifier.contract import SignedContract


def fresh(world: World, **changes: Any) -> AcceptState:
    """A store that knows the contract, holds a full escrow and has accepted nothing."""
    return replace(AcceptState(contract=world.contract, escrow_nanos=RICH), **changes)


def accepted(claim: Claim, state: AcceptState, now_ms: int = NOW_MS) -> Accepted:
    """The decision on a claim that must be accepted."""
    decision = accept(claim.encode(), state, now_ms)
    assert isinstance(decision, Accepted)
    return decision


def after_claims(world: World, *claims: Claim) -> AcceptState:
    """The state once these claims were accepted in order."""
    state = fresh(world)
    for claim in claims:
        decision = accepted(claim, state)
        state = replace(
            state,
            head=decision.head,
            receipts={**state.receipts, claim.statement_digest: decision.receipt},
            seen={**state.seen, **{_position(c): c for c in claim.checkpoints}},
        )
    return state


def _position(signed: SignedCheckpoint) -> tuple[bytes, int, int]:
    c = signed.checkpoint
    return c.device, c.epoch, c.index


def reason_of_accept(claim: Claim | bytes, state: AcceptState, now_ms: int = NOW_MS) -> Reason:
    """Why ``accept`` refuses."""
    data = claim if isinstance(claim, bytes) else claim.encode()
    with pytest.raises(Rejected) as caught:
        accept(data, state, now_ms)
    return caught.value.reason


def reason_offline(claim: Claim | bytes, contract: SignedContract) -> Reason:
    """Why the check without a head refuses."""
    data = claim if isinstance(claim, bytes) else claim.encode()
    with pytest.raises(Rejected) as caught:
        check_claim(decode_claim(data), contract)
    return caught.value.reason


def require_refused(
    reason: Reason, claim: Claim | bytes, world: World, contract: SignedContract | None = None
) -> None:
    """Both the check without a head and ``accept`` refuse with exactly this reason."""
    contract = contract or world.contract
    assert reason_offline(claim, contract) is reason
    assert reason_of_accept(claim, fresh(world, contract=contract)) is reason

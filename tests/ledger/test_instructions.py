"""What the supplier decides by hand, and how much of what it refuses is kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from circuits.errors import BadInput, InputReason, Reason
from tests.ledger.stores import funded, open_ledger, refusal
from tests.support import (
    NOW_MS,
    RICH,
    SUPPLIER,
    World,
    after,
    contract_text,
    make_claim,
    signed,
)
from verifier.ledger import InstructionKind, Ledger
from verifier.ledger.audit import PRUNE_EVERY
from verifier.ledger.replay import check_receipts


def test_revoked_device_and_closed_contract(world: World, tmp_path: Path) -> None:
    with funded(world, tmp_path) as ledger:
        ledger.revoke_device(world.first.first.device, world.first.last.end_ms, "somebody")
        ledger.apply(world.first.encode())
        assert refusal(ledger, world.second.encode()) is Reason.DEVICE_REVOKED
        assert ledger.close_contract(world.terms.digest, "somebody")
        assert not ledger.close_contract(world.terms.digest, "somebody else")
        assert refusal(ledger, world.second.encode()) is Reason.CONTRACT_INACTIVE
    with open_ledger(tmp_path) as ledger:  # durable, with author and time
        revoked, closed = ledger.instructions()
        assert (revoked.kind, revoked.author) == (InstructionKind.REVOKE, "somebody")
        assert (revoked.time_ms, revoked.moment_ms) == (NOW_MS, world.first.last.end_ms)
        assert (closed.kind, closed.terms_digest) == (InstructionKind.CLOSE, world.terms.digest)


def test_the_last_revocation_counts(world: World, tmp_path: Path) -> None:
    with funded(world, tmp_path) as ledger:
        device = world.first.first.device
        ledger.revoke_device(device, 0, "a slip")
        assert refusal(ledger, world.first.encode()) is Reason.DEVICE_REVOKED
        ledger.revoke_device(device, world.first.last.end_ms, "corrected")
        ledger.apply(world.first.encode())


def test_decisions_about_nothing_here(world: World, tmp_path: Path) -> None:
    with funded(world, tmp_path) as ledger:
        wrong: list[Callable[[], object]] = [
            lambda: ledger.revoke_device(bytes(32), 0, "somebody"),
            lambda: ledger.close_contract(bytes(32), "somebody"),
            lambda: ledger.waive(bytes(32), Reason.CLAIM_LATE, NOW_MS, "somebody"),
            lambda: ledger.waive(world.terms.digest, Reason.EQUIVOCATION, NOW_MS, "somebody"),
            lambda: ledger.close_contract(world.terms.digest, ""),
            lambda: ledger.close_contract(world.terms.digest, "two\nlines"),
        ]
        for decide_wrongly in wrong:
            with pytest.raises(BadInput) as caught:
                decide_wrongly()
            assert caught.value.reason is InputReason.USAGE
        assert ledger.instructions() == []


def test_a_late_claim_is_waived_and_replays(world: World, tmp_path: Path) -> None:
    terms = replace(world.terms, claim_deadline_seconds=3600)
    text_late = contract_text().replace("= 120", "= 120\nclaim_deadline_seconds = 3600")
    contract = signed(terms, text_late)
    claim = make_claim(terms, world.epoch, 0, 1)
    digest = terms.digest
    with open_ledger(tmp_path) as ledger:
        ledger.register(contract)
        ledger.deposit(digest, RICH, "opening deposit")
        assert refusal(ledger, claim.encode()) is Reason.CLAIM_LATE
        ledger.waive(digest, Reason.DEVICE_FLAGS, NOW_MS, "somebody")
        assert refusal(ledger, claim.encode()) is Reason.CLAIM_LATE
        ledger.waive(digest, Reason.CLAIM_LATE, NOW_MS, "somebody")
        receipt = ledger.apply(claim.encode()).receipt
        ledger.waive(digest, Reason.CLAIM_LATE, 0, "no more")
        later = make_claim(terms, world.epoch, 2, 2, after(claim))
        assert refusal(ledger, later.encode()) is Reason.CLAIM_LATE
        check_receipts(ledger, contract, [receipt])


def test_a_replay_does_not_depend_on_the_clocks_tolerance(world: World, tmp_path: Path) -> None:
    # accepted by a verifier that tolerates a day, an hour before the windows end
    early = world.first.last.end_ms - 3_600_000
    with Ledger.open(
        tmp_path, SUPPLIER, create=True, clock=lambda: early, clock_skew_ms=86_400_000
    ) as ledger:
        ledger.register(world.contract)
        ledger.deposit(world.terms.digest, RICH, "opening deposit")
        ledger.apply(world.first.encode())
    with open_ledger(tmp_path) as ledger:
        check_receipts(ledger, world.contract, ledger.receipts(world.terms.digest))


# --- the audit log


def test_nonsense_cannot_fill_the_disk(world: World, tmp_path: Path) -> None:
    with funded(world, tmp_path) as ledger:
        ledger.apply(world.first.encode())
    with Ledger.open(tmp_path, SUPPLIER, clock=lambda: NOW_MS, audit_rows=20) as ledger:
        for _ in range(3):  # a contradiction is kept, once however often it is repeated
            assert refusal(ledger, world.wider.encode()) is Reason.EQUIVOCATION
        assert refusal(ledger, world.third.encode()) is Reason.EPOCH_LINK
        for number in range(2 * PRUNE_EVERY):
            assert refusal(ledger, bytes([number % 256])) is Reason.CLAIM_MALFORMED
        kept = Counter(line.reason for line in ledger.refusals())
        assert kept["EQUIVOCATION"] == 1
        assert kept["EPOCH_LINK"] == 1
        assert 20 <= kept["CLAIM_MALFORMED"] < 20 + PRUNE_EVERY

"""Carried state in the ledger: the head is what the last receipt carried out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from circuits.errors import BadInput, InputReason, Reason
from circuits.state import initial_opening
from tests.ledger.stores import funded, open_ledger, refusal
from tests.support import SUPPLIER, World, carrying_world, make_claim
from verifier.commitments import encode_commitment
from verifier.ledger import Ledger, rows
from verifier.ledger.replay import check_receipts
from verifier.receipt import check_chain, decode_receipt
from verifier.signatures import public_key


@pytest.fixture(scope="module")
def carrying() -> World:
    return carrying_world()


def head_state(ledger: Ledger, carrying: World) -> tuple[int, ...] | None:
    with ledger._database.reading() as session:
        head = rows.read_head(session, carrying.terms.digest)
    assert head is not None
    return head.state


def test_claims_that_carry_state_are_paid_and_replayed(carrying: World, tmp_path: Path) -> None:
    claims = [carrying.first, carrying.second, carrying.third]
    with funded(carrying, tmp_path) as ledger:
        for claim in claims:
            receipt = ledger.apply(claim.encode()).receipt
            assert claim.state is not None
            assert receipt.state == encode_commitment(claim.state.after)
            assert decode_receipt(receipt.encode()) == receipt
            assert head_state(ledger, carrying) == claim.state.after
    with open_ledger(tmp_path) as ledger:
        receipts = ledger.receipts(carrying.terms.digest)
        check_chain(receipts, public_key(SUPPLIER))
        check_receipts(ledger, carrying.contract, receipts)
        assert ledger.apply(carrying.second.encode()).duplicate


@pytest.mark.reason(Reason.STATE_MISMATCH)
def test_counting_anew_is_refused_and_logged(carrying: World, tmp_path: Path) -> None:
    before = replace(carrying.before_second, state=initial_opening())
    anew = make_claim(carrying.terms, carrying.epoch, 2, 4, before)
    with funded(carrying, tmp_path) as ledger:
        ledger.apply(carrying.first.encode())
        assert refusal(ledger, anew.encode()) is Reason.STATE_MISMATCH
        assert [r.reason for r in ledger.refusals()] == ["STATE_MISMATCH"]
        assert not ledger.apply(carrying.second.encode()).duplicate


def test_a_receipt_with_another_state_is_found(carrying: World, tmp_path: Path) -> None:
    with funded(carrying, tmp_path) as ledger:
        first = ledger.apply(carrying.first.encode()).receipt
        other = replace(first, state=bytes(4) + first.state[4:]).signed(SUPPLIER)
        with pytest.raises(BadInput) as caught:
            check_receipts(ledger, carrying.contract, [other])
        assert caught.value.reason is InputReason.STORE_CORRUPT
        with ledger._database.writing() as session:
            session.execute(text("DROP TRIGGER receipts_no_update"))
            session.execute(text("UPDATE receipts SET encoded = :e"), {"e": other.encode()})
        with pytest.raises(BadInput) as caught:
            ledger.apply(carrying.second.encode())
        assert caught.value.reason is InputReason.STORE_CORRUPT


def test_a_state_that_is_no_commitment_is_no_receipt(carrying: World, tmp_path: Path) -> None:
    with funded(carrying, tmp_path) as ledger:
        first = ledger.apply(carrying.first.encode()).receipt
    wrong = replace(first, state=b"\xff" * 32)
    with pytest.raises(BadInput) as caught:
        decode_receipt(wrong.encode())
    assert caught.value.reason is InputReason.RECEIPT
